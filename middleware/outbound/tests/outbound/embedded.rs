//! The token that lies in the caller's.

use std::sync::LazyLock;

use serde_json::{Value, json};
use tower_identity_core::CallerContext;
use tower_identity_jose::{Algorithm, MediaType, SigningKey};
use tower_identity_outbound::{Embedded, HttpClient, Strategies, Strategy, TokenExchange};

use crate::support::{START, World, client, echoed, refused};

static KEY: LazyLock<SigningKey> = LazyLock::new(|| SigningKey::generate(Algorithm::Es256).expect("a key"));

/// A JWT with the claims that a good one has, but for these; `null` takes one away.
fn jwt(world: &World, but_for: &Value) -> String {
    let mut claims = json!({
        "iss": world.authority.issuer(), "aud": ["payments"], "sub": "alice", "exp": START + 300,
    });
    let all = claims.as_object_mut().expect("an object");
    for (name, value) in but_for.as_object().expect("an object") {
        match value {
            Value::Null => drop(all.remove(name)),
            value => drop(all.insert(name.clone(), value.clone())),
        }
    }
    KEY.sign(&MediaType::ACCESS_TOKEN, &claims).expect("signed").expose().to_owned()
}

fn http(world: &World, strategies: impl Into<Strategies>) -> HttpClient {
    client(&world.builder().target(world.payments.target().strategy(strategies)).build().expect("outbound"))
}

/// What the target got, or the failing check.
async fn sent(world: &World, http: &HttpClient, caller: &CallerContext) -> Result<String, &'static str> {
    let response = http.get(world.payments.url("/")).on_behalf_of(caller).send().await;
    match response {
        Ok(response) => Ok(echoed(Ok(response)).await),
        Err(error) => Err(refused(Err(error)).0),
    }
}

#[tokio::test]
async fn out_b30_what_is_sent_is_the_targets_and_the_users() {
    let at = || Embedded::at("tokens.payments");
    let listed = || at().issuer("https://partner.example");
    let exp = |seconds: u64| json!({"exp": START + seconds});
    let cases = [
        (at(), json!({}), Ok(())),
        (at(), json!({"aud": "payments"}), Ok(())),
        (at(), json!({"aud": ["stock", "payments"]}), Ok(())),
        (at(), json!({"aud": "stock"}), Err("embedded_aud")),
        (at(), json!({"aud": 7}), Err("embedded_aud")),
        (at(), json!({"aud": null}), Err("embedded_aud")),
        (at(), json!({"iss": "https://partner.example"}), Err("embedded_iss")),
        (at(), json!({"iss": null}), Err("embedded_iss")),
        (listed(), json!({}), Err("embedded_iss")),
        // A subject is a name at its issuer.
        (listed(), json!({"iss": "https://partner.example"}), Err("embedded_sub")),
        (listed().foreign_subject(), json!({"iss": "https://partner.example"}), Ok(())),
        (listed().foreign_subject(), json!({"iss": "https://other.example"}), Err("embedded_iss")),
        (at(), exp(1), Ok(())),
        (at(), exp(0), Err("embedded_exp")),
        (at(), json!({"exp": null}), Err("embedded_exp")),
        (at(), json!({"exp": "soon"}), Err("embedded_exp")),
        (at(), json!({"sub": "bob"}), Err("embedded_sub")),
        (at(), json!({"sub": null}), Err("embedded_sub")),
        (at().foreign_subject(), json!({"sub": "bob"}), Ok(())),
        (at().foreign_subject(), json!({"sub": null}), Err("embedded_sub")),
        (at().foreign_subject(), json!({"sub": ""}), Err("embedded_sub")),
        (at().user_claim("oid"), json!({"sub": "pairwise", "oid": "alice"}), Ok(())),
        (at().user_claim("oid"), json!({"oid": "bob"}), Err("embedded_sub")),
        (at().user_claim("oid"), json!({}), Err("embedded_sub")),
        (at(), json!({"cnf": {"jkt": "x"}}), Err("embedded_cnf")),
    ];
    let world = World::new().await;
    for (strategy, but_for, expected) in cases {
        let http = http(&world, strategy.clone());
        let token = jwt(&world, &but_for);
        let alice = world.holding("alice", &["orders"], &json!({"tokens": {"payments": token}}));
        let before = world.payments.got().len();
        let expected = expected.map(|()| format!("Bearer {token}"));
        assert_eq!(sent(&world, &http, &alice).await, expected, "{strategy:?} {but_for}");
        assert_eq!(world.payments.got().len() - before, usize::from(expected.is_ok()), "{but_for}");
    }
    assert_eq!(world.authority.calls().len(), 0, "nobody is asked");
}

#[tokio::test]
async fn out_b30_a_user_of_another_tenant_is_another_user() {
    let world = World::new().await;
    for (tid, expected) in [(json!("a"), Ok(())), (json!("b"), Err("embedded_sub")), (Value::Null, Err("embedded_sub"))]
    {
        let token = jwt(&world, &json!({"tid": tid}));
        let alice = world.of_tenant(Some("a"), "alice", &["orders"], &json!({"token": token}));
        assert_eq!(sent(&world, &http(&world, Embedded::at("token")), &alice).await.map(drop), expected, "{tid}");
    }
}

#[tokio::test]
async fn out_b30_it_is_found_at_any_depth_and_what_is_malformed_is_not_absent() {
    let world = World::new().await;
    let good = || jwt(&world, &json!({}));
    let cases = [
        (Embedded::at("a"), json!({"a": good()}), Ok(())),
        (Embedded::at("a.b.c.d"), json!({"a": {"b": {"c": {"d": good()}}}}), Ok(())),
        (Embedded::at_members(["a.b", "c"]), json!({"a.b": {"c": good()}}), Ok(())),
        (Embedded::at("a.b"), json!({"a.b": good()}), Err("absent")),
        (Embedded::at("a.b"), json!({"a": {"c": good()}}), Err("absent")),
        (Embedded::at("a.b"), json!({}), Err("absent")),
        (Embedded::at("a.b"), json!({"a": null}), Err("wrong")),
        (Embedded::at("a.b"), json!({"a": good()}), Err("wrong")),
        (Embedded::at("a.b"), json!({"a": [{"b": good()}]}), Err("wrong")),
        (Embedded::at("a.b"), json!({"a": {"b": null}}), Err("wrong")),
        (Embedded::at("a.b"), json!({"a": {"b": ""}}), Err("wrong")),
        (Embedded::at("a.b"), json!({"a": {"b": "two words"}}), Err("wrong")),
        (Embedded::at("a.b"), json!({"a": {"b": "e30.e30.AA"}}), Err("wrong")),
        (Embedded::at("a.b"), json!({"a": {"b": {"c": good()}}}), Err("wrong")),
    ];
    for (strategy, claims, expected) in cases {
        let alice = world.holding("alice", &["orders"], &claims);
        let alone = sent(&world, &http(&world, strategy.clone()), &alice).await.map(drop);
        assert_eq!(alone, expected.map_err(|_| "embedded"), "{claims}");

        // A list goes on where there is none, and nowhere else.
        let asked = world.authority.calls().len();
        let listed = http(&world, [strategy.into(), Strategy::from(TokenExchange::new())]);
        let listed = sent(&world, &listed, &alice).await;
        let is_exchanged = world.authority.calls().len() - asked == 1;
        let expected = match expected {
            Ok(()) => (true, false),
            Err("absent") => (true, true),
            Err(_) => (false, false),
        };
        assert_eq!((listed.is_ok(), is_exchanged), expected, "{claims}");
    }
}

#[tokio::test]
async fn out_b31_a_later_strategy_is_not_taken_where_the_former_is_wrong() {
    let world = World::new().await;
    let listed = || [Embedded::at("token").into(), Strategy::from(TokenExchange::new())];
    for (but_for, expected) in [
        (json!({"sub": "bob"}), "embedded_sub"),
        (json!({"exp": START}), "embedded_exp"),
        (json!({"aud": "stock"}), "embedded_aud"),
    ] {
        let alice = world.holding("alice", &["orders"], &json!({"token": jwt(&world, &but_for)}));
        assert_eq!(sent(&world, &http(&world, listed()), &alice).await, Err(expected));
    }
    assert_eq!((world.authority.calls().len(), world.payments.got().len()), (0, 0));

    let alice = world.holding("alice", &["orders"], &json!({}));
    assert_eq!(sent(&world, &http(&world, listed()), &alice).await, Ok("Bearer token-0".to_owned()));
    assert_eq!(world.authority.calls()[0]["subject_token"], "token-of-alice");
}

#[tokio::test]
async fn out_b31_a_later_strategy_has_its_own_preconditions() {
    let world = World::new().await;
    let listed = || [Embedded::at("token").into(), Strategy::from(TokenExchange::new())];
    let foreign = world.of_issuer("https://partner.example", Some("alice"), "token-of-alice", 3600);
    assert_eq!(sent(&world, &http(&world, listed()), &foreign).await, Err("subject_issuer"));
    assert_eq!(world.authority.calls().len(), 0, "no subject token goes to a stranger");
    let own = world.of_issuer(world.authority.issuer(), Some("alice"), "token-of-alice", 3600);
    assert_eq!(sent(&world, &http(&world, listed()), &own).await, Ok("Bearer token-0".to_owned()));
}

#[tokio::test]
async fn out_b30_an_opaque_one_lives_no_longer_than_the_callers() {
    let world = World::new().await;
    let http = http(&world, Embedded::at("token"));
    let alice = world.holding("alice", &["orders"], &json!({"token": "opaque"}));
    for (advance, expected) in
        [(0, Ok("Bearer opaque".to_owned())), (3599, Ok("Bearer opaque".to_owned())), (1, Err("exp"))]
    {
        world.time.advance(advance);
        assert_eq!(sent(&world, &http, &alice).await, expected);
    }
}

#[tokio::test]
async fn out_b30_a_jwt_ends_by_itself_before_the_callers() {
    let world = World::new().await;
    let http = http(&world, Embedded::at("token"));
    let alice = world.holding("alice", &["orders"], &json!({"token": jwt(&world, &json!({}))}));
    for (advance, expected) in [(0, Ok(())), (289, Ok(())), (11, Err("embedded_exp"))] {
        world.time.advance(advance);
        assert_eq!(sent(&world, &http, &alice).await.map(drop), expected);
    }
}

#[tokio::test]
async fn out_b30_every_setting_is_part_of_the_key() {
    let world = World::new().await;
    let row = |path: &str, strategy: Embedded| world.payments.target().path_prefix(path).strategy(strategy);
    let outbound = world
        .builder()
        .target(row("/a", Embedded::at("a")))
        .target(row("/b", Embedded::at("b")))
        .target(row("/foreign", Embedded::at("bobs").foreign_subject()))
        .target(row("/same", Embedded::at("bobs")))
        .target(row("/listed", Embedded::at("a").issuer("https://partner.example")))
        .target(row("/oid", Embedded::at("a").user_claim("oid")));
    let http = client(&outbound.build().expect("outbound"));
    let [a, b] = ["a", "b"].map(|jti| jwt(&world, &json!({"jti": jti})));
    let bobs = jwt(&world, &json!({"sub": "bob"}));
    let alice = world.holding("alice", &["orders"], &json!({"a": a, "b": b, "bobs": bobs}));
    let send = |path: &str| http.get(world.payments.url(path)).on_behalf_of(&alice).send();
    for (path, token) in [("/a", a), ("/b", b), ("/foreign", bobs)] {
        assert_eq!(echoed(send(path).await).await, format!("Bearer {token}"), "{path}");
    }
    for (path, check) in [("/same", "embedded_sub"), ("/listed", "embedded_iss"), ("/oid", "embedded_sub")] {
        assert_eq!(refused(send(path).await).0, check, "{path}");
    }
}
