//! Paths that name a user, behind a real router.

use axum::{
    Router,
    body::Body,
    extract::{Path, Request},
    routing::get,
};
use axum_identity::{NamesUser, PathUser};
use tower::ServiceExt;
use tower_identity_core::{Refusal, RefusalKind};
use tower_identity_testkit::{TestCaller, WithCallerLayer, with_caller, without_caller};

const PARTNER: &str = "https://partner.example";

#[derive(serde::Deserialize)]
struct OrderOfUser {
    user: String,
    order: u64,
}

impl NamesUser for OrderOfUser {
    fn user(&self) -> &str {
        &self.user
    }
}

#[derive(serde::Deserialize)]
#[serde(transparent)]
struct PartnersUser(String);

impl NamesUser for PartnersUser {
    fn user(&self) -> &str {
        &self.0
    }

    fn issuer(&self) -> Option<&str> {
        Some(PARTNER)
    }
}

async fn user(PathUser(Path(user)): PathUser<Path<String>>) -> String {
    user
}

async fn order(PathUser(Path(it)): PathUser<Path<OrderOfUser>>) -> String {
    format!("{} of {}", it.order, it.user)
}

async fn partners(PathUser(Path(it)): PathUser<Path<PartnersUser>>) -> String {
    it.0
}

fn routes() -> Router {
    Router::new()
        .route("/users/{user}", get(user))
        .route("/users/{user}/orders/{order}", get(order))
        .route("/partners/{user}", get(partners))
        .route("/me", get(user))
        .route("/me/order", get(order))
        .route("/pairs/{user}/{other}", get(user))
        .nest("/twice/{user}", Router::new().route("/orders/{order}/{user}", get(order)))
}

fn alice() -> TestCaller {
    TestCaller::workload("storefront").user("alice")
}

/// What became of a request: its status, and which check refused it.
async fn ask(layer: Option<WithCallerLayer>, path: &str) -> (u16, Option<(RefusalKind, &'static str)>) {
    let router = layer.into_iter().fold(routes(), Router::layer);
    let Ok(response) = router.oneshot(Request::get(path).body(Body::empty()).expect("a request")).await;
    let refusal = response.extensions().get::<Refusal>();
    (response.status().as_u16(), refusal.map(|refusal| (refusal.kind().clone(), refusal.check())))
}

fn denied() -> (u16, Option<(RefusalKind, &'static str)>) {
    (403, Some((RefusalKind::Denied, "path_user")))
}

#[tokio::test]
async fn e11_a_path_is_its_users_by_every_byte_after_decoding_once() {
    let ok = || (200, None);
    let cases = [
        ("/users/alice", ok()),
        ("/users/%61lice", ok()),
        ("/users/%61%6c%69%63%65", ok()),
        ("/users/bob", denied()),
        ("/users/Alice", denied()),
        ("/users/alice%20", denied()),
        ("/users/alice%00", denied()),
        ("/users/alice%2F", denied()),
        ("/users/alice%2fbob", denied()),
        ("/users/bob%2F..%2Falice", denied()),
        ("/users/%2561lice", denied()),
        ("/users/alice%FF", denied()),
        ("/users/alice;bob", denied()),
        ("/users/alic", denied()),
        ("/users/alice/orders/7", ok()),
        ("/users/%61lice/orders/7", ok()),
        ("/users/bob/orders/7", denied()),
        ("/users/alice/orders/x", denied()),
        ("/users/alice%2Forders/orders/7", denied()),
        ("/users/alice?user=bob", ok()),
        ("/users/bob?user=alice", denied()),
    ];
    for (path, expected) in cases {
        assert_eq!(ask(Some(with_caller(alice())), path).await, expected, "{path}");
    }
    // An id with a slash in it is named by an encoded one.
    let nested = || Some(with_caller(TestCaller::workload("storefront").user("a/b")));
    assert_eq!(ask(nested(), "/users/a%2Fb").await, ok());
    assert_eq!(ask(nested(), "/users/a%252Fb").await, denied());
}

#[tokio::test]
async fn two_a8_a_user_of_another_issuer_is_another_user() {
    let cases = [
        ("/users/alice", alice(), (200, None)),
        ("/users/alice", alice().foreign(PARTNER), denied()),
        ("/partners/alice", alice().foreign(PARTNER), (200, None)),
        ("/partners/alice", alice(), denied()),
        ("/partners/alice", alice().foreign("https://partner.example/"), denied()),
        ("/partners/bob", alice().foreign(PARTNER), denied()),
        // A workload goes by a user's id, for itself.
        ("/users/alice", TestCaller::workload("alice"), (403, Some((RefusalKind::Denied, "user")))),
    ];
    for (path, caller, expected) in cases {
        assert_eq!(ask(Some(with_caller(caller.clone())), path).await, expected, "{path}: {caller:?}");
    }
}

#[tokio::test]
async fn e12_a_route_that_does_not_name_one_user_opens_nothing() {
    let ours = || (500, Some((RefusalKind::Misconfigured, "path_user")));
    let cases = [
        ("/me", ours()),
        ("/me?user=alice", ours()),
        ("/pairs/alice/alice", ours()),
        ("/pairs/alice/bob", ours()),
        // Parameters of other names, and one name for two.
        ("/me/order", denied()),
        ("/twice/alice/orders/7/alice", denied()),
        ("/twice/bob/orders/7/alice", denied()),
        ("/twice/alice/orders/7/bob", denied()),
    ];
    for (path, expected) in cases {
        assert_eq!(ask(Some(with_caller(alice())), path).await, expected, "{path}");
    }
}

#[tokio::test]
async fn e1_nobody_is_asked_for_a_credential_before_the_path_is_looked_at() {
    for path in ["/users/alice", "/users/bob", "/users/%FF", "/me"] {
        assert_eq!(
            ask(Some(without_caller()), path).await,
            (401, Some((RefusalKind::NoCredential, "caller"))),
            "{path}"
        );
        assert_eq!(ask(None, path).await, (500, Some((RefusalKind::Misconfigured, "wiring"))), "{path}");
    }
}
