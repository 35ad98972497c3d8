//! Published examples, and tokens that another implementation signed.

use serde_json::{Value, json};
use tower_identity_jose::{Accept, Algorithm, KeySet, Limits, OpenError, Opened, Unopened, Unverified, VerifyingKey};

use crate::{access_tokens, alice, decode, open, refused, with_signature};

/// One token of each algorithm, and the public key that signed it.
pub(crate) fn examples() -> Vec<Value> {
    serde_json::from_str(include_str!("fixtures/tokens.json")).expect("json")
}

/// The claims of RFC 7515 appendix A, whose JSON has line breaks in it.
const A_PAYLOAD: &str =
    "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";

fn opens(token: &str, jwk: &Value, algorithm: Algorithm) -> Result<Value, OpenError> {
    let keys = KeySet::from_keys([VerifyingKey::from_jwk(jwk).expect("a key")]).expect("one key");
    let unverified = Unverified::<Value>::parse(token, &Limits::default()).expect("a token");
    let opened = unverified.open(&keys, &Accept::new([], [algorithm]).or_untyped());
    opened.map(Opened::into_claims).map_err(Unopened::into_error)
}

/// The example opens, and does not once a bit of its signature is flipped.
fn check_example(header: &str, signature: &str, jwk: &Value, algorithm: Algorithm) {
    let token = format!("{header}.{A_PAYLOAD}.{signature}");
    let claims = json!({"iss": "joe", "exp": 1_300_819_380, "http://example.com/is_root": true});
    assert_eq!(opens(&token, jwk, algorithm), Ok(claims));
    let mut flipped = decode(signature);
    flipped[7] ^= 1;
    assert_eq!(opens(&with_signature(&token, &flipped), jwk, algorithm), Err(OpenError::UnknownKey { key_id: None }));
}

#[test]
fn rfc7515_a2_rs256() {
    let jwk = json!({"kty": "RSA", "e": "AQAB", "n": "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ"});
    let signature = "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw";
    check_example("eyJhbGciOiJSUzI1NiJ9", signature, &jwk, Algorithm::Rs256);
}

#[test]
fn rfc7515_a3_es256() {
    let jwk = json!({
        "kty": "EC", "crv": "P-256",
        "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
        "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
    });
    let signature = "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";
    check_example("eyJhbGciOiJFUzI1NiJ9", signature, &jwk, Algorithm::Es256);
}

#[test]
fn rfc7638_and_its_successors_thumbprints() {
    let rsa = json!({"kty": "RSA", "e": "AQAB", "alg": "RS256", "kid": "2011-04-29", "n": "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw"});
    // RFC 9449 §6.1.
    let ec = json!({
        "kty": "EC", "crv": "P-256",
        "x": "l8tFrhx-34tV3hRICRDY9zCkDlpBhF42UQUfWVAWBFs",
        "y": "9VE4jf_Ok_o64zbTTlcuNJajHmt6v9TDVrU0CdvGRDA",
    });
    // RFC 8037 appendix A.3.
    let ed = json!({"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"});
    let cases = [
        (rsa, "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"),
        (ec, "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"),
        (ed, "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"),
    ];
    for (jwk, expected) in cases {
        assert_eq!(VerifyingKey::from_jwk(&jwk).expect("a key").thumbprint().to_string(), expected);
    }
}

#[test]
fn tokens_of_another_implementation_open_in_every_algorithm() {
    let examples = examples();
    let mut seen: Vec<Algorithm> = Vec::new();
    for example in &examples {
        let text = |name: &str| example[name].as_str().expect("text");
        seen.push(text("alg").parse().expect("an algorithm"));
        let keys = KeySet::from_keys([VerifyingKey::from_jwk(&example["jwk"]).expect("a key")]).expect("one key");
        assert_eq!(open(text("token"), &keys, &access_tokens()), alice(), "{}", text("alg"));
        let mut flipped = decode(text("token").rsplit('.').next().expect("a part"));
        flipped[9] ^= 1;
        let forged = with_signature(text("token"), &flipped);
        assert_eq!(open(&forged, &keys, &access_tokens()), refused(OpenError::Signature), "{}", text("alg"));
    }
    assert_eq!(seen, Algorithm::ALL);
}
