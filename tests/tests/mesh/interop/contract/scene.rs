//! Where the acts are played: servers of others, each behind a way of ours, and one target.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use futures_util::future::select_all;
use tower_identity::{
    BoxFuture, CallerContext, ClientAuth, Clock, Outbound, OutboundBuilder, Plaintext, Profile, Target, Timestamp,
    TokenEndpoint, TrustedIssuer, Verifier, system_clock,
};
use tower_identity_core::{Moment, TimeSource};
use tower_identity_testkit::ManualClock;

use super::{
    acts,
    way::{Answers, Way},
};
use crate::servers::Recorder;

const ANOTHER: &str = "the secret of somebody else";

/// An authorization server, and who we are there.
#[derive(Clone)]
pub(super) struct Party {
    issuer: String,
    auth: ClientAuth,
    /// The same client, and what is not its secret.
    stranger: ClientAuth,
    secret: String,
}

impl Party {
    /// A client with a secret, in the form.
    pub(super) fn new(issuer: &str, id: &str, secret: &str) -> Self {
        let [auth, stranger] = [secret, ANOTHER].map(|secret| ClientAuth::client_secret_post(id, secret));
        Self::of(issuer, secret, [auth.expect("usable"), stranger.expect("usable")])
    }

    /// A client with a secret, in the header.
    pub(super) fn basic(issuer: &str, id: &str, secret: &str) -> Self {
        let [auth, stranger] = [secret, ANOTHER].map(|secret| ClientAuth::client_secret_basic(id, secret));
        Self::of(issuer, secret, [auth.expect("usable"), stranger.expect("usable")])
    }

    pub(super) fn of(issuer: &str, secret: &str, [auth, stranger]: [ClientAuth; 2]) -> Self {
        Self { issuer: issuer.to_owned(), auth, stranger, secret: secret.to_owned() }
    }

    fn endpoint(&self, way: &Way, is_stranger: bool) -> TokenEndpoint {
        let auth = if is_stranger { &self.stranger } else { &self.auth };
        TokenEndpoint::at(&self.issuer, way.token_endpoint(), auth.clone())
    }
}

/// Alice and bob, as they call us.
pub(super) type Callers = [CallerContext; 2];

/// Whom a service of ours would see by this token.
pub(super) async fn verified(issuer: &str, audience: &str, profile: Profile, token: &str) -> CallerContext {
    let issuer = TrustedIssuer::discover(issuer).audience(audience).profile(profile);
    let verifier = Verifier::builder(issuer).build().expect("valid");
    verifier.bearer(token).await.expect("a good token")
}

pub(super) struct Scene {
    /// The first is ours; rows name the second `partner`.
    parties: Vec<(Party, Way)>,
    target: Recorder,
    clock: ManualClock,
    callers: Callers,
    is_stranger: AtomicBool,
}

impl Scene {
    pub(super) async fn new(parties: &[Party], callers: Callers) -> Self {
        let mut ways = Vec::new();
        for party in parties {
            ways.push((party.clone(), Way::to(&party.issuer).await));
        }
        let (target, clock) = (Recorder::start().await, ManualClock::at(system_clock().wall()));
        Self { parties: ways, target, clock, callers, is_stranger: AtomicBool::new(false) }
    }

    pub(super) fn caller(&self, user: &str) -> CallerContext {
        let [alice, bob] = &self.callers;
        match user {
            "alice" => alice.clone(),
            "bob" => bob.clone(),
            other => panic!("who is {other}?"),
        }
    }

    /// What alice's tokens are asked for by is not our secret.
    pub(super) fn as_stranger(&self) -> CallerContext {
        self.is_stranger.store(true, Ordering::Relaxed);
        self.caller("alice")
    }

    /// Every server, or only the last, is heard to say this.
    pub(super) fn answers(&self, answers: Answers, only_the_last: bool) -> CallerContext {
        let from = if only_the_last { self.parties.len() - 1 } else { 0 };
        self.parties[from..].iter().for_each(|(_, way)| way.answers(answers));
        self.caller("alice")
    }

    /// What the second server is called by those who know its token endpoint.
    pub(super) fn their_token_endpoint(&self) -> String {
        format!("{}/token", self.parties[1].0.issuer)
    }

    /// No server is to be reached.
    pub(super) fn stops(&self) -> CallerContext {
        self.ways().for_each(Way::stops);
        self.caller("alice")
    }

    fn ways(&self) -> impl Iterator<Item = &Way> {
        self.parties.iter().map(|(_, way)| way)
    }

    fn builder_by(&self, clock: Clock) -> OutboundBuilder {
        let is_stranger = self.is_stranger.load(Ordering::Relaxed);
        let mut endpoints = self.parties.iter().map(|(party, way)| party.endpoint(way, is_stranger));
        let builder = Outbound::builder(endpoints.next().expect("there is ours"));
        let ours = &self.parties[0].0.issuer;
        let builder = endpoints.fold(builder, |builder, theirs| builder.server("partner", theirs.accepts_issuer(ours)));
        builder.plaintext(Plaintext::Loopback).clock(clock)
    }
}

impl acts::Scene for Scene {
    fn target(&self) -> Target {
        Target::origin(&self.target.server.origin()).expect("an origin")
    }

    fn url(&self, path: &str) -> String {
        self.target.server.url(path)
    }

    fn arrived(&self) -> Vec<String> {
        let seen = self.target.seen();
        seen.iter()
            .map(|headers| {
                let all: Vec<_> =
                    headers.get_all("authorization").iter().map(|one| one.to_str().expect("ascii")).collect();
                all.join(", ")
            })
            .collect()
    }

    fn builder(&self) -> OutboundBuilder {
        self.builder_by(Clock::new(Hasty(self.clock.clone())))
    }

    fn timed(&self) -> OutboundBuilder {
        self.builder_by(self.clock.clock())
    }

    fn pass(&self, time: Duration) {
        self.clock.advance(time);
    }

    fn closes(&self) {
        self.ways().for_each(|way| way.is_open(false));
    }

    fn opens(&self) {
        self.ways().for_each(|way| way.is_open(true));
    }

    async fn was_asked(&self) {
        select_all(self.ways().map(|way| Box::pin(way.was_asked()))).await;
    }

    fn asked(&self) -> usize {
        self.ways().map(Way::asked).sum()
    }

    fn secrets(&self) -> Vec<String> {
        let presented = self
            .callers
            .iter()
            .map(|caller| caller.caller_token().token().expect("one in a header").expose().to_owned());
        self.parties.iter().map(|(party, _)| party.secret.clone()).chain(presented).collect()
    }
}

/// Time that stands still, but for pauses between attempts, which are over at once.
struct Hasty(ManualClock);

impl TimeSource for Hasty {
    fn wall(&self) -> Timestamp {
        self.0.wall()
    }

    fn monotonic(&self) -> Moment {
        self.0.monotonic()
    }

    fn sleep_until(&self, moment: Moment) -> BoxFuture<'static, ()> {
        let is_pause = moment.since(self.monotonic()) < Duration::from_secs(1);
        if is_pause { Box::pin(std::future::ready(())) } else { self.0.sleep_until(moment) }
    }
}
