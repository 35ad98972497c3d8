"""Other people's verifiers of access tokens: PyJWT, joserfc, and Authlib's validator of RFC 9068.

Says `{}` once it is ready, then answers each line `{"issuer", "audience", "token"}` with what each verifier makes of
the token: its claims, or the name of the error. Everything but the issuer's identifier is discovered. Ends when its
input does.
"""

import json
import sys
import urllib.request

import jwt
import joserfc.jwt
from authlib.oauth2.base import OAuth2Error
from authlib.oauth2.rfc9068 import JWTBearerTokenValidator
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

ALGORITHMS = ["ES256", "RS256", "PS256"]


def fetch(url):
    with urllib.request.urlopen(url, timeout=10) as response:
        return json.load(response)


def pyjwt(keys_at, issuer, audience, token):
    key = jwt.PyJWKClient(keys_at).get_signing_key_from_jwt(token)
    required = ["iss", "aud", "exp", "iat", "jti", "sub", "client_id"]
    return jwt.decode(token, key, ALGORITHMS, {"require": required}, issuer=issuer, audience=audience)


def joserfc_jwt(keys_at, issuer, audience, token):
    opened = joserfc.jwt.decode(token, KeySet.import_key_set(fetch(keys_at)), algorithms=ALGORITHMS)
    joserfc.jwt.JWTClaimsRegistry(
        iss={"essential": True, "value": issuer},
        aud={"essential": True, "value": audience},
        exp={"essential": True},
    ).validate(opened.claims)
    return opened.claims


def authlib(keys_at, issuer, audience, token):
    class Validator(JWTBearerTokenValidator):
        def get_jwks(self):
            return fetch(keys_at)

    validator = Validator(issuer, audience)
    claims = validator.authenticate_token(token)
    validator.validate_token(claims, scopes=[], request=None)
    return dict(claims)


def judge(verifier, *question):
    try:
        return verifier(*question)
    except (jwt.PyJWTError, JoseError, OAuth2Error) as error:
        return type(error).__name__


print("{}", flush=True)
for line in sys.stdin:
    question = json.loads(line)
    issuer = question["issuer"]
    keys_at = fetch(issuer + "/.well-known/oauth-authorization-server")["jwks_uri"]
    asked = (keys_at, issuer, question["audience"], question["token"])
    verifiers = {"PyJWT": pyjwt, "joserfc": joserfc_jwt, "Authlib": authlib}
    print(json.dumps({name: judge(verifier, *asked) for name, verifier in verifiers.items()}), flush=True)
