//! Whose token is exchanged, by whom, and what comes out.

mod targets;

use serde_json::{Value, json};

use crate::support::{
    ACCESS_TOKEN, As, Form, ORDERS, Outcome, Running, STOREFRONT, TOKEN_EXCHANGE, accepted, ledger_assertion, refused,
};

const TO_PAYMENTS: [(&str, &str); 2] = [("audience", "payments"), ("scope", "payments:charge")];

/// What becomes of this subject token, sent by orders for payments.
async fn outcome(authority: &Running, subject: &str) -> Outcome {
    with(authority, subject, &TO_PAYMENTS).await
}

async fn with(authority: &Running, subject: &str, more: Form<'_>) -> Outcome {
    authority.exchange(ORDERS, subject, more).await.outcome()
}

#[tokio::test]
async fn te_c8_the_issued_token_names_the_user_and_who_acts_and_who_acted_before() {
    let authority = Running::start().await;
    let first = authority.sign_in("alice").await;
    let signed_in = authority.claims(&first).await;

    let answer = authority.exchange(STOREFRONT, &first, &[("audience", "orders"), ("scope", "orders:write")]).await;
    let second = answer.token();
    let expected = json!({
        "access_token": second, "issued_token_type": ACCESS_TOKEN, "token_type": "Bearer",
        "expires_in": 300, "scope": "orders:write",
    });
    assert_eq!(answer.body, expected);
    let at_orders = authority.claims(&second).await;
    let issuer = &authority.issuer;
    let expected = json!({
        "iss": issuer, "sub": "alice", "aud": "orders", "client_id": "storefront", "scope": "orders:write",
        "iat": authority.now(), "exp": authority.now() + 300, "jti": at_orders["jti"],
        "act": { "iss": issuer, "sub": "storefront" },
        "auth_time": signed_in["auth_time"], "acr": "0", "amr": ["dev"], "sid": signed_in["sid"],
    });
    assert_eq!(at_orders, expected);

    let third = authority.exchange(ORDERS, &second, &TO_PAYMENTS).await.token();
    let at_payments = authority.claims(&third).await;
    let expected = json!({
        "iss": issuer, "sub": "alice", "aud": "payments", "client_id": "orders", "scope": "payments:charge",
        "iat": authority.now(), "exp": authority.now() + 300, "jti": at_payments["jti"],
        "act": { "iss": issuer, "sub": "orders", "act": { "iss": issuer, "sub": "storefront" } },
        "auth_time": signed_in["auth_time"], "acr": "0", "amr": ["dev"], "sid": signed_in["sid"],
    });
    assert_eq!(at_payments, expected);
    assert_ne!(at_payments["jti"], at_orders["jti"]);
}

#[tokio::test]
async fn te_c8_a_chain_of_four_actors_is_the_longest() {
    let authority = Running::start().await;
    let chain = |depth: usize| {
        (0..depth).fold(Value::Null, |act, at| {
            let mut link = json!({ "iss": authority.issuer, "sub": format!("service-{at}") });
            if !act.is_null() {
                link["act"] = act;
            }
            link
        })
    };
    assert_eq!(outcome(&authority, &authority.orders_token(json!({ "act": chain(3) }))).await, accepted());
    let four = authority.orders_token(json!({ "act": chain(4) }));
    assert_eq!(outcome(&authority, &four).await, refused("invalid_request"));
    for act in [json!("storefront"), json!({}), json!([])] {
        let odd = authority.orders_token(json!({ "act": act }));
        assert_eq!(outcome(&authority, &odd).await, refused("invalid_request"), "{act}");
    }
}

#[tokio::test]
async fn te_c1_a_subject_token_that_does_not_hold_is_an_invalid_request() {
    let authority = Running::start().await;
    let now = authority.now();
    assert_eq!(outcome(&authority, &authority.orders_token(json!({}))).await, accepted());
    let cases = [
        json!({ "iss": "https://other.example" }),
        json!({ "exp": now }),
        json!({ "exp": null }),
        json!({ "exp": "9999999999" }),
        json!({ "nbf": now + 1 }),
        json!({ "sub": null }),
        json!({ "client_id": null }),
        json!({ "jti": null }),
        json!({ "aud": null }),
        json!({ "scope": ["orders:write"] }),
    ];
    for changes in cases {
        let token = authority.orders_token(changes.clone());
        assert_eq!(outcome(&authority, &token).await, refused("invalid_request"), "{changes}");
    }
    assert_eq!(outcome(&authority, "").await, refused("invalid_request"));
    assert_eq!(outcome(&authority, "opaque").await, refused("invalid_request"));

    let good = authority.orders_token(json!({}));
    let (rest, signature) = good.rsplit_once('.').expect("a signature");
    let other = if signature.starts_with('A') { 'B' } else { 'A' };
    assert_eq!(outcome(&authority, &format!("{rest}.{other}{}", &signature[1..])).await, refused("invalid_request"));
    assert_eq!(outcome(&authority, &good).await, accepted());
}

#[tokio::test]
async fn te_c3_actor_token_and_its_type_come_together() {
    let authority = Running::start().await;
    let subject = authority.orders_token(json!({}));
    let own = authority.token(ORDERS, &[("grant_type", "client_credentials"), ("audience", "payments")]).await.token();
    let cases: [(Form<'_>, Outcome); 4] = [
        (&[("actor_token", &own), ("actor_token_type", ACCESS_TOKEN)], accepted()),
        (&[("actor_token", &own)], refused("invalid_request")),
        (&[("actor_token_type", ACCESS_TOKEN)], refused("invalid_request")),
        (
            &[("actor_token", &own), ("actor_token_type", "urn:ietf:params:oauth:token-type:jwt")],
            refused("invalid_request"),
        ),
    ];
    for (actor, expected) in cases {
        assert_eq!(with(&authority, &subject, &[&TO_PAYMENTS[..], actor].concat()).await, expected);
    }
}

#[tokio::test]
async fn te_c5_what_is_declared_an_access_token_is_one() {
    let authority = Running::start().await;
    assert_eq!(outcome(&authority, &authority.orders_token_of_type("at+jwt")).await, accepted());
    for typ in ["JWT", "id+jwt", "client-authentication+jwt", "txntoken+jwt"] {
        assert_eq!(
            outcome(&authority, &authority.orders_token_of_type(typ)).await,
            refused("invalid_request"),
            "{typ}"
        );
    }

    let token = authority.orders_token(json!({}));
    for declared in ["urn:ietf:params:oauth:token-type:id_token", "urn:ietf:params:oauth:token-type:refresh_token", ""]
    {
        let form = [
            ("grant_type", TOKEN_EXCHANGE),
            ("subject_token", &token),
            ("subject_token_type", declared),
            ("audience", "payments"),
        ];
        let answer = authority.token(ORDERS, &form).await;
        assert_eq!(answer.outcome(), refused("invalid_request"), "{declared}");
    }
    let asked = [&TO_PAYMENTS[..], &[("requested_token_type", "urn:ietf:params:oauth:token-type:id_token")]].concat();
    assert_eq!(with(&authority, &token, &asked).await, refused("invalid_request"));
    let asked = [&TO_PAYMENTS[..], &[("requested_token_type", ACCESS_TOKEN)]].concat();
    assert_eq!(with(&authority, &token, &asked).await, accepted());
}

#[tokio::test]
async fn te_c6_only_whom_the_token_was_sent_to_exchanges_it() {
    let authority = Running::start().await;
    let cases = [
        (json!("orders"), accepted()),
        (json!(["ledger", "orders"]), accepted()),
        (json!("storefront"), refused("invalid_request")),
        (json!("payments"), refused("invalid_request")),
        (json!("Orders"), refused("invalid_request")),
    ];
    for (aud, expected) in cases {
        // That it was issued to orders is not enough: relayed by somebody else, it would be all the same.
        let token = authority.orders_token(json!({ "aud": aud, "client_id": "orders" }));
        assert_eq!(outcome(&authority, &token).await, expected, "{aud}");
    }
}

#[tokio::test]
async fn te_c7_the_actor_is_the_client_that_authenticated_whatever_is_sent() {
    let authority = Running::start().await;
    let subject = authority.orders_token(json!({}));
    let own = json!({ "sub": "orders", "client_id": "orders", "aud": "payments", "act": null });
    let acting = async |changes: Value| {
        let mut claims = own.clone();
        claims.as_object_mut().expect("an object").extend(changes.as_object().expect("an object").clone());
        let actor = authority.orders_token(claims);
        let more = [&TO_PAYMENTS[..], &[("actor_token", &actor), ("actor_token_type", ACCESS_TOKEN)]].concat();
        authority.exchange(ORDERS, &subject, &more).await
    };
    let answer = acting(json!({})).await;
    let act =
        json!({ "iss": authority.issuer, "sub": "orders", "act": { "iss": authority.issuer, "sub": "storefront" } });
    assert_eq!(authority.claims(&answer.token()).await["act"], act);
    for changes in [
        json!({ "sub": "storefront", "client_id": "storefront" }),
        json!({ "sub": "alice" }),
        json!({ "client_id": "storefront" }),
        json!({ "act": { "iss": authority.issuer, "sub": "orders" } }),
        json!({ "exp": authority.now() }),
    ] {
        assert_eq!(acting(changes.clone()).await.outcome(), refused("invalid_request"), "{changes}");
    }
    let more = [&TO_PAYMENTS[..], &[("actor_token", "x"), ("actor_token_type", ACCESS_TOKEN)]].concat();
    assert_eq!(with(&authority, &subject, &more).await, refused("invalid_request"));
}

#[tokio::test]
async fn te_c9_may_act_names_the_client_in_every_member_or_nobody_acts() {
    let authority = Running::start().await;
    let issuer = &authority.issuer;
    let cases = [
        (json!({ "sub": "orders" }), accepted()),
        (json!({ "sub": "orders", "iss": issuer, "client_id": "orders" }), accepted()),
        (json!({ "sub": "storefront" }), refused("invalid_request")),
        (json!({ "sub": "orders", "iss": "https://other.example" }), refused("invalid_request")),
        (json!({ "sub": "orders", "client_id": "storefront" }), refused("invalid_request")),
        (json!("orders"), refused("invalid_request")),
        // A member that nobody here can compare is not met, and neither is nothing at all.
        (json!({ "sub": "orders", "email": "orders@shop.example" }), refused("invalid_request")),
        (json!({ "email": "orders@shop.example" }), refused("invalid_request")),
        (json!({}), refused("invalid_request")),
    ];
    for (may_act, expected) in cases {
        let token = authority.orders_token(json!({ "may_act": may_act }));
        assert_eq!(outcome(&authority, &token).await, expected, "{may_act}");
    }
}

#[tokio::test]
async fn te_c10_scopes_are_translated_and_only_shrink() {
    let authority = Running::start().await;
    let cases = [
        ("orders:write", Some("payments:charge"), Ok("payments:charge")),
        ("orders:write orders:read", None, Ok("payments:charge payments:read")),
        ("orders:write", Some("payments:charge payments:read payments:settle"), Ok("payments:charge")),
        ("orders:read", Some("payments:charge"), Err("invalid_scope")),
        ("payments:charge", Some("payments:charge"), Err("invalid_scope")),
        ("", None, Err("invalid_scope")),
    ];
    for (held, asked, expected) in cases {
        let token = authority.orders_token(json!({ "scope": held }));
        let asked = asked.map(|asked| ("scope", asked));
        let form: Vec<_> = [("audience", "payments")].into_iter().chain(asked).collect();
        let answer = authority.exchange(ORDERS, &token, &form).await;
        match expected {
            Ok(granted) => assert_eq!(authority.claims(&answer.token()).await["scope"], granted, "{held}"),
            Err(code) => assert_eq!(answer.outcome(), refused(code), "{held}"),
        }
    }
    // The row for orders itself would add orders:write: within one audience nothing is added.
    let token = authority.orders_token(json!({ "scope": "orders:read" }));
    let answer = authority.exchange(ORDERS, &token, &[("audience", "orders")]).await;
    assert_eq!(authority.claims(&answer.token()).await["scope"], "orders:read");
}

#[tokio::test]
async fn te_c11_nothing_outlives_its_inputs() {
    let authority = Running::start().await;
    let now = authority.now();
    let ends = async |subject: u64, actor: u64| {
        let subject = authority.orders_token(json!({ "exp": subject }));
        let actor =
            authority.orders_token(json!({ "sub": "orders", "client_id": "orders", "act": null, "exp": actor }));
        let more = [&TO_PAYMENTS[..], &[("actor_token", &actor), ("actor_token_type", ACCESS_TOKEN)]].concat();
        let answer = authority.exchange(ORDERS, &subject, &more).await;
        let claims = authority.claims(&answer.token()).await;
        assert_eq!(answer.body["expires_in"].as_u64().map(|seconds| now + seconds), claims["exp"].as_u64());
        claims["exp"].as_u64().expect("a time") - now
    };
    assert_eq!(ends(now + 900, now + 900).await, 300);
    assert_eq!(ends(now + 20, now + 900).await, 20);
    assert_eq!(ends(now + 900, now + 10).await, 10);

    authority.advance(20);
    let token = authority.orders_token(json!({ "exp": now + 20 }));
    assert_eq!(outcome(&authority, &token).await, refused("invalid_request"));
}

#[tokio::test]
async fn rfc9470_c1_how_the_user_signed_in_is_copied_as_it_was() {
    let authority = Running::start().await;
    let now = authority.now();
    let session = json!({ "auth_time": now - 1000, "acr": "2", "amr": ["pwd", "otp"], "sid": "s-1", "txn": "t-1" });
    let issued = authority.exchange(ORDERS, &authority.orders_token(session.clone()), &TO_PAYMENTS).await.token();
    let claims = authority.claims(&issued).await;
    for (name, value) in session.as_object().expect("an object") {
        assert_eq!(&claims[name], value, "{name}");
    }
}

#[tokio::test]
async fn te_c12_without_an_actor_token_it_is_delegation_all_the_same() {
    let authority = Running::start().await;
    let subject = authority.orders_token(json!({ "act": null }));
    let act = json!({ "iss": authority.issuer, "sub": "orders" });
    let bare = authority.exchange(ORDERS, &subject, &TO_PAYMENTS).await.token();
    assert_eq!(authority.claims(&bare).await["act"], act);

    let own = authority.token(ORDERS, &[("grant_type", "client_credentials"), ("audience", "payments")]).await.token();
    let more = [&TO_PAYMENTS[..], &[("actor_token", &own), ("actor_token_type", ACCESS_TOKEN)]].concat();
    let with_actor = authority.exchange(ORDERS, &subject, &more).await.token();
    assert_eq!(authority.claims(&with_actor).await["act"], act);
}

#[tokio::test]
async fn te_c13_a_token_that_is_bound_to_a_key_is_not_turned_into_one_that_is_not() {
    let authority = Running::start().await;
    let bound = authority.orders_token(json!({ "cnf": { "jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I" } }));
    assert_eq!(outcome(&authority, &bound).await, refused("invalid_request"));
    assert_eq!(outcome(&authority, &authority.orders_token(json!({}))).await, accepted());
}

#[tokio::test]
async fn rfc9068_c4_a_clients_own_token_is_never_exchanged_as_if_it_were_a_users() {
    let authority = Running::start().await;
    let subjects =
        [("alice", accepted()), ("storefront", refused("invalid_request")), ("mallory", refused("invalid_request"))];
    for (sub, expected) in subjects {
        let token = authority.orders_token(json!({ "sub": sub, "client_id": sub, "act": null }));
        assert_eq!(outcome(&authority, &token).await, expected, "{sub}");
    }
    let assertion = ledger_assertion(&authority);
    let form = [("grant_type", "client_credentials"), ("scope", "orders:read")];
    let own = authority.token(As::Assertion(&assertion), &form).await.token();
    assert_eq!(outcome(&authority, &own).await, refused("invalid_request"));
}
