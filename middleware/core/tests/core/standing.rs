//! How a caller stands: what of its own counts, and which names it goes by.

use std::sync::Arc;

use tower_identity_core::{
    Aliases, Attributes, AuthenticationContext, Binding, CallerContext, CallerName, Evidence, Issuer, Scopes, Standing,
    Timestamp, VerifiedTokenParts, Workload,
};

use crate::support::{ISSUER, parts, token, user, workload};

const SPIRE: &str = "spiffe://example.org";

#[expect(clippy::disallowed_methods, reason = "these tests are about what follows from verification")]
fn standing(caller: VerifiedTokenParts, user: Option<VerifiedTokenParts>, standing: Standing) -> CallerContext {
    CallerContext::assertion(token(caller), user.map(token), standing, Timestamp::from_secs(900))
}

fn name(issuer: &str, id: &str) -> CallerName {
    CallerName::of_issuer(issuer, id).expect("a name")
}

fn home(id: &str) -> CallerName {
    id.try_into().expect("a name")
}

/// A copy, as far as these tests change it.
fn copy(of: &VerifiedTokenParts) -> VerifiedTokenParts {
    VerifiedTokenParts {
        issuer: of.issuer.clone(),
        home: of.home,
        identity: of.identity.clone(),
        authentication: of.authentication.clone(),
        attributes: of.attributes.clone(),
        ..parts()
    }
}

/// The caller as it is, and as one of these names.
fn known_as(parts: VerifiedTokenParts, names: &[Workload], home: Option<&str>) -> CallerContext {
    let [canonical, others @ ..] = names else { panic!("a name at least") };
    let home = home.map(|issuer| issuer.parse::<Issuer>().expect("issuer"));
    let aliases = Aliases::new(canonical.clone(), others.iter().cloned(), home);
    standing(parts, None, Standing::from(Binding::SameToken).known_as(Arc::new(aliases)))
}

fn of_spire(id: &str) -> Workload {
    Workload { id: id.parse().expect("subject"), issuer: SPIRE.parse().expect("issuer") }
}

#[test]
fn two_a4_a_caller_that_left_its_user_out_has_no_rights_but_for_itself() {
    let mut caller = parts();
    caller.authentication.acr = Some("gold".to_owned());
    caller.attributes.roles = vec!["approver".into()];
    let granted = Scopes::parse("payments:charge").expect("scopes");

    let alone = standing(copy(&caller), None, Standing::alone());
    let principal = alone.principal();
    assert_eq!(principal.scopes(), &Scopes::default());
    assert_eq!(principal.authentication(), &AuthenticationContext::default());
    assert_eq!(principal.attributes(), &Attributes::default());
    assert_eq!((principal.workload(), principal.user()), (&workload("orders"), None));
    assert_eq!((principal.binding(), alone.counts_together()), (Binding::SameToken, true));
    assert_eq!(principal.audience(), ["payments"]);
    assert_eq!(alone.caller_token().scopes(), &granted, "its token says what it says");

    // The controls: for itself, and where no user's credential could have been presented.
    let by_itself = standing(copy(&caller), None, Binding::SameToken.into());
    for context in [alone.for_itself(), by_itself.clone(), by_itself.for_itself()] {
        assert_eq!(context.principal().scopes(), &granted);
        assert_eq!(context.principal().authentication().acr.as_deref(), Some("gold"));
        assert_eq!(context.principal().attributes().roles, ["approver".into()]);
        assert_eq!(context.judged_at(), Timestamp::from_secs(900));
    }
}

#[test]
fn e9_only_what_is_tied_or_trusted_counts_together_and_for_itself_changes_none_of_it() {
    let with_user = |standing_of: Standing| {
        let mut of_user = parts();
        of_user.identity.user = Some(user("alice"));
        standing(parts(), Some(of_user), standing_of)
    };
    let cases = [
        (Binding::SameToken.into(), true, Binding::SameToken),
        (Binding::ProofOverAll.into(), true, Binding::ProofOverAll),
        (Binding::SharedKey.into(), true, Binding::SharedKey),
        (Binding::IssuerNamed.into(), true, Binding::IssuerNamed),
        (Binding::Transaction.into(), true, Binding::Transaction),
        (Binding::SelfAsserted.into(), false, Binding::SelfAsserted),
        (Binding::Deferred.into(), false, Binding::Deferred),
        (Binding::None.into(), false, Binding::None),
        (Standing::on_trust(), true, Binding::None),
    ];
    for (standing, counts, binding) in cases {
        let name = format!("{standing:?}");
        let context = with_user(standing);
        for context in [context.for_itself(), context] {
            assert_eq!((context.counts_together(), context.principal().binding()), (counts, binding), "{name}");
            assert_eq!(context.principal().user(), Some(&user("alice")), "{name}");
        }
    }
    for binding in [Binding::SelfAsserted, Binding::Deferred, Binding::None] {
        let accepted = with_user(binding.into()).at_its_word();
        let is_a_word = binding != Binding::None;
        assert_eq!((accepted.counts_together(), accepted.principal().binding()), (is_a_word, binding), "{binding:?}");
    }
    assert!(!with_user(Standing::on_trust()).principal().binding().is_established(), "nothing is exchanged on trust");
}

#[test]
fn two_p4_only_evidence_of_a_sender_makes_one() {
    let cases = [
        (Evidence::Proven, true),
        (Evidence::Subject, true),
        (Evidence::Actor, true),
        (Evidence::DirectClient, true),
        (Evidence::IssuedTo, false),
    ];
    for (evidence, sent) in cases {
        let mut caller = parts();
        caller.identity.evidence = evidence;
        let context = standing(caller, None, Binding::SameToken.into());
        assert_eq!(evidence.is_of_sender(), sent);
        assert_eq!(context.sender(), sent.then(|| workload("orders")).as_ref(), "{evidence:?}");
        assert_eq!(home("orders").is(&context), sent, "{evidence:?}");
        assert!(!home("payments").is(&context));
        assert_eq!(context.principal().workload(), &workload("orders"), "who it may be is told all the same");
    }
}

#[test]
fn two_p4_an_issuer_speaks_for_its_own_workloads_only() {
    let mut foreign = parts();
    foreign.identity.workload = of_spire("orders");
    let context = standing(foreign, None, Binding::SameToken.into());
    assert_eq!(context.sender(), None);
    for name in [home("orders"), name(ISSUER, "orders"), name(SPIRE, "orders")] {
        assert!(!name.is(&context), "{name}");
    }
}

#[test]
fn two_p5_a_workload_is_known_by_every_name_of_its_row_and_called_by_the_first() {
    let names = [of_spire("spiffe://example.org/orders"), workload("orders"), workload("orders-batch")];
    let context = known_as(parts(), &names, Some(ISSUER));
    assert_eq!(context.principal().workload(), &names[0]);
    assert_eq!(context.names(), names);
    assert_eq!(context.sender(), Some(&workload("orders")), "as its credential has it");
    let cases = [
        (home("orders"), true),
        (home("orders-batch"), true),
        (name(ISSUER, "orders-batch"), true),
        (name(SPIRE, "spiffe://example.org/orders"), true),
        (home("spiffe://example.org/orders"), false),
        (name(SPIRE, "orders"), false),
        (home("payments"), false),
    ];
    for (name, is) in &cases {
        assert_eq!(name.is(&context), *is, "{name}");
    }
    // The control: without the row, its own name.
    let plain = standing(parts(), None, Binding::SameToken.into());
    assert_eq!(plain.names(), [workload("orders")]);
    assert!(home("orders").is(&plain) && !home("orders-batch").is(&plain));
}

#[test]
fn two_p5_a_plain_name_is_of_home_however_the_workload_came() {
    let mut of_another = parts();
    of_another.identity.workload = of_spire("spiffe://example.org/orders");
    of_another.issuer = SPIRE.parse().expect("issuer");
    of_another.home = false;
    let names = [of_spire("spiffe://example.org/orders"), workload("orders")];
    for (home_issuer, is) in [(Some(ISSUER), true), (Some(SPIRE), false), (None, false)] {
        let context = known_as(copy(&of_another), &names, home_issuer);
        assert_eq!(home("orders").is(&context), is, "{home_issuer:?}");
        assert!(name(ISSUER, "orders").is(&context), "{home_issuer:?}");
    }
}

#[test]
fn a_name_stands_for_a_workload_of_home_or_of_its_issuer() {
    let at_home = ISSUER.parse::<Issuer>().expect("issuer");
    assert_eq!(home("orders").workload(Some(&at_home)), Some(workload("orders")));
    assert_eq!(home("orders").workload(None), None);
    for home_issuer in [Some(&at_home), None] {
        assert_eq!(name(SPIRE, "orders").workload(home_issuer), Some(of_spire("orders")));
    }
}
