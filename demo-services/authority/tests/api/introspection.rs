//! What a token is, told to the service that it was sent to; and sessions, whose tokens are nothing else.

use reqwest::header::COOKIE;
use serde_json::{Value, json};

use crate::support::{Answer, As, ORDERS, Running, STOREFRONT, accepted, ledger_assertion, refused};

fn inactive() -> Value {
    json!({ "active": false })
}

/// Signs alice in, and gives her session's token and the cookie that it is in.
async fn begin(authority: &Running) -> (String, String) {
    let url = format!("{}/dev/sign-in", authority.issuer);
    let answer = Answer::read(authority.http.post(url).json(&json!({ "user": "alice" }))).await;
    let cookie = answer.header("set-cookie").expect("a cookie").to_owned();
    (answer.token(), cookie)
}

#[tokio::test]
async fn rfc7662_c1_a_token_that_is_not_active_has_no_other_members_and_strangers_get_no_answer() {
    let authority = Running::start().await;
    let good = authority.orders_token(json!({}));
    let now = authority.now();
    let told = authority.introspect(ORDERS, &good).await;
    let act = json!({ "iss": authority.issuer, "sub": "storefront" });
    let expected = json!({
        "active": true, "token_type": "Bearer", "iss": authority.issuer, "sub": "alice", "aud": "orders",
        "client_id": "storefront", "jti": "1", "iat": now, "exp": now + 120, "scope": "orders:read orders:write", "act": act,
    });
    assert_eq!(
        (told.status.as_u16(), told.header("cache-control"), told.body.clone()),
        (200, Some("no-store"), expected)
    );

    let bound = authority.orders_token(json!({ "cnf": { "jkt": "x" } }));
    assert_eq!(authority.introspect(ORDERS, &bound).await.body["cnf"], json!({ "jkt": "x" }));

    let not_active = [
        ("made up", "made-up".to_owned()),
        ("ended", authority.orders_token(json!({ "exp": now }))),
        ("of another issuer", authority.orders_token(json!({ "iss": "https://other.example" }))),
        ("of another kind", authority.orders_token_of_type("JWT")),
    ];
    for (name, token) in not_active {
        let told = authority.introspect(ORDERS, &token).await;
        assert_eq!((told.status.as_u16(), told.body), (200, inactive()), "{name}");
    }

    let unauthenticated = authority.introspect(As::Nobody, &good).await;
    assert_eq!(unauthenticated.outcome(), (401, "invalid_client".to_owned()));
    let wrong = authority.introspect(As::Basic("orders", "not its secret"), &good).await;
    assert_eq!(wrong.outcome(), (401, "invalid_client".to_owned()));
    let by_key = authority.introspect(As::Assertion(&ledger_assertion(&authority)), &good).await;
    assert_eq!((by_key.status.as_u16(), by_key.body), (200, inactive()), "it authenticates, and the token is not its");
    assert_eq!(authority.post_form("/introspect", ORDERS, &[]).await.outcome(), refused("invalid_request"));
    let in_the_url = authority.post_form("/introspect?token=x", ORDERS, &[("token", &good)]).await;
    assert_eq!(in_the_url.outcome(), refused("invalid_request"));
}

#[tokio::test]
async fn rfc7662_c2_a_token_for_somebody_else_is_not_active() {
    let authority = Running::start().await;
    let at = async |client: As<'_>, audience: Value| {
        let token = authority.orders_token(json!({ "aud": audience }));
        authority.introspect(client, &token).await.body["active"].clone()
    };
    for (audience, orders, storefront) in [
        (json!("orders"), true, false),
        (json!("https://orders.example/"), true, false),
        (json!(["storefront", "orders"]), true, true),
        (json!("payments"), false, false),
    ] {
        let found = [at(ORDERS, audience.clone()).await, at(STOREFRONT, audience.clone()).await];
        assert_eq!(found, [json!(orders), json!(storefront)], "{audience}");
    }
}

#[tokio::test]
async fn a_session_is_a_name_that_the_authority_alone_can_read_until_it_is_over() {
    let authority = Running::with(|settings| settings["sign_in"]["cookie"] = json!("session")).await;
    let (session, cookie) = begin(&authority).await;
    let (others, _) = begin(&authority).await;
    assert_eq!(cookie, format!("session={session}; Path=/; HttpOnly; SameSite=Lax; Max-Age=900"));
    assert_eq!((session.len(), session.contains('.')), (22, false));

    let now = authority.now();
    let told = authority.introspect(STOREFRONT, &session).await.body;
    let expected = json!({
        "active": true, "token_type": "Bearer", "iss": authority.issuer, "sub": "alice", "aud": "storefront",
        "client_id": "storefront-web", "jti": told["jti"], "iat": now, "exp": now + 900, "scope": "orders:read orders:write",
        "auth_time": now, "acr": "0", "amr": ["dev"], "sid": told["sid"],
    });
    assert_eq!(told, expected);
    assert_eq!(authority.introspect(ORDERS, &session).await.body, inactive(), "it is not for orders");

    let exchanged = authority.exchange(STOREFRONT, &session, &[("audience", "orders")]).await;
    let claims = authority.claims(&exchanged.token()).await;
    assert_eq!((&claims["sub"], &claims["sid"]), (&json!("alice"), &told["sid"]));

    let cookies = format!("theme=dark; session={session}");
    let signed_out = authority.sign_out(&[(COOKIE.as_str(), &cookies)]).await;
    let gone = "session=; Path=/; HttpOnly; SameSite=Lax; Max-Age=0";
    assert_eq!((signed_out.status.as_u16(), signed_out.header("set-cookie")), (204, Some(gone)));
    assert_eq!(authority.introspect(STOREFRONT, &session).await.body, inactive());
    let over = authority.exchange(STOREFRONT, &session, &[("audience", "orders")]).await;
    assert_eq!(over.outcome(), refused("invalid_request"));

    assert_eq!(authority.introspect(STOREFRONT, &others).await.body["active"], true, "another session goes on");
    authority.advance(900);
    assert_eq!(authority.introspect(STOREFRONT, &others).await.body, inactive(), "until it ends");
}

#[tokio::test]
async fn a_page_signs_nobody_out() {
    let authority = Running::with(|settings| settings["sign_in"]["cookie"] = json!("session")).await;
    let (session, _) = begin(&authority).await;
    let cookie = format!("session={session}");
    let by_page = authority.sign_out(&[("cookie", &cookie), ("origin", "https://page.example")]).await;
    assert_eq!(by_page.status, 403);
    for other in [format!("xsession={session}"), format!("session={session}x"), "session".to_owned()] {
        assert_eq!(authority.sign_out(&[("cookie", &other)]).await.status, 204);
    }
    assert_eq!(authority.introspect(STOREFRONT, &session).await.body["active"], true);
    assert_eq!(authority.sign_out(&[("cookie", &cookie)]).await.status, 204);
    assert_eq!(authority.introspect(STOREFRONT, &session).await.body, inactive());
}

#[tokio::test]
async fn without_a_cookie_in_the_settings_there_are_no_sessions() {
    let authority = Running::start().await;
    let url = format!("{}/dev/sign-in", authority.issuer);
    let answer = Answer::read(authority.http.post(url).json(&json!({ "user": "alice" }))).await;
    assert_eq!((answer.outcome(), answer.header("set-cookie")), (accepted(), None));
    assert_eq!(answer.token().matches('.').count(), 2);
    assert_eq!(authority.sign_out(&[]).await.status, 404);
}
