//! Layers that judge and do not enforce.

use std::{convert::Infallible, sync::Arc};

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt, Full};
use tokio::sync::Notify;
use tower::{Layer, Service, ServiceExt, service_fn};
use tower_identity_core::{BoxFuture, Evidence, Fingerprint, SecretToken, ambient};
use tower_identity_inbound::{
    AuthBody, AuthLayer, Inbound, RequireLayer, Rule, Source,
    rule::{callers, named, no_user, scope, user},
};
use tower_identity_testkit::{
    Endpoint, Failure, LogCapture, TestCaller, TestIssuer, TokenBuilder, with_caller, without_caller,
};
use tower_identity_verify::{SplitTokens, StoreError, TrustedIssuer, Verifier};

use crate::support::{issuer_token, layer, refused, request, value, warm};

/// Whether a handler found an [`Inbound`] and an ambient caller, and which headers.
#[derive(Debug, Clone, PartialEq)]
struct Untouched {
    inbound: bool,
    ambient: bool,
    headers: HeaderMap,
}

impl Untouched {
    fn with(headers: HeaderMap) -> Option<Self> {
        Some(Self { inbound: false, ambient: false, headers })
    }
}

async fn handler(request: Request<Full<Bytes>>) -> Result<Response<Full<Bytes>>, Infallible> {
    let mut response = Response::new(Full::from("untouched"));
    response.extensions_mut().insert(Untouched {
        inbound: request.extensions().get::<Inbound>().is_some(),
        ambient: ambient::current().is_some(),
        headers: request.headers().clone(),
    });
    Ok(response)
}

async fn through<L>(layer: &L, request: Request<Full<Bytes>>) -> Response<<L::Service as Answers>::Body>
where
    L: Layer<Handler>,
    L::Service: Answers,
{
    layer.layer(handler_service()).answer(request).await
}

type Handler = tower::util::BoxCloneService<Request<Full<Bytes>>, Response<Full<Bytes>>, Infallible>;

fn handler_service() -> Handler {
    tower::util::BoxCloneService::new(service_fn(handler))
}

/// A service whose answers tests read.
trait Answers {
    type Body;
    async fn answer(self, request: Request<Full<Bytes>>) -> Response<Self::Body>;
}

impl<S, B> Answers for S
where
    S: Service<Request<Full<Bytes>>, Response = Response<B>, Error = Infallible>,
{
    type Body = B;
    async fn answer(self, request: Request<Full<Bytes>>) -> Response<B> {
        let Ok(response) = self.oneshot(request).await;
        response
    }
}

/// The decisions that were told: stage, outcome, whether enforced, and the check that failed.
fn decisions(logs: &LogCapture) -> Vec<String> {
    let field = |line: &str, name: &str| {
        let (_, rest) = line.split_once(&format!(" {name}="))?;
        rest.split_whitespace().next().map(|text| text.trim_matches('"').to_owned())
    };
    let text = logs.text();
    let events = text.lines().filter(|line| line.contains("tower_identity::decision"));
    events
        .map(|line| {
            let parts = ["stage", "outcome", "enforced", "check"].map(|name| field(line, name));
            assert_eq!(
                parts[2].as_deref() == Some("true") && parts[3].is_some(),
                line.contains("correlation_id="),
                "{line}"
            );
            parts.into_iter().flatten().collect::<Vec<_>>().join(" ")
        })
        .collect()
}

#[tokio::test]
async fn obs_a1_nothing_is_refused_nothing_taken_away_and_nothing_left() {
    let issuer = TestIssuer::start();
    let session = Source::cookie("session").expect("a cookie");
    let layer =
        warm(&issuer).await.sources([Source::authorization(), session]).expect("valid").realm("orders").observe();
    let token = |of: fn(TokenBuilder) -> TokenBuilder| format!("Bearer {}", of(issuer_token(&issuer)).build().expose());
    let good = token(|token| token);
    let cookie = good.replace("Bearer ", "session=");
    let bad = [
        (vec![], "refused false credential"),
        (vec![("authorization", "Basic abc".to_owned())], "refused false scheme"),
        (vec![("authorization", "Bearer ".to_owned())], "refused false token68"),
        (vec![("authorization", good.clone()), ("authorization", good.clone())], "refused false authorization"),
        (vec![("authorization", good.clone()), ("cookie", cookie.clone())], "refused false sources"),
        (
            vec![("cookie", cookie), ("upgrade", "x".to_owned()), ("sec-fetch-site", "cross-site".to_owned())],
            "refused false cross_site",
        ),
        (vec![("authorization", "Bearer x".to_owned())], "refused false format"),
        (vec![("authorization", token(|token| token.audience("payments")))], "refused false aud"),
        (vec![("authorization", token(TokenBuilder::tampered))], "refused false signature"),
        // The control.
        (vec![("authorization", good), ("x-user", "alice".to_owned())], "accepted false"),
    ];
    for (fields, told) in bad {
        let mut request = request([]);
        for (name, text) in fields {
            request.headers_mut().append(name, value(&text));
        }
        let headers = request.headers().clone();
        let logs = LogCapture::start();
        let response = through(&layer, request).await;
        assert_eq!(decisions(&logs), [format!("authentication {told}")]);
        assert_eq!(response.extensions().get().cloned(), Untouched::with(headers), "{told}");
        assert_eq!((response.status().as_u16(), response.headers()), (200, &HeaderMap::new()), "{told}");
        assert_eq!(response.into_body().collect().await.expect("a body").to_bytes(), "untouched", "{told}");
    }
}

#[tokio::test]
async fn obs_a1_a_good_credential_stays_in_its_only_place_remembered_or_not() {
    let issuer = TestIssuer::start();
    let token = issuer_token(&issuer).build();
    let enforcing = warm(&issuer).await;
    for (layer, stays) in [(enforcing.clone().observe(), true), (enforcing, false)] {
        for _ in 0..2 {
            let response = through(&layer, request([value(&format!("Bearer {}", token.expose()))])).await;
            let found =
                response.extensions().get::<Untouched>().map(|found| found.headers.contains_key("authorization"));
            assert_eq!((response.status().as_u16(), found), (200, Some(stays)));
        }
    }
}

#[tokio::test]
async fn obs_a1_at_the_edge_too_nothing_is_taken_away() {
    let issuer = TestIssuer::start();
    let edge = warm(&issuer).await.edge();
    let echo = service_fn(|request: Request<tower_identity_inbound::EdgeBody<Full<Bytes>>>| async move {
        let trailing = request.headers().contains_key("x-user");
        Ok::<_, Infallible>(Response::new(Full::<Bytes>::from(if trailing { "there" } else { "gone" })))
    });
    for (layer, expected) in [(edge.clone().observe(), "there"), (edge, "gone")] {
        let mut request = request([issuer_token(&issuer).bearer()]);
        request.headers_mut().insert("x-user", value("alice"));
        let Ok(response) = layer.layer(echo).oneshot(request).await;
        assert_eq!(response.into_body().collect().await.expect("a body").to_bytes(), expected);
    }
}

/// What is told of a request by an observing stack, and the status of its answer.
async fn stacked(auth: &AuthLayer, rule: &RequireLayer, request: Request<Full<Bytes>>) -> (u16, Vec<String>) {
    let logs = LogCapture::start();
    let status = auth.layer(rule.layer(handler_service())).answer(request).await.status();
    (status.as_u16(), decisions(&logs))
}

/// A store that panics when it is asked, or by its answer; or that knows no token.
#[derive(Debug, Clone, Copy)]
enum Store {
    PanicsAtTheCall,
    PanicsAtThePoll,
    Knows(Option<&'static str>),
}

impl SplitTokens for Store {
    fn find(&self, _: Fingerprint) -> BoxFuture<'_, Result<Option<SecretToken>, StoreError>> {
        match *self {
            Self::PanicsAtTheCall => panic!("on purpose"),
            Self::PanicsAtThePoll => Box::pin(async { panic!("on purpose") }),
            Self::Knows(rest) => Box::pin(async move { Ok(rest.map(SecretToken::new)) }),
        }
    }
}

#[tokio::test]
async fn obs_a1_a_verification_that_panics_harms_nobody() {
    let rule = RequireLayer::new(user()).observe();
    for (store, told) in [
        (Store::PanicsAtTheCall, "internal observe"),
        (Store::PanicsAtThePoll, "internal observe"),
        // The control.
        (Store::Knows(None), "invalid_token introspection"),
    ] {
        let home = TrustedIssuer::split("https://login.example.com", store).audience("orders");
        let layer = AuthLayer::new(Verifier::builder(home).build().expect("valid")).observe();
        let logs = LogCapture::start();
        let response = layer.layer(rule.layer(handler_service())).answer(request([value("Bearer c2ln")])).await;
        assert_eq!((response.status().as_u16(), response.headers()), (200, &HeaderMap::new()), "{store:?}");
        assert_eq!(response.into_body().collect().await.expect("a body").to_bytes(), "untouched", "{store:?}");
        let (kind, check) = told.split_once(' ').expect("two words");
        assert_eq!(decisions(&logs), [format!("authentication refused false {check}")], "{store:?}");
        assert!(logs.text().contains(&format!("kind=\"{kind}\"")), "{}", logs.text());
    }
}

#[tokio::test]
async fn obs_a2_a_rule_is_asked_about_what_the_layer_outside_would_have_let_through() {
    let issuer = TestIssuer::start();
    let auth = warm(&issuer).await;
    let rule = RequireLayer::new(scope("orders:write").and(user())).observe();
    let (good, small) = (issuer_token(&issuer), issuer_token(&issuer).scope("orders:read"));
    let cases = [
        (vec![good.bearer()], vec!["authentication accepted X", "rule accepted false"]),
        (vec![small.bearer()], vec!["authentication accepted X", "rule refused false scope"]),
    ];
    for (fields, told) in cases {
        for (layer, enforced) in [(auth.clone().observe(), "false"), (auth.clone(), "true")] {
            let told: Vec<_> = told.iter().map(|line| line.replace('X', enforced)).collect();
            assert_eq!(stacked(&layer, &rule, request(fields.clone())).await, (200, told), "{enforced}");
        }
    }
    // Of what is refused further out a rule further in would never have heard.
    let refused = vec!["authentication refused false credential".to_owned()];
    assert_eq!(stacked(&auth.clone().observe(), &rule, request([])).await, (200, refused));
    // Anonymous is let through, and judged.
    let told = ["authentication anonymous false", "rule refused false rule"].map(str::to_owned).to_vec();
    assert_eq!(stacked(&auth.optional().observe(), &rule, request([])).await, (200, told));
}

#[tokio::test]
async fn obs_a3_what_enforces_inside_of_what_observes_finds_no_caller_and_says_so() {
    let issuer = TestIssuer::start();
    let observing = warm(&issuer).await.observe();
    let logs = LogCapture::start();
    let guarded = observing.layer(RequireLayer::new(user()).layer(handler_service()));
    let response = guarded.answer(request([issuer_token(&issuer).bearer()])).await;
    assert_eq!(refused(response).await, (500, None, "misconfigured".to_owned()));
    assert_eq!(decisions(&logs), ["authentication accepted false", "rule refused true wiring"]);
    assert!(logs.text().contains("only observes, and leaves no caller"), "{}", logs.text());
}

#[tokio::test]
async fn obs_a3_a_layer_is_watched_outside_of_the_one_that_is_enforced() {
    let issuer = TestIssuer::start();
    let enforcing = warm(&issuer).await;
    let another = crate::support::layer(&TestIssuer::start()).observe();
    let logs = LogCapture::start();
    let service = another.layer(enforcing.layer(RequireLayer::new(user()).layer(handler_service())));
    let response = service.answer(request([issuer_token(&issuer).bearer()])).await;
    assert_eq!(response.status(), 200);
    let told = ["authentication refused false iss", "authentication accepted true", "rule accepted true"];
    assert_eq!(decisions(&logs), told);
}

#[tokio::test]
async fn obs_a4_a_candidate_is_judged_beside_the_rule_that_is_enforced() {
    let told = async |layer: &RequireLayer, caller: TestCaller| {
        let logs = LogCapture::start();
        let response = with_caller(caller).layer(layer.layer(handler_service())).answer(request([])).await;
        (response.status().as_u16(), decisions(&logs))
    };
    let storefront =
        || TestCaller::workload("storefront").user("alice").evidence(Evidence::Actor).scope("orders:write");
    let layer = |rule: Rule| RequireLayer::new(rule).candidate(scope("orders:write").and(callers(["storefront"])));
    let told_of = |candidate: &str, rule: &str| vec![format!("rule {candidate}"), format!("rule {rule}")];
    let cases = [
        (scope("orders:write"), storefront(), 200, told_of("accepted false", "accepted true")),
        (
            scope("orders:write"),
            TestCaller::workload("reports").scope("orders:write"),
            200,
            told_of("refused false callers", "accepted true"),
        ),
        (scope("orders:admin"), storefront(), 403, told_of("accepted false", "refused true scope")),
        (
            scope("orders:admin"),
            TestCaller::workload("reports").scope("orders:write"),
            403,
            told_of("refused false callers", "refused true scope"),
        ),
    ];
    for (rule, caller, status, expected) in cases {
        assert_eq!(told(&layer(rule), caller).await, (status, expected));
    }
    // Each of several, and where the layer itself only observes.
    let several = layer(scope("orders:write")).candidate(user());
    let told_of_each = |enforced: &str, rule: &str| {
        let mut told = ["rule refused false callers", "rule refused false user"].map(str::to_owned).to_vec();
        told.insert(if enforced == "true" { 2 } else { 0 }, format!("rule {rule} {enforced}"));
        told
    };
    let reports = || TestCaller::workload("reports").scope("orders:write");
    assert_eq!(told(&several, reports()).await, (200, told_of_each("true", "accepted")));
    assert_eq!(told(&several.observe(), reports()).await, (200, told_of_each("false", "accepted")));
    // Without a layer outside there is one refusal, and it is enforced.
    let logs = LogCapture::start();
    let response = layer(user()).layer(handler_service()).answer(request([])).await;
    assert_eq!((response.status().as_u16(), decisions(&logs)), (500, vec!["rule refused true wiring".to_owned()]));
}

#[tokio::test]
async fn obs_a4_a_candidate_that_is_not_valid_harms_nobody() {
    let layer = RequireLayer::new(user()).candidate(no_user());
    let alice = TestCaller::workload("storefront").user("alice");
    let logs = LogCapture::start();
    let response = with_caller(alice).layer(layer.layer(handler_service())).answer(request([])).await;
    assert_eq!(
        (response.status().as_u16(), decisions(&logs)),
        (200, vec!["rule refused false rule".to_owned(), "rule accepted true".to_owned()],)
    );
}

#[tokio::test]
async fn obs_a4_a_candidate_that_panics_harms_nobody() {
    let layer = |name: &'static str| {
        let candidate = named(name, move |_| if name == "careless" { panic!("on purpose") } else { false });
        RequireLayer::new(user()).candidate(candidate)
    };
    for (name, check) in [("careless", "rule"), ("careful", "named")] {
        let alice = TestCaller::workload("storefront").user("alice");
        let logs = LogCapture::start();
        for layer in [layer(name), layer(name).observe()] {
            let response = with_caller(alice.clone()).layer(layer.layer(handler_service())).answer(request([])).await;
            assert_eq!(response.status().as_u16(), 200, "{name}");
        }
        let candidate = || format!("rule refused false {check}");
        let told = |enforced: bool| format!("rule accepted {enforced}");
        assert_eq!(decisions(&logs), [candidate(), told(true), told(false), candidate()], "{name}");
    }
}

#[tokio::test]
async fn obs_a2_a_rule_without_a_layer_outside_would_have_answered_500() {
    let rule = RequireLayer::new(user()).observe();
    let logs = LogCapture::start();
    assert_eq!(rule.layer(handler_service()).answer(request([])).await.status(), 200);
    assert_eq!(decisions(&logs), ["rule refused false wiring"]);
    let logs = LogCapture::start();
    assert_eq!(without_caller().layer(rule.layer(handler_service())).answer(request([])).await.status(), 200);
    assert_eq!(decisions(&logs), ["rule refused false rule"]);
}

#[tokio::test]
async fn obs_a5_no_answer_waits_for_keys_and_each_request_is_told_once() {
    let issuer = TestIssuer::start();
    issuer.fail(Endpoint::Keys, Failure::Silence);
    let cold = layer(&issuer).observe();
    let rule = RequireLayer::new(scope("orders:write")).observe();
    let undecided = vec!["authentication refused false observe".to_owned()];
    let bearer = || request([issuer_token(&issuer).bearer()]);
    assert_eq!(stacked(&cold, &rule, bearer()).await, (200, undecided.clone()));

    // A request that is given up is told too.
    let logs = LogCapture::start();
    let never = service_fn(|_: Request<Full<Bytes>>| {
        std::future::pending::<Result<Response<AuthBody<Full<Bytes>>>, Infallible>>()
    });
    let mut asked = Box::pin(cold.layer(never).oneshot(bearer()));
    assert!(futures_now(&mut asked).is_none());
    assert_eq!(decisions(&logs), NOTHING);
    drop(asked);
    assert_eq!(decisions(&logs), undecided);
}

const NOTHING: [String; 0] = [];

/// The output of a future that is ready.
fn futures_now<F: Future + Unpin>(future: &mut F) -> Option<F::Output> {
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    match std::pin::Pin::new(future).poll(&mut cx) {
        std::task::Poll::Ready(output) => Some(output),
        std::task::Poll::Pending => None,
    }
}

#[tokio::test]
async fn obs_a5_what_takes_longer_than_the_keys_is_decided_while_it_goes_on_rules_further_in_too() {
    let issuer = TestIssuer::start();
    let cold = layer(&issuer).observe();
    let go_on = Arc::new(Notify::new());
    let waits = Arc::clone(&go_on);
    let slow = service_fn(move |_: Request<Full<Bytes>>| {
        let waits = Arc::clone(&waits);
        async move {
            waits.notified().await;
            Ok::<_, Infallible>(Response::new(Full::<Bytes>::default()))
        }
    });
    let rule = RequireLayer::new(scope("orders:admin")).observe();
    let logs = LogCapture::start();
    let asked = tokio::spawn(cold.layer(rule.layer(slow)).oneshot(request([issuer_token(&issuer).bearer()])));
    while decisions(&logs).is_empty() {
        tokio::task::yield_now().await;
    }
    assert_eq!(decisions(&logs), ["authentication accepted false", "rule refused false scope"]);
    assert!(!asked.is_finished());
    go_on.notify_one();
    let Ok(response) = asked.await.expect("no panic");
    assert_eq!(response.status(), 200);
    assert_eq!(decisions(&logs).len(), 2);
}
