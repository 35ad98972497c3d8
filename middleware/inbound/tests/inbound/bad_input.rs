//! Whatever is sent, the answer is one of the map, to the letter: no panic, and nothing of what was sent in it.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::{HeaderValue, Request, Response};
use http_body_util::{BodyExt, Full};
use proptest::{prelude::*, test_runner::TestRunner};
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use tower_identity_inbound::{AuthBody, AuthLayer};
use tower_identity_testkit::{TestIssuer, TokenBuilder};

use crate::support::{issuer_token, request, through, value, warm};

/// A response to its last byte, but for the correlation id, which is another each time.
#[derive(Debug, Clone, PartialEq)]
struct Whole {
    status: u16,
    headers: BTreeMap<String, String>,
    body: Value,
}

async fn whole(response: Response<AuthBody<Full<Bytes>>>) -> Whole {
    let (mut parts, body) = response.into_parts();
    let correlation = parts.headers.remove("x-correlation-id").map(|id| id.to_str().expect("hexadecimal").to_owned());
    let header = |(name, value): (&http::HeaderName, &HeaderValue)| {
        (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned())
    };
    let bytes = body.collect().await.expect("a body").to_bytes();
    let mut body = if bytes.is_empty() { Value::Null } else { serde_json::from_slice(&bytes).expect("JSON") };
    let named = body.as_object_mut().and_then(|members| members.remove("correlation_id"));
    assert_eq!(named.as_ref().and_then(Value::as_str), correlation.as_deref());
    Whole { status: parts.status.as_u16(), headers: parts.headers.iter().map(header).collect(), body }
}

fn refusal(status: u16, title: &str, error: Option<&str>, code: &str, detail: &str) -> Whole {
    let challenge = match error {
        Some(error) => format!(r#"Bearer realm="orders", error="{error}""#),
        None => r#"Bearer realm="orders""#.to_owned(),
    };
    let headers = [("content-type", "application/problem+json"), ("www-authenticate", &challenge)];
    Whole {
        status,
        headers: headers.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
        body: json!({"type": "about:blank", "title": title, "status": status, "detail": detail, "code": code}),
    }
}

fn invalid_token() -> Whole {
    refusal(401, "Unauthorized", Some("invalid_token"), "invalid_token", "the access token was not accepted")
}

fn malformed() -> Whole {
    let detail = "the request presents its credential in a malformed way";
    refusal(400, "Bad Request", Some("invalid_request"), "malformed_request", detail)
}

fn no_credential() -> Whole {
    refusal(401, "Unauthorized", None, "no_credential", "this request needs an access token")
}

fn passed() -> Whole {
    Whole { status: 200, headers: BTreeMap::new(), body: Value::Null }
}

/// A layer with its keys at hand, and what it answers.
struct Door {
    runtime: Runtime,
    issuer: TestIssuer,
    layer: AuthLayer,
}

impl Door {
    fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let issuer = TestIssuer::start();
        let layer = runtime.block_on(warm(&issuer)).realm("orders");
        Self { runtime, issuer, layer }
    }

    fn answer(&self, request: Request<Full<Bytes>>) -> Whole {
        self.runtime.block_on(async { whole(through(&self.layer, request).await).await })
    }

    fn to_field(&self, field: &[u8]) -> Whole {
        self.answer(request([HeaderValue::from_bytes(field).expect("a header value")]))
    }

    fn to_token(&self, token: &str) -> Whole {
        self.answer(request([value(&format!("Bearer {token}"))]))
    }

    fn token(&self) -> TokenBuilder {
        issuer_token(&self.issuer)
    }

    fn to_claim(&self, name: &str, claim: impl Into<Value>) -> Whole {
        self.to_token(self.token().claim(name, claim).build().expose())
    }
}

fn check<S: Strategy>(strategy: S, test: impl Fn(S::Value)) {
    let held = TestRunner::default().run(&strategy, |input| {
        test(input);
        Ok(())
    });
    held.expect("it holds for every input");
}

#[test]
fn e_p2_any_bytes_in_the_field_are_refused_by_the_map() {
    let door = Door::new();
    let bytes = |count| prop::collection::vec(prop_oneof![0x20..=0x7e_u8, 0x80..=0xff_u8, Just(b'\t')], count);
    let any = (prop_oneof![Just(""), Just("Bearer "), Just("bearer"), Just("Basic "), Just("DPoP ")], bytes(0..200));
    check(any, |(before, rest)| {
        let found = door.to_field(&[before.as_bytes(), &rest].concat());
        assert!([no_credential(), malformed(), invalid_token()].contains(&found), "{found:?}");
        assert!(before != "Bearer " || found != no_credential(), "a bearer credential is there: {found:?}");
    });
}

#[test]
fn e_p2_any_token_that_is_none_is_refused_and_not_repeated() {
    let door = Door::new();
    check("[A-Za-z0-9._~+/-]{1,400}={0,2}", |token| assert_eq!(door.to_token(&token), invalid_token()));
    check("[A-Za-z0-9_-]{0,60}\\.[A-Za-z0-9_-]{0,60}\\.[A-Za-z0-9_-]{0,60}", |token| {
        assert_eq!(door.to_token(&token), invalid_token());
    });
}

#[test]
fn e_p2_any_json_in_a_token_is_refused_and_not_repeated() {
    let door = Door::new();
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    let json = leaf.prop_recursive(4, 32, 4, |inner| {
        let name = prop_oneof!["iss|sub|aud|exp|nbf|iat|jti|act|scope|client_id|cnf|kid|alg|typ|crit", ".{0,8}"];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(name, inner, 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    });
    check(json.clone(), |payload| {
        assert_eq!(door.to_token(door.token().payload(payload.to_string()).build().expose()), invalid_token());
    });
    check(("alg|typ|kid|crit|b64|jwk|jku|x5u|x5c|zip|cty", json), |(name, member)| {
        let found = door.to_token(door.token().header(&name, member.clone()).build().expose());
        // What is not critical and not understood is passed over (RFC 7515 §4), whatever it is.
        let may_pass = !["alg", "typ", "crit"].contains(&name.as_str());
        assert!(found == invalid_token() || may_pass && found == passed(), "{name}: {member}: {found:?}");
    });
}

#[test]
fn e3_every_beginning_of_a_token_is_refused_and_the_whole_passes() {
    let door = Door::new();
    let token = door.token().build();
    assert_eq!(door.to_token(token.expose()), passed());
    for end in 1..token.expose().len() {
        assert_eq!(door.to_token(&token.expose()[..end]), invalid_token(), "{end}");
    }
    assert_eq!(door.to_token(""), malformed());
}

#[test]
fn e3_dots_and_nests_are_refused_before_they_cost_anything() {
    let door = Door::new();
    assert_eq!(door.to_token(&".".repeat(10_000)), malformed());
    for dots in [1, 2, 3, 4, 100, 8192] {
        assert_eq!(door.to_token(&".".repeat(dots)), invalid_token(), "{dots}");
    }
    let payload = |text: String| door.to_token(door.token().payload(text).build().expose());
    let header = |text: &str| {
        let encoded = base64_simd::URL_SAFE_NO_PAD.encode_to_string(text.as_bytes());
        door.to_token(&format!("{encoded}.e30.AAAA"))
    };
    for deep in [17, 100, 500] {
        let bombs = [
            "[".repeat(deep),
            "[".repeat(deep) + &"]".repeat(deep),
            r#"{"a":"#.repeat(deep) + "0" + &"}".repeat(deep),
            r#"{"act":"#.repeat(deep),
        ];
        for bomb in bombs {
            assert_eq!(header(&bomb), invalid_token());
            let within = format!(r#"{{"x":{bomb}}}"#);
            assert_eq!(payload(bomb), invalid_token());
            assert_eq!(payload(within), invalid_token());
        }
    }
    // The control: a nest within bounds, in a claim that nobody reads.
    let nested = (0..15).fold(json!(0), |inner, _| json!([inner]));
    assert_eq!(door.to_claim("x", nested), passed());
}

/// Characters that would end a line, a header or a string somewhere else.
const HOSTILE: [&str; 5] = ["a\0b", "a\r\nset-cookie: a=b", "\u{1b}[2J", "a\nb", "\u{85}"];

#[test]
fn e_p2_no_control_character_of_a_token_gets_anywhere() {
    let door = Door::new();
    for hostile in HOSTILE {
        for id in ["iss", "sub", "client_id", "jti", "aud", "scope", "txn", "sid"] {
            assert_eq!(door.to_claim(id, hostile), invalid_token(), "{id}: {hostile:?}");
        }
        assert_eq!(door.to_claim("act", json!({"sub": hostile})), invalid_token(), "{hostile:?}");
        assert_eq!(door.to_claim("aud", json!(["orders", hostile])), invalid_token(), "{hostile:?}");
        for member in ["kid", "typ", "alg"] {
            // Of its own: a second unknown key id within a window is told to come back.
            let door = Door::new();
            let found = door.to_token(door.token().header(member, hostile).build().expose());
            assert_eq!(found, invalid_token(), "{member}: {hostile:?}");
        }
        let found = door.to_token(door.token().header("crit", json!([hostile])).build().expose());
        assert_eq!(found, invalid_token(), "{hostile:?}");
    }
    for id in ["sub", "jti", "txn", "sid"] {
        assert_eq!(door.to_claim(id, "a-b"), passed(), "{id}: the control");
    }
}

#[test]
fn jwt_a17_a_claim_of_another_type_is_refused_and_never_taken_for_absent() {
    let door = Door::new();
    let texts = [json!(null), json!(7), json!(true), json!([]), json!(["a"]), json!({}), json!(""), json!(" ")];
    let times = [json!(null), json!("4102444800"), json!(true), json!([4_102_444_800_u64]), json!({}), json!(-1)];
    let lists = [json!(null), json!(7), json!("a"), json!({}), json!([7]), json!([null])];
    let objects =
        [json!(null), json!(7), json!("storefront"), json!([]), json!({}), json!({"sub": 7}), json!({"sub": ""})];
    for name in ["iss", "sub", "client_id", "jti", "txn", "sid", "acr"] {
        for wrong in texts.iter().filter(|wrong| name != "acr" || !wrong.is_string()) {
            assert_eq!(door.to_claim(name, wrong.clone()), invalid_token(), "{name}: {wrong}");
        }
    }
    for name in ["exp", "nbf", "iat", "auth_time"] {
        for wrong in &times {
            assert_eq!(door.to_claim(name, wrong.clone()), invalid_token(), "{name}: {wrong}");
        }
        let raw = |number: &str| {
            let claims = Value::Object(door.token().without(name).claims().clone()).to_string();
            let payload = format!(r#"{},"{name}":{number}}}"#, claims.trim_end_matches('}'));
            door.to_token(door.token().payload(payload).build().expose())
        };
        for number in ["1e400", "-1e400", "NaN", "1.", "01", "99999999999999999999"] {
            assert_eq!(raw(number), invalid_token(), "{name}: {number}");
        }
    }
    for wrong in
        [json!(null), json!(7), json!({}), json!([]), json!([7]), json!(["orders", 7]), json!(""), json!("orders ")]
    {
        assert_eq!(door.to_claim("aud", wrong.clone()), invalid_token(), "aud: {wrong}");
    }
    for wrong in [json!(null), json!(7), json!(["a"]), json!({}), json!("a\"b")] {
        assert_eq!(door.to_claim("scope", wrong.clone()), invalid_token(), "scope: {wrong}");
    }
    for wrong in &lists {
        assert_eq!(door.to_claim("amr", wrong.clone()), invalid_token(), "amr: {wrong}");
    }
    for wrong in &objects {
        assert_eq!(door.to_claim("act", wrong.clone()), invalid_token(), "act: {wrong}");
    }
    // The controls: each of the right type.
    for (name, right) in [
        ("aud", json!(["payments", "orders"])),
        ("scope", json!("a b")),
        ("amr", json!(["pwd"])),
        ("acr", json!("gold")),
        ("auth_time", json!(1_700_000_000)),
        ("nbf", json!(1_700_000_000.5)),
        ("act", json!({"sub": "storefront"})),
    ] {
        assert_eq!(door.to_claim(name, right.clone()), passed(), "{name}: {right}");
    }
}
