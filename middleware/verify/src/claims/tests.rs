use serde_json::json;
use tower_identity_jose::json as strict;

use super::*;

/// Every claim that is read, by its name in a payload.
const READ: [&str; 49] = [
    "iss",
    "sub",
    "aud",
    "exp",
    "nbf",
    "iat",
    "jti",
    "uti",
    "cnf",
    "act",
    "txn",
    "client_id",
    "azp",
    "appid",
    "cid",
    "tid",
    "oid",
    "uid",
    "idtyp",
    "gty",
    "username",
    "preferred_username",
    "unique_name",
    "kubernetes.io",
    "typ",
    "token_use",
    "token_type",
    "ver",
    "nonce",
    "at_hash",
    "c_hash",
    "events",
    "token_introspection",
    "scope",
    "scp",
    "auth_time",
    "acr",
    "amr",
    "sid",
    "name",
    "email",
    "email_verified",
    "groups",
    "cognito:groups",
    "hasgroups",
    "_claim_names",
    "roles",
    "permissions",
    "realm_access",
];

/// What is wrong somewhere inside, for one claim or another.
fn nasty() -> [serde_json::Value; 9] {
    [
        json!(null),
        json!(-7.5),
        json!([[["x", {"sub": "mallory"}]], 7, {"value": 5, "sub": "mallory"}, "end"]),
        json!({"value": {"sub": "mallory"}, "sub": ["mallory"], "act": {"act": {"act": [{"sub": 7}]}}}),
        json!({"roles": [{"value": [1, {"sub": "mallory"}]}, null], "orders": {"roles": 7}}),
        json!({"namespace": {"sub": "mallory"}, "serviceaccount": {"name": ["mallory", {}]}}),
        json!({"iss": [[]], "sub": {"": {"": {}}}, "act": [[[[]]]]}),
        json!(["mallory", null, {"value": null}]),
        json!({}),
    ]
}

/// What one claim or another may well be.
fn usual() -> [serde_json::Value; 8] {
    [
        json!("x"),
        json!(7),
        json!(true),
        json!(["a", "b"]),
        json!({"sub": "a", "iss": "b", "act": {"sub": "c", "act": {}}}),
        json!({"namespace": "n", "serviceaccount": {"name": "s", "uid": "u"}}),
        json!({"roles": ["r"], "groups": "elsewhere"}),
        json!({"orders": {"roles": ["r"]}, "payments": {}}),
    ]
}

/// What plain reading makes of a payload, if anything, what strict reading does, and what becomes of it.
fn readings(text: &str) -> (Option<String>, Result<String, JsonError>, Result<String, JsonError>) {
    let payload = strict::Unread::of(text.as_bytes()).expect("UTF-8");
    let shown = |claims: &Claims<'_>| format!("{claims:?}");
    let plain = payload.plainly(|plain| {
        let mut claims = Claims::default();
        claims.read_plainly(plain).map(|()| shown(&claims))
    });
    let strict = payload.strictly(std::marker::PhantomData::<Claims<'_>>).map(|claims| shown(&claims));
    (plain, strict, read(payload, &mut Claims::default()).map(shown))
}

#[test]
fn jwt_a21_every_claim_is_read_plainly_as_it_is_strictly() {
    for claim in READ.iter().chain(&["resource_access", "unknown"]) {
        let mut plainly = 0;
        for value in usual().iter().chain(&nasty()) {
            let text = format!(r#"{{"sid": "1", "{claim}": {value}, "name":"é"}}"#);
            let (plain, strict, read) = readings(&text);
            assert_eq!(read, strict, "{text}");
            if let Some(plain) = plain {
                assert_eq!(Ok(plain), strict, "{text}");
                plainly += 1;
            }
        }
        assert!(plainly > 0 || ["sid", "name"].contains(claim), "{claim}");
    }
}

proptest::proptest! {
    #[test]
    fn jwt_a20_a21_plain_reading_makes_of_a_payload_what_strict_reading_does(
        members in proptest::collection::vec((0..READ.len() + 2, 0..17_usize), 0..6),
        space in "[ \t]?",
        damage in proptest::option::of((0..80_usize, r#"[{}\[\]",:\\0-9a]"#)),
    ) {
        let values: Vec<_> = usual().into_iter().chain(nasty()).collect();
        let name = |at: usize| READ.get(at).copied().unwrap_or(["resource_access", "unknown"][at % 2]);
        let members: Vec<_> = members
            .into_iter()
            .map(|(claim, value)| format!(r#""{}":{space}{}"#, name(claim), values[value]))
            .collect();
        let mut text = format!("{{{}}}", members.join(","));
        if let Some((at, other)) = damage && at < text.len() {
            text.replace_range(at..=at, &other);
        }
        let (plain, strict, read) = readings(&text);
        proptest::prop_assert_eq!(&read, &strict);
        if let Some(plain) = plain {
            proptest::prop_assert_eq!(Ok(plain), strict);
        }
    }
}

/// What goes wrong within a claim ends there: the next one is read as what it is.
#[test]
fn a_claim_that_is_wrong_inside_is_read_to_its_end() {
    for claim in READ.iter().chain(&["resource_access", "unknown"]).filter(|claim| **claim != "sub") {
        for value in nasty() {
            let text = format!(r#"{{"{claim}": {value}, "sub": "alice"}}"#);
            let claims: Claims<'_> =
                strict::from_slice(text.as_bytes()).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(claims.found(ClaimName::Sub), Found::Text("alice"), "{text}");
        }
    }
}

/// The parser that tokens go through refuses it too; this is what the claims themselves say of it.
#[test]
fn jwt_a20_a_claim_occurs_once_whoever_parses() {
    let read = |text: &str| serde_json::from_str::<Claims<'_>>(text).map(drop).map_err(|error| error.to_string());
    for claim in READ.iter().chain(&["resource_access"]) {
        assert_eq!(read(&format!(r#"{{"{claim}": 7, "other": 7, "other": 7}}"#)), Ok(()), "{claim}");
        let twice = read(&format!(r#"{{"{claim}": 7, "{claim}": 7}}"#)).expect_err(claim);
        assert!(twice.starts_with(&format!("duplicate field `{claim}`")), "{twice}");
    }
}

#[test]
fn what_is_written_with_escapes_is_read_as_what_it_says() {
    let text =
        br#"{"iss": "https:\/\/as.example", "aud": ["\u006frders"], "groups": ["st\u0061ff"], "ver": "\u0031.0"}"#;
    let claims: Claims<'_> = strict::from_slice(text).expect("claims");
    let said = |text: &Text<'_>| text.to_string();
    assert_eq!(claims.iss.as_ref().is().map(said), Some("https://as.example".to_owned()));
    assert_eq!(
        claims.aud.as_ref().is().map(|aud| aud.as_slice().iter().map(said).collect()),
        Some(vec!["orders".to_owned()])
    );
    assert_eq!(claims.groups.as_ref().is().map(|list| said(&list.0[0].value)), Some("staff".to_owned()));
    assert_eq!(claims.found(ClaimName::Ver), Found::Text("1.0"));
}

#[test]
fn a_version_is_text_or_a_whole_number() {
    let ver = |value: &str| {
        let text = format!(r#"{{"ver": {value}}}"#);
        let claims: Claims<'_> = strict::from_slice(text.as_bytes()).expect("claims");
        claims.found(ClaimName::Ver).to_string()
    };
    for (value, expected) in [
        (r#""1.0""#, r#""1.0""#),
        ("1", "1"),
        ("1.5", "something else"),
        ("-1", "something else"),
        ("[1]", "something else"),
    ] {
        assert_eq!(ver(value), expected);
    }
}
