//! The keys by which others know what this service signs.

use tower_identity_jose::{SigningKey, public_key_set};

use super::Outbound;

impl Outbound {
    /// Whether a row of the list [signs](crate::Signed), so that there are keys to be published.
    #[must_use]
    pub fn signs(&self) -> bool {
        self.0.table.load().signing_keys().next().is_some()
    }

    /// The public keys of all that this service [signs](crate::Signed) itself, as a key set (RFC 7517 §5): to be served where the
    /// targets look for it, and asked for each time, for another [list](Self::replace) may have others. Without a row that
    /// signs, none.
    ///
    /// ```
    /// use axum::{Router, http::header::CONTENT_TYPE, routing::get};
    /// use tower_identity_jose::{Algorithm, KeySet, SigningKey};
    /// use tower_identity_oauth::{ClientAuth, TokenEndpoint};
    /// use tower_identity_outbound::{Outbound, Signed, Target};
    ///
    /// let [now, next] = [SigningKey::generate(Algorithm::Es256)?, SigningKey::generate(Algorithm::Es256)?];
    /// let signed = Signed::new("https://orders.internal", now.clone()).also_published(next);
    /// let login = TokenEndpoint::discover("https://login.example.com", ClientAuth::client_secret_basic("orders", "s3cr3t")?);
    /// let outbound = Outbound::builder(login)
    ///     .target(Target::origin("https://payments.internal")?.audience("payments").strategy(signed))
    ///     .build()?;
    ///
    /// let keys = KeySet::parse(outbound.key_set().as_bytes())?;
    /// assert_eq!((keys.keys().count(), keys.contains_key_id(now.key_id())), (2, true));
    ///
    /// let key_set = move || async move { ([(CONTENT_TYPE, "application/jwk-set+json")], outbound.key_set()) };
    /// let app: Router = Router::new().route("/keys", get(key_set));
    /// # let _ = app;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn key_set(&self) -> String {
        let table = self.0.table.load();
        let mut keys: Vec<&SigningKey> = Vec::new();
        for key in table.signing_keys() {
            if keys.iter().all(|other| (other.thumbprint(), other.key_id()) != (key.thumbprint(), key.key_id())) {
                keys.push(key);
            }
        }
        public_key_set(keys)
    }
}
