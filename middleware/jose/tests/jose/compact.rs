//! From text to header and claims: jwt_a1 to a3, a20 to a25.

use proptest::prelude::*;
use serde_json::{Value, json};
use tower_identity_jose::{
    KeySet, Limits, ParseError, Part, Unverified,
    json::{self, JsonErrorKind},
};

use crate::{ES, access_tokens, alice, encode, open, parse, set, token, unsigned};

const HEADER: &str = r#"{"alg":"ES256","typ":"at+jwt","kid":"es"}"#;
const PAYLOAD: &str = r#"{"sub":"alice"}"#;

/// What is wrong with a token of this header and payload.
fn json_error(header: impl AsRef<[u8]>, payload: impl AsRef<[u8]>) -> Option<(&'static str, JsonErrorKind)> {
    match parse(&unsigned(header, payload)) {
        Ok(_) => None,
        Err(ParseError::Header(error)) => Some(("header", error.kind().clone())),
        Err(ParseError::Claims(error)) => Some(("claims", error.kind().clone())),
        Err(other) => panic!("not about JSON: {other}"),
    }
}

#[test]
fn jwt_a1_only_three_parts_of_base64url_are_parsed() {
    let good = unsigned(HEADER, PAYLOAD);
    let [header, payload, signature] = good.split('.').collect::<Vec<_>>()[..] else { panic!("three parts") };
    let cases = [
        (String::new(), ParseError::NotCompact),
        ("..".to_owned(), ParseError::NotCompact),
        (header.to_owned(), ParseError::NotCompact),
        (format!("{header}.{payload}"), ParseError::NotCompact),
        (format!("{header}.{payload}."), ParseError::NotCompact),
        (format!(".{payload}.{signature}"), ParseError::NotCompact),
        (format!("{header}..{signature}"), ParseError::NotCompact),
        (format!("{good}."), ParseError::NotCompact),
        (format!("{good}.{signature}"), ParseError::NotCompact),
        (json!({"payload": payload, "protected": header, "signature": signature}).to_string(), ParseError::NotCompact),
        (format!(" {good}"), ParseError::Encoding(Part::Header)),
        (format!("{good}\n"), ParseError::Encoding(Part::Signature)),
        (format!("{header}.{payload}%.{signature}"), ParseError::Encoding(Part::Payload)),
        (format!("{header}.{payload}é.{signature}"), ParseError::Encoding(Part::Payload)),
    ];
    for (token, expected) in cases {
        assert_eq!(parse(&token).map(drop), Err(expected), "{token:?}");
    }
    assert_eq!(parse(&good).map(|token| token.claims_unverified().clone()), Ok(json!({"sub": "alice"})));
}

#[test]
fn jwt_a1_a_token_has_a_longest_length() {
    let good = unsigned(HEADER, PAYLOAD);
    let read = |limit: usize| {
        let limits = Limits::default().with_token_bytes(limit).expect("a limit");
        Unverified::<Value>::parse(&good, &limits).map(drop)
    };
    assert_eq!(read(good.len()), Ok(()));
    assert_eq!(read(good.len() - 1), Err(ParseError::TooLong { limit: good.len() - 1 }));
}

#[test]
fn jwt_a2_every_character_of_a_token_counts() {
    let good = token(&ES, json!({}));
    let keys = set(&[&ES]);
    assert_eq!(open(&good, &keys, &access_tokens()), alice());
    for at in 0..good.len() {
        for other in ["A", "B", "-", "_", "=", "+", "/", " ", "."] {
            let mut changed = good.clone();
            changed.replace_range(at..=at, other);
            if changed != good {
                assert!(open(&changed, &keys, &access_tokens()).is_err(), "{other:?} at {at}");
            }
        }
    }
}

#[test]
fn jwt_a2_padding_and_spare_bits_are_refused() {
    // "eyJ9" and the like end on a whole byte group; a payload of 16 bytes leaves four spare bits.
    let payload = encode(r#"{"sub":"alice" }"#);
    assert!(payload.ends_with('Q'));
    let header = encode(HEADER);
    let with = |payload: &str| parse(&format!("{header}.{payload}.AAAA")).map(drop);
    assert_eq!(with(&payload), Ok(()));
    let spare = payload.strip_suffix('Q').expect("ends with Q");
    for changed in [format!("{payload}=="), format!("{spare}R"), format!("{spare}f")] {
        assert_eq!(with(&changed), Err(ParseError::Encoding(Part::Payload)), "{changed}");
    }
}

#[test]
fn jwt_a3_an_encrypted_token_is_not_a_signed_one() {
    let header = encode(r#"{"alg":"dir","enc":"A128GCM"}"#);
    for encrypted in [format!("{header}..AAAA.AAAA.AAAA"), format!("{header}.AAAA.AAAA.AAAA.AAAA")] {
        assert_eq!(parse(&encrypted).map(drop), Err(ParseError::Encrypted));
    }
    assert_eq!(parse(&unsigned(HEADER, PAYLOAD)).map(drop), Ok(()));
}

#[test]
fn jwt_a4_alg_is_there_and_a_string() {
    let missing = Some(("header", JsonErrorKind::Missing("alg")));
    assert_eq!(json_error(r#"{"typ":"at+jwt"}"#, PAYLOAD), missing);
    for other in ["5", "null", r#"["ES256"]"#, r#"{"name":"ES256"}"#, "true"] {
        let header = format!(r#"{{"alg":{other},"typ":"at+jwt"}}"#);
        let error = json_error(&header, PAYLOAD);
        assert!(matches!(error, Some(("header", JsonErrorKind::WrongType { .. }))), "{header}: {error:?}");
    }
    assert_eq!(json_error(HEADER, PAYLOAD), None);
}

#[test]
fn jwt_a11_registered_members_are_strings_or_absent() {
    for name in ["kid", "typ", "cty"] {
        for other in ["5", "null", "[]", "{}", "false"] {
            let header = format!(r#"{{"alg":"ES256","{name}":{other}}}"#);
            let error = json_error(&header, PAYLOAD);
            assert!(matches!(error, Some(("header", JsonErrorKind::WrongType { .. }))), "{header}: {error:?}");
        }
        assert_eq!(json_error(format!(r#"{{"alg":"ES256","{name}":"5"}}"#), PAYLOAD), None);
    }
}

#[test]
fn jwt_a20_duplicate_names_are_refused_in_header_and_payload() {
    let headers = [
        r#"{"alg":"ES256","alg":"ES256"}"#,
        r#"{"alg":"ES256","\u0061lg":"none"}"#,
        r#"{"alg":"ES256","x":1,"x":2}"#,
        r#"{"alg":"ES256","x":{"y":1,"y":2}}"#,
    ];
    for header in headers {
        assert_eq!(json_error(header, PAYLOAD), Some(("header", JsonErrorKind::DuplicateName)), "{header}");
    }
    let payloads = [
        r#"{"sub":"a","sub":"b"}"#,
        r#"{"sub":"a","\u0073ub":"b"}"#,
        r#"{"sub":"a","act":{"sub":"b","sub":"c"}}"#,
        r#"{"sub":"a","x":[[{"y":1,"y":2}]]}"#,
    ];
    for payload in payloads {
        assert_eq!(json_error(HEADER, payload), Some(("claims", JsonErrorKind::DuplicateName)), "{payload}");
    }
    assert_eq!(json_error(HEADER, r#"{"sub":"a","Sub":"b","act":{"sub":"c"}}"#), None);
}

#[test]
fn jwt_a21_header_and_payload_are_json_objects_of_bounded_depth() {
    for other in ["[]", "\"x\"", "null", "1", "true", " []"] {
        assert_eq!(json_error(other, PAYLOAD), Some(("header", JsonErrorKind::NotAnObject)), "{other}");
        assert_eq!(json_error(HEADER, other), Some(("claims", JsonErrorKind::NotAnObject)), "{other}");
    }
    let utf16: Vec<u8> = PAYLOAD.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let with_mark = format!("\u{feff}{PAYLOAD}");
    let cases: [(&[u8], JsonErrorKind); 3] = [
        (b"{\"sub\":\"\xff\"}", JsonErrorKind::NotUtf8),
        (with_mark.as_bytes(), JsonErrorKind::NotAnObject),
        (b"{\"sub\":\"\xed\xa0\x80\"}", JsonErrorKind::NotUtf8),
    ];
    for (payload, expected) in cases {
        assert_eq!(json_error(HEADER, payload), Some(("claims", expected)), "{payload:?}");
    }
    assert!(matches!(json_error(HEADER, utf16), Some(("claims", JsonErrorKind::Syntax(_)))));

    let nested = |depth: usize| format!(r#"{{"sub":"alice","x":{}{}}}"#, "[".repeat(depth - 1), "]".repeat(depth - 1));
    assert_eq!(json_error(HEADER, nested(16)), None);
    assert_eq!(json_error(HEADER, nested(17)), Some(("claims", JsonErrorKind::TooDeep { limit: 16 })));
    assert_eq!(json_error(HEADER, nested(2500)), Some(("claims", JsonErrorKind::TooDeep { limit: 16 })));
}

#[test]
fn jwt_a21_the_bound_of_depth_is_set() {
    let nested = |depth: usize| format!(r#"{{"alg":"ES256","x":{}{}}}"#, "[".repeat(depth - 1), "]".repeat(depth - 1));
    let read = |header: &str, payload: &str, limit: u8| {
        let limits = Limits::default().with_json_depth(limit).expect("a limit");
        Unverified::<Value>::parse(&unsigned(header, payload), &limits).map(drop)
    };
    let deep = |limit| JsonErrorKind::TooDeep { limit };
    for limit in [2, 16, 64] {
        let depth = usize::from(limit);
        assert_eq!(read(&nested(depth), &nested(depth), limit), Ok(()));
        match read(&nested(depth + 1), &nested(1), limit) {
            Err(ParseError::Header(error)) => assert_eq!(error.kind(), &deep(limit)),
            other => panic!("{other:?}"),
        }
        match read(HEADER, &nested(depth + 1), limit) {
            Err(ParseError::Claims(error)) => assert_eq!(error.kind(), &deep(limit)),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(Limits::default().json_depth(), json::MAX_DEPTH);
}

#[test]
fn an_error_says_which_check_failed_and_why() {
    let error = parse(&unsigned(HEADER, r#"{"sub":"a","sub":"secret"}"#)).expect_err("a duplicate name");
    let source = std::error::Error::source(&error).map(ToString::to_string);
    assert_eq!((error.check(), error.to_string().as_str()), ("claims", "the claims are not acceptable"));
    assert_eq!(source.as_deref(), Some("sub: the member occurs twice"));
}

#[test]
fn a_token_shows_neither_itself_nor_its_claims() {
    let good = token(&ES, json!({}));
    let unverified = parse(&good).expect("a token");
    let shown = format!("{unverified:?}");
    let opened = unverified.open(&set(&[&ES]), &access_tokens()).expect("a good token");
    let shown = shown + &format!("{opened:?}");
    assert_eq!(opened.token().expose(), good);
    for part in good.split('.').chain(["alice"]) {
        assert!(!shown.contains(part), "{shown}");
    }
}

proptest! {
    #[test]
    fn no_text_makes_the_parser_panic(text in any::<String>()) {
        let _ = parse(&text);
    }

    #[test]
    fn no_parts_make_the_parser_panic(parts in "[A-Za-z0-9_-]{0,40}(\\.[A-Za-z0-9_-]{0,40}){0,6}") {
        let _ = parse(&parts);
    }

    #[test]
    fn no_json_makes_the_parser_panic(
        header in "\\{(\"(alg|typ|kid|crit|b64|\\\\u0061lg)\":(\"ES256\"|1|null|\\[\\]|\\{\\}|-0.5e9),?){0,6}\\}?",
        payload in "[\\[\\]{}\",:0-9a-zue\\\\. -]{0,80}",
    ) {
        let _ = parse(&unsigned(header, payload));
    }

    #[test]
    fn no_bytes_make_a_key_set_panic(bytes in any::<Vec<u8>>(), member in "[\\[\\]{}\",:a-z0-9]{0,60}") {
        let _ = KeySet::parse(&bytes);
        let _ = KeySet::parse(format!(r#"{{"keys":[{{"kty":"EC",{member}}}]}}"#).as_bytes());
    }

    #[test]
    fn what_was_written_is_read_back(value in value()) {
        let written = value.to_string();
        prop_assert_eq!(json::from_slice::<Value>(written.as_bytes()), Ok(value));
    }
}

/// JSON values of moderate size, whose names are sometimes written with escapes.
fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 128, 24, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..8).prop_map(Value::from),
            prop::collection::hash_map(any::<String>(), inner, 0..24)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}
