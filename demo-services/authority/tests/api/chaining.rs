//! Two authorization servers: grants that one issues for the other, and what the other makes of them.

use serde_json::{Map, Value, json};
use tokio::net::TcpListener;
use tower_identity_jose::{MediaType, random_id};

use crate::support::{
    ACCESS_TOKEN, AUTHORITY_KEY, As, Form, LEDGER_KEY, ORDERS, Outcome, Running, STOREFRONT, accepted, changed,
    refused, sign,
};

const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
const JWT: &str = "urn:ietf:params:oauth:token-type:jwt";
const GRANT: &str = "authorization-grant+jwt";

/// Ours, which gives orders grants for theirs; and theirs, which knows our alice as its bob.
struct Two {
    ours: Running,
    theirs: Running,
}

impl Two {
    async fn start() -> Self {
        let there = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let theirs = format!("http://{}", there.local_addr().expect("bound"));
        let ours = Running::with(|settings| {
            let scopes = json!({ "orders:write": ["payments:charge", "payments:read"] });
            settings["grant"] = json!([{ "client": "orders", "from": "orders", "to": theirs, "scopes": scopes }]);
        });
        let ours = ours.await;
        let theirs = Running::at(there, |settings| {
            settings["trusted"] = json!([{
                "issuer": ours.issuer, "client": "orders", "to": "payments", "scopes": ["payments:charge", "admin"],
                "users": { "alice": "bob" },
            }]);
        });
        Self { ours, theirs }
    }

    /// A grant of ours for theirs, by exchange of a good token.
    async fn grant(&self) -> String {
        let subject = self.ours.orders_token(json!({}));
        let more = [("requested_token_type", JWT), ("audience", &*self.theirs.issuer)];
        self.ours.exchange(ORDERS, &subject, &more).await.token()
    }

    /// The claims of such a grant, with these changed.
    fn claims(&self, changes: Value) -> Map<String, Value> {
        let now = self.ours.now();
        let claims = json!({
            "iss": self.ours.issuer, "sub": "alice", "aud": self.theirs.issuer, "iat": now, "exp": now + 60,
            "jti": random_id(), "scope": "payments:charge",
        });
        changed(claims.as_object().expect("an object").clone(), changes)
    }

    /// What becomes of a grant with these claims changed, that is signed by our key.
    async fn outcome(&self, changes: Value) -> Outcome {
        self.redeemed(ORDERS, &sign(&AUTHORITY_KEY, &typ(GRANT), &self.claims(changes)), &[]).await
    }

    async fn redeemed(&self, client: As<'_>, grant: &str, more: Form<'_>) -> Outcome {
        redeem(&self.theirs, client, grant, more).await.outcome()
    }
}

async fn redeem(at: &Running, client: As<'_>, grant: &str, more: Form<'_>) -> crate::support::Answer {
    let form = [&[("grant_type", JWT_BEARER), ("assertion", grant)], more].concat();
    at.token(client, &form).await
}

fn typ(name: &str) -> MediaType {
    MediaType::parse(name).expect("a type")
}

#[tokio::test]
async fn ch_c1_an_exchange_for_another_server_is_a_grant_to_it_and_no_access_token() {
    let Two { ours, theirs } = &Two::start().await;
    let subject = ours.orders_token(json!({}));
    let to = ("audience", &*theirs.issuer);
    let answer = ours.exchange(ORDERS, &subject, &[("requested_token_type", JWT), to]).await;
    let grant = answer.token();
    let expected = json!({
        "access_token": grant, "issued_token_type": JWT, "token_type": "N_A", "expires_in": 60,
        "scope": "payments:charge payments:read",
    });
    assert_eq!(answer.body, expected);
    let claims = ours.claims_of(&typ(GRANT), &grant).await;
    let expected = json!({
        "iss": ours.issuer, "sub": "alice", "aud": theirs.issuer, "scope": "payments:charge payments:read",
        "iat": ours.now(), "exp": ours.now() + 60, "jti": claims["jti"],
    });
    assert_eq!(claims, expected);

    let soon = ours.orders_token(json!({ "exp": ours.now() + 20 }));
    let answer = ours.exchange(ORDERS, &soon, &[("requested_token_type", JWT), to, ("scope", "payments:read")]).await;
    assert_eq!((&answer.body["expires_in"], &answer.body["scope"]), (&json!(20), &json!("payments:read")));
}

#[tokio::test]
async fn ch_c1_a_grant_is_for_a_server_that_policy_names_and_for_no_service() {
    let Two { ours, theirs } = &Two::start().await;
    let subject = ours.orders_token(json!({}));
    let their_issuer = &*theirs.issuer;
    let cases: [(As<'_>, Form<'_>, Outcome); 7] = [
        (ORDERS, &[("requested_token_type", JWT), ("resource", their_issuer)], accepted()),
        (ORDERS, &[("requested_token_type", JWT)], refused("invalid_target")),
        (ORDERS, &[("requested_token_type", JWT), ("audience", "https://b.example")], refused("invalid_target")),
        (ORDERS, &[("requested_token_type", JWT), ("audience", "payments")], refused("invalid_target")),
        (ORDERS, &[("requested_token_type", ACCESS_TOKEN), ("audience", their_issuer)], refused("invalid_target")),
        (
            ORDERS,
            &[("requested_token_type", JWT), ("audience", their_issuer), ("scope", "admin")],
            refused("invalid_scope"),
        ),
        (STOREFRONT, &[("requested_token_type", JWT), ("audience", their_issuer)], refused("invalid_request")),
    ];
    for (client, more, expected) in cases {
        assert_eq!(ours.exchange(client, &subject, more).await.outcome(), expected, "{more:?}");
    }
    let at_storefront = ours.sign_in("alice").await;
    let more = [("requested_token_type", JWT), ("audience", their_issuer)];
    let refusal = ours.exchange(STOREFRONT, &at_storefront, &more).await.outcome();
    assert_eq!(refusal, refused("unauthorized_client"), "no row is the storefront's");
}

#[tokio::test]
async fn rfc7521_c1_ch_c2_a_grant_is_redeemed_once_for_a_token_about_the_user_as_they_know_her() {
    let two = Two::start().await;
    let grant = two.grant().await;
    let answer = redeem(&two.theirs, ORDERS, &grant, &[]).await;
    let token = answer.token();
    let expected = json!({
        "access_token": token, "token_type": "Bearer", "expires_in": 300, "scope": "payments:charge",
    });
    assert_eq!(answer.body, expected);
    let claims = two.theirs.claims(&token).await;
    let (issuer, now) = (&two.theirs.issuer, two.theirs.now());
    let expected = json!({
        "iss": issuer, "sub": "bob", "aud": "payments", "client_id": "orders", "scope": "payments:charge",
        "iat": now, "exp": now + 300, "jti": claims["jti"], "act": { "iss": issuer, "sub": "orders" },
    });
    assert_eq!(claims, expected);

    assert_eq!(two.redeemed(ORDERS, &grant, &[]).await, refused("invalid_grant"), "it was used");
    assert_eq!(two.redeemed(ORDERS, &two.grant().await, &[]).await, accepted());
}

#[tokio::test]
async fn ch_c2_a_grant_that_does_not_hold_is_an_invalid_grant() {
    let two = Two::start().await;
    let now = two.theirs.now();
    let both = json!({ "aud": [two.theirs.issuer, "https://c.example"] });
    for good in [
        json!({}),
        json!({ "aud": [two.theirs.issuer] }),
        json!({ "aud": format!("{}/token", two.theirs.issuer) }),
        json!({ "exp": now + 300 }),
        json!({ "iat": now + 30, "nbf": now + 30 }),
    ] {
        assert_eq!(two.outcome(good.clone()).await, accepted(), "{good}");
    }
    for bad in [
        json!({ "aud": two.ours.issuer }),
        json!({ "aud": "payments" }),
        both,
        json!({ "aud": null }),
        json!({ "exp": now }),
        json!({ "exp": null }),
        json!({ "exp": now + 301 }),
        json!({ "iat": now - 250, "exp": now + 60 }),
        json!({ "iat": now + 31 }),
        json!({ "iat": null }),
        json!({ "nbf": now + 31 }),
        json!({ "sub": "carol" }),
        json!({ "sub": null }),
        json!({ "iss": "https://a.example" }),
        json!({ "jti": null }),
        json!({ "jti": "x".repeat(129) }),
    ] {
        assert_eq!(two.outcome(bad.clone()).await, refused("invalid_grant"), "{bad}");
    }
    let by_another_key = sign(&LEDGER_KEY, &typ(GRANT), &two.claims(json!({})));
    assert_eq!(two.redeemed(ORDERS, &by_another_key, &[]).await, refused("invalid_grant"));
    assert_eq!(two.redeemed(ORDERS, "opaque", &[]).await, refused("invalid_grant"));
}

#[tokio::test]
async fn ch_c2_a_grant_is_taken_from_the_client_that_may_redeem_it_and_gives_no_more_than_both_allow() {
    let two = Two::start().await;
    let grant = two.grant().await;
    assert_eq!(two.redeemed(As::Nobody, &grant, &[]).await, (401, "invalid_client".to_owned()));
    assert_eq!(two.redeemed(STOREFRONT, &grant, &[]).await, refused("invalid_grant"));
    // What was refused was not used up.
    for more in [("scope", "admin"), ("scope", "payments:read")] {
        assert_eq!(two.redeemed(ORDERS, &grant, &[more]).await, refused("invalid_scope"), "{more:?}");
    }
    assert_eq!(
        two.redeemed(ORDERS, &grant, &[("resource", "https://payments.example/")]).await,
        refused("invalid_target")
    );
    assert_eq!(
        two.redeemed(ORDERS, &grant, &[("audience", "payments"), ("scope", "payments:charge")]).await,
        accepted()
    );
    assert_eq!(two.outcome(json!({ "scope": null })).await, refused("invalid_scope"));
}

#[tokio::test]
async fn ch_c3_an_access_token_of_theirs_is_no_grant_even_if_it_is_for_us() {
    let two = Two::start().await;
    for (kind, expected) in [
        (GRANT, accepted()),
        ("at+jwt", refused("invalid_grant")),
        ("client-authentication+jwt", refused("invalid_grant")),
        ("JWT", refused("invalid_grant")),
    ] {
        let token = sign(&AUTHORITY_KEY, &typ(kind), &two.claims(json!({ "client_id": "orders" })));
        assert_eq!(two.redeemed(ORDERS, &token, &[]).await, expected, "{kind}");
    }
    // Nor is a grant an access token.
    let grant = two.grant().await;
    let used = two.ours.exchange(ORDERS, &grant, &[("audience", "payments")]).await.outcome();
    assert_eq!(used, refused("invalid_request"));
}

#[tokio::test]
async fn whose_keys_are_out_of_reach_is_heard_again_later() {
    let theirs = Running::with(|settings| {
        settings["trusted"] = json!([{
            "issuer": "http://127.0.0.1:1", "client": "orders", "to": "payments", "scopes": ["payments:charge"],
            "users": { "alice": "bob" },
        }]);
    });
    let theirs = theirs.await;
    let now = theirs.now();
    let claims = json!({
        "iss": "http://127.0.0.1:1", "sub": "alice", "aud": theirs.issuer, "iat": now, "exp": now + 60, "jti": "1",
        "scope": "payments:charge",
    });
    let grant = sign(&AUTHORITY_KEY, &typ(GRANT), claims.as_object().expect("an object"));
    let answer = redeem(&theirs, ORDERS, &grant, &[]).await;
    assert_eq!(answer.outcome(), (503, "temporarily_unavailable".to_owned()));
}

#[tokio::test]
async fn the_metadata_says_which_half_a_server_has_and_a_server_of_neither_offers_neither() {
    let (two, neither) = (Two::start().await, Running::start().await);
    let said = async |of: &Running| {
        let metadata = of.get("/.well-known/oauth-authorization-server").await.body;
        let grants = metadata["grant_types_supported"].as_array().expect("a list").len();
        (grants, metadata["identity_chaining_requested_token_types_supported"].clone())
    };
    assert_eq!(said(&two.ours).await, (2, json!([JWT])));
    assert_eq!(said(&two.theirs).await, (3, Value::Null));
    assert_eq!(said(&neither).await, (2, Value::Null));

    let redeemed = redeem(&neither, ORDERS, &two.grant().await, &[]).await.outcome();
    assert_eq!(redeemed, refused("unsupported_grant_type"));
    let subject = neither.orders_token(json!({}));
    let more = [("requested_token_type", JWT), ("audience", &*two.theirs.issuer)];
    assert_eq!(neither.exchange(ORDERS, &subject, &more).await.outcome(), refused("unauthorized_client"));
}
