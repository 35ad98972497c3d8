//! What a server that refuses an exchange demands of the user's sign-in.

use std::time::Duration;

use serde_json::Value;
use tower_identity_core::DemandedClaims;
use tower_identity_jose::json;

use super::seconds;

/// The most classes that are passed on.
const MAX_CLASSES: usize = 8;

/// The longest class that is passed on, in bytes.
const MAX_CLASS_BYTES: usize = 256;

/// How the user is to sign in.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Demand {
    /// Any of these will do. Their order means preference.
    pub(super) acr_values: Vec<String>,
    pub(super) max_age: Option<Duration>,
    /// The claims as they came, where they are an object that a challenge can hold.
    pub(super) claims: Option<DemandedClaims>,
}

impl Demand {
    /// By the members that RFC 9470 §3 names for a challenge, and by the claims that a token has to have in the form of
    /// OpenID Connect Core §5.5, which Entra sends as a string: `acr` of an ID token, and its own `acrs` of an access
    /// token. What cannot be read demands nothing in particular; that the user has to sign in again stands in the code.
    pub(super) fn read(acr_values: Option<&Value>, max_age: Option<&Value>, claims: Option<&Value>) -> Self {
        let parsed;
        let (claims, worded) = match claims {
            Some(Value::String(text)) => {
                parsed = json::from_slice::<Value>(text.as_bytes()).unwrap_or_default();
                (&parsed, DemandedClaims::parse(text).filter(|_| parsed.is_object()))
            }
            Some(claims) => (claims, DemandedClaims::parse(&claims.to_string())),
            None => (&Value::Null, None),
        };
        let listed = acr_values.and_then(Value::as_str).unwrap_or_default().split(' ');
        let claimed = [["id_token", "acr"], ["access_token", "acrs"], ["access_token", "acr"]]
            .into_iter()
            .flat_map(|[token, claim]| demanded(&claims[token][claim]));
        let mut found = Vec::new();
        for class in listed.chain(claimed).filter(|class| is_quotable(class)) {
            if found.len() < MAX_CLASSES && found.iter().all(|known| known != class) {
                found.push(class.to_owned());
            }
        }
        Self { acr_values: found, max_age: max_age.and_then(seconds), claims: worded }
    }
}

/// The one value of a claim, or those of which any will do.
fn demanded(claim: &Value) -> impl Iterator<Item = &str> {
    let several = claim["values"].as_array().into_iter().flatten();
    [&claim["value"]].into_iter().chain(several).filter_map(Value::as_str)
}

/// A class is what a scope is: a word that a challenge can quote.
fn is_quotable(word: &str) -> bool {
    (1..=MAX_CLASS_BYTES).contains(&word.len()) && word.bytes().all(|b| matches!(b, 0x21 | 0x23..=0x5b | 0x5d..=0x7e))
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use tower_identity_core::MAX_DEMANDED_CLAIMS_BYTES;

    use super::*;

    #[test]
    fn out_b7_what_is_demanded_is_read_in_each_form_that_was_seen() {
        let acrs = r#"{"access_token":{"acrs":{"essential":true,"value":"c1"}}}"#;
        let polids =
            r#"{"access_token":{"polids":{"essential":true,"values":["9ab03e19-ed42-4168-b6b7-7001fb3e933a"]}}}"#;
        let cases = [
            (json!({}), vec![], None),
            (json!({"acr_values": "gold silver", "max_age": 60}), vec!["gold", "silver"], Some(60)),
            (json!({"acr_values": "gold gold", "max_age": "60"}), vec!["gold"], Some(60)),
            (json!({"acr_values": null, "max_age": null, "claims": null}), vec![], None),
            (json!({"claims": acrs}), vec!["c1"], None),
            (json!({"claims": serde_json::from_str::<Value>(acrs).expect("JSON")}), vec!["c1"], None),
            (json!({"claims": polids}), vec![], None),
            (json!({"claims": {"id_token": {"acr": {"values": ["a", 7, "b"]}}}}), vec!["a", "b"], None),
            (json!({"claims": "{\"id_token\":", "acr_values": "gold"}), vec!["gold"], None),
            (json!({"claims": "[]"}), vec![], None),
            (json!({"acr_values": ["gold"], "max_age": -1}), vec![], None),
            (json!({"acr_values": "a\"b a\\b ä gold"}), vec!["gold"], None),
            (json!({"claims": {"id_token": {"acr": {"value": "a b"}}}}), vec![], None),
        ];
        for (body, classes, seconds) in cases {
            let demand = Demand::read(body.get("acr_values"), body.get("max_age"), body.get("claims"));
            let expected: Vec<_> = classes.into_iter().map(str::to_owned).collect();
            let found = (demand.acr_values, demand.max_age);
            assert_eq!(found, (expected, seconds.map(Duration::from_secs)), "{body}");
        }
    }

    #[test]
    fn obo_b3_claims_are_passed_on_as_they_came_if_a_challenge_can_hold_them() {
        let acrs = r#"{"access_token":{"acrs":{"essential":true,"value":"c1"}}}"#;
        let long = |length: usize| format!("{{\"a\":\"{}\"}}", "x".repeat(length - 8));
        let cases = [
            (json!(acrs), Some(acrs.to_owned())),
            (serde_json::from_str(acrs).expect("JSON"), Some(acrs.to_owned())),
            (json!(long(MAX_DEMANDED_CLAIMS_BYTES)), Some(long(MAX_DEMANDED_CLAIMS_BYTES))),
            (json!(long(MAX_DEMANDED_CLAIMS_BYTES + 1)), None),
            (json!("{\"access_token\":"), None),
            (json!("{\"a\":1,\"a\":2}"), None),
            (json!("c1\r\nset-cookie: a=b"), None),
            (json!("[]"), None),
            (json!(["c1"]), None),
            (json!(7), None),
        ];
        for (claims, expected) in cases {
            let found = Demand::read(None, None, Some(&claims)).claims;
            assert_eq!(found.as_ref().map(DemandedClaims::as_str), expected.as_deref(), "{claims}");
        }
        assert_eq!(Demand::read(None, None, None), Demand::default());
    }

    #[test]
    fn out_b7_no_more_is_passed_on_than_a_challenge_holds() {
        let many: Vec<_> = (0..20).map(|number| number.to_string()).collect();
        let demand = Demand::read(Some(&json!(many.join(" "))), None, None);
        assert_eq!(demand.acr_values, many[..MAX_CLASSES]);
        for (length, passed) in [(MAX_CLASS_BYTES, 1), (MAX_CLASS_BYTES + 1, 0)] {
            let demand = Demand::read(Some(&json!("a".repeat(length))), None, None);
            assert_eq!(demand.acr_values.len(), passed, "{length}");
        }
    }
}
