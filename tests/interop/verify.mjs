// Other people's verifiers of access tokens: jose, and oauth4webapi's validator of RFC 9068.
//
// Says `{}` once it is ready, then answers each line `{"issuer", "audience", "token"}` with what each verifier makes of
// the token: its claims, or the code of the error. Everything but the issuer's identifier is discovered. Ends when its
// input does.
import { createInterface } from 'node:readline';
import { createRemoteJWKSet, jwtVerify } from 'jose';
import * as oauth from 'oauth4webapi';

const loopback = { [oauth.allowInsecureRequests]: true };

const discover = async (issuer) => {
  const url = new URL(issuer);
  const response = await oauth.discoveryRequest(url, { algorithm: 'oauth2', ...loopback });
  return oauth.processDiscoveryResponse(url, response);
};

const verifiers = {
  jose: async (server, { audience, token }) => {
    const keys = createRemoteJWKSet(new URL(server.jwks_uri));
    const { payload } = await jwtVerify(token, keys, {
      issuer: server.issuer,
      audience,
      typ: 'at+jwt',
      requiredClaims: ['exp', 'iat', 'jti', 'sub', 'client_id'],
    });
    return payload;
  },
  oauth4webapi: (server, { audience, token }) => {
    const request = new Request('https://resource.test/', { headers: { authorization: `Bearer ${token}` } });
    return oauth.validateJwtAccessToken(server, request, audience, loopback);
  },
};

const judge = (verifier, ...question) => verifier(...question).catch((error) => error.code ?? error.name);

process.stdout.write('{}\n');
for await (const line of createInterface({ input: process.stdin })) {
  const question = JSON.parse(line);
  const server = await discover(question.issuer);
  const answer = {};
  for (const [name, verifier] of Object.entries(verifiers)) {
    answer[name] = await judge(verifier, server, question);
  }
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
