//! Whose token is exchanged: the user's, the calling workload's, or that of whoever called; nobody is lost.

use std::sync::Arc;

use tower_identity_core::{Binding, CallerContext, Standing};
use tower_identity_outbound::{HttpClient, OnBehalfOf};

use crate::support::{EXCHANGE, World, client, echoed, refused};

fn http(world: &World, whom: OnBehalfOf) -> HttpClient {
    let target = world.payments.target().token_exchange().on_behalf_of(whom);
    client(&world.builder().target(target).build().expect("outbound"))
}

/// A workload that could have named its user beside itself, and did not.
#[expect(clippy::disallowed_methods, reason = "these tests stand where verification stands")]
fn alone(world: &World) -> CallerContext {
    let caller = Arc::clone(world.caller_without_user().caller_token());
    CallerContext::assertion(caller, None, Standing::alone(), world.time.clock().wall())
}

/// A certificate, and a token of the same workload beside it.
#[expect(clippy::disallowed_methods, reason = "these tests stand where verification stands")]
fn certificate_beside_token(world: &World) -> CallerContext {
    let certificate = Arc::clone(world.by_certificate(None).caller_token());
    let token = Arc::clone(world.caller_without_user().caller_token());
    CallerContext::assertion(certificate, Some(token), Binding::SharedKey, world.time.clock().wall())
}

#[tokio::test]
async fn out_b9_whose_token_is_exchanged_is_the_rows_word_and_a_user_is_never_dropped() {
    use OnBehalfOf::{User, WhoeverCalled, Workload};
    let user = Ok("token-of-alice");
    let workload = Ok("token-of-storefront");
    type Caller = fn(&World) -> CallerContext;
    type Expected = [Result<&'static str, &'static str>; 3];
    let with_user: Caller = |world| world.caller("alice");
    let without: Caller = |world| world.caller_without_user();
    let pair: Caller = |world| world.tied("alice", Binding::IssuerNamed);
    let unrelated: Caller = |world| world.tied("alice", Binding::None);
    let certificate: Caller = |world| world.by_certificate(None);
    let users_certificate: Caller = |world| world.by_certificate(Some("alice"));
    let expired: Caller = |world| world.of_issuer(world.authority.issuer(), None, "token-of-storefront", 0);
    let for_itself: Caller = |world| alone(world).for_itself();
    let cases: [(&str, Caller, Expected); 10] = [
        ("a user", with_user, [user, Err("user_lost"), user]),
        ("a workload", without, [Err("no_user"), workload, workload]),
        ("a workload and its user", pair, [user, Err("user_lost"), user]),
        ("an unrelated pair", unrelated, [Err("binding"), Err("user_lost"), Err("binding")]),
        ("a certificate", certificate, [Err("no_user"), Err("subject_token"), Err("subject_token")]),
        ("a user's certificate", users_certificate, [Err("subject_token"), Err("user_lost"), Err("subject_token")]),
        ("a certificate and a token", certificate_beside_token, [Err("no_user"), workload, workload]),
        ("an expired token", expired, [Err("no_user"), Err("exp"), Err("exp")]),
        ("a workload that left its user out", alone, [Err("no_user"), workload, Err("alone")]),
        ("the same, for itself", for_itself, [Err("no_user"), workload, workload]),
    ];
    for (what, caller, expected) in cases {
        for (whom, expected) in [User, Workload, WhoeverCalled].into_iter().zip(expected) {
            let world = World::new().await;
            let sent = http(&world, whom).get(world.payments.url("/")).on_behalf_of(&caller(&world)).send().await;
            match expected {
                Ok(subject) => {
                    assert_eq!(echoed(sent).await, "Bearer token-0", "{what}, {whom:?}");
                    let calls = world.authority.calls();
                    assert_eq!(
                        (calls.len(), &*calls[0]["subject_token"], &*calls[0]["grant_type"]),
                        (1, subject, EXCHANGE)
                    );
                }
                Err(check) => {
                    assert_eq!(refused(sent).0, check, "{what}, {whom:?}");
                    assert_eq!((world.authority.calls().len(), world.payments.got().len()), (0, 0), "{what}, {whom:?}");
                }
            }
        }
    }
}

#[tokio::test]
async fn out_b9_a_workload_that_nobody_knows_here_is_not_replaced_by_this_service() {
    for whom in [OnBehalfOf::Workload, OnBehalfOf::WhoeverCalled] {
        let world = World::new().await;
        let http = http(&world, whom);
        assert_eq!(refused(http.get(world.payments.url("/")).send().await).0, "no_caller");
        assert_eq!((world.authority.calls().len(), world.payments.got().len()), (0, 0));

        // The control: in the caller's scope, and as this service where the request says so.
        let in_scope =
            world.caller_without_user().scope(async { http.get(world.payments.url("/")).send().await }).await;
        assert_eq!(echoed(in_scope).await, "Bearer token-0");
        assert_eq!(world.authority.calls()[0]["subject_token"], "token-of-storefront");
        assert_eq!(echoed(http.get(world.payments.url("/")).as_service().send().await).await, "Bearer token-1");
        assert_eq!(world.authority.calls()[1]["grant_type"], "client_credentials");
    }
}

/// What is exchanged for one is the token of nobody else, also where one row takes both.
#[tokio::test]
async fn out_b2_a_user_and_a_workload_at_one_row_share_no_token() {
    let world = World::new().await;
    let http = http(&world, OnBehalfOf::WhoeverCalled);
    let callers = [world.caller("alice"), world.caller_without_user(), world.caller("bob")];
    for _ in 0..2 {
        for (at, caller) in callers.iter().enumerate() {
            let sent = http.get(world.payments.url("/")).on_behalf_of(caller).send().await;
            assert_eq!(echoed(sent).await, format!("Bearer token-{at}"));
        }
    }
    let subjects: Vec<_> = world.authority.calls().into_iter().map(|mut call| call.remove("subject_token")).collect();
    assert_eq!(subjects, ["alice", "storefront", "bob"].map(|of| Some(format!("token-of-{of}"))));
}
