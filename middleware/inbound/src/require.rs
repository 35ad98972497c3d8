//! Applies a rule to requests that were authenticated.

use std::{
    fmt, iter,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{Extensions, Request, Response};
use pin_project_lite::pin_project;
use tower_identity_core::{Refusal, RefusalKind};
use tower_layer::Layer;
use tower_service::Service;

use crate::{
    Asked, AuthBody, Inbound, RuleHandle, RuleSet,
    counted::Passed,
    decision::{self, Stage},
    observed::Observed,
    unenforced::Unenforced,
};

/// Lets through what a [`Rule`](crate::Rule) allows.
///
/// It stands inside of [`AuthLayer`](crate::AuthLayer), around a router or a single route. Where no layer has
/// authenticated the request it answers 500 and does not call on: a wrong order never opens a door.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// use std::convert::Infallible;
///
/// use http::{Request, Response};
/// use tower::{Layer, ServiceExt, service_fn};
/// use tower_identity_inbound::{RequireLayer, rule::{callers, no_user}};
/// use tower_identity_testkit::{TestCaller, with_caller};
///
/// let handler = service_fn(|_: Request<String>| async { Ok::<_, Infallible>(Response::new("done".to_owned())) });
/// let nightly_run = RequireLayer::new(callers(["scheduler"]).and(no_user())).layer(handler);
/// let status = async |caller| {
///     let Ok(response) = with_caller(caller).layer(nightly_run.clone()).oneshot(Request::new(String::new())).await;
///     response.status().as_u16()
/// };
/// assert_eq!(status(TestCaller::workload("scheduler")).await, 200);
/// assert_eq!(status(TestCaller::workload("scheduler").user("alice")).await, 403);
/// assert_eq!(status(TestCaller::workload("storefront")).await, 403);
/// # });
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct RequireLayer(Arc<Required>);

#[derive(Debug, Clone)]
struct Required {
    rule: Arc<Judge>,
    /// Observed beside the rule.
    candidates: Vec<Arc<Judge>>,
    /// There is one where the layer observes.
    unenforced: Option<Arc<Unenforced>>,
}

/// A rule, and the count of what it lets through.
#[derive(Debug)]
struct Judge {
    rule: RuleHandle,
    passed: Passed,
}

/// How many issuers' callers a rule counts without a lookup: as many as most verifiers trust.
const COUNTED_ISSUERS: usize = 8;

impl RequireLayer {
    /// Requires this rule; or whichever one stands behind a [`RuleHandle`] when a request comes.
    ///
    /// A rule that is [not valid](crate::Rule::valid) is refused here too, only later: every request is answered 500. That is
    /// told at once by an event of target `tower_identity::rule` at `ERROR`.
    #[must_use]
    pub fn new(rule: impl Into<RuleHandle>) -> Self {
        let rule = Arc::new(Judge::new(rule.into(), Passed::of(COUNTED_ISSUERS)));
        Self(Arc::new(Required { rule, candidates: Vec::new(), unenforced: None }))
    }

    /// Observes another rule beside the one that is enforced: what it would have decided is told by the same
    /// [event](crate::decision) with `enforced=false`, of every request that was authenticated.
    ///
    /// ```
    /// use tower_identity_inbound::{RequireLayer, rule::{callers, scope}};
    ///
    /// let narrower = scope("orders:write").and(callers(["storefront"]));
    /// let layer = RequireLayer::new(scope("orders:write")).candidate(narrower);
    /// ```
    #[must_use]
    pub fn candidate(self, rule: impl Into<RuleHandle>) -> Self {
        self.with(|required| {
            required.candidates.push(Arc::new(Judge::new(rule.into(), Passed::of(COUNTED_ISSUERS).unenforced())));
        })
    }

    /// Applies the rule to every request, tells what it decided, by the same [event](crate::decision) with
    /// `enforced=false`, and lets everything through.
    ///
    /// Inside of an [`AuthLayer`](crate::AuthLayer) that enforces or one that
    /// [observes](crate::AuthLayer::observe) too; of what the latter would have refused this layer says nothing. Every
    /// such layer is counted by the gauge [`UNENFORCED`](crate::decision::UNENFORCED).
    #[must_use]
    pub fn observe(self) -> Self {
        self.with(|required| {
            if required.unenforced.is_none() {
                required.unenforced = Some(Arc::new(Unenforced::new(Stage::Rule)));
                required.rule =
                    Arc::new(Judge { rule: required.rule.rule.clone(), passed: required.rule.passed.unenforced() });
            }
        })
    }

    fn with(mut self, change: impl FnOnce(&mut Required)) -> Self {
        change(Arc::make_mut(&mut self.0));
        self
    }
}

impl Judge {
    fn new(rule: RuleHandle, passed: Passed) -> Self {
        let at_hand = rule.current();
        if let Some(fault) = at_hand.fault() {
            let rule = &*at_hand;
            tracing::error!(target: "tower_identity::rule", %rule, %fault, "the rule is not valid: it refuses everybody");
        }
        Self { rule, passed }
    }

    fn enforce(&self, inbound: &Inbound, pinned: Option<&RuleSet>) -> Result<(), Refusal> {
        self.rule
            .ask(pinned, |rule| rule.check(inbound))
            .inspect(|()| decision::accept(Stage::Rule, inbound, &self.passed))
    }

    /// The request goes on whatever a rule does that is only watched, a panic of a [named](crate::rule::named) one too.
    fn observe(&self, inbound: &Inbound, pinned: Option<&RuleSet>) {
        let check = AssertUnwindSafe(|| self.rule.ask(pinned, |rule| rule.check(inbound)));
        let decision = catch_unwind(check)
            .unwrap_or_else(|_| Err(Refusal::new(RefusalKind::Internal, "rule").detail("the rule panicked")));
        decision::observe(Stage::Rule, decision.as_ref().map(|()| inbound), &self.passed);
    }
}

impl Required {
    /// What is to be put in the place of what authentication left, where the rule accepts more than that says.
    fn enforce(&self, extensions: &Extensions) -> Result<Option<Inbound>, Refusal> {
        let inbound = Inbound::of(extensions)?;
        let pinned = RuleSet::pinned(extensions);
        self.candidates.iter().for_each(|candidate| candidate.observe(inbound, pinned));
        self.rule.enforce(inbound, pinned).map(|()| inbound.at_its_word())
    }

    fn observe(&self, extensions: &Extensions, unenforced: &Unenforced) {
        unenforced.decided();
        let judges = || iter::once(&self.rule).chain(&self.candidates);
        let pinned = RuleSet::pinned(extensions);
        match (Inbound::of(extensions), extensions.get::<Observed>()) {
            (Ok(inbound), _) => judges().for_each(|judge| judge.observe(inbound, pinned)),
            (Err(_), Some(observed)) => judges().for_each(|judge| {
                let (judge, pinned) = (Arc::clone(judge), pinned.cloned());
                observed.ask(move |inbound| judge.observe(inbound, pinned.as_ref()));
            }),
            (Err(wiring), None) => decision::observe(Stage::Rule, Err(&wiring), &self.rule.passed),
        }
    }
}

impl<S> Layer<S> for RequireLayer {
    type Service = RequireService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        RequireService { inner, required: Arc::clone(&self.0) }
    }
}

/// The service of [`RequireLayer`].
#[derive(Debug, Clone)]
pub struct RequireService<S> {
    inner: S,
    required: Arc<Required>,
}

impl<S, ReqBody, ResBody> Service<Request<ReqBody>> for RequireService<S>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>>,
{
    type Response = Response<AuthBody<ResBody>>;
    type Error = S::Error;
    type Future = RequireFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<ReqBody>) -> Self::Future {
        let decision = match &self.required.unenforced {
            None => self.required.enforce(request.extensions()),
            Some(unenforced) => {
                self.required.observe(request.extensions(), unenforced);
                Ok(Inbound::of(request.extensions()).ok().and_then(Inbound::at_its_word))
            }
        };
        match decision {
            Ok(at_its_word) => {
                if let Some(inbound) = at_its_word {
                    request.extensions_mut().insert(inbound);
                }
                RequireFuture::calling(self.inner.call(request))
            }
            Err(refusal) => {
                let asked = Asked::of(request.method(), request.headers(), request.extensions());
                RequireFuture::refused(decision::refuse(Stage::Rule, &refusal, &asked))
            }
        }
    }
}

pin_project! {
    /// The future of [`RequireService`], and of whatever else calls on at once, or refuses.
    pub struct RequireFuture<F> {
        #[pin]
        state: State<F>,
    }
}

pin_project! {
    #[project = StateProjected]
    enum State<F> {
        Calling {
            #[pin]
            inner: F,
        },
        Refused {
            response: Option<Response<Bytes>>,
        },
    }
}

impl<F> RequireFuture<F> {
    pub(crate) fn calling(inner: F) -> Self {
        Self { state: State::Calling { inner } }
    }

    pub(crate) fn refused(response: Response<Bytes>) -> Self {
        Self { state: State::Refused { response: Some(response) } }
    }
}

impl<F, ResBody, E> Future for RequireFuture<F>
where
    F: Future<Output = Result<Response<ResBody>, E>>,
{
    type Output = Result<Response<AuthBody<ResBody>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().state.project() {
            StateProjected::Calling { inner } => inner.poll(cx).map_ok(AuthBody::inner),
            StateProjected::Refused { response } => {
                let response = response.take().expect("RequireFuture polled after completion");
                Poll::Ready(Ok(AuthBody::refusal(response)))
            }
        }
    }
}

impl<F> fmt::Debug for RequireFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &self.state {
            State::Calling { .. } => "RequireFuture::Calling",
            State::Refused { .. } => "RequireFuture::Refused",
        })
    }
}
