use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};

use super::*;

#[derive(Debug, PartialEq, Deserialize)]
struct Claims {
    sub: String,
    #[serde(default)]
    act: Option<Box<Claims>>,
    #[serde(default, deserialize_with = "not_null")]
    exp: Option<u64>,
}

fn claims(text: &str) -> Result<Claims, String> {
    from_slice(text.as_bytes()).map_err(|error: JsonError| error.to_string())
}

fn of(sub: &str) -> Claims {
    Claims { sub: sub.to_owned(), act: None, exp: None }
}

#[test]
fn jwt_a20_a_name_occurs_once_at_every_level() {
    let refused = [
        (r#"{"sub":"a","sub":"b"}"#, "sub: the member occurs twice"),
        (r#"{"sub":"a","\u0073ub":"b"}"#, "sub: the member occurs twice"),
        (r#"{"\u0073ub":"a","sub":"b"}"#, "sub: the member occurs twice"),
        (r#"{"sub":"a","act":{"sub":"b","sub":"c"}}"#, "act.sub: the member occurs twice"),
        (r#"{"sub":"a","other":1,"other":1}"#, "other: the member occurs twice"),
        (r#"{"sub":"a","other":{"x":1,"x":2}}"#, "other.x: the member occurs twice"),
        (r#"{"sub":"a","other":[0,{"x":[{"y":1,"y":2}]}]}"#, "other.x.y: the member occurs twice"),
        (r#"{"sub":"a","x\ny":1,"x\ny":2}"#, r"x\ny: the member occurs twice"),
    ];
    for (text, expected) in refused {
        assert_eq!(claims(text), Err(expected.to_owned()), "{text}");
        assert_eq!(from_slice::<Value>(text.as_bytes()).map_err(|e| e.to_string()), Err(expected.to_owned()), "{text}");
    }
    let controls = [
        r#"{"sub":"a","Sub":"b"}"#,
        r#"{"sub":"a","\u0053ub":"b"}"#,
        r#"{"sub":"a","other":{"sub":1},"another":{"sub":2}}"#,
        r#"{"sub":"a","other":[{"x":1},{"x":2}]}"#,
    ];
    for text in controls {
        assert_eq!(claims(text), Ok(of("a")), "{text}");
    }
}

#[test]
fn jwt_a20_wide_objects_are_watched_to_the_end() {
    let wide = |last: &str| {
        let members: String = (0..500).map(|n| format!("\"m{n}\":0,")).collect();
        format!("{{{members}\"{last}\":0}}")
    };
    let read = |text: String| from_slice::<BTreeMap<String, u8>>(text.as_bytes()).map(|members| members.len());
    assert_eq!(read(wide("m500")), Ok(501));
    for repeated in ["m0", "m23", "m24", "m499"] {
        let expected = JsonError::from(JsonErrorKind::DuplicateName).within(repeated);
        assert_eq!(read(wide(repeated)), Err(expected));
    }
}

#[test]
fn jwt_a21_depth_is_capped_and_never_spends_the_stack() {
    let lists = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    let objects = |depth: usize| format!("{}{{}}{}", r#"{"a":"#.repeat(depth - 1), "}".repeat(depth - 1));
    for nested in [lists(16), objects(16)] {
        assert!(from_slice::<Value>(nested.as_bytes()).is_ok(), "{nested}");
        assert!(from_slice::<serde::de::IgnoredAny>(nested.as_bytes()).is_ok(), "{nested}");
    }
    for nested in [lists(17), objects(17), "[".repeat(1_000_000), r#"{"a":"#.repeat(1_000_000)] {
        let kind = |error: JsonError| error.kind().clone();
        let start = &nested[..nested.len().min(40)];
        assert_eq!(
            from_slice::<Value>(nested.as_bytes()).map_err(kind),
            Err(JsonErrorKind::TooDeep { limit: 16 }),
            "{start}"
        );
        let ignored = from_slice::<serde::de::IgnoredAny>(nested.as_bytes()).map(drop);
        assert_eq!(ignored.map_err(kind), Err(JsonErrorKind::TooDeep { limit: 16 }), "{start}");
    }
}

#[test]
fn jwt_a21_only_one_utf8_value_is_json() {
    let refused: [&[u8]; 6] = [
        b"\xef\xbb\xbf{\"sub\":\"a\"}",
        b"\xff\xfe{\0}\0",
        b"{\"sub\":\"\xff\"}",
        b"{\"sub\":\"a\"}{}",
        b"{\"sub\":\"a\"} x",
        b"",
    ];
    for bytes in refused {
        let error = from_slice::<Claims>(bytes).expect_err("not one value");
        assert!(matches!(error.kind(), JsonErrorKind::NotUtf8 | JsonErrorKind::Syntax(_)), "{error}");
    }
    assert_eq!(from_slice(b" {\"sub\":\"a\"}\n"), Ok(of("a")));
}

#[test]
fn a_struct_is_an_object_and_a_list_of_values_is_not() {
    assert_eq!(claims(r#"["a",null,1]"#), Err("expected an object, found a list".to_owned()));
    assert_eq!(claims(r#"{"sub":"a","act":["b"]}"#), Err("act: expected an object, found a list".to_owned()));
    assert_eq!(claims(r#"{"sub":"a","act":{"sub":"b"}}"#).map(|c| c.act), Ok(Some(Box::new(of("b")))));
}

#[test]
fn jwt_a17_null_is_not_absent_where_the_type_says_so() {
    assert_eq!(claims(r#"{"sub":"a"}"#), Ok(of("a")));
    assert_eq!(claims(r#"{"sub":"a","act":null}"#), Ok(of("a")));
    assert_eq!(claims(r#"{"sub":"a","exp":null}"#), Err("exp: not a number of the expected kind".to_owned()));
}

#[test]
fn an_error_names_the_member_and_shows_no_value() {
    let cases = [
        (r#"{"sub":17}"#, "sub: expected a string, found a number"),
        (r#"{"sub":["secret"]}"#, "sub: expected a string, found a list"),
        (r#"{"sub":"a","exp":"secret"}"#, "exp: not a number of the expected kind"),
        (r#"{"sub":"a","exp":-1}"#, "exp: expected u64"),
        (r#"{"exp":1}"#, "the member sub is missing"),
        (r#""secret""#, "expected an object, found a string"),
    ];
    for (text, expected) in cases {
        assert_eq!(claims(text), Err(expected.to_owned()), "{text}");
    }
    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "snake_case")]
    #[expect(dead_code, reason = "only read")]
    enum Kind {
        Unit,
        New(u8),
        Pair(u8, u8),
        Named { a: u8 },
    }
    let cases = [
        r#""secret""#,
        r#"{"secret":1}"#,
        r#"{"unit":"secret"}"#,
        r#"{"new":"secret"}"#,
        r#"{"pair":"secret"}"#,
        r#"{"pair":[1,"secret"]}"#,
        r#"{"named":"secret"}"#,
        r#"{"named":{"a":"secret"}}"#,
        r#"{"named":[1]}"#,
        r#"{"named":{"a":1,"a":1}}"#,
        r#"{"unit":null,"unit":null}"#,
    ];
    for text in cases {
        let error = from_slice::<Kind>(text.as_bytes()).expect_err("refused");
        assert!(!format!("{error} {error:?} {:?}", error.kind()).contains("secret"), "{text}: {error:?}");
    }
    for text in [r#""unit""#, r#"{"unit":null}"#, r#"{"new":1}"#, r#"{"pair":[1,2]}"#, r#"{"named":{"a":1}}"#] {
        assert!(from_slice::<Kind>(text.as_bytes()).is_ok(), "{text}");
    }
}

#[test]
fn a_value_is_read_as_serde_json_reads_it() {
    let text = r#"{"s":"a\u00e9\n","n":-1.5,"big":18446744073709551615,"l":[true,null,{}],"o":{"":0}}"#;
    let expected = json!({
        "s": "a\u{e9}\n", "n": -1.5, "big": u64::MAX, "l": [true, null, {}], "o": {"": 0},
    });
    assert_eq!(from_slice::<Value>(text.as_bytes()), Ok(expected));
}
