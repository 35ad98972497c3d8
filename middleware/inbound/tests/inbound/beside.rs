//! What a request says beside its credentials: nothing of it makes a user, or an audience.

use http::{HeaderName, header::HOST};
use tower_identity_core::SecretToken;
use tower_identity_inbound::Source;
use tower_identity_testkit::TestIssuer;

use crate::support::{found, issuer_token, refused, request, through, value, warm};

#[tokio::test]
async fn two_a5_a_second_users_token_in_a_field_that_nobody_named_has_no_effect() {
    let issuer = TestIssuer::start();
    let field = HeaderName::from_static("x-user-token");
    let named = Source::header(field.as_str()).expect("a source");
    let layer = warm(&issuer).await.user_source(named).expect("valid");
    let own = issuer.token().subject("storefront").client("storefront").audience("orders").bearer();
    let token = |user: &str| issuer_token(&issuer).subject(user).build();
    let ask = |fields: &[(&HeaderName, &SecretToken)]| {
        let mut request = request([own.clone()]);
        for (name, token) in fields {
            request.headers_mut().append(*name, value(token.expose()));
        }
        request
    };
    let (alice, bob) = (token("alice"), token("bob"));
    let user = async |request| found(&through(&layer, request).await).and_then(|found| found.user);
    assert_eq!(user(ask(&[(&field, &alice)])).await.as_deref(), Some("alice"), "the control");
    for other in ["x-user", "x-forwarded-access-token", "x-user-token-2", "x-id-token"] {
        let other = HeaderName::from_static(other);
        assert_eq!(user(ask(&[(&field, &alice), (&other, &bob)])).await.as_deref(), Some("alice"), "{other}");
    }
    let twice = refused(through(&layer, ask(&[(&field, &alice), (&field, &bob)])).await).await;
    assert_eq!((twice.0, twice.2.as_str()), (400, "malformed_request"));
}

#[tokio::test]
async fn rfc8707_a1_the_audience_is_configured_and_not_whom_the_request_was_sent_to() {
    let issuer = TestIssuer::start();
    let layer = warm(&issuer).await;
    let fields = || [HOST, HeaderName::from_static("x-forwarded-host"), HeaderName::from_static("forwarded")];
    let status = async |audience: &str, said: &str| {
        let mut request = request([issuer_token(&issuer).audience(audience).bearer()]);
        *request.uri_mut() = format!("https://{said}/").parse().expect("an address");
        for name in fields() {
            request.headers_mut().insert(name, value(said));
        }
        through(&layer, request).await.status().as_u16()
    };
    for said in ["orders", "stock", "stock.example.com"] {
        assert_eq!(status("orders", said).await, 200, "{said}");
        for audience in ["stock", "https://stock.example.com", "stock.example.com"] {
            assert_eq!(status(audience, said).await, 401, "{audience} at {said}");
        }
    }
}
