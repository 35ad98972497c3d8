//! For whom: what the request says, then the scope that the code runs in, then an error.

use std::sync::Arc;

use tower_identity_core::{Binding, CallerContext, ambient};
use tower_identity_outbound::{OutboundError, RequestExt, Target};

use crate::support::{Authority, Call, EXCHANGE, World, client, echoed, refused};

/// Whose token each call of the authorization server was for: the subject token, or nobody's.
fn subjects(world: &World) -> Vec<Option<String>> {
    world.authority.calls().into_iter().map(|mut call| call.remove("subject_token")).collect()
}

fn of(user: &str) -> Option<String> {
    Some(format!("token-of-{user}"))
}

#[tokio::test]
async fn out_b8_the_request_wins_over_the_scope() {
    let world = World::new().await;
    let http = world.for_users();
    let (alice, bob) = (world.caller("alice"), world.caller("bob"));
    let get = || http.get(world.payments.url("/"));

    alice.scope(async { echoed(get().send().await).await }).await;
    alice.scope(async { echoed(get().on_behalf_of(&bob).send().await).await }).await;
    alice.scope(async { echoed(get().as_service().send().await).await }).await;
    get().on_behalf_of(&alice).send().await.expect("remembered from the first");
    assert_eq!(subjects(&world), [of("alice"), of("bob"), None]);
    let grants: Vec<_> = world.authority.calls().into_iter().map(|call| call["grant_type"].clone()).collect();
    assert_eq!(grants, [EXCHANGE, EXCHANGE, "client_credentials"]);
}

#[tokio::test]
async fn out_b8_without_a_caller_nothing_is_sent() {
    let world = World::new().await;
    let http = world.for_users();
    let alice = world.caller("alice");
    let send = || http.get(world.payments.url("/")).send();

    let (check, text) = refused(send().await);
    assert_eq!(check, "no_caller");
    assert!(
        text.contains("caller.scope(..)") && text.starts_with(&world.payments.url(" takes its caller's token")),
        "{text}"
    );

    // A spawned task has no scope, though it was spawned in one.
    let (http, url) = (http.clone(), world.payments.url("/"));
    let spawned = ambient::enter(&mut Some(alice.clone()), || tokio::spawn(async move { http.get(url).send().await }));
    assert_eq!(refused(spawned.await.expect("joined")).0, "no_caller");
    assert_eq!(world.authority.calls(), Vec::<Call>::new());
    assert_eq!(world.payments.got().len(), 0);

    // The control: the scope is carried there.
    let (http, url) = (world.for_users(), world.payments.url("/"));
    let carried = tokio::spawn(alice.scope(async move { http.get(url).send().await }));
    assert_eq!(echoed(carried.await.expect("joined")).await, "Bearer token-0");
    assert_eq!(subjects(&world), [of("alice")]);
}

#[tokio::test]
async fn a_caller_without_a_user_is_not_replaced_by_this_service() {
    let world = World::new().await;
    let http = world.for_users();
    let storefront = world.caller_without_user();
    let send = || http.get(world.payments.url("/")).on_behalf_of(&storefront).send();
    assert_eq!(refused(send().await).0, "no_user");
    assert_eq!(refused(storefront.scope(http.get(world.payments.url("/")).send()).await).0, "no_caller");
    let in_scope = storefront.scope(async { http.get(world.payments.url("/")).send().await });
    assert_eq!(refused(in_scope.await).0, "no_user");
    assert_eq!((world.authority.calls().len(), world.payments.got().len()), (0, 0));

    let said = storefront.scope(async { http.get(world.payments.url("/")).as_service().send().await });
    echoed(said.await).await;
    assert_eq!(subjects(&world), [None]);
}

/// A1: a workload that presents a user's token which it merely saw must not get another one for it.
#[tokio::test]
async fn a_users_token_that_nothing_ties_to_the_caller_is_not_exchanged() {
    let world = World::new().await;
    let http = world.for_users();
    let send = |caller: &CallerContext| http.get(world.payments.url("/")).on_behalf_of(caller).send();
    for binding in [Binding::None, Binding::SelfAsserted] {
        assert_eq!(refused(send(&world.tied("alice", binding)).await).0, "binding", "{binding:?}");
    }
    assert_eq!((world.authority.calls().len(), world.payments.got().len()), (0, 0));

    assert_eq!(echoed(send(&world.tied("alice", Binding::IssuerNamed)).await).await, "Bearer token-0");
    assert_eq!(subjects(&world), [of("alice")]);
}

/// There is nothing of a certificate to pass on, and nothing of this service goes in its place.
#[tokio::test]
async fn cert_a8_a_certificate_is_never_exchanged_nor_passed_on() {
    let world = World::new().await;
    let http = world.for_users();
    let send = |caller: &CallerContext| http.get(world.payments.url("/")).on_behalf_of(caller).send();
    assert_eq!(refused(send(&world.by_certificate(None)).await).0, "no_user");
    let (check, text) = refused(send(&world.by_certificate(Some("alice"))).await);
    assert_eq!(check, "subject_token");
    assert!(text.ends_with("credential is a certificate, which is never passed on"), "known before the wire: {text}");
    assert_eq!((world.authority.calls().len(), world.payments.got().len()), (0, 0));

    assert_eq!(echoed(send(&world.caller("alice")).await).await, "Bearer token-0");
    assert_eq!(subjects(&world), [of("alice")]);
}

#[tokio::test]
async fn a_target_for_services_takes_its_own_token_and_never_loses_a_user_in_silence() {
    let world = World::new().await;
    let http = world.for_itself();
    let alice = world.caller("alice");
    let get = || http.get(world.payments.url("/"));
    assert_eq!(refused(get().on_behalf_of(&alice).send().await).0, "service_only");
    assert_eq!((world.authority.calls().len(), world.payments.got().len()), (0, 0));

    for sent in [get().send().await, alice.scope(async { get().send().await }).await, get().as_service().send().await] {
        assert_eq!(echoed(sent).await, "Bearer token-0");
    }
    assert_eq!(subjects(&world), [None]);
}

#[tokio::test]
async fn the_scope_is_that_of_the_call_and_not_of_the_poll() {
    let world = World::new().await;
    let http = world.for_users();
    let (alice, bob) = (world.caller("alice"), world.caller("bob"));

    let request = ambient::enter(&mut Some(alice.clone()), || http.get(world.payments.url("/")));
    let sending = ambient::enter(&mut Some(bob), || request.send());
    echoed(alice.scope(sending).await).await;
    assert_eq!(subjects(&world), [of("bob")]);
}

#[tokio::test]
async fn a_request_for_a_layer_says_it_in_its_extensions() {
    let world = World::new().await;
    let outbound = world.builder().target(world.payments.target().token_exchange()).build().expect("outbound");
    let client = reqwest::Client::builder().no_proxy().build().expect("client");
    let inner = tower::service_fn(move |request: http::Request<Vec<u8>>| {
        assert!(request.extensions().is_empty(), "what is for us goes no further");
        let sent = client.execute(request.try_into().expect("request"));
        async move { sent.await.map(http::Response::from) }
    });
    let get = || http::Request::get(world.payments.url("/")).body(Vec::new()).expect("request");
    let send = |request| tower::ServiceExt::oneshot(tower::Layer::layer(&outbound.layer(), inner.clone()), request);

    let alice = world.caller("alice");
    send(get().on_behalf_of(&alice)).await.expect("sent");
    send(get().as_service()).await.expect("sent");
    alice.scope(async { send(get()).await }).await.expect("sent");
    let error = send(get()).await.map(drop).expect_err("nobody's");
    let error = error.downcast::<OutboundError>().expect("ours");
    assert_eq!(error.refusal().check(), "no_caller");
    assert_eq!(subjects(&world), [of("alice"), None]);
    let sent: Vec<_> = world.payments.got().iter().map(|got| got.authorization().join(",")).collect();
    assert_eq!(sent, ["Bearer token-0", "Bearer token-1", "Bearer token-0"]);
}

#[tokio::test]
async fn targets_may_have_their_tokens_from_different_servers() {
    let world = World::new().await;
    let partner = Authority::start().await;
    let elsewhere = |target: Target| target.path_prefix("/partner").server("partner").client_credentials();
    let outbound = world
        .builder()
        .server("partner", partner.endpoint("orders-at-partner"))
        .target(world.payments.target().client_credentials())
        .target(elsewhere(world.payments.target()))
        .build()
        .expect("outbound");
    let http = client(&outbound);
    for path in ["/", "/partner", "/partners"] {
        echoed(http.get(world.payments.url(path)).send().await).await;
    }
    assert_eq!((world.authority.calls().len(), partner.calls().len()), (1, 1));
    assert_eq!(partner.calls()[0]["client_id"], "orders-at-partner");
}

/// A workload of ours, and a user of whom a partner vouches for.
#[expect(clippy::disallowed_methods, reason = "these tests stand where verification stands")]
fn with_a_partners_user(world: &World, partner: &Authority) -> CallerContext {
    let user = world.of_issuer(partner.issuer(), Some("alice"), "token-of-partner", 3600);
    let caller = Arc::clone(world.caller_without_user().caller_token());
    CallerContext::assertion(caller, user.user_token().cloned(), Binding::IssuerNamed, world.time.clock().wall())
}

#[tokio::test]
async fn out_t1_the_row_of_a_request_is_that_of_whom_it_is_made_for() {
    let (world, partner) = (World::new().await, Authority::start().await);
    let row = |issuer: &str| world.payments.target().token_exchange().subjects_of(issuer);
    let outbound = world
        .builder()
        .server("partner", partner.endpoint("orders"))
        .target(row(world.authority.issuer()))
        .target(row(partner.issuer()).server("partner"));
    let http = client(&outbound.build().expect("outbound"));
    let get = || http.get(world.payments.url("/"));
    let asked = || (world.authority.calls().len(), partner.calls().len());

    // Of two credentials, the user's.
    echoed(get().on_behalf_of(&with_a_partners_user(&world, &partner)).send().await).await;
    assert_eq!(asked(), (0, 1));
    let alice = world.caller("alice");
    echoed(get().on_behalf_of(&alice).send().await).await;
    assert_eq!(asked(), (1, 1));
    // This service is nobody's subject, whoever is in the scope.
    let (check, text) = refused(alice.scope(async { get().as_service().send().await }).await);
    assert_eq!((check, asked()), ("target", (1, 1)));
    assert!(text.contains("the request is as this service itself"), "{text}");
}
