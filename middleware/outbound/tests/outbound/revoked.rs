//! Nothing is sent for whom was revoked, and nothing that was on its way is kept.

use tower_identity_core::{Binding, CallerContext, RefusalKind, Revocation, Revocations};
use tower_identity_outbound::SendError;

use crate::support::{World, echoed, issued};

fn revoke(world: &World, subject: &str) {
    let issuer = world.authority.issuer().parse().expect("issuer");
    assert!(world.revocations.revoke(Revocation::subject(issuer, subject.parse().expect("subject"))));
}

/// That the request was not sent, because the caller's own credential is no longer good.
#[track_caller]
fn not_sent(sent: Result<reqwest::Response, SendError>) {
    let error = sent.expect_err("not sent");
    let refusal = tower_identity_core::Refusal::find(&error).expect("a refusal").clone();
    assert_eq!((refusal.kind(), refusal.check()), (&RefusalKind::InvalidToken, "revoked"));
    let told = tower_identity_core::WithCauses(&error).to_string();
    assert!(told.contains("the caller's credential was revoked"), "{told}");
}

#[tokio::test]
async fn ssf_a2_a_remembered_token_of_whom_was_revoked_is_not_sent() {
    let world = World::new().await;
    let http = world.for_users();
    let callers = ["alice", "bob"].map(|user| world.caller(user));
    let send = |caller: &CallerContext| http.get(world.payments.url("/")).on_behalf_of(caller).send();
    let [alice, bob] = &callers;
    assert_eq!(echoed(send(alice).await).await, "Bearer token-0");
    assert_eq!(echoed(send(bob).await).await, "Bearer token-1");

    revoke(&world, "alice");
    not_sent(send(alice).await);
    assert_eq!(echoed(send(bob).await).await, "Bearer token-1");
    // Nor is another asked for, in the place of one that is due to be refreshed.
    world.time.advance(280);
    not_sent(send(alice).await);
    world.time.advance(30);
    not_sent(send(alice).await);
    assert_eq!((world.authority.calls().len(), world.payments.got().len()), (2, 3));
}

#[tokio::test]
async fn ssf_a2_an_exchange_of_whom_was_revoked_meanwhile_is_neither_handed_out_nor_kept() {
    let mut world = World::new().await;
    let http = world.for_users();
    let send = |world: &World, user: &str| {
        tokio::spawn(http.get(world.payments.url("/")).on_behalf_of(&world.caller(user)).send())
    };
    world.authority.closes();
    let (alice, again, bob) = (send(&world, "alice"), send(&world, "alice"), send(&world, "bob"));
    world.authority.called(2).await;
    revoke(&world, "alice");
    world.authority.opens();
    for sent in [alice, again] {
        not_sent(sent.await.expect("joined"));
    }
    assert!(echoed(bob.await.expect("joined")).await.starts_with("Bearer token-"));
    assert_eq!(world.payments.got().len(), 1, "bob's alone");
    assert_eq!(world.authority.calls().len(), 2);

    // Not kept: where the same token is not revoked, another is asked for.
    world.revocations = Revocations::new(world.time.clock());
    assert_eq!(echoed(send(&world, "alice").await.expect("joined")).await, "Bearer token-2");
}

/// Of two credentials either may be: the exchange is of the user's token, and the caller of it is revoked.
#[tokio::test]
async fn ssf_a2_of_two_credentials_either_ends_the_request() {
    for revoked in ["alice", "storefront"] {
        let world = World::new().await;
        let http = world.for_users();
        let pair = world.tied("alice", Binding::IssuerNamed);
        let send = || tokio::spawn(http.get(world.payments.url("/")).on_behalf_of(&pair).send());
        world.authority.closes();
        let first = send();
        world.authority.called(1).await;
        revoke(&world, revoked);
        world.authority.opens();
        not_sent(first.await.expect("joined"));
        not_sent(send().await.expect("joined"));
        assert_eq!(world.payments.got().len(), 0, "{revoked}");
    }
}

/// Its own token is nobody else's.
#[tokio::test]
async fn ssf_a2_a_service_itself_goes_on_whoever_was_revoked() {
    let world = World::new().await;
    let http = world.for_itself();
    world.authority.answers(issued(300));
    revoke(&world, "alice");
    let alice = world.caller("alice");
    let sent = alice.scope(async { http.get(world.payments.url("/")).send().await }).await;
    assert_eq!(echoed(sent).await, "Bearer token-0");
}
