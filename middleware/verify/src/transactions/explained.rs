//! Why a transaction token is accepted or refused.

use tower_identity_core::SecretToken;

use crate::{Explanation, Verifier};

impl Verifier {
    /// Explains what becomes of a token that a request has in `Txn-Token`, and why, as [`explain`](Self::explain) does of one in
    /// `Authorization`: by the rules of the trust domain that its `aud` names.
    ///
    /// One that is accepted counts beside a credential of its sender's own. Whether that sender may
    /// [carry](crate::TransactionTokens::carriers) it is no question of the token, and not answered here.
    ///
    /// ```
    /// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
    /// use tower_identity_testkit::{Endpoint, TestIssuer};
    /// use tower_identity_verify::{TransactionTokens, TrustedIssuer, Verifier};
    ///
    /// let login = TestIssuer::start();
    /// let home = TrustedIssuer::discover(login.issuer().as_str()).audience("payments");
    /// let shop = TransactionTokens::of("shop.internal", login.url(Endpoint::Keys));
    /// let verifier = Verifier::builder(home).transaction_tokens(shop).build()?;
    ///
    /// let token = login.transaction_token("bank.internal", "storefront").subject("alice").build();
    /// let explanation = verifier.explain_transaction_token(token.expose()).await;
    /// let failed: Vec<_> = explanation.failed().map(|checked| checked.check).collect();
    /// assert_eq!(failed, ["aud"]);
    /// # Ok::<(), tower_identity_core::InvalidSetting>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn explain_transaction_token(&self, token: &str) -> impl Future<Output = Explanation> + Send + use<> {
        let (verifier, token) = (self.0.now.load_full(), SecretToken::new(token));
        async move {
            let decision = verifier.transaction_token(token.expose()).await;
            // Of an encrypted token that is read here, what is inside is looked at.
            let token = verifier.decrypted(token.expose()).unwrap_or(token);
            Explanation::of_jwt(decision, &token, &verifier, &verifier.trust_domains.all).await
        }
    }
}
