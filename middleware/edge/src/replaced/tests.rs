//! What is remembered of whom: as the service of the layer asks it, request by request.

use std::time::Duration;

use tower_identity_core::{Binding, CallerContext, RefusalKind, Revocation, Revocations};
use tower_identity_jose::{Algorithm, KeyedHash};
use tower_identity_testkit::{ManualClock, TestCaller};

use super::Replacing;
use crate::{KeyRing, Mint, Pairwise, Rotation, TrustDomain};

const SHOP: &str = "shop.internal";

fn replacing(clock: &ManualClock) -> Replacing {
    let secret = || KeyedHash::new([7; 32]).expect("32 bytes");
    let keys = KeyRing::generated(Algorithm::Es256, Rotation::default(), clock.clock()).expect("a rotation");
    let domain = TrustDomain::new(SHOP, Pairwise::new(secret()));
    let mint = Mint::builder("gateway", keys, secret()).trust_domain(domain).build().expect("a mint");
    Replacing::new(mint, SHOP).expect("one of the mint's")
}

/// The text of whoever's identity it is.
fn made(replacing: &Replacing, caller: &CallerContext) -> Result<String, RefusalKind> {
    let replaced = replacing.replace(caller).map_err(|refusal| refusal.kind().clone());
    replaced.map(|(_, replaced)| replaced.field.to_str().expect("text").to_owned())
}

/// A caller's own credential, and its user's.
fn pair(workload: &TestCaller, user: &TestCaller, binding: Binding) -> CallerContext {
    workload.clone().beside(user.clone()).binding(binding).context()
}

#[test]
fn edge_a2_two_that_are_not_tied_are_refused_though_an_identity_of_theirs_is_at_hand() {
    let replacing = replacing(&ManualClock::new());
    let (browser, alice) = (TestCaller::workload("browser"), TestCaller::workload("app").user("alice"));
    let made = |binding| made(&replacing, &pair(&browser, &alice, binding));
    let good = made(Binding::IssuerNamed).expect("tied");
    for binding in [Binding::None, Binding::SelfAsserted] {
        assert_eq!(made(binding), Err(RefusalKind::UnrelatedCredentials), "{binding:?}");
    }
    assert_eq!(made(Binding::IssuerNamed), Ok(good), "the same credentials, and remembered");
}

#[test]
fn edge_a5_an_identity_is_of_both_credentials_and_of_no_other_two() {
    let replacing = replacing(&ManualClock::new());
    let workloads = ["browser", "kiosk"].map(TestCaller::workload);
    let users = ["alice", "bob"].map(|user| TestCaller::workload("app").user(user));
    let pairs = || workloads.iter().flat_map(|workload| users.iter().map(move |user| (workload, user)));
    let one = |(workload, user)| made(&replacing, &pair(workload, user, Binding::IssuerNamed)).expect("tied");
    let first: Vec<_> = pairs().map(one).collect();
    assert_eq!(pairs().map(one).collect::<Vec<_>>(), first, "remembered");
    for (at, made) in first.iter().enumerate() {
        assert!(!first[at + 1..].contains(made), "{at}");
    }
}

#[test]
fn edge_a5_who_was_revoked_since_is_refused_whatever_is_remembered() {
    let clock = ManualClock::new();
    let replacing = replacing(&clock);
    let list = Revocations::new(clock.clock());
    let [alice, bob] =
        ["alice", "bob"].map(|user| TestCaller::workload("browser").user(user).revocations(&list).context());
    let bobs = made(&replacing, &bob).expect("a user");
    assert!(made(&replacing, &alice).is_ok());
    list.revoke(Revocation::subject(alice.token().issuer().clone(), "alice".parse().expect("a name")));
    assert_eq!(made(&replacing, &alice), Err(RefusalKind::InvalidToken), "it is no fault of ours");
    assert_eq!(made(&replacing, &bob), Ok(bobs));
}

#[test]
fn edge_a5_another_is_made_when_a_quarter_of_its_time_is_left() {
    let clock = ManualClock::new();
    let replacing = replacing(&clock);
    let caller = TestCaller::workload("browser").user("alice").context();
    let alice = || made(&replacing, &caller).expect("a user");
    let first = alice();
    clock.advance(Duration::from_secs(44));
    assert_eq!(alice(), first);
    clock.advance(Duration::from_secs(1));
    assert_ne!(alice(), first);
}
