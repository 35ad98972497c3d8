//! A source that issues tokens of what it is asked for, and counts why it is asked again.

use std::{
    collections::{HashMap, HashSet},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use fastrand::Rng;
use tower_identity_core::{BoxFuture, Clock, Fingerprint, Refusal, RefusalKind, Scopes, SecretToken};
use tower_identity_oauth::{IssuedToken, TargetService, TokenClient};

use super::{ORIGIN, SEED, people::Time};
use crate::{
    OnBehalfOf, Target,
    candidate::Which,
    issued::Demands,
    row::{Row, Takes},
    source::{Ask, Brought, Recipe, TokenSource},
};

/// What a token is issued for, in words.
pub(super) fn asked_for(subject: Option<&str>, audience: &str, scope: &str, client: &str) -> String {
    format!("{}/{audience}/{scope}/{client}", subject.unwrap_or("itself"))
}

/// A source that issues tokens of what it is asked for: `<number>/<end in ms>/<what>`.
#[derive(Debug, Clone)]
pub(super) struct Recorder(pub(super) Arc<Recorded>);

#[derive(Debug)]
pub(super) struct Recorded {
    pub(super) time: Time,
    issued: AtomicUsize,
    in_the_air: Mutex<HashSet<String>>,
    /// What was issued last, and until when it was fresh and usable at least.
    last: Mutex<HashMap<String, (u64, u64)>>,
    pub(super) expired: AtomicUsize,
    pub(super) evicted: AtomicUsize,
    pub(super) refreshed: AtomicUsize,
    pub(super) failed: AtomicUsize,
}

impl Recorder {
    pub(super) fn new(time: Time) -> Self {
        Self(Arc::new(Recorded {
            time,
            issued: AtomicUsize::new(0),
            in_the_air: Mutex::default(),
            last: Mutex::default(),
            expired: AtomicUsize::new(0),
            evicted: AtomicUsize::new(0),
            refreshed: AtomicUsize::new(0),
            failed: AtomicUsize::new(0),
        }))
    }

    async fn issue(self, what: String) -> Result<Brought, Refusal> {
        let Recorded { time, issued, in_the_air, last, .. } = &*self.0;
        assert!(in_the_air.lock().expect("unpoisoned").insert(what.clone()), "two flights for {what}");
        let number = issued.fetch_add(1, Ordering::Relaxed);
        let mut rng = Rng::with_seed(SEED ^ number as u64);
        let began = time.now();
        self.classify(&what, began);
        for _ in 0..rng.usize(0..12) {
            tokio::task::yield_now().await;
        }
        in_the_air.lock().expect("unpoisoned").remove(&what);
        if rng.u8(..) < 8 {
            self.0.failed.fetch_add(1, Ordering::Relaxed);
            last.lock().expect("unpoisoned").remove(&what);
            return Err(Refusal::new(RefusalKind::Unavailable { retry_after: Duration::from_secs(1) }, "recorded"));
        }
        let life = rng.u64(14..40);
        let usable = (life - 10) * 1000;
        last.lock().expect("unpoisoned").insert(what.clone(), (began + usable * 7 / 10, began + usable));
        let token = SecretToken::new(format!("{number}/{}/{what}", began + life * 1000));
        let token = IssuedToken::new(token, Scopes::default(), Some(Duration::from_secs(life)));
        Ok(Brought::found(token))
    }

    /// Why it is asked for again.
    fn classify(&self, what: &str, now: u64) {
        let count = match self.0.last.lock().expect("unpoisoned").get(what) {
            None => return,
            Some((_, usable)) if *usable <= now => &self.0.expired,
            Some((fresh, _)) if *fresh <= now => &self.0.refreshed,
            Some(_) => &self.0.evicted,
        };
        count.fetch_add(1, Ordering::Relaxed);
    }
}

pub(super) fn row(
    path: &str,
    audience: &str,
    scope: &str,
    client: &TokenClient,
    recorder: &Recorder,
    clock: &Clock,
) -> Row {
    let name: Arc<str> = format!("{ORIGIN}{path}").into();
    let target = Target::origin(ORIGIN).expect("an origin").audience(audience).scope(scope);
    let terms =
        TargetService { audience: target.audience.clone(), scopes: target.scopes.clone(), ..Default::default() };
    let demands = Demands::of(&target, &terms, client.client_id()).expect("none");
    let recipe = |source: &'static str| {
        let source = Box::new(Named { name: source, client: client.clone(), recorder: recorder.clone() });
        Arc::new(Recipe::new((&name, Which::Current), source, terms.clone(), demands.clone(), clock.clone()))
    };
    let takes = Takes::Callers { of: OnBehalfOf::User, callers: recipe("for users"), own: recipe("for itself") };
    Row { name: name.clone(), takes, deadline: None, user_header: None, goes_alone: false, trial: None }
}

/// The source of a row.
#[derive(Debug)]
struct Named {
    name: &'static str,
    client: TokenClient,
    recorder: Recorder,
}

impl TokenSource for Named {
    fn name(&self) -> &'static str {
        self.name
    }

    fn fingerprint(&self) -> Fingerprint {
        self.client.fingerprint()
    }

    fn obtain(&self, ask: &Ask) -> BoxFuture<'static, Result<Brought, Refusal>> {
        let Ask { recipe, subject, .. } = ask;
        let subject = subject.as_ref().map(|subject| subject.token().expect("a token").expose());
        let audience = recipe.terms.audience.as_ref().expect("an audience").as_str();
        let what = asked_for(subject, audience, &recipe.terms.scopes.to_string(), self.client.client_id().as_str());
        Box::pin(self.recorder.clone().issue(what))
    }
}
