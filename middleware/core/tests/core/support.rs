//! Tokens and contexts that no verifier has seen.

use std::sync::Arc;

use tower_identity_core::{
    ActorChain, Attributes, AuthenticationContext, Binding, BoxFuture, CallerContext, Clock, Credential, Evidence,
    Identity, Moment, Revocations, SecretToken, TimeSource, Timestamp, User, VerifiedToken, VerifiedTokenParts,
    Workload,
};

pub(crate) const ISSUER: &str = "https://as.example";

pub(crate) fn workload(id: &str) -> Workload {
    Workload { id: id.parse().expect("subject"), issuer: ISSUER.parse().expect("issuer") }
}

pub(crate) fn user(id: &str) -> User {
    User { id: id.parse().expect("subject"), issuer: ISSUER.parse().expect("issuer"), tenant: None }
}

pub(crate) fn credential(token: &str, payload: &str) -> Credential {
    Credential::Token { token: SecretToken::new(token), payload: payload.as_bytes().into() }
}

/// Stands at 900 s.
struct Standing;

impl TimeSource for Standing {
    fn wall(&self) -> Timestamp {
        Timestamp::from_secs(900)
    }

    fn monotonic(&self) -> Moment {
        Moment::default()
    }

    fn sleep_until(&self, _: Moment) -> BoxFuture<'static, ()> {
        Box::pin(std::future::pending())
    }
}

pub(crate) fn clock() -> Clock {
    Clock::new(Standing)
}

/// A token of `orders` for `payments` that says nothing more.
pub(crate) fn parts() -> VerifiedTokenParts {
    VerifiedTokenParts {
        credential: credential("head.payload.signature", "{}"),
        issuer: ISSUER.parse().expect("issuer"),
        home: true,
        identity: Identity { workload: workload("orders"), evidence: Evidence::Subject, user: None },
        actors: ActorChain::default(),
        scopes: "payments:charge".parse().map(|scope| [scope].into_iter().collect()).expect("scope"),
        audience: vec!["payments".parse().expect("audience")],
        token_id: None,
        transaction: None,
        trust_domain: None,
        authentication: AuthenticationContext::default(),
        attributes: Attributes::default(),
        issued_at: Some(Timestamp::from_secs(800)),
        expires_at: Timestamp::from_secs(1000),
        certificate: None,
        revocations: Revocations::new(clock()),
    }
}

#[expect(clippy::disallowed_methods, reason = "these tests are about what follows from verification")]
pub(crate) fn token(parts: VerifiedTokenParts) -> Arc<VerifiedToken> {
    Arc::new(VerifiedToken::assertion(parts))
}

#[expect(clippy::disallowed_methods, reason = "these tests are about what follows from verification")]
pub(crate) fn context(caller: VerifiedTokenParts, user: Option<VerifiedTokenParts>, binding: Binding) -> CallerContext {
    CallerContext::assertion(token(caller), user.map(token), binding, Timestamp::from_secs(900))
}

/// `orders`, acting for a user.
pub(crate) fn acting_for(id: &str) -> CallerContext {
    let mut caller = parts();
    caller.identity.user = Some(user(id));
    context(caller, None, Binding::SameToken)
}
