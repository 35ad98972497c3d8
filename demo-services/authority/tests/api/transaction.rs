//! Transaction tokens: who gets which, for whom, and what of what was said is in them.

use serde_json::{Map, Value, json};
use tower_identity_jose::MediaType;

use crate::support::{
    ACCESS_TOKEN, AUTHORITY_KEY, Answer, As, Form, LEDGER_KEY, ORDERS, Outcome, Running, STOREFRONT, TOKEN_EXCHANGE,
    accepted, changed, ledger_assertion, refused, sign,
};

const TXN_TOKEN: &str = "urn:ietf:params:oauth:token-type:txn_token";
const JWT: &str = "urn:ietf:params:oauth:token-type:jwt";
const SELF_SIGNED: &str = "urn:ietf:params:oauth:token-type:self_signed";
const UNSIGNED_JSON: &str = "urn:ietf:params:oauth:token-type:unsigned_json";

pub(crate) async fn start() -> Running {
    Running::with(|settings| {
        settings["transactions"] = json!({
            "trust_domain": "shop.internal",
            "context": ["channel"],
            "details": ["order", "amount"],
            "replacements": 2,
            "policy": [
                { "client": "storefront", "from": "storefront",
                  "scopes": { "orders:write": ["orders:write", "payments:charge"] } },
                { "client": "orders", "from": "orders", "scopes": { "orders:write": ["orders:write", "payments:charge"] } },
                { "client": "orders", "from": "shop.internal",
                  "scopes": { "payments:charge": ["payments:charge"], "orders:write": ["orders:write", "admin"] } },
            ],
            "asserting": [
                { "client": "ledger", "scopes": ["orders:write"] },
                { "client": "orders", "scopes": ["orders:write"], "unsigned": true },
            ],
        });
    })
    .await
}

fn typ() -> MediaType {
    MediaType::parse("txntoken+jwt").expect("a type")
}

async fn ask(at: &Running, client: As<'_>, (subject, kind): (&str, &str), more: Form<'_>) -> Answer {
    let usual = [
        ("grant_type", TOKEN_EXCHANGE),
        ("requested_token_type", TXN_TOKEN),
        ("subject_token", subject),
        ("subject_token_type", kind),
        ("audience", "shop.internal"),
        ("scope", "orders:write"),
    ];
    let is_said = |name: &str| more.iter().any(|(said, _)| *said == name);
    let mut form: Vec<_> = usual.into_iter().filter(|(name, _)| !is_said(name)).collect();
    form.extend(more.iter().filter(|(_, value)| !value.is_empty()));
    at.token(client, &form).await
}

async fn asked(at: &Running, client: As<'_>, subject: (&str, &str), more: Form<'_>) -> Outcome {
    ask(at, client, subject, more).await.outcome()
}

/// As the authority signs them, with these claims changed.
fn transaction(at: &Running, changes: Value) -> String {
    let claims = json!({
        "iss": at.issuer, "aud": "shop.internal", "iat": at.now(), "exp": at.now() + 60, "txn": "t-1", "sub": "alice",
        "scope": "orders:write payments:charge", "req_wl": "storefront", "tctx": {"order": "8a77"},
        "rctx": {"req_ip": "192.0.2.1"},
    });
    sign(&AUTHORITY_KEY, &typ(), &changed(object(claims), changes))
}

fn object(value: Value) -> Map<String, Value> {
    let Value::Object(members) = value else { panic!("it is an object") };
    members
}

/// What a token says, and which of those of its transaction it is.
async fn claims_and_id(at: &Running, token: &str) -> (Value, String) {
    let mut claims = at.claims_of(&typ(), token).await;
    let id = claims.as_object_mut().and_then(|claims| claims.remove("jti"));
    (claims, id.and_then(|id| id.as_str().map(str::to_owned)).expect("it has an id"))
}

#[tokio::test]
async fn tx_c2_a_users_token_becomes_a_transaction_token_of_the_trust_domain() {
    let at = &start().await;
    let users = at.orders_token(json!({"txn": "t-9", "acr": "gold", "auth_time": at.now()}));
    let said = [
        ("request_context", r#"{"channel":"web","req_ip":"192.0.2.1","role":"admin"}"#),
        ("request_details", r#"{"order":"8a77","amount":30,"discount":100}"#),
    ];
    let answer = ask(at, ORDERS, (&users, ACCESS_TOKEN), &said).await;
    let token = answer.token();
    let expected = json!({
        "access_token": token, "issued_token_type": TXN_TOKEN, "token_type": "N_A", "expires_in": 60,
        "scope": "orders:write",
    });
    assert_eq!(answer.body, expected);
    let (claims, id) = claims_and_id(at, &token).await;
    let again = ask(at, ORDERS, (&users, ACCESS_TOKEN), &said).await.token();
    assert_ne!(claims_and_id(at, &again).await.1, id, "one transaction, and two of its tokens");
    let expected = json!({
        "iss": at.issuer, "aud": "shop.internal", "iat": at.now(), "exp": at.now() + 60, "txn": "t-9", "sub": "alice",
        "scope": "orders:write", "req_wl": "orders", "tctx": {"order": "8a77", "amount": 30},
        "rctx": {"channel": "web", "req_ip": "192.0.2.1", "acr": "gold", "auth_time": at.now()},
    });
    assert_eq!(claims, expected, "what is not listed is not in it");

    let plain = ask(at, ORDERS, (&at.orders_token(json!({"exp": at.now() + 20})), ACCESS_TOKEN), &[]).await;
    assert_eq!(plain.body["expires_in"], 20, "it ends with the user's");
    let claims = at.claims_of(&typ(), &plain.token()).await;
    assert!(claims.get("tctx").is_none() && claims["txn"].as_str().is_some_and(|txn| txn.len() > 20), "{claims}");
}

#[tokio::test]
async fn tx_c1_a_client_is_known_and_listed_and_the_subject_token_holds() {
    let at = &start().await;
    let users = at.orders_token(json!({}));
    let cases: [(As<'_>, &str, &str, Form<'_>, Outcome); 9] = [
        (ORDERS, &users, ACCESS_TOKEN, &[], accepted()),
        (As::Nobody, &users, ACCESS_TOKEN, &[], (401, "invalid_client".to_owned())),
        (STOREFRONT, &users, ACCESS_TOKEN, &[], refused("invalid_request")),
        (ORDERS, &at.orders_token(json!({"exp": at.now()})), ACCESS_TOKEN, &[], refused("invalid_request")),
        (ORDERS, &users, ACCESS_TOKEN, &[("audience", "bank.internal")], refused("invalid_target")),
        (ORDERS, &users, ACCESS_TOKEN, &[("audience", "")], refused("invalid_target")),
        (ORDERS, &users, TXN_TOKEN, &[], refused("invalid_request")),
        (ORDERS, &users, "urn:ietf:params:oauth:token-type:jwt", &[], refused("invalid_request")),
        (ORDERS, &users, "", &[], refused("invalid_request")),
    ];
    for (client, subject, kind, more, expected) in cases {
        assert_eq!(asked(at, client, (subject, kind), more).await, expected, "{kind} {more:?}");
    }
    let ledgers =
        sign(&AUTHORITY_KEY, &MediaType::ACCESS_TOKEN, &changed(at.orders_claims(), json!({"aud": "payments"})));
    let payments = As::Basic("payments", "payments-secret-of-the-test");
    assert_eq!(asked(at, payments, (&ledgers, ACCESS_TOKEN), &[]).await, refused("unauthorized_client"), "no row");
    let nobodys = Running::start().await;
    let users = nobodys.orders_token(json!({}));
    assert_eq!(asked(&nobodys, ORDERS, (&users, ACCESS_TOKEN), &[]).await, refused("unauthorized_client"));
}

#[tokio::test]
async fn tx_c2_it_allows_what_the_subject_tokens_scopes_become_and_all_or_nothing() {
    let at = &start().await;
    for (held, requested, expected) in [
        ("orders:write", "orders:write payments:charge", accepted()),
        ("orders:write", "orders:write payments:charge admin", refused("invalid_scope")),
        ("orders:write", "admin", refused("invalid_scope")),
        ("orders:write", "", refused("invalid_scope")),
        ("orders:read", "orders:read", refused("invalid_scope")),
        ("", "orders:write", refused("invalid_scope")),
    ] {
        let users = at.orders_token(json!({"scope": held}));
        let outcome = asked(at, ORDERS, (&users, ACCESS_TOKEN), &[("scope", requested)]).await;
        assert_eq!(outcome, expected, "{held} to {requested}");
    }
}

#[tokio::test]
async fn tx_c3_a_refresh_token_is_no_subject() {
    let at = &start().await;
    let users = at.orders_token(json!({}));
    let refresh = "urn:ietf:params:oauth:token-type:refresh_token";
    assert_eq!(asked(at, ORDERS, (&users, refresh), &[]).await, refused("invalid_request"));
}

#[tokio::test]
async fn tx_c4_the_users_token_is_nowhere_in_it() {
    let at = &start().await;
    let users = at.orders_token(json!({}));
    let details = json!({"order": {"token": users}}).to_string();
    let said = [("request_details", &*details)];
    assert_eq!(asked(at, ORDERS, (&users, ACCESS_TOKEN), &said).await, refused("invalid_request"));
    let other = at.orders_token(json!({"jti": "2"}));
    assert_eq!(asked(at, ORDERS, (&other, ACCESS_TOKEN), &said).await, accepted(), "the control");
}

#[tokio::test]
async fn tx_c6_what_is_said_is_an_object_of_a_bounded_size() {
    let at = &start().await;
    let users = at.orders_token(json!({}));
    let of_length = |length: usize| format!(r#"{{"a":"{}"}}"#, "x".repeat(length - 8));
    let (fits, large) = (of_length(4096), of_length(4097));
    for parameter in ["request_context", "request_details"] {
        for (value, expected) in [
            (&*fits, accepted()),
            (&*large, refused("invalid_request")),
            ("{}", accepted()),
            ("[]", refused("invalid_request")),
            ("\"a\"", refused("invalid_request")),
            ("{", refused("invalid_request")),
            (r#"{"order":1,"order":2}"#, refused("invalid_request")),
        ] {
            let outcome = asked(at, ORDERS, (&users, ACCESS_TOKEN), &[(parameter, value)]).await;
            assert_eq!(outcome, expected, "{parameter} {value:.40}");
        }
    }
}

#[tokio::test]
async fn tx_c7_one_that_replaces_another_is_of_the_same_transaction_and_says_who_asked() {
    let at = &start().await;
    let before = transaction(at, json!({}));
    let said = [("scope", "payments:charge"), ("request_details", r#"{"order":"8a77","amount":30}"#)];
    let answer = ask(at, ORDERS, (&before, TXN_TOKEN), &said).await;
    let token = answer.token();
    let expected = json!({
        "iss": at.issuer, "aud": "shop.internal", "iat": at.now(), "exp": at.now() + 60, "txn": "t-1", "sub": "alice",
        "scope": "payments:charge", "req_wl": "orders", "tctx": {"order": "8a77", "amount": 30},
        "rctx": {"req_ip": "192.0.2.1", "req_wls": ["storefront"]},
    });
    assert_eq!(claims_and_id(at, &token).await.0, expected);

    let charge = [("scope", "payments:charge")];
    let again = ask(at, ORDERS, (&token, TXN_TOKEN), &charge).await.token();
    assert_eq!(at.claims_of(&typ(), &again).await["rctx"]["req_wls"], json!(["storefront", "orders"]));
    assert_eq!(asked(at, ORDERS, (&again, TXN_TOKEN), &charge).await, refused("invalid_request"), "too often");
}

#[tokio::test]
async fn tx_c7_nothing_is_widened_changed_or_revived() {
    let at = &start().await;
    let narrow = json!({"scope": "payments:charge"});
    let cases: [(Value, As<'_>, Form<'_>, Outcome); 11] = [
        (json!({}), ORDERS, &[], accepted()),
        (narrow.clone(), ORDERS, &[("scope", "payments:charge")], accepted()),
        (narrow, ORDERS, &[("scope", "orders:write")], refused("invalid_scope")),
        (json!({}), ORDERS, &[("scope", "orders:write admin")], refused("invalid_scope")),
        (json!({}), STOREFRONT, &[], refused("invalid_target")),
        (json!({}), ORDERS, &[("request_details", r#"{"order":"8a78"}"#)], refused("invalid_request")),
        (json!({}), ORDERS, &[("request_context", r#"{"req_ip":"192.0.2.2"}"#)], refused("invalid_request")),
        (json!({"exp": at.now()}), ORDERS, &[], refused("invalid_request")),
        (json!({"aud": "bank.internal"}), ORDERS, &[], refused("invalid_request")),
        (json!({"iss": "https://other.example"}), ORDERS, &[], refused("invalid_request")),
        (json!({"txn": null}), ORDERS, &[], refused("invalid_request")),
    ];
    for (changes, client, more, expected) in cases {
        let before = transaction(at, changes.clone());
        assert_eq!(asked(at, client, (&before, TXN_TOKEN), more).await, expected, "{changes} {more:?}");
    }
    let forged = sign(&LEDGER_KEY, &typ(), &object(at.claims_of(&typ(), &transaction(at, json!({}))).await));
    assert_eq!(asked(at, ORDERS, (&forged, TXN_TOKEN), &[]).await, refused("invalid_request"));
    // Neither is it an access token.
    let exchanged = at.exchange(ORDERS, &transaction(at, json!({})), &[("audience", "payments")]).await.outcome();
    assert_eq!(exchanged, refused("invalid_request"));
}

#[tokio::test]
async fn tx_c8_who_names_users_itself_has_signed_that_or_may_leave_it_unsigned() {
    let at = &start().await;
    let now = at.now();
    let good = json!({"iss": "ledger", "sub": "alice", "aud": at.issuer, "iat": now, "exp": now + 60});
    let signed = |changes: Value| {
        sign(&LEDGER_KEY, &MediaType::parse("JWT").expect("a type"), &changed(object(good.clone()), changes))
    };
    for (changes, expected) in [
        (json!({}), accepted()),
        (json!({"iss": "orders"}), refused("invalid_request")),
        (json!({"sub": "ledger"}), refused("invalid_request")),
        (json!({"sub": "carol"}), refused("invalid_request")),
        (json!({"aud": "payments"}), refused("invalid_request")),
        (json!({"exp": now}), refused("invalid_request")),
        (json!({"exp": now + 301}), refused("invalid_request")),
        (json!({"iat": now + 31}), refused("invalid_request")),
    ] {
        let assertion = ledger_assertion(at);
        let outcome = asked(at, As::Assertion(&assertion), (&signed(changes.clone()), SELF_SIGNED), &[]).await;
        assert_eq!(outcome, expected, "{changes}");
    }
    let ledger = async |subject: &str, kind: &str, more: Form<'_>| {
        asked(at, As::Assertion(&ledger_assertion(at)), (subject, kind), more).await
    };
    let wider = [("scope", "payments:charge")];
    assert_eq!(ledger(&signed(json!({})), SELF_SIGNED, &wider).await, refused("invalid_scope"));
    let others = sign(&AUTHORITY_KEY, &MediaType::parse("JWT").expect("a type"), &object(good.clone()));
    assert_eq!(ledger(&others, SELF_SIGNED, &[]).await, refused("invalid_request"));

    let alice = r#"{"sub":"alice"}"#;
    assert_eq!(ledger(alice, UNSIGNED_JSON, &[]).await, refused("unauthorized_client"));
    assert_eq!(asked(at, ORDERS, (alice, UNSIGNED_JSON), &[]).await, accepted());
    assert_eq!(asked(at, ORDERS, (r#"{"sub":"orders"}"#, UNSIGNED_JSON), &[]).await, refused("invalid_request"));
    assert_eq!(asked(at, ORDERS, ("{}", UNSIGNED_JSON), &[]).await, refused("invalid_request"));
    assert_eq!(asked(at, STOREFRONT, (alice, UNSIGNED_JSON), &[]).await, refused("unauthorized_client"));
    // Who has no key has signed nothing.
    assert_eq!(
        asked(at, ORDERS, (&signed(json!({"iss": "orders"})), SELF_SIGNED), &[]).await,
        refused("invalid_request")
    );
}

/// Nothing is made of what was begun on a sign-in that is over: neither another transaction token nor a grant.
#[tokio::test]
async fn tx_c7_a_transaction_ends_with_its_sign_in() {
    let at = &start().await;
    let revoked = |user: &'static str| {
        let url = format!("{}/dev/revoke", at.issuer);
        Answer::read(at.http.post(url).json(&json!({ "user": user })))
    };
    let before = transaction(at, json!({}));
    let signed_in_before = transaction(at, json!({"rctx": {"auth_time": at.now()}, "iat": at.now() + 10}));
    let signed_in_later = transaction(at, json!({"rctx": {"auth_time": at.now() + 1}}));
    let begun_later = transaction(at, json!({"iat": at.now() + 1}));
    let bobs = transaction(at, json!({"sub": "bob"}));
    let charge = [("scope", "payments:charge")];
    assert_eq!(asked(at, ORDERS, (&before, TXN_TOKEN), &charge).await, accepted(), "the control");
    revoked("alice").await;
    for (token, expected) in [
        (&before, refused("invalid_request")),
        (&signed_in_before, refused("invalid_request")),
        (&signed_in_later, accepted()),
        (&begun_later, accepted()),
        (&bobs, accepted()),
    ] {
        assert_eq!(asked(at, ORDERS, (token, TXN_TOKEN), &charge).await, expected);
    }
}

/// A grant for another authorization server, of a transaction token: by a row of its own, and by ours alone.
#[tokio::test]
async fn ch_c1_a_transaction_token_becomes_a_grant_where_a_row_says_so() {
    let theirs = "https://credit.example";
    let granting = async |from: &'static str| {
        Running::with(|settings| {
            settings["transactions"] = json!({ "trust_domain": "shop.internal" });
            settings["grant"] = json!([
                { "client": "orders", "from": from, "to": theirs, "scopes": { "orders:write": ["credit:check"] } },
            ]);
        })
        .await
    };
    let grant = async |at: &Running, client: As<'_>, changes: Value| {
        let token = transaction(at, changes);
        let form = [("requested_token_type", JWT), ("audience", theirs), ("scope", "")];
        ask(at, client, (&token, TXN_TOKEN), &form).await
    };
    let at = &granting("shop.internal").await;
    let answer = grant(at, ORDERS, json!({"exp": at.now() + 20})).await;
    assert_eq!(
        (answer.outcome(), &answer.body["scope"], &answer.body["expires_in"]),
        (accepted(), &json!("credit:check"), &json!(20))
    );
    let typ = MediaType::parse("authorization-grant+jwt").expect("a type");
    let claims = at.claims_of(&typ, &answer.token()).await;
    assert_eq!((&claims["sub"], &claims["aud"]), (&json!("alice"), &json!(theirs)));

    for (client, changes, expected) in [
        (ORDERS, json!({"aud": "bank.internal"}), "invalid_request"),
        (ORDERS, json!({"exp": at.now()}), "invalid_request"),
        (ORDERS, json!({"scope": "payments:charge"}), "invalid_scope"),
        (STOREFRONT, json!({}), "unauthorized_client"),
    ] {
        assert_eq!(grant(at, client, changes).await.outcome(), refused(expected));
    }
    let by_access = &granting("orders").await;
    assert_eq!(grant(by_access, ORDERS, json!({})).await.outcome(), refused("invalid_target"));
}
