//! What is counted, and when the counters are looked up.

use std::{collections::BTreeMap, convert::Infallible};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use metrics_util::debugging::{DebugValue, DebuggingRecorder, Snapshotter};
use tower::{Layer, ServiceExt, service_fn};
use tower_identity_inbound::{RequireLayer, decision::DECISIONS, rule::callers};
use tower_identity_testkit::{TestCaller, with_caller, without_caller};

/// What was counted since the last time, by the labels in the order of the documentation.
fn counted(snapshotter: &Snapshotter) -> BTreeMap<String, u64> {
    let counters = snapshotter.snapshot().into_vec().into_iter().filter_map(|(key, _, _, value)| {
        assert_eq!(key.key().name(), DECISIONS);
        let labels: Vec<_> = key.key().labels().map(|label| format!("{}={}", label.key(), label.value())).collect();
        match value {
            DebugValue::Counter(0) => None,
            DebugValue::Counter(count) => Some((labels.join(" "), count)),
            other => panic!("no counter: {other:?}"),
        }
    });
    counters.collect()
}

fn rule_decision(outcome: &str, reason: &str, issuer: &str) -> String {
    format!("stage=rule outcome={outcome} enforced=true reason={reason} issuer={issuer}")
}

async fn call(layer: &RequireLayer, caller: Option<TestCaller>) -> u16 {
    let handler =
        service_fn(|_: Request<Full<Bytes>>| async { Ok::<_, Infallible>(Response::new(Full::<Bytes>::default())) });
    let guarded = layer.layer(handler);
    let request = Request::new(Full::default());
    let Ok(response) = match caller {
        Some(caller) => with_caller(caller).layer(guarded).oneshot(request).await,
        None => without_caller().layer(guarded).oneshot(request).await,
    };
    response.status().as_u16()
}

fn run<F: Future>(recorder: &DebuggingRecorder, future: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    metrics::with_local_recorder(recorder, || runtime.block_on(future))
}

#[test]
fn every_decision_counts_once_under_the_issuer_of_its_caller_however_many_there_are() {
    // Made before there is a recorder.
    let layer = RequireLayer::new(callers(["orders"]));
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    let issuer = |n: usize| format!("https://issuer-{n}.example");
    let of = |id: &str, n: usize| Some(TestCaller::workload(id).issuer(issuer(n)));

    // More issuers than a rule keeps counters for.
    let first: Vec<_> = run(&recorder, async {
        let mut answers = Vec::new();
        for n in 0..12 {
            answers.push(call(&layer, of("orders", n)).await);
        }
        answers
    });
    assert_eq!(first, [200; 12]);
    let expected: BTreeMap<_, _> = (0..12).map(|n| (rule_decision("accepted", "none", &issuer(n)), 1)).collect();
    assert_eq!(counted(&snapshotter), expected);

    let answers = run(&recorder, async {
        [
            call(&layer, of("orders", 3)).await,
            call(&layer, of("orders", 3)).await,
            call(&layer, of("orders", 11)).await,
            call(&layer, of("reports", 3)).await,
            call(&layer, None).await,
        ]
    });
    assert_eq!(answers, [200, 200, 200, 403, 401]);
    let expected = BTreeMap::from([
        (rule_decision("accepted", "none", &issuer(3)), 2),
        (rule_decision("accepted", "none", &issuer(11)), 1),
        (rule_decision("refused", "denied:callers", &issuer(3)), 1),
        (rule_decision("refused", "no_credential:rule", "none"), 1),
    ]);
    assert_eq!(counted(&snapshotter), expected);
}

#[test]
fn obs_a1_what_is_observed_counts_as_not_enforced_whatever_the_outcome() {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    let layer = RequireLayer::new(callers(["orders"])).candidate(callers(["orders"])).candidate(callers(["reports"]));
    let answers = run(&recorder, async { call(&layer, Some(TestCaller::workload("orders"))).await });
    assert_eq!(answers, 200);
    let enforced = |outcome: &str, reason: &str| rule_decision(outcome, reason, "https://issuer.test");
    let observed = |outcome: &str, reason: &str| enforced(outcome, reason).replace("enforced=true", "enforced=false");
    let expected = BTreeMap::from([
        (enforced("accepted", "none"), 1),
        (observed("accepted", "none"), 1),
        (observed("refused", "denied:callers"), 1),
    ]);
    assert_eq!(counted(&snapshotter), expected);
}

#[test]
fn what_passes_often_is_looked_up_once() {
    let layer = RequireLayer::new(callers(["orders"]));
    let orders = || Some(TestCaller::workload("orders"));
    let (first, second) = (DebuggingRecorder::new(), DebuggingRecorder::new());
    let (of_first, of_second) = (first.snapshotter(), second.snapshotter());
    run(&first, call(&layer, orders()));
    run(&second, call(&layer, orders()));
    let accepted = rule_decision("accepted", "none", "https://issuer.test");
    assert_eq!(counted(&of_first), BTreeMap::from([(accepted.clone(), 2)]));
    assert_eq!(counted(&of_second), BTreeMap::new());
    // The control: another layer, which has looked nothing up yet.
    run(&second, call(&RequireLayer::new(callers(["orders"])), orders()));
    assert_eq!(counted(&of_second), BTreeMap::from([(accepted, 1)]));
}
