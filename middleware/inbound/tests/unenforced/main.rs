//! The gauge of layers that do not enforce counts those of the whole process: it has a process of its own, and one test.

use std::convert::Infallible;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use metrics_exporter_prometheus::PrometheusBuilder;
use tower::{Layer, ServiceExt, service_fn};
use tower_identity_inbound::{AuthLayer, RequireLayer, decision::UNENFORCED, rule::user};
use tower_identity_testkit::{TestCaller, with_caller};
use tower_identity_verify::{TrustedIssuer, Verifier};

fn auth() -> AuthLayer {
    let home = TrustedIssuer::discover("https://login.example.com").audience("orders");
    AuthLayer::new(Verifier::builder(home).build().expect("valid"))
}

#[test]
fn obs_a6_every_layer_that_does_not_enforce_is_counted_until_its_last_clone_is_gone() {
    // Made before there is a recorder, and told at the first decision after.
    let (early, door) = (RequireLayer::new(user()).observe(), auth().observe());
    let recorder = PrometheusBuilder::new().build_recorder();
    let shown = {
        let page = recorder.handle();
        move || {
            let page = page.render();
            ["authentication", "rule"].map(|stage| {
                let line = format!("{UNENFORCED}{{stage=\"{stage}\"}} ");
                page.lines().find_map(|found| found.strip_prefix(&line)).map(str::to_owned)
            })
        }
    };
    let is = |authentication: &str, rule: &str| {
        [authentication, rule].map(|number| Some(number.to_owned()).filter(|number| !number.is_empty()))
    };
    metrics::with_local_recorder(&recorder, || {
        // What enforces is not counted, with a candidate or without.
        let enforcing = (auth(), RequireLayer::new(user()).candidate(user()));
        assert_eq!(shown(), is("", ""));
        let handler = service_fn(|_: Request<Full<Bytes>>| async { Ok::<_, Infallible>(Response::new(())) });
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let guarded = with_caller(TestCaller::workload("orders")).layer(early.layer(handler));
        let Ok(_) = runtime.block_on(guarded.oneshot(Request::new(Full::<Bytes>::default())));
        assert_eq!(shown(), is("", "1"));
        let Ok(_) = runtime.block_on(door.layer(handler).oneshot(Request::new(Full::<Bytes>::default())));
        assert_eq!(shown(), is("1", "1"), "each stage has a number of its own");
        drop(door);
        assert_eq!(shown(), is("0", "1"));
        drop(early);
        assert_eq!(shown(), is("0", "0"));

        let observing = enforcing.0.clone().observe();
        assert_eq!(shown(), is("1", "0"));
        let more = (observing.clone().optional(), observing.clone().observe(), observing.layer(()));
        let another = enforcing.0.observe();
        assert_eq!(shown(), is("2", "0"), "a clone is the same layer, another is another");
        drop((observing, another));
        assert_eq!(shown(), is("1", "0"));
        drop((more.0, more.1));
        assert_eq!(shown(), is("1", "0"), "there is its service still");
        drop(more.2);
        assert_eq!(shown(), is("0", "0"));

        let observing = enforcing.1.clone().observe();
        let again = (observing.clone().observe(), observing.clone().candidate(user()), observing.layer(()));
        assert_eq!(shown(), is("0", "1"), "to be told twice makes no other layer");
        let another = enforcing.1.observe();
        assert_eq!(shown(), is("0", "2"), "of one that enforces it makes one each time");
        drop((observing, again));
        assert_eq!(shown(), is("0", "1"));
        drop(another);
        assert_eq!(shown(), is("0", "0"));
    });
}
