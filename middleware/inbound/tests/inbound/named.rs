//! Rules that stand beside a verifier's settings, and go with them.

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use bytes::Bytes;
use http::{HeaderValue, Request, Response};
use http_body_util::{BodyExt, Full};
use serde_json::Value;
use tower::{Layer, ServiceBuilder, ServiceExt, service_fn};
use tower_identity_core::InvalidSetting;
use tower_identity_inbound::{
    AuthLayer, RequireLayer, ResourceMetadata, Rule, RuleHandle, RuleSet,
    rule::{callers, callers_of, no_user, scope},
};
use tower_identity_refresh::Upkeep;
use tower_identity_testkit::{LogCapture, TestIssuer};
use tower_identity_verify::{TrustedIssuer, Verifier, VerifierBuilder};

use crate::support::request;

fn rules(who_may: Rule) -> [(String, Rule); 1] {
    [("charge".to_owned(), who_may)]
}

fn trusting(issuers: &[&TestIssuer]) -> VerifierBuilder {
    let mut trusted = issuers.iter().map(|issuer| TrustedIssuer::discover(issuer.issuer().as_str()).audience("orders"));
    let home = trusted.next().expect("one at least");
    trusted.fold(Verifier::builder(home), VerifierBuilder::issuer)
}

fn bearer(issuer: &TestIssuer) -> HeaderValue {
    issuer.token().subject("storefront").client("storefront").audience("orders").scope("a").bearer()
}

async fn status(auth: &AuthLayer, require: &RequireLayer, token: HeaderValue) -> u16 {
    let handler =
        service_fn(|_: Request<Full<Bytes>>| async { Ok::<_, Infallible>(Response::new(Full::<Bytes>::default())) });
    let Ok(response) = auth.layer(require.layer(handler)).oneshot(request([token])).await;
    response.status().as_u16()
}

#[tokio::test]
async fn a_named_rule_is_the_one_beside_the_settings_that_stand() {
    let login = TestIssuer::start();
    let first = RuleSet::new(rules(callers(["storefront"]))).expect("valid");
    let verifier = trusting(&[&login]).beside(first.clone()).build().expect("valid");
    assert!(RuleHandle::named(&verifier, "refund").is_none(), "there is no such rule");
    let handle = RuleHandle::named(&verifier, "charge").expect("there is one");
    let (auth, require) = (AuthLayer::new(verifier.clone()), RequireLayer::new(handle.clone()));
    assert_eq!(status(&auth, &require, bearer(&login)).await, 200);

    let refused = handle.replace(callers(["orders"])).expect_err("it stands beside settings");
    assert_eq!(refused, InvalidSetting::new("rule", "is replaced along with the settings that it stands beside"));
    assert_eq!(status(&auth, &require, bearer(&login)).await, 200);

    let second = first.succeeded_by(rules(callers(["orders"]))).expect("valid");
    verifier.replace(trusting(&[&login]).beside(second.clone())).expect("valid");
    assert_eq!(status(&auth, &require, bearer(&login)).await, 403);
    let logs = LogCapture::start();
    second.tell_changes(&first);
    second.tell_changes(&second);
    assert_eq!(logs.text().matches("the rule was replaced").count(), 1);

    // Where there is no such rule any more, or rules of other settings by the same name, nobody passes.
    for beside in [first.succeeded_by([]).expect("valid"), RuleSet::new(rules(callers(["storefront"]))).expect("valid")]
    {
        verifier.replace(trusting(&[&login]).beside(beside)).expect("valid");
        assert_eq!(status(&auth, &require, bearer(&login)).await, 500);
    }
    verifier.replace(trusting(&[&login]).beside(first)).expect("valid");
    assert_eq!(status(&auth, &require, bearer(&login)).await, 200);
}

#[test]
fn rules_that_may_not_stand_are_none() {
    let good = RuleSet::new(rules(scope("a"))).expect("valid");
    let fault = InvalidSetting::new("no_user", "stands only at the top of a rule, beside a list of callers");
    let expected = fault.within("charge").within("rule");
    assert_eq!(RuleSet::new(rules(no_user())).expect_err("not valid"), expected);
    assert_eq!(good.succeeded_by(rules(no_user())).expect_err("not valid"), expected);
}

/// A request that was let in under one generation meets no rule of the next, which was written for other callers.
#[tokio::test]
async fn no_request_is_verified_by_one_generation_and_judged_by_another() {
    let (login, partner) = (TestIssuer::start(), TestIssuer::start());
    let narrow = RuleSet::new(rules(scope("a").and(callers_of([login.issuer().as_str()])))).expect("valid");
    let wide = narrow.succeeded_by(rules(scope("a"))).expect("valid");
    let with_partner = || trusting(&[&login, &partner]).beside(narrow.clone());
    let without_partner = || trusting(&[&login]).beside(wide.clone());
    let verifier = with_partner().build().expect("valid");
    let handle = RuleHandle::named(&verifier, "charge").expect("there is one");

    // Between the two layers, the partner is trusted no more, and so the rule need not keep it out.
    let swap = Arc::new(AtomicBool::new(false));
    let meanwhile = {
        let (verifier, swap, next) = (verifier.clone(), Arc::clone(&swap), wide.clone());
        let login = login.issuer().as_str().to_owned();
        move |request: Request<Full<Bytes>>| {
            if swap.load(Ordering::Relaxed) {
                let home = TrustedIssuer::discover(login.clone()).audience("orders");
                verifier.replace(Verifier::builder(home).beside(next.clone())).expect("valid");
            }
            request
        }
    };
    let handler =
        service_fn(|_: Request<Full<Bytes>>| async { Ok::<_, Infallible>(Response::new(Full::<Bytes>::default())) });
    let service = ServiceBuilder::new()
        .layer(AuthLayer::new(verifier.clone()))
        .map_request(meanwhile)
        .layer(RequireLayer::new(handle.clone()))
        .service(handler);
    let ask = async |issuer: &TestIssuer| {
        let Ok(response) = service.clone().oneshot(request([bearer(issuer)])).await;
        response.status().as_u16()
    };
    assert_eq!((ask(&login).await, ask(&partner).await), (200, 403));
    swap.store(true, Ordering::Relaxed);
    assert_eq!(ask(&partner).await, 403, "by the rule of the settings that verified it");
    assert_eq!(verifier.generation(), 2);
    swap.store(false, Ordering::Relaxed);
    assert_eq!((ask(&login).await, ask(&partner).await), (200, 401));
    verifier.replace(with_partner()).expect("valid");
    assert_eq!((ask(&login).await, ask(&partner).await), (200, 403));
    verifier.replace(without_partner()).expect("valid");
    assert_eq!((ask(&login).await, ask(&partner).await), (200, 401));
}

#[tokio::test]
async fn work_of_a_layer_begins_with_its_first_request_and_ends_with_it() {
    let login = TestIssuer::start();
    let (held, mut ended) = tokio::sync::mpsc::channel::<()>(1);
    let upkeep = Arc::new(Upkeep::new(move || {
        let held = held.clone();
        async move {
            let _held = held;
            std::future::pending::<()>().await;
        }
    }));
    let auth = AuthLayer::new(trusting(&[&login]).build().expect("valid")).kept_by(Arc::clone(&upkeep));
    assert!(!upkeep.is_kept());
    assert_eq!(status(&auth, &RequireLayer::new(scope("a")), bearer(&login)).await, 200);
    assert!(upkeep.is_kept());
    drop(upkeep);
    tokio::task::yield_now().await;
    assert_eq!(ended.try_recv(), Err(tokio::sync::mpsc::error::TryRecvError::Empty), "the layer holds on to it");
    drop(auth);
    assert_eq!(ended.recv().await, None);
}

#[tokio::test]
async fn clients_learn_of_the_issuers_that_are_trusted_now() {
    let (login, partner) = (TestIssuer::start(), TestIssuer::start());
    let verifier = trusting(&[&login]).build().expect("valid");
    let by_itself = ResourceMetadata::builder("https://orders.example.com").build(&verifier).expect("good");
    let named = ResourceMetadata::builder("https://orders.example.com")
        .authorization_servers(["https://login.example.com"])
        .build(&verifier)
        .expect("good");
    let servers = async |metadata: &ResourceMetadata| -> Value {
        let Ok(response) = metadata.clone().oneshot(Request::new(())).await;
        let body = response.into_body().collect().await.expect("a body").to_bytes();
        serde_json::from_slice::<Value>(&body).expect("a JSON body")["authorization_servers"].clone()
    };
    let urls = |issuers: &[&TestIssuer]| Value::from_iter(issuers.iter().map(|issuer| issuer.issuer().as_str()));
    assert_eq!(servers(&by_itself).await, urls(&[&login]));
    verifier.replace(trusting(&[&partner, &login])).expect("valid");
    assert_eq!(servers(&by_itself).await, urls(&[&partner, &login]));
    assert_eq!(servers(&named).await, Value::from_iter(["https://login.example.com"]));
}
