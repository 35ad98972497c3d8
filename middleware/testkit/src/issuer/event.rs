//! Security events: what an issuer tells of itself that ends tokens before their time.

use serde_json::{Value, json};

use super::TestIssuer;
use crate::TokenBuilder;

const SESSION_REVOKED: &str = "https://schemas.openid.net/secevent/caep/event-type/session-revoked";

/// The events that it signs. A test sends them to its receiver, changed at will: `POST` with the content type
/// `application/secevent+jwt`.
impl TestIssuer {
    /// An event token that revokes all sessions of a user of this issuer, as of now (RFC 8417, CAEP 1.0 §3.1). Its
    /// audience is `test` unless stated.
    ///
    /// ```
    /// use tower_identity_core::RefusalKind;
    /// use tower_identity_testkit::TestIssuer;
    /// use tower_identity_verify::{EventReceiver, TrustedIssuer, Verifier};
    ///
    /// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
    /// let issuer = TestIssuer::start();
    /// let verifier = Verifier::builder(TrustedIssuer::discover(issuer.issuer().as_str()).audience("orders")).build()?;
    /// let receiver = EventReceiver::builder(&verifier, "https://orders.example/events").build()?;
    ///
    /// let of_alice = issuer.token().subject("alice").client("storefront").audience("orders").build();
    /// assert!(verifier.bearer(of_alice.expose()).await.is_ok());
    /// let event = issuer.user_revoked("alice").audience("https://orders.example/events").build();
    /// assert!(receiver.receive(event.expose()).await.is_ok());
    /// assert_eq!(verifier.bearer(of_alice.expose()).await.expect_err("revoked").check(), "revoked");
    /// # Ok::<(), tower_identity_core::InvalidSetting>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn user_revoked(&self, user: impl AsRef<str>) -> TokenBuilder {
        self.revoked(json!({"format": "iss_sub", "iss": self.issuer(), "sub": user.as_ref()}))
    }

    /// The same about one session, by its `sid`.
    pub fn session_revoked(&self, session: impl AsRef<str>) -> TokenBuilder {
        self.revoked(json!({"format": "opaque", "id": session.as_ref()}))
    }

    /// The same about whom this subject identifier names (RFC 9493).
    pub fn revoked(&self, sub_id: Value) -> TokenBuilder {
        let of_an_access_token = ["sub", "client_id", "exp"];
        let event = of_an_access_token.into_iter().fold(self.token(), TokenBuilder::without);
        let now = event.claims().get("iat").cloned().unwrap_or_default();
        event
            .header("typ", "secevent+jwt")
            .claim("sub_id", sub_id)
            .claim("events", json!({SESSION_REVOKED: {"event_timestamp": now}}))
    }
}
