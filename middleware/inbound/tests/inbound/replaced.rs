//! Rules that are exchanged while requests are judged by them.

use std::convert::Infallible;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use tower::{Layer, ServiceExt, service_fn};
use tower_identity_core::InvalidSetting;
use tower_identity_inbound::{
    RequireLayer, RuleHandle,
    rule::{callers, no_user, scope},
};
use tower_identity_testkit::{LogCapture, TestCaller, with_caller};

async fn status(layer: &RequireLayer, id: &str) -> u16 {
    let handler =
        service_fn(|_: Request<Full<Bytes>>| async { Ok::<_, Infallible>(Response::new(Full::<Bytes>::default())) });
    let guarded = with_caller(TestCaller::workload(id)).layer(layer.layer(handler));
    let Ok(response) = guarded.oneshot(Request::new(Full::default())).await;
    response.status().as_u16()
}

#[tokio::test]
async fn a_rule_is_replaced_for_every_layer_that_has_its_handle_and_for_no_other() {
    let handle = RuleHandle::new(callers(["orders"]));
    let (one, other) = (RequireLayer::new(handle.clone()), RequireLayer::new(handle.clone()));
    let apart = RequireLayer::new(callers(["orders"]));
    let logs = LogCapture::start();
    let all = async |id: &str| [status(&one, id).await, status(&other, id).await, status(&apart, id).await];
    assert_eq!((all("orders").await, all("stock").await), ([200; 3], [403; 3]));
    handle.replace(callers(["stock"])).expect("a good rule");
    assert_eq!((all("orders").await, all("stock").await), ([403, 403, 200], [200, 200, 403]));
    let told: Vec<_> =
        logs.text().lines().filter(|line| line.contains("tower_identity::rule")).map(str::to_owned).collect();
    let [told] = &told[..] else { panic!("not one event but {told:?}") };
    let expected =
        "INFO tower_identity::rule: the rule was replaced rule=a caller among stock former=a caller among orders";
    assert_eq!(told.trim(), expected);
    assert_eq!(*handle.current(), callers(["stock"]));
}

#[tokio::test]
async fn a_rule_that_may_not_stand_replaces_none_and_one_that_did_not_is_replaced_by_a_good_one() {
    let handle = RuleHandle::new(callers(["orders"]));
    let layer = RequireLayer::new(handle.clone());
    let bad = [
        (no_user(), InvalidSetting::new("no_user", "stands only at the top of a rule, beside a list of callers")),
        (scope(""), InvalidSetting::new("scope", "is empty")),
    ];
    for (rule, fault) in bad {
        let logs = LogCapture::start();
        assert_eq!(handle.replace(rule), Err(fault));
        assert_eq!(logs.text(), "");
        assert_eq!((status(&layer, "orders").await, status(&layer, "stock").await), (200, 403));
    }
    let broken = RuleHandle::from(scope(""));
    let layer = RequireLayer::new(broken.clone());
    assert_eq!(status(&layer, "orders").await, 500);
    broken.replace(callers(["orders"])).expect("a good rule");
    assert_eq!((status(&layer, "orders").await, status(&layer, "stock").await), (200, 403));
}
