//! Requests that bring the transaction token of their user (draft-ietf-oauth-transaction-tokens-11).

use tower_identity_core::InvalidSetting;

use super::AuthLayer;

impl AuthLayer {
    /// Reads the transaction token of the request's user from the field `Txn-Token`, beside the caller's credential, as far as
    /// the verifier [trusts](tower_identity_verify::VerifierBuilder::transaction_tokens) its trust domain. Both are verified,
    /// and whether this caller may carry it is asked ([`Current::transaction`](tower_identity_verify::Current::transaction)):
    ///
    /// | caller's credential | `Txn-Token` | |
    /// |---|---|---|
    /// | good | good, and the caller may carry it | the caller for this user, with the token's rights |
    /// | good | none | the caller for itself and alone: no rights, but where a rule demands that there is no user |
    /// | good | good, and the caller may not carry it; or the caller's credential names a user | 403, check `binding` |
    /// | good | not acceptable | 400, without challenge: no other access token would help |
    /// | good | twice, or after a scheme, or beside a [user's own credential](AuthLayer::user_source) | 400 `invalid_request` |
    /// | none, also where the layer is [optional](AuthLayer::optional) | any | 401: it never says who presents it |
    ///
    /// The caller's credential is a token, or the [certificate](AuthLayer::client_certificate) of its connection. In
    /// `Authorization` a transaction token is refused as what is no access token (401), as is an access token here (400).
    ///
    /// The field does not go on to the handler, whose context has the token. Not for the [edge](AuthLayer::edge), where none
    /// is read.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use tower_identity_inbound::AuthLayer;
    /// use tower_identity_verify::{TransactionTokens, TrustedIssuer, Verifier};
    ///
    /// let home = TrustedIssuer::discover("https://login.example.com").audience("payments");
    /// let shop = TransactionTokens::of("shop.internal", "https://login.example.com/transaction-keys").carriers(["orders"]);
    /// let layer = AuthLayer::new(Verifier::builder(home).transaction_tokens(shop).build()?).transaction_tokens()?;
    /// # let _ = layer;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// [`InvalidSetting`] for the field `transaction_tokens`: the verifier trusts no trust domain; for `sources`,
    /// `user_source`, `forwarded_certificate.header` or `plain_user_header`: `Txn-Token` is one of them.
    pub fn transaction_tokens(self) -> Result<Self, InvalidSetting> {
        if self.settings.verifier.trust_domains().next().is_none() {
            return Err(InvalidSetting::new("transaction_tokens", "names no trust domain"));
        }
        let sources = self.settings.sources.clone().with_transaction_tokens()?;
        self.settings.hold_apart(&sources)?;
        Ok(self.with(|settings| settings.sources = sources))
    }
}
