//! Who is told why a token is refused: the operator always, the peer in development only.

use http::Request;
use http_body_util::{BodyExt, Full};
use tower_identity_inbound::{AuthLayer, danger};
use tower_identity_testkit::TestIssuer;
use tower_identity_verify::{TrustedIssuer, Verifier};

use crate::support::{header, issuer_token, request, through};

fn verifier(issuer: &TestIssuer) -> Verifier {
    let home = TrustedIssuer::discover(issuer.issuer().as_str()).audience("orders");
    Verifier::builder(home).build().expect("a verifier")
}

/// The body of the answer, with a fixed correlation id.
async fn body(layer: &AuthLayer, request: Request<Full<bytes::Bytes>>) -> String {
    let response = through(layer, request).await;
    let correlation = header(response.headers(), "x-correlation-id").expect("a correlation id");
    let bytes = response.into_body().collect().await.expect("the body of a refusal cannot fail").to_bytes();
    String::from_utf8(bytes.to_vec()).expect("text").replace(&correlation, "c0ffee")
}

const REFUSED: &str = concat!(
    r#"{"type":"about:blank","title":"Unauthorized","status":401,"detail":"the access token was not accepted","#,
    r#""code":"invalid_token","correlation_id":"c0ffee"}"#,
);

#[tokio::test]
async fn e_p1_in_production_the_peer_is_told_nothing_to_the_byte() {
    let issuer = TestIssuer::start();
    let layer = AuthLayer::new(verifier(&issuer));
    for token in [issuer_token(&issuer).audience("payments"), issuer_token(&issuer).tampered()] {
        assert_eq!(body(&layer, request([token.bearer()])).await, REFUSED);
    }
}

#[cfg(not(debug_assertions))]
#[test]
fn e_p1_a_release_build_has_no_development_mode() {
    let refused = danger::explain_refusals(AuthLayer::new(verifier(&TestIssuer::start()))).map(drop);
    let expected =
        tower_identity_core::InvalidSetting::new("development", "a release build tells nobody why a token is refused");
    assert_eq!(refused, Err(expected));
}

/// A build for development.
#[cfg(debug_assertions)]
mod allowed {
    use http::{HeaderValue, header::CONTENT_TYPE};
    use serde_json::{Value, json};
    use tower_identity_testkit::{Endpoint, LogCapture};

    use super::*;
    use crate::support::value;

    fn explaining(verifier: &Verifier) -> AuthLayer {
        danger::explain_refusals(AuthLayer::new(verifier.clone())).expect("a build for development")
    }

    #[tokio::test]
    async fn in_development_the_peer_is_told_every_check_and_never_its_token() {
        let issuer = TestIssuer::start();
        for temperature in ["cold", "warm"] {
            let verifier = verifier(&issuer);
            if temperature == "warm" {
                verifier.bearer(issuer_token(&issuer).build().expose()).await.expect("accepted");
            }
            let layer = explaining(&verifier);
            let token = issuer_token(&issuer).audience("payments").build();
            let told = body(&layer, request([value(&format!("Bearer {}", token.expose()))])).await;
            for part in token.expose().split('.') {
                assert!(!told.contains(part), "{told}");
            }
            let mut told: Value = serde_json::from_str(&told).expect("JSON");
            let mut explanation = told.as_object_mut().expect("an object").remove("explanation").expect("told");
            assert_eq!(told, serde_json::from_str::<Value>(REFUSED).expect("JSON"), "{temperature}");
            let mut expected = serde_json::to_value(verifier.explain(token.expose()).await).expect("serializes");
            for explanation in [&mut explanation, &mut expected] {
                explanation["judged_at"] = json!(0);
            }
            assert_eq!(explanation, expected, "{temperature}");
            assert_eq!((&explanation["check"], &explanation["principal"]), (&json!("aud"), &Value::Null));
        }
    }

    #[tokio::test]
    async fn in_development_nothing_else_is_told() {
        let issuer = TestIssuer::start();
        let layer = explaining(&verifier(&issuer));
        assert_eq!(through(&layer, request([issuer_token(&issuer).bearer()])).await.status(), 200);
        let fetched = issuer.calls(Endpoint::Keys);

        let bad = || request([issuer_token(&issuer).audience("payments").bearer()]);
        assert!(body(&layer, bad()).await.contains(r#""explanation":"#), "the control");
        // What presents no token has nothing that could be explained.
        for nothing in [request([]), request([value("Basic abc")]), request([value("Bearer ")])] {
            assert!(!body(&layer, nothing).await.contains("explanation"));
        }
        let mut over_grpc = bad();
        *over_grpc.method_mut() = http::Method::POST;
        over_grpc.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
        assert_eq!(body(&layer, over_grpc).await, "");
        let mut twice = bad();
        twice.extensions_mut().insert(tower_identity_inbound::Inbound::Anonymous);
        assert!(!body(&layer, twice).await.contains("explanation"));
        assert_eq!(issuer.calls(Endpoint::Keys), fetched, "nothing is fetched to explain");
    }

    #[tokio::test]
    async fn e10_in_development_an_outage_is_told_too() {
        let issuer = TestIssuer::start();
        let token = issuer_token(&issuer).bearer();
        issuer.stop();
        let told: Value =
            serde_json::from_str(&body(&explaining(&verifier(&issuer)), request([token])).await).expect("JSON");
        assert_eq!((&told["code"], &told["explanation"]["verdict"]), (&json!("unavailable"), &json!("undecided")));
    }

    #[tokio::test]
    async fn development_mode_is_warned_of_once_and_its_events_are_those_of_production() {
        let issuer = TestIssuer::start();
        let logs = LogCapture::start();
        let layer = explaining(&verifier(&issuer));
        let warning = "tower_identity::development: whoever presents a token that is refused is told why";
        assert_eq!(logs.text().matches(warning).count(), 1);
        let token = issuer_token(&issuer).audience("payments").build();
        for _ in 0..2 {
            body(&layer, request([value(&format!("Bearer {}", token.expose()))])).await;
        }
        let text = logs.text();
        assert_eq!(text.matches(warning).count(), 1);
        assert_eq!(text.matches("tower_identity::decision").count(), 2, "{text}");
        assert!(text.contains(r#"check="aud""#), "{text}");
        logs.assert_hides([token.expose()]);
    }
}
