//! A caller with the transaction token of its user.

use tower_identity_core::{Audience, Binding, Evidence, transaction_tokens};

use super::{TestCaller, parsed};

impl TestCaller {
    /// Carries a transaction token of this trust domain beside the workload's own credential: for the user, and with the
    /// rights, of this other caller, whose workload is the one that asked for it. The transaction is `test-transaction`,
    /// unless that caller says [another](Self::transaction).
    ///
    /// ```
    /// use tower_identity_core::Binding;
    /// use tower_identity_testkit::TestCaller;
    ///
    /// let of_alice = TestCaller::workload("storefront").user("alice").scope("payments:charge");
    /// let context = TestCaller::workload("orders").carrying("shop.internal", of_alice).context();
    /// let principal = context.principal();
    /// assert_eq!((principal.workload().id.as_str(), principal.binding()), ("orders", Binding::Transaction));
    /// assert_eq!(principal.user().expect("a user").issuer, "shop.internal");
    /// assert!(principal.scopes().contains("payments:charge"));
    /// ```
    #[track_caller]
    pub fn carrying(self, trust_domain: impl AsRef<str>, user: TestCaller) -> Self {
        let domain = parsed(Audience::parse(&trust_domain));
        let requested_by = user.workload.as_str().to_owned();
        let user = match user.transaction {
            Some(_) => user,
            None => user.transaction("test-transaction"),
        };
        let user = user
            .foreign(&trust_domain)
            .audience(&trust_domain)
            .evidence(Evidence::IssuedTo)
            .claim(transaction_tokens::REQUESTING_WORKLOAD, requested_by);
        self.beside(TestCaller { trust_domain: Some(domain), ..user }).binding(Binding::Transaction)
    }
}
