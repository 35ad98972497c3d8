//! A million steps in random order, against a model that remembers nothing.
//!
//! Issuers rotate their keys, clocks jump, users are revoked and settings are replaced, while tokens come again and again.
//! The model says of each token from its claims alone whether it must be accepted, and if not by which check. An era is a
//! world of its own; small ones, so that everything happens often.

use std::time::Duration;

use serde_json::json;
use tower_identity_core::{Revocation, Revocations, Subject, Timestamp};
use tower_identity_jose::SigningKey;
use tower_identity_oauth::DEADLINE;
use tower_identity_testkit::{Endpoint, ManualClock, TestIssuer};
use tower_identity_verify::{TrustedIssuer, Verification, Verifier, VerifierBuilder};

use super::Told;
use crate::support::{forger, until};

const STEPS: usize = 1_000_000;
const ERA: usize = 20_000;
const TOKENS: usize = 60;
const LEEWAY: u64 = 30;
const USERS: [&str; 4] = ["alice", "bob", "carol", "dave"];
const CLIENTS: [&str; 2] = ["storefront", "payments"];

/// How far a clock stands from the beginning of its era, in seconds: mostly where tokens are good.
const STANDS: [u64; 8] = [0, 10, 20, 40, 60, 90, 150, 400];

/// Numbers that are the same in every run (xorshift64*).
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % bound
    }

    fn of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())]
    }

    fn once_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }
}

/// A token, and what the model knows of it. Times in seconds from the beginning of the era, in which the first 1,000 lie
/// before it.
struct Token {
    text: String,
    issuer: usize,
    key: usize,
    audience: &'static str,
    /// None of a workload's own token.
    user: Option<&'static str>,
    client: &'static str,
    issued: u64,
    begins: Option<u64>,
    ends: u64,
    genuine: bool,
}

#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Accepted(&'static str, Option<&'static str>),
    Refused(&'static str),
    /// Its key is not known: whatever comes of that, it is not accepted at once.
    NoKey,
}

#[derive(Debug, Default)]
struct Counts {
    accepted: u64,
    refused: u64,
    pairs: u64,
    unrelated: u64,
    hits: u64,
    misses: u64,
    rotated: u64,
    jumps: u64,
    revoked: u64,
    replaced: u64,
}

struct Issuer {
    server: TestIssuer,
    keys: [SigningKey; 3],
    /// Which of them are published, and known.
    published: [bool; 3],
}

struct World {
    clock: ManualClock,
    begun: Timestamp,
    stands: u64,
    issuers: [Issuer; 2],
    tokens: Vec<Token>,
    list: Revocations,
    /// Until when the tokens of each user are revoked, by their time of issue.
    revoked: [Option<u64>; USERS.len()],
    verifier: Verifier,
    /// What the settings say: whether the second issuer is trusted, and what we are called.
    trusts_partner: bool,
    audience: &'static str,
}

impl World {
    fn new(dice: &mut Dice) -> Self {
        let clock = ManualClock::new();
        // Long before the tokens of this era: a wall clock that goes back does not come near.
        let begun = clock.clock().wall().saturating_add(Duration::from_secs(1000));
        let issuers = [(); 2].map(|()| {
            let server = TestIssuer::builder().clock(clock.clock()).start();
            let keys = [server.key(), forger(), forger()];
            server.publish_key(&keys[1]);
            Issuer { server, keys, published: [true, true, false] }
        });
        let list = Revocations::new(clock.clock());
        let settings = settings(&issuers, true, "orders").clock(clock.clock()).revocations(list.clone());
        let verifier = settings.build().expect("valid");
        let mut world = Self {
            clock,
            begun,
            stands: 1000,
            issuers,
            tokens: Vec::new(),
            list,
            revoked: [None; USERS.len()],
            verifier,
            trusts_partner: true,
            audience: "orders",
        };
        world.tokens = (0..TOKENS).map(|number| world.token(number, dice)).collect();
        world
    }

    fn token(&self, number: usize, dice: &mut Dice) -> Token {
        let (issuer, key) = (dice.below(3) / 2, dice.of(&[0, 0, 0, 1, 1, 2]));
        let client = dice.of(&CLIENTS);
        let user = (!dice.once_in(4)).then(|| dice.of(&USERS));
        let audience = if dice.once_in(10) { "shop" } else { "orders" };
        let issued = 1000 + dice.of(&[0, 0, 0, 20, 60]);
        let begins = dice.once_in(4).then(|| 1000 + dice.of(&[10, 80]));
        let ends = 1000 + dice.of(&[70, 150, 300, 300, 900]);
        let genuine = !dice.once_in(20);
        let at = |seconds: u64| self.begun.as_secs() + seconds;
        let Issuer { server, keys, .. } = &self.issuers[issuer];
        let mut token = server
            .token()
            .subject(user.unwrap_or(client))
            .client(client)
            .audience(audience)
            .claim("iat", at(issued))
            .claim("exp", at(ends))
            .claim("jti", format!("t-{number}"))
            .sign_with(&keys[key]);
        if let Some(begins) = begins {
            token = token.claim("nbf", json!(at(begins)));
        }
        if !genuine {
            token = token.tampered();
        }
        let text = token.build().expose().to_owned();
        Token { text, issuer, key, audience, user, client, issued, begins, ends, genuine }
    }

    /// One of these, most often one that is good now: what is refused has its signature checked each time.
    fn one_of<'t>(&self, tokens: &[&'t Token], dice: &mut Dice) -> &'t Token {
        let mut token = tokens[dice.below(tokens.len())];
        for _ in 0..6 {
            if dice.once_in(8) || matches!(self.expected(token), Verdict::Accepted(..)) {
                break;
            }
            token = tokens[dice.below(tokens.len())];
        }
        token
    }

    /// What must come of a token now.
    fn expected(&self, token: &Token) -> Verdict {
        let now = self.stands;
        let covers = |user| {
            let at = USERS.iter().position(|one| *one == user).expect("one of them");
            token.issuer == 0 && self.revoked[at].is_some_and(|until| token.issued <= until)
        };
        let trusted = token.issuer == 0 || self.trusts_partner;
        let checks = [
            ("iss", trusted),
            ("key", self.issuers[token.issuer].published[token.key]),
            ("signature", token.genuine),
            ("aud", token.audience == self.audience),
            ("exp", now < token.ends + LEEWAY),
            ("nbf", token.begins.is_none_or(|begins| begins <= now + LEEWAY)),
            ("iat", token.issued <= now + LEEWAY),
            ("revoked", !token.user.is_some_and(covers)),
        ];
        match checks.into_iter().find(|(_, holds)| !holds) {
            None => Verdict::Accepted(token.client, token.user),
            Some(("key", _)) => Verdict::NoKey,
            Some((check, _)) => Verdict::Refused(check),
        }
    }

    fn found(&self, verification: Verification) -> Verdict {
        match verification.try_now() {
            Err(_) => Verdict::NoKey,
            Ok(Err(refusal)) => Verdict::Refused(refusal.check()),
            Ok(Ok(caller)) => {
                assert_eq!(caller.judged_at(), self.clock.clock().wall());
                let principal = caller.principal();
                let client = CLIENTS.into_iter().find(|client| principal.workload().id == **client);
                let user = USERS.into_iter().find(|name| principal.user().is_some_and(|user| user.id == **name));
                Verdict::Accepted(client.expect("one of them"), user)
            }
        }
    }

    fn verify(&self, dice: &mut Dice, counts: &mut Counts) {
        let token = self.one_of(&self.tokens.iter().collect::<Vec<_>>(), dice);
        let expected = self.expected(token);
        let found = self.found(self.verifier.bearer(&token.text));
        match found {
            Verdict::Accepted(..) => counts.accepted += 1,
            Verdict::Refused(_) | Verdict::NoKey => counts.refused += 1,
        }
        assert_eq!(found, expected, "at {}, issued {} {:?} {}", self.stands, token.issued, token.begins, token.ends);
    }

    /// Two tokens of home, a workload's own and a user's.
    fn pair(&self, dice: &mut Dice, counts: &mut Counts) {
        let of = |is_user: bool| {
            self.tokens.iter().filter(move |token| token.issuer == 0 && token.user.is_some() == is_user)
        };
        let (owns, users): (Vec<_>, Vec<_>) = (of(false).collect(), of(true).collect());
        if owns.is_empty() || users.is_empty() {
            return;
        }
        let (own, user) = (self.one_of(&owns, dice), self.one_of(&users, dice));
        let expected = match (self.expected(own), self.expected(user)) {
            (refused @ Verdict::Refused(_), _) => refused,
            (Verdict::NoKey, _) | (_, Verdict::NoKey) => Verdict::NoKey,
            (_, refused @ Verdict::Refused(_)) => refused,
            (Verdict::Accepted(caller, _), Verdict::Accepted(client, user)) if caller == client => {
                Verdict::Accepted(caller, user)
            }
            _ => Verdict::Refused("binding"),
        };
        counts.pairs += 1;
        counts.unrelated += u64::from(expected == Verdict::Refused("binding"));
        assert_eq!(self.found(self.verifier.pair(&own.text, &user.text)), expected);
    }

    /// The wall clock alone, either way.
    fn jump(&mut self, dice: &mut Dice) {
        self.stands = 1000 + dice.of(&STANDS) - if dice.once_in(8) { 50 } else { 0 };
        self.set_wall();
    }

    fn set_wall(&self) {
        self.clock.set_wall(self.begun.saturating_add(Duration::from_secs(self.stands)));
    }

    fn revoke(&mut self, dice: &mut Dice) {
        let user = dice.below(USERS.len());
        let until = 1000 + dice.of(&[0, 10, 30]);
        let issuer = self.issuers[0].server.issuer().clone();
        let subject = Subject::parse(USERS[user]).expect("a subject");
        let time = self.begun.saturating_add(Duration::from_secs(until));
        self.list.revoke(Revocation::subject(issuer, subject).issued_before(time));
        self.revoked[user] = self.revoked[user].max(Some(until));
    }

    fn replace(&mut self, dice: &mut Dice) {
        self.trusts_partner = !dice.once_in(4);
        self.audience = if dice.once_in(4) { "shop" } else { "orders" };
        self.verifier.replace(settings(&self.issuers, self.trusts_partner, self.audience)).expect("valid");
    }

    /// Publishes or withdraws a key of either issuer, and waits until the verifier has heard of it.
    async fn rotate(&mut self, dice: &mut Dice) {
        let (issuer, key) = (dice.below(2), 1 + dice.below(2));
        let Issuer { server, keys, published } = &mut self.issuers[issuer];
        published[key] = !published[key];
        if published[key] {
            server.publish_key(&keys[key]);
        } else {
            server.withdraw_key(keys[key].key_id());
        }
        self.hear().await;
    }

    /// Has the trusted issuers asked for their keys.
    async fn hear(&self) {
        let asked = self.issuers.each_ref().map(|issuer| issuer.server.calls(Endpoint::Keys));
        self.clock.advance(Duration::from_secs(300));
        self.set_wall();
        let trusted = if self.trusts_partner { 2 } else { 1 };
        let heard = |issuer: usize| self.issuers[issuer].server.calls(Endpoint::Keys) > asked[issuer];
        // Asked for, and taken over: the keepers sleep for longer than a fetch may take.
        until(|| (0..trusted).all(heard) && self.clock.next_wake().is_some_and(|wake| wake > DEADLINE)).await;
    }

    /// Has the keys of both issuers at hand.
    async fn meet(&self) {
        for issuer in 0..2 {
            let own = self.tokens.iter().find(|token| token.issuer == issuer).expect("some of each");
            // Whatever it comes to.
            let _ = self.verifier.bearer(&own.text).await;
        }
    }
}

fn settings(issuers: &[Issuer; 2], trusts_partner: bool, audience: &str) -> VerifierBuilder {
    let [home, partner] = issuers.each_ref().map(|issuer| {
        let (name, keys) = (issuer.server.issuer().as_str(), issuer.server.url(Endpoint::Keys));
        TrustedIssuer::keys_at(name, keys).audience(audience)
    });
    let builder = Verifier::builder(home);
    if trusts_partner { builder.issuer(partner) } else { builder }
}

#[tokio::test]
async fn warm_a10_a_million_steps_end_as_if_nothing_were_remembered() {
    let told = Told::listen();
    let mut dice = Dice(0x005e_ed0f_acac_4e01);
    let mut counts = Counts::default();
    for _ in 0..STEPS / ERA {
        let mut world = World::new(&mut dice);
        world.set_wall();
        world.meet().await;
        for _ in 0..ERA {
            match dice.below(2000) {
                0 | 1 => {
                    world.rotate(&mut dice).await;
                    counts.rotated += 1;
                }
                2 => {
                    world.revoke(&mut dice);
                    counts.revoked += 1;
                }
                3 => {
                    world.replace(&mut dice);
                    world.meet().await;
                    counts.replaced += 1;
                }
                4..=60 => {
                    world.jump(&mut dice);
                    counts.jumps += 1;
                }
                61..=460 => world.pair(&mut dice, &mut counts),
                _ => world.verify(&mut dice, &mut counts),
            }
        }
        drop(world);
        for (hits, misses, _) in told.of(["callers", "users"]) {
            counts.hits += hits;
            counts.misses += misses;
        }
    }
    println!("{counts:?}");
    let often = [counts.rotated, counts.revoked, counts.replaced];
    assert!(often.iter().all(|times| *times > 300), "{counts:?}");
    assert!(counts.hits > 500_000 && counts.refused > 50_000 && counts.unrelated > 5_000, "{counts:?}");
}
