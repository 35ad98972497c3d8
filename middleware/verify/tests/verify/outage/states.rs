//! Whatever happens to an issuer, in whatever order.

use proptest::prelude::*;
use tower_identity_core::RefusalKind;
use tower_identity_jose::SigningKey;
use tower_identity_testkit::{Endpoint, Failure, TokenBuilder};

use crate::support::{MINUTE, SECOND, Stage, accepted, forger, text, until_idle};

#[derive(Debug, Clone)]
enum Step {
    Wait(u64),
    Fail(usize),
    Recover,
    /// A new key beside the others, which signs from now on.
    Rotate,
    /// The oldest key but the one that signs is gone.
    Withdraw,
    Good,
    /// By a key that nobody published, under the id of one that somebody did.
    StolenId,
    /// By a key that nobody published, under an id of its own, issued so many seconds ago.
    UnknownId(u64),
    Nameless,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => prop_oneof![Just(1), Just(7), Just(31), Just(240), Just(4_000), Just(90_000)].prop_map(Step::Wait),
        2 => (0..4_usize).prop_map(Step::Fail),
        2 => Just(Step::Recover),
        1 => Just(Step::Rotate),
        1 => Just(Step::Withdraw),
        4 => Just(Step::Good),
        1 => Just(Step::StolenId),
        3 => (0..200_u64).prop_map(Step::UnknownId),
        1 => Just(Step::Nameless),
    ]
}

fn failure(at: usize) -> Failure {
    let failures = [Failure::Close, Failure::Html, Failure::no_keys(), Failure::Unavailable { retry_after: 9 }];
    failures[at].clone()
}

/// What is true in every state.
struct Watch {
    stage: Stage,
    forger: SigningKey,
    published: Vec<SigningKey>,
    unknown: usize,
    /// How many fetches there had been when time moved last.
    fetches: usize,
}

impl Watch {
    async fn verdict(&mut self, token: TokenBuilder) -> Result<(), RefusalKind> {
        let verdict =
            self.stage.verifier.bearer(&text(token)).await.map(drop).map_err(|refusal| refusal.kind().clone());
        let now = self.stage.fetches() - self.fetches;
        assert!(now <= 2, "one for want of fresh keys and one for want of a key, at one moment: {now}");
        verdict
    }

    async fn take(&mut self, step: Step) {
        match step {
            Step::Wait(seconds) => {
                until_idle().await;
                self.stage.clock.advance(SECOND * u32::try_from(seconds).expect("small"));
                until_idle().await;
                self.fetches = self.stage.fetches();
            }
            Step::Fail(at) => self.stage.issuer.fail(Endpoint::Keys, failure(at)),
            Step::Recover => self.stage.issuer.recover(Endpoint::Keys),
            Step::Rotate => {
                self.stage.issuer.rotate_key();
                self.published.push(self.stage.issuer.key());
            }
            Step::Withdraw => {
                if self.published.len() > 1 {
                    self.stage.issuer.withdraw_key(self.published.remove(0).key_id());
                }
            }
            Step::Good => {
                // Published before it signs, and there still: it is never the token's fault.
                let verdict = self.verdict(self.stage.good()).await;
                assert!(matches!(verdict, Ok(()) | Err(RefusalKind::Unavailable { .. })), "{verdict:?}");
            }
            Step::StolenId => {
                let key_id = self.published[0].key_id().to_owned();
                self.refused(self.stage.forged(&self.forger, &key_id)).await;
            }
            Step::UnknownId(ago) => {
                self.unknown += 1;
                let issued = self.stage.now().saturating_sub(SECOND * u32::try_from(ago).expect("small"));
                let key_id = format!("k{}", self.unknown % 3);
                self.refused(self.stage.forged(&self.forger, &key_id).issued_at(issued)).await;
            }
            Step::Nameless => self.refused(self.stage.good().sign_with(&self.forger).without_header("kid")).await,
        }
    }

    async fn refused(&mut self, token: TokenBuilder) {
        let verdict = self.verdict(token).await;
        assert!(matches!(verdict, Err(RefusalKind::InvalidToken | RefusalKind::Unavailable { .. })), "{verdict:?}");
    }
}

async fn watch(steps: Vec<Step>) {
    let stage = Stage::new();
    let published = vec![stage.issuer.key()];
    let mut watch = Watch { stage, forger: forger(), published, unknown: 0, fetches: 0 };
    for step in steps {
        watch.take(step).await;
    }
    let stage = watch.stage;
    stage.issuer.recover(Endpoint::Keys);
    // A fetch that is in the air when the clock moves is out of time; the next one has all that it needs.
    stage.clock.advance(2 * MINUTE);
    until_idle().await;
    drop(stage.verifier.bearer(&stage.token()).await);
    stage.clock.advance(2 * MINUTE);
    accepted(stage.verifier.bearer(&stage.token()).await);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, max_shrink_iters: 64, ..ProptestConfig::default() })]

    /// No forged token verifies and no good one is refused in any state, nobody is asked more often than is stated, and
    /// an issuer that is back is of use.
    #[test]
    fn jwks_a3_in_every_state_a_good_token_is_good_or_not_yet(steps in proptest::collection::vec(step(), 1..40)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(watch(steps));
    }
}
