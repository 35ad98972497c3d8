//! A caller, and the transaction token beside its credential.

use std::sync::Arc;

use tower_identity_core::{Binding, CallerContext, Refusal, RefusalKind, SecretToken, Standing};

use crate::{Current, Verification, encrypted::enclosed, inner::Inner, pair::still_good, relation::unrelated};

impl Current {
    /// A caller that was verified by these settings, by whichever credential of its own, and the transaction token that it
    /// presents beside it, if it presents one. Both are verified at the same time where both have to wait.
    ///
    /// With one, user, scopes, sign-in and transaction are the token's, and the caller stays whom its own credential names:
    /// [`Binding::Transaction`]. Without one, the caller is [alone](Standing::alone), as in
    /// [`alone`](crate::Verifier::alone): leaving the token out never opens more.
    ///
    /// Besides the refusals of the caller, which come first,
    ///
    /// - [`InvalidTransactionToken`](RefusalKind::InvalidTransactionToken), of a token that is not acceptable,
    /// - [`UnrelatedCredentials`](RefusalKind::UnrelatedCredentials), where this caller may not
    ///   [carry](crate::TransactionTokens::carriers) it, names a user itself, or is in another transaction.
    ///
    /// ```
    /// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
    /// use tower_identity_core::{Binding, RefusalKind};
    /// use tower_identity_testkit::{Endpoint, TestIssuer};
    /// use tower_identity_verify::{TransactionTokens, TrustedIssuer, Verifier};
    ///
    /// let login = TestIssuer::start();
    /// let home = TrustedIssuer::discover(login.issuer().as_str()).audience("payments");
    /// let shop = TransactionTokens::of("shop.internal", login.url(Endpoint::Keys)).carriers(["orders"]);
    /// let verifier = Verifier::builder(home).transaction_tokens(shop).build()?;
    ///
    /// let own = |client: &str| login.token().client(client).audience("payments").build();
    /// let of_alice = login.transaction_token("shop.internal", "storefront").subject("alice").scope("charge").build();
    /// let judge = |client: &str| {
    ///     let settings = verifier.current();
    ///     settings.transaction(settings.bearer(own(client).expose()), Some(of_alice.expose()))
    /// };
    ///
    /// let caller = judge("orders").await.expect("a carrier");
    /// let principal = caller.principal();
    /// assert_eq!((principal.binding(), principal.workload().id.as_str()), (Binding::Transaction, "orders"));
    /// assert_eq!(principal.user().expect("a user").issuer, "shop.internal");
    ///
    /// let refused = judge("reports").await.expect_err("no carrier");
    /// assert_eq!((refused.kind(), refused.check()), (&RefusalKind::UnrelatedCredentials, "binding"));
    /// # Ok::<(), tower_identity_core::InvalidSetting>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn transaction(&self, caller: Verification, token: Option<&str>) -> Verification {
        match token {
            Some(token) => self.0.both(caller, || self.0.transaction_token(token), Inner::carrying),
            None => self.0.then(caller, Inner::carrying_nothing),
        }
    }

    /// The same caller within a trust domain, by the transaction token that this service has obtained or made for its request:
    /// the token speaks for the user, with its rights, and nothing of what the caller presented does. For the edge of the
    /// trust domain, which knows to whom it gave the token; nobody else does.
    ///
    /// Who called stays known for rules and for audit, by a credential that is [withdrawn](tower_identity_core::VerifiedToken::withdrawn):
    /// what came from outside goes no further. Without a caller, as where a session stands for the user, nobody is
    /// known to have sent the request.
    ///
    /// Refusals are those of the token.
    ///
    /// ```
    /// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
    /// use tower_identity_testkit::{Endpoint, TestIssuer};
    /// use tower_identity_verify::{TransactionTokens, TrustedIssuer, Verifier};
    ///
    /// let login = TestIssuer::start();
    /// let outside = TrustedIssuer::discover(login.issuer().as_str()).audience("shop");
    /// let shop = TransactionTokens::of("shop.internal", login.url(Endpoint::Keys));
    /// let verifier = Verifier::builder(outside).transaction_tokens(shop).build()?;
    ///
    /// let token = login.token().subject("alice").client("app").audience("shop").scope("everything").build();
    /// let caller = verifier.bearer(token.expose()).await.expect("a user");
    /// let minted = login.transaction_token("shop.internal", "storefront").subject("u-4711").scope("charge").build();
    ///
    /// let within = verifier.current().within(Some(&caller), minted.expose()).await.expect("of the trust domain");
    /// let principal = within.principal();
    /// assert_eq!((principal.workload().id.as_str(), principal.user().expect("a user").id.as_str()), ("app", "u-4711"));
    /// assert!(principal.scopes().contains("charge") && !principal.scopes().contains("everything"));
    /// # Ok::<(), tower_identity_core::InvalidSetting>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn within(&self, caller: Option<&CallerContext>, token: &str) -> Verification {
        self.within_as(caller, token, None)
    }

    /// The same, where the services of the trust domain get the token [encrypted](crate::TransactionTokens::encrypted_to): this
    /// one is verified, and what goes on is the other, around it. For who has signed the one and encrypted it to a key that is not
    /// its own.
    pub fn within_encrypted(
        &self,
        caller: Option<&CallerContext>,
        token: &str,
        encrypted: &SecretToken,
    ) -> Verification {
        self.within_as(caller, token, Some(encrypted))
    }

    fn within_as(&self, caller: Option<&CallerContext>, token: &str, goes_on: Option<&SecretToken>) -> Verification {
        match self.0.transaction_token(token).try_now() {
            Ok(token) => Verification::decided(self.0.within(caller, &token, goes_on)),
            Err(waiting) => {
                let (settings, caller, goes_on) = (Arc::clone(&self.0), caller.cloned(), goes_on.cloned());
                Verification::fetching(Box::pin(async move {
                    settings.within(caller.as_ref(), &waiting.await, goes_on.as_ref())
                }))
            }
        }
    }
}

impl Inner {
    #[expect(clippy::disallowed_methods, reason = "this is the verification that may state its result")]
    fn carrying(
        &self,
        caller: &CallerContext,
        token: &Result<CallerContext, Refusal>,
    ) -> Result<CallerContext, Refusal> {
        let token = token.as_ref().map_err(of_transaction)?;
        if caller.user_token().is_some() {
            let two = "there is a transaction token, and the caller's credential names a user too";
            return Err(unrelated(two).issuer(caller.caller_token().issuer().clone()));
        }
        let judged_at = caller.judged_at().max(token.judged_at());
        still_good(caller.caller_token(), caller.judged_at(), judged_at)?;
        still_good(token.caller_token(), token.judged_at(), judged_at).map_err(|refusal| of_transaction(&refusal))?;
        let (caller, token) = (caller.caller_token(), token.caller_token());
        let standing = self.relations.carries(caller, token)?;
        Ok(CallerContext::assertion(Arc::clone(caller), Some(Arc::clone(token)), standing, judged_at))
    }

    /// A caller that could have presented a transaction token.
    #[expect(clippy::disallowed_methods, reason = "this is the verification that may state its result")]
    fn carrying_nothing(&self, caller: CallerContext) -> Result<CallerContext, Refusal> {
        let (own, rights) = (caller.caller_token(), caller.token());
        if Arc::ptr_eq(own, rights) {
            return self.left_alone(caller);
        }
        if rights.identity().user.is_some() {
            return Ok(caller);
        }
        // A certificate, and a token of the same workload's: what that one allows, it allows nobody who leaves a user out.
        let standing = self.relations.aliases.name(Standing::alone(), own);
        Ok(CallerContext::assertion(Arc::clone(own), Some(Arc::clone(rights)), standing, caller.judged_at()))
    }

    #[expect(clippy::disallowed_methods, reason = "this is the verification that may state its result")]
    fn within(
        &self,
        caller: Option<&CallerContext>,
        token: &Result<CallerContext, Refusal>,
        goes_on: Option<&SecretToken>,
    ) -> Result<CallerContext, Refusal> {
        let token = token.as_ref().map_err(of_transaction)?;
        let judged_at = caller.map_or(token.judged_at(), |caller| caller.judged_at().max(token.judged_at()));
        let token =
            goes_on.map_or_else(|| Arc::clone(token.caller_token()), |text| enclosed(token.caller_token(), text));
        let (caller, beside) = match caller {
            Some(caller) => {
                still_good(caller.caller_token(), caller.judged_at(), judged_at)?;
                (Arc::new(caller.caller_token().withdrawn()), Some(token))
            }
            None => (token, None),
        };
        let standing = self.relations.aliases.name(Binding::Transaction.into(), &caller);
        Ok(CallerContext::assertion(caller, beside, standing, judged_at))
    }
}

/// Of a request whose transaction token is refused: which of the two it is, and that no other access token would help.
fn of_transaction(refusal: &Refusal) -> Refusal {
    let refusal = match refusal.kind() {
        RefusalKind::InvalidToken => refusal.clone().of_kind(RefusalKind::InvalidTransactionToken),
        _ => refusal.clone(),
    };
    let detail = match refusal.explanation() {
        Some(detail) => format!("the transaction token: {detail}"),
        None => "the transaction token".to_owned(),
    };
    refusal.detail(detail)
}
