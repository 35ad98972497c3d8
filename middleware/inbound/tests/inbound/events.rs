//! What the operator reads, and how it is tied to what the peer got.

use tower_identity_testkit::{LogCapture, TestIssuer};

use crate::support::{header, issuer_token, layer, request, through, value, warm};

#[tokio::test]
async fn cve_2026_40945_no_token_is_logged_at_any_level() {
    let issuer = TestIssuer::start();
    let good = issuer_token(&issuer).build();
    let bad = issuer_token(&issuer).tampered().build();
    let logs = LogCapture::start();
    let layer = layer(&issuer);
    for (token, status) in [(&good, 200), (&bad, 401), (&good, 200)] {
        let alone = value(token.expose());
        assert_eq!(through(&layer, request([alone])).await.status(), 401, "without its scheme");
        let bearer = value(&format!("Bearer {}", token.expose()));
        assert_eq!(through(&layer, request([bearer])).await.status(), status);
    }
    logs.assert_hides([good.expose(), bad.expose()]);
}

#[tokio::test]
async fn every_decision_leaves_one_event_that_its_answer_points_to_and_no_token() {
    let issuer = TestIssuer::start();
    let layer = warm(&issuer).await.optional();
    let good = issuer_token(&issuer).build();
    let for_another = issuer_token(&issuer).audience("payments").build();
    let bearer = |token: &str| value(&format!("Bearer {token}"));
    let cases = [
        (request([]), "DEBUG", r#"outcome="anonymous""#, None),
        (request([bearer(good.expose())]), "DEBUG", r#"outcome="accepted""#, Some(issuer.issuer().as_str())),
        (request([value("Basic abc")]), "DEBUG", r#"kind="no_credential" check="scheme" fault="caller""#, None),
        (request([value("Bearer ")]), "INFO", r#"kind="malformed_request" check="token68" fault="caller""#, None),
        (
            request([bearer(for_another.expose())]),
            "INFO",
            r#"kind="invalid_token" check="aud" fault="caller""#,
            Some(issuer.issuer().as_str()),
        ),
    ];
    for (request, level, fields, named) in cases {
        let logs = LogCapture::start();
        let response = through(&layer, request).await;
        let text = logs.text();
        let events: Vec<_> = text.lines().filter(|line| line.contains("tower_identity::decision")).collect();
        let [event] = events[..] else { panic!("not one event but {events:?}") };
        assert!(event.trim_start().starts_with(level), "{event}");
        assert!(event.contains(r#"stage="authentication""#) && event.contains(fields), "{event}");
        assert_eq!(named.is_some(), event.contains("issuer="), "{event}");
        assert!(named.is_none_or(|issuer| event.contains(issuer)), "{event}");
        let correlation = header(response.headers(), "x-correlation-id");
        assert_eq!(correlation.is_some(), event.contains("correlation_id="), "{event}");
        assert!(correlation.is_none_or(|id| event.contains(&id)), "{event}");
        logs.assert_hides([good.expose(), for_another.expose()]);
    }
}

#[tokio::test]
async fn a_correlation_id_is_ours_and_never_the_peers() {
    let issuer = TestIssuer::start();
    let mut request = request([]);
    request.headers_mut().insert("x-correlation-id", value("chosen-by-the-peer"));
    let response = through(&layer(&issuer), request).await;
    let ours = header(response.headers(), "x-correlation-id").expect("an id");
    assert!(ours.len() == 32 && ours.bytes().all(|b| b.is_ascii_hexdigit()), "{ours}");
}
