//! Two credentials on one request: the caller's own, and that of the user it calls for.

use std::{
    future::poll_fn,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use tower_identity_core::{CallerContext, Refusal, Standing, Timestamp, VerifiedToken};

use crate::{
    Verification, Verifier, check, claim::refuse, inner::Inner, proof::Proof, relation::unrelated, trusted::in_force,
};

impl Verifier {
    /// Verifies two credentials of one request, each by its own issuers and audiences, and relates them: the token of the
    /// calling workload, and that of the user it calls for. Both are bearer tokens, verified as [`bearer`](Self::bearer)
    /// says, at the same time where both have to wait.
    ///
    /// Whoever calls is the caller's token's business, for whom and with which rights the user's. They count together
    /// where the user's token names the caller: as its current actor, as the client that it was issued to, or, where
    /// that is [accepted](crate::VerifierBuilder::accept_may_act), as who may act. That is decided for each request.
    ///
    /// Besides the refusals of `bearer`, of which the caller's come first,
    /// [`UnrelatedCredentials`](tower_identity_core::RefusalKind::UnrelatedCredentials) when both are good and do not
    /// belong together: nothing ties them, they are of different transactions, the caller's names a user itself, or
    /// the user's names none.
    ///
    /// ```
    /// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
    /// use tower_identity_core::{Binding, RefusalKind};
    /// use tower_identity_testkit::{Endpoint, TestIssuer};
    /// use tower_identity_verify::{TrustedIssuer, Verifier};
    ///
    /// let login = TestIssuer::start();
    /// let home = TrustedIssuer::keys_at(login.issuer().as_str(), login.url(Endpoint::Keys)).audience("orders");
    /// let verifier = Verifier::builder(home).build()?;
    ///
    /// let own = |client: &str| login.token().subject(client).client(client).audience("orders").build();
    /// let alice = login.token().subject("alice").client("storefront").audience("orders").build();
    ///
    /// let caller = verifier.pair(own("storefront").expose(), alice.expose()).await.expect("issued to the storefront");
    /// assert_eq!(caller.principal().binding(), Binding::IssuerNamed);
    ///
    /// let refused = verifier.pair(own("payments").expose(), alice.expose()).await.expect_err("issued to another");
    /// assert_eq!((refused.kind(), refused.check()), (&RefusalKind::UnrelatedCredentials, "binding"));
    /// # Ok::<(), tower_identity_core::InvalidSetting>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn pair(&self, caller: &str, user: &str) -> Verification {
        self.0.now.load().pair(caller, user, Proof::NOTHING)
    }

    /// Verifies a caller's credential where that of a user could have been presented beside it, and was not: as
    /// [`bearer`](Self::bearer) does, but a token that speaks for the caller alone has no rights, unless a rule demands
    /// that there is no user ([`Standing::alone`]). So leaving the user out never opens more.
    ///
    /// A token that names both, by its actor, is both credentials in one, and counts as such. A user's token that was
    /// merely issued to somebody is none of a caller:
    /// [`UnrelatedCredentials`](tower_identity_core::RefusalKind::UnrelatedCredentials). Else whoever stole it would
    /// present it in the caller's place.
    pub fn alone(&self, caller: &str) -> Verification {
        self.0.now.load().alone(caller, Proof::NOTHING)
    }
}

/// What two credentials come to, both of which were judged; the caller's is good.
pub(crate) type Relate = fn(&Inner, &CallerContext, &Result<CallerContext, Refusal>) -> Result<CallerContext, Refusal>;

impl Inner {
    pub(crate) fn pair(self: &Arc<Self>, caller: &str, user: &str, proof: Proof) -> Verification {
        self.both(self.bearer(caller, proof), || self.user(user, proof), Self::related)
    }

    /// Two verifications, at the same time where both have to wait.
    pub(crate) fn both(
        self: &Arc<Self>,
        caller: Verification,
        beside: impl FnOnce() -> Verification,
        relate: Relate,
    ) -> Verification {
        let caller = match caller.try_now() {
            // Nobody asks for the user of somebody who is refused.
            Ok(Err(refusal)) => return Verification::decided(Err(refusal)),
            caller => caller,
        };
        match (caller, beside().try_now()) {
            (Ok(caller), Ok(user)) => Verification::decided(caller.and_then(|caller| relate(self, &caller, &user))),
            (caller, user) => {
                let (mut caller, mut user) = (Half::of(caller), Half::of(user));
                let settings = Arc::clone(self);
                Verification::fetching(Box::pin(poll_fn(move |cx| match (caller.poll(cx), user.poll(cx)) {
                    (Some(Err(refusal)), _) => Poll::Ready(Err(refusal.clone())),
                    (Some(Ok(caller)), Some(user)) => Poll::Ready(relate(&settings, caller, user)),
                    (None, _) | (_, None) => Poll::Pending,
                })))
            }
        }
    }

    pub(crate) fn alone(self: &Arc<Self>, caller: &str, proof: Proof) -> Verification {
        self.then(self.bearer(caller, proof), Self::left_alone)
    }

    /// A verification, and what its caller comes to.
    pub(crate) fn then(
        self: &Arc<Self>,
        caller: Verification,
        next: fn(&Self, CallerContext) -> Result<CallerContext, Refusal>,
    ) -> Verification {
        match caller.try_now() {
            Ok(decision) => Verification::decided(decision.and_then(|caller| next(self, caller))),
            Err(waiting) => {
                let settings = Arc::clone(self);
                Verification::fetching(Box::pin(
                    async move { waiting.await.and_then(|caller| next(&settings, caller)) },
                ))
            }
        }
    }

    #[expect(clippy::disallowed_methods, reason = "this is the verification that may state its result")]
    fn related(&self, caller: &CallerContext, user: &Result<CallerContext, Refusal>) -> Result<CallerContext, Refusal> {
        let user = user.as_ref().map_err(of_user)?;
        let judged_at = caller.judged_at().max(user.judged_at());
        still_good(caller.caller_token(), caller.judged_at(), judged_at)?;
        still_good(user.caller_token(), user.judged_at(), judged_at).map_err(|refusal| of_user(&refusal))?;
        let (caller, user) = (caller.caller_token(), user.caller_token());
        let standing = self.relations.relate(caller, user)?;
        Ok(CallerContext::assertion(Arc::clone(caller), Some(Arc::clone(user)), standing, judged_at))
    }

    #[expect(clippy::disallowed_methods, reason = "this is the verification that may state its result")]
    pub(crate) fn left_alone(&self, caller: CallerContext) -> Result<CallerContext, Refusal> {
        let token = caller.caller_token();
        let identity = token.identity();
        match identity.user {
            Some(_) if identity.evidence.is_of_sender() => Ok(caller),
            Some(_) => {
                let refusal = unrelated("a user's token stands in the place of the caller's");
                Err(refusal.issuer(token.issuer().clone()))
            }
            None => {
                let standing = self.relations.aliases.name(Standing::alone(), token);
                Ok(CallerContext::assertion(Arc::clone(token), None, standing, caller.judged_at()))
            }
        }
    }
}

/// One of two verifications that are under way together.
enum Half {
    Waiting(Verification),
    Decided(Result<CallerContext, Refusal>),
}

impl Half {
    fn of(tried: Result<Result<CallerContext, Refusal>, Verification>) -> Self {
        tried.map_or_else(Self::Waiting, Self::Decided)
    }

    /// The decision, once there is one.
    fn poll(&mut self, cx: &mut Context<'_>) -> Option<&Result<CallerContext, Refusal>> {
        if let Self::Waiting(verification) = self {
            match Pin::new(verification).poll(cx) {
                Poll::Ready(decision) => *self = Self::Decided(decision),
                Poll::Pending => return None,
            }
        }
        match self {
            Self::Decided(decision) => Some(decision),
            Self::Waiting(_) => None,
        }
    }
}

/// That a credential which was good then is good now, when the other one that it waited for was judged too.
pub(crate) fn still_good(token: &VerifiedToken, then: Timestamp, now: Timestamp) -> Result<(), Refusal> {
    // One that had ended by then was accepted within the leeway, which it has not used up by waiting for seconds.
    let ends = token.expires_at();
    let judged = if then < ends && ends <= now {
        Err(refuse(check::EXP, "it ended while the other credential was judged"))
    } else {
        in_force(token)
    };
    judged.map_err(|refusal| refusal.issuer(token.issuer().clone()))
}

/// Says to the operator which of the two credentials it is that is refused.
pub(crate) fn of_user(refusal: &Refusal) -> Refusal {
    let detail = match refusal.explanation() {
        Some(detail) => format!("the user's credential: {detail}"),
        None => "the user's credential".to_owned(),
    };
    refusal.clone().detail(detail)
}
