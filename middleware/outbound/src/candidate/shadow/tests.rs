//! What a shadow asks for makes way, and is let go of.

use std::sync::atomic::Ordering;

use tower_identity_core::{BoxFuture, Refusal, SecretToken};
use tower_identity_oauth::{IssuedToken, TargetService, Urgency};

use super::*;
use crate::{
    Target,
    candidate::{Which, budget::tests::Millis},
    issued::Demands,
    row::Takes,
    source::{Brought, Recipe, TokenSource},
};

/// Issues whatever it is asked for, at once.
#[derive(Debug)]
struct AtOnce;

impl TokenSource for AtOnce {
    fn name(&self) -> &'static str {
        "at once"
    }

    fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of("at once").finish()
    }

    fn obtain(&self, _: &Ask) -> BoxFuture<'static, Result<Brought, Refusal>> {
        let token = IssuedToken::new(SecretToken::new("token"), Scopes::default(), None);
        Box::pin(std::future::ready(Ok(Brought::found(token))))
    }
}

fn shadows(clock: &Clock) -> Arc<Shadows> {
    let target = Target::origin("https://payments.test").expect("an origin").audience("payments");
    let terms = TargetService { audience: target.audience.clone(), ..TargetService::default() };
    let demands = Demands::of(&target, &terms, &"orders".parse().expect("an id")).expect("none");
    let name: Arc<str> = "https://payments.test".into();
    let recipe = Recipe::new((&name, Which::Candidate), Box::new(AtOnce), terms, demands, clock.clone());
    let takes = Takes::Own { own: Arc::new(recipe) };
    let row = Row { name, takes, deadline: None, user_header: None, goes_alone: false, trial: None };
    let budget = Budget::new(4, 10, clock.clone());
    Arc::new(Shadows::new(row, Scopes::default(), budget, clock.clone()))
}

#[test]
fn cand_b2_at_the_authorization_server_a_shadow_makes_way_for_whoever_waits() {
    let clock = Clock::new(Millis(Arc::default()));
    let shadow = Shadow::of(&shadows(&clock), None, None, clock.wall());
    assert_eq!(shadow.ask.expect("this service's own").urgency(), Urgency::Refresh);
}

#[tokio::test]
async fn cand_b1_what_is_over_is_held_no_longer_than_until_the_next_begins() {
    let millis = Millis(Arc::default());
    let now = Arc::clone(&millis.0);
    let clock = Clock::new(millis);
    let shadows = shadows(&clock);
    for _ in 0..20 {
        Shadow::of(&shadows, None, None, clock.wall()).begin();
        assert_eq!(shadows.tasks.lock().expect("unpoisoned").len(), 1);
        let is_over = || shadows.tasks.lock().expect("unpoisoned").iter().all(Background::is_over);
        while !is_over() {
            tokio::task::yield_now().await;
        }
        now.fetch_add(AGAIN.as_millis() as u64, Ordering::SeqCst);
    }
}
