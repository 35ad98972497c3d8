//! Those who call, and the time they have.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tower_identity_core::{
    ActorChain, Attributes, AuthenticationContext, Binding, BoxFuture, CallerContext, CertificateThumbprint,
    Credential, Evidence, Identity, Issuer, Moment, Revocations, Scopes, SecretToken, TimeSource, Timestamp, User,
    VerifiedToken, VerifiedTokenParts, Workload,
};

use super::ISSUER;

const START: u64 = 1_800_000_000;

const USERS: usize = 6;
const TENANTS: usize = 2;
const ACTORS: usize = 2;
const KEYS: usize = 2;
pub(super) const PEOPLE: usize = USERS * TENANTS * ACTORS * KEYS;

/// Milliseconds since the start.
#[derive(Clone, Default)]
pub(in crate::cache) struct Time(Arc<AtomicU64>);

impl Time {
    pub(super) fn now(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }

    pub(in crate::cache) fn advance(&self, millis: u64) {
        self.0.fetch_add(millis, Ordering::SeqCst);
    }
}

impl TimeSource for Time {
    fn wall(&self) -> Timestamp {
        Timestamp::from_secs(START).saturating_add(Duration::from_millis(self.now()))
    }

    fn monotonic(&self) -> Moment {
        Moment::from_origin(Duration::from_millis(1_000_000 + self.now()))
    }

    fn sleep_until(&self, _: Moment) -> BoxFuture<'static, ()> {
        Box::pin(std::future::pending())
    }
}

impl fmt::Debug for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Time")
    }
}

/// One of those who call, with the token of the time.
pub(in crate::cache) struct Person {
    pub(super) number: usize,
    pub(super) generation: usize,
    pub(in crate::cache) caller: CallerContext,
}

/// Of a number made of all that tells people's tokens apart.
#[expect(clippy::disallowed_methods, reason = "these tests stand where verification stands")]
pub(in crate::cache) fn person(number: usize, generation: usize, time: &Time, revocations: &Revocations) -> Person {
    let issuer: Issuer = ISSUER.parse().expect("an issuer");
    let (user, rest) = (number % USERS, number / USERS);
    let (tenant, rest) = (rest % TENANTS, rest / TENANTS);
    let (actor, key) = (rest % ACTORS, rest / ACTORS);
    let text = format!("u{user}-t{tenant}-a{actor}-k{key}-g{generation}");
    let now = time.wall();
    let token = VerifiedToken::assertion(VerifiedTokenParts {
        credential: Credential::Token { token: SecretToken::new(&*text), payload: Arc::from(*b"{}") },
        issuer: issuer.clone(),
        home: true,
        identity: Identity {
            workload: Workload { id: format!("actor-{actor}").parse().expect("an id"), issuer: issuer.clone() },
            evidence: Evidence::IssuedTo,
            user: Some(User {
                id: format!("user-{user}").parse().expect("an id"),
                issuer,
                tenant: Some(format!("tenant-{tenant}").parse().expect("a tenant")),
            }),
        },
        actors: ActorChain::default(),
        scopes: Scopes::default(),
        audience: vec!["orders".parse().expect("an audience")],
        token_id: Some(text.parse().expect("an id")),
        transaction: None,
        trust_domain: None,
        authentication: AuthenticationContext::default(),
        attributes: Attributes::default(),
        issued_at: Some(now),
        // Of some the end comes before that of their tokens.
        expires_at: now.saturating_add(Duration::from_secs(if key == 0 { 120 } else { 20 })),
        // Each is bound to its sender's key.
        certificate: Some(CertificateThumbprint::of(format!("key-{key}").as_bytes())),
        revocations: revocations.clone(),
    });
    let caller = CallerContext::assertion(Arc::new(token), None, Binding::SameToken, now);
    Person { number, generation, caller }
}
