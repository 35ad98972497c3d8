//! How large a credential may be.

use std::fmt::Write;

use serde_json::{Map, Value};
use tower_identity_core::{Refusal, SecretToken};
use tower_identity_jose::{Limits, ParseError, Unverified};

use super::refuse;

/// The longest value of a header that carries a credential, in bytes, where a target's row says nothing else: what
/// nearly every server reads of one header.
pub const MAX_CREDENTIAL_BYTES: usize = 8192;

/// How many claims are named.
const NAMED: usize = 3;

/// How much of a claim's name is shown, in characters.
const SHOWN: usize = 64;

/// A credential over the limit is refused here: the target would answer 431, or hang up.
pub(super) fn check(bytes: usize, limit: usize, token: &SecretToken) -> Result<(), Refusal> {
    if bytes <= limit {
        return Ok(());
    }
    let mut detail = format!("the credential has {bytes} bytes, more than max_credential_bytes, {limit}");
    let heaviest = heaviest(token).unwrap_or_default();
    for (at, (name, bytes)) in heaviest.iter().enumerate() {
        let before = if at == 0 { "; its heaviest claims are" } else { "," };
        let name: String = name.chars().take(SHOWN).collect();
        // Names and sizes: a value may be a person's, or a secret.
        write!(detail, "{before} {name:?} ({bytes} bytes)").expect("a string takes everything");
    }
    Err(refuse("credential_bytes", detail))
}

/// The claims that take most of a token which has the form of a JWT, by their sizes as JSON, largest first.
fn heaviest(token: &SecretToken) -> Option<Vec<(String, usize)>> {
    let token = read(token).ok()?;
    let size = |(name, value): (&String, &Value)| (name.clone(), value.to_string().len());
    let mut sizes: Vec<_> = token.claims_unverified().iter().map(size).collect();
    sizes.sort_by(|(name, size), (other, others)| others.cmp(size).then_with(|| name.cmp(other)));
    sizes.truncate(NAMED);
    Some(sizes)
}

/// The claims of a token, which nobody has vouched for.
pub(crate) fn read(token: &SecretToken) -> Result<Unverified<Map<String, Value>>, ParseError> {
    let longest = *Limits::TOKEN_BYTES.end();
    let limits = Limits::default().with_token_bytes(longest).expect("the end of the range is in it");
    Unverified::parse(token.expose(), &limits)
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use tower_identity_jose::{Algorithm, MediaType, SigningKey};

    use super::*;

    fn refused(token: &SecretToken, limit: usize) -> (&'static str, String) {
        let bytes = "Bearer ".len() + token.expose().len();
        let refusal = check(bytes, limit, token).expect_err("too large");
        (refusal.check(), refusal.explanation().expect("a detail").to_owned())
    }

    fn signed(claims: &Value) -> SecretToken {
        let key = SigningKey::generate(Algorithm::Es256).expect("key");
        key.sign(&MediaType::ACCESS_TOKEN, claims).expect("signed")
    }

    #[test]
    fn a_credential_of_the_limit_is_sent_and_one_byte_more_is_not() {
        let token = SecretToken::new("a".repeat(93));
        assert!(check(100, 100, &token).is_ok());
        let detail = "the credential has 100 bytes, more than max_credential_bytes, 99";
        assert_eq!(refused(&token, 99), ("credential_bytes", detail.to_owned()));
    }

    #[test]
    fn the_heaviest_claims_are_named_and_none_is_shown() {
        let roles: Vec<_> = (0..100).map(|number| format!("s3cret-role-{number}")).collect();
        let token = signed(&json!({
            "sub": "s3cret-alice", "roles": roles, "groups": ["s3cret-staff"], "address": "s3cret".repeat(20),
        }));
        let (check, detail) = refused(&token, 1000);
        assert_eq!(check, "credential_bytes");
        let expected = "more than max_credential_bytes, 1000; its heaviest claims are \"roles\" (1691 bytes), \
                        \"address\" (122 bytes), \"groups\" (16 bytes)";
        assert!(detail.ends_with(expected), "{detail}");
        assert!(!detail.contains("s3cret"), "{detail}");
    }

    #[test]
    fn a_name_that_is_long_is_cut_and_one_that_breaks_lines_is_escaped() {
        let (_, detail) = refused(&signed(&json!({"a\nb": "x".repeat(9), "y".repeat(99): 1})), 10);
        assert!(detail.ends_with(&format!("\"a\\nb\" (11 bytes), \"{}\" (1 bytes)", "y".repeat(64))), "{detail}");
    }

    #[test]
    fn what_is_no_jwt_has_no_claims_to_name() {
        for token in ["opaque".repeat(99), "e30.e30.AA".to_owned() + &"A".repeat(99), "a.b.c.d.e".repeat(9)] {
            let (_, detail) = refused(&SecretToken::new(token), 10);
            assert!(detail.ends_with("max_credential_bytes, 10"), "{detail}");
        }
    }
}
