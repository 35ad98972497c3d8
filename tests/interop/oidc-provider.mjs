// oidc-provider, as the tests want it: clients, resources and keys of our choosing, a user who always agrees, and
// faults on demand.
//
// Says `{"issuer": ".."}` once it listens, then answers one line of JSON for each that it reads:
//
//   {"do": "rotate", "retire": false}   signs with new keys; the earlier ones stay published, or not
//   {"do": "keys", "answer": "set"}     how the key set answers from now on: "set", "busy" (503), "closed" (no answer)
//   {"do": "clock", "seconds": -3600}   issues by a clock that is off by this
//   {"do": "certificates", "certificate": PEM, "key": PEM, "clients": PEM, "registered": PEM}
//                                       listens for certificates, too, by this one of its own: of clients that this authority
//                                       vouches for, and this very one of another
//
// Each answer is `{"fetches": n}`: how often the key set was asked for so far. Ends when its input does.
import { X509Certificate, generateKeyPairSync, randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { createInterface } from 'node:readline';
import { Provider } from 'oidc-provider';

// What it notes, its log, is no answer of ours.
console.info = console.error;

const CIBA = 'urn:openid:params:grant-type:ciba';

// Where the servers that take this one's ID tokens look for its keys without asking.
const KEY_SET = '/.well-known/jwks.json';

// The algorithm of a resource's tokens is the first part of its host name: https://rs256.orders.test. Those of
// https://opaque.orders.test are opaque.
const ALGORITHMS = ['ES256', 'RS256', 'PS256', 'EdDSA', 'ES384'];
const algorithmOf = (resource) => {
  const [named] = new URL(resource).hostname.split('.');
  return ALGORITHMS.find((algorithm) => algorithm.toLowerCase() === named);
};

const KINDS = {
  ES256: ['ec', { namedCurve: 'P-256' }],
  ES384: ['ec', { namedCurve: 'P-384' }],
  RS256: ['rsa', { modulusLength: 2048 }],
  PS256: ['rsa', { modulusLength: 2048 }],
  EdDSA: ['ed25519', {}],
};

const generate = () => ALGORITHMS.map((alg) => {
  const { privateKey } = generateKeyPairSync(...KINDS[alg]);
  return { ...privateKey.export({ format: 'jwk' }), alg, use: 'sig', kid: `${alg}-${randomUUID()}` };
});

// The certificate of the connection, if it has one.
const certificateOf = (context) => context.socket.getPeerX509Certificate?.();

// What clients with certificates need: none of it is there before one is ordered.
const certificates = ({ registered }, port) => {
  const own = new X509Certificate(registered);
  const client = {
    grant_types: ['client_credentials'],
    response_types: [],
    redirect_uris: [],
    scope: 'orders:read orders:write',
    tls_client_certificate_bound_access_tokens: true,
  };
  return {
    clients: [{
      ...client,
      client_id: 'storefront',
      token_endpoint_auth_method: 'tls_client_auth',
      tls_client_auth_san_uri: 'spiffe://example.org/storefront',
    }, {
      ...client,
      client_id: 'kiosk',
      token_endpoint_auth_method: 'self_signed_tls_client_auth',
      jwks: { keys: [{ ...own.publicKey.export({ format: 'jwk' }), x5c: [own.raw.toString('base64')] }] },
    }],
    clientAuthMethods: ['client_secret_basic', 'client_secret_post', 'tls_client_auth', 'self_signed_tls_client_auth'],
    discovery: { mtls_endpoint_aliases: { token_endpoint: `https://127.0.0.1:${port}/token` } },
    features: {
      mTLS: {
        enabled: true,
        certificateBoundAccessTokens: true,
        selfSignedTlsClientAuth: true,
        tlsClientAuth: true,
        getCertificate: certificateOf,
        certificateAuthorized: (context) => context.socket.authorized === true,
        certificateSubjectMatches: (context, property, expected) => property === 'tls_client_auth_san_uri'
          && certificateOf(context).subjectAltName === `URI:${expected}`,
      },
    },
  };
};

const configuration = (keys, more) => ({
  ...more,
  jwks: { keys },
  routes: { jwks: KEY_SET },
  clients: [{
    client_id: 'gateway',
    client_secret: 'the secret of the gateway',
    token_endpoint_auth_method: 'client_secret_post',
    grant_types: ['client_credentials', CIBA],
    response_types: [],
    redirect_uris: [],
    scope: 'openid orders:read orders:write',
    id_token_signed_response_alg: 'ES256',
    backchannel_token_delivery_mode: 'poll',
  }, {
    // A resource server: it asks what tokens are, and has none of its own.
    client_id: 'orders',
    client_secret: 'the secret of orders',
    grant_types: [],
    response_types: [],
    redirect_uris: [],
    introspection_signed_response_alg: 'ES256',
  }, ...(more?.clients ?? [])],
  clientDefaults: { id_token_signed_response_alg: 'ES256' },
  scopes: ['openid', 'orders:read', 'orders:write'],
  // Carol's ID tokens say all that an access token has to say.
  claims: { openid: ['sub', 'client_id', 'jti'] },
  findAccount: (_, accountId) => ({
    accountId,
    claims: () => (accountId === 'carol' ? { sub: 'carol', client_id: 'gateway', jti: randomUUID() } : { sub: accountId }),
  }),
  // Its answers about a client's own token have no subject but this; its JWTs have the same one anyway.
  extraTokenClaims: (_, token) => (token.kind === 'ClientCredentials' ? { sub: token.clientId } : undefined),
  features: {
    ...more?.features,
    devInteractions: { enabled: false },
    userinfo: { enabled: false },
    clientCredentials: { enabled: true },
    introspection: { enabled: true },
    jwtIntrospection: { enabled: true },
    revocation: { enabled: true },
    resourceIndicators: {
      enabled: true,
      getResourceServerInfo: (_, resource) => ({
        scope: 'orders:read orders:write',
        audience: resource,
        accessTokenTTL: 900,
        ...(algorithmOf(resource)
          ? { accessTokenFormat: 'jwt', jwt: { sign: { alg: algorithmOf(resource) } } }
          : { accessTokenFormat: 'opaque' }),
      }),
    },
    // A user signs in on another device, and agrees at once.
    ciba: {
      enabled: true,
      deliveryModes: ['poll'],
      processLoginHint: (_, hint) => hint,
      verifyUserCode: () => {},
      validateRequestContext: () => {},
      async triggerAuthenticationDevice(context, request, account, client) {
        const { provider } = context.oidc;
        const grant = new provider.Grant({ accountId: account.accountId, clientId: client.clientId });
        grant.addOIDCScope('openid');
        for (const resource of [request.resource].flat()) {
          grant.addResourceScope(resource, 'orders:read orders:write');
        }
        await grant.save();
        await provider.backchannelResult(request, grant);
      },
    },
  },
});

let keys = generate();
let more;
let keySet = 'set';
let fetches = 0;
let serve;

const server = createServer((request, response) => {
  if (request.url === KEY_SET) {
    fetches += 1;
    if (keySet === 'busy') {
      response.writeHead(503).end();
      return;
    }
    if (keySet === 'closed') {
      request.socket.destroy();
      return;
    }
  }
  serve(request, response);
});

// A connection that is closed while a request is on its way would be an outage that no test ordered.
server.keepAliveTimeout = 0;

server.listen(0, '127.0.0.1', () => {
  const issuer = `http://127.0.0.1:${server.address().port}`;
  const rebuild = () => { serve = new Provider(issuer, configuration(keys, more)).callback(); };
  const now = Date.now;
  const tell = (message) => process.stdout.write(`${JSON.stringify(message)}\n`);

  rebuild();
  tell({ issuer });
  createInterface({ input: process.stdin }).on('line', (line) => {
    const order = JSON.parse(line);
    switch (order.do) {
      case 'rotate':
        keys = order.retire ? generate() : [...generate(), ...keys];
        rebuild();
        break;
      case 'keys':
        keySet = order.answer;
        break;
      case 'clock':
        Date.now = () => now() + order.seconds * 1000;
        break;
      case 'certificates': {
        const { certificate: cert, key, clients: ca } = order;
        // Whether a certificate is vouched for is asked of those clients alone that say so.
        const options = { cert, key, ca, requestCert: true, rejectUnauthorized: false };
        const door = createTlsServer(options, (request, response) => serve(request, response));
        door.listen(0, '127.0.0.1', () => {
          more = certificates(order, door.address().port);
          rebuild();
          tell({ fetches });
        });
        return;
      }
      default:
        throw new Error(`no order: ${line}`);
    }
    tell({ fetches });
  }).on('close', () => process.exit());
});
