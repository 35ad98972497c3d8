//! `Caller` and its kin.

use std::ops::Deref;

use axum_core::extract::{FromRequestParts, OptionalFromRequestParts};
use http::{Extensions, request::Parts};
use serde::{Serialize, Serializer};
use tower_identity_core::{Binding, CallerContext, Refusal, RefusalKind, Scopes, User, Workload};
use tower_identity_inbound::Inbound;

use crate::Rejection;

/// Whoever sent the request, for a user or for itself.
///
/// It is a [`CallerContext`], so that it can be handed to `on_behalf_of(&caller)` and carried by
/// [`caller.scope(future)`](CallerContext::scope) and [`caller.scope_stream(stream)`](CallerContext::scope_stream)
/// into tasks and response bodies, where the ambient scope does not reach. It serializes as its
/// [principal](tower_identity_core::Principal).
///
/// # For as long as the credential is good
///
/// A request is judged at its start. Work that may outlast the caller's credential asks it for its end, by
/// [`caller.ended()`](CallerContext::ended), which resolves at its expiry or at once when it is revoked. A WebSocket:
///
/// ```
/// use axum::{
///     Router,
///     extract::ws::{Message, WebSocket, WebSocketUpgrade},
///     response::Response,
///     routing::any,
/// };
/// use axum_identity::Caller;
///
/// async fn talk(caller: Caller, upgrade: WebSocketUpgrade) -> Response {
///     upgrade.on_upgrade(async move |mut socket: WebSocket| {
///         let mut ended = caller.ended();
///         loop {
///             tokio::select! {
///                 // First, so that a peer who never pauses is no exception.
///                 biased;
///                 _ = &mut ended => return drop(socket.send(Message::Close(None)).await),
///                 message = socket.recv() => {
///                     let Some(Ok(message)) = message else { return };
///                     if socket.send(message).await.is_err() {
///                         return;
///                     }
///                 }
///             }
///         }
///     })
/// }
///
/// # let _: Router =
/// Router::new().route("/talk", any(talk))
/// # ;
/// ```
///
/// Event streams and gRPC streams end by themselves, as `AuthLayer::streams` says
/// ([`Streams`](tower_identity_inbound::Streams)); any other stream by `stream.take_until(caller.ended())` of `futures-util`.
///
/// Answers 401 to a request without a credential; `Option<Caller>` takes one as `None`. Answers 403 to a caller whose own word
/// is all that ties it to its user, or that handed work over, unless a rule of the route says that it will do
/// ([`self_asserted_user`](tower_identity_inbound::rule::self_asserted_user),
/// [`deferred_user`](tower_identity_inbound::rule::deferred_user)).
#[derive(Debug, Clone)]
pub struct Caller(CallerContext);

impl Caller {
    /// The whole context.
    #[must_use]
    pub fn context(&self) -> &CallerContext {
        &self.0
    }

    /// The workload that sent the request.
    #[must_use]
    pub fn workload(&self) -> &Workload {
        self.0.principal().workload()
    }

    /// On whose behalf, if anybody's.
    #[must_use]
    pub fn user(&self) -> Option<&User> {
        self.0.principal().user()
    }

    /// What the request's token allows.
    #[must_use]
    pub fn scopes(&self) -> &Scopes {
        self.0.principal().scopes()
    }

    /// The caller of a request, from its extensions: for code that is no axum handler, such as a gRPC service's.
    ///
    /// # Errors
    ///
    /// [`RefusalKind::NoCredential`] for a request without a credential, [`RefusalKind::Misconfigured`] where no
    /// `AuthLayer` has seen the request.
    pub fn of(extensions: &Extensions) -> Result<Self, Rejection> {
        Self::required(extensions).map_err(|refusal| Rejection::within(refusal, extensions))
    }

    fn optional(extensions: &Extensions) -> Result<Option<Self>, Refusal> {
        match Inbound::of(extensions)?.caller() {
            Some(context) if !context.counts_together() => Err(unrelated(context)),
            caller => Ok(caller.cloned().map(Self)),
        }
    }

    pub(crate) fn required(extensions: &Extensions) -> Result<Self, Refusal> {
        Self::optional(extensions)?.ok_or_else(|| Refusal::new(RefusalKind::NoCredential, "caller"))
    }
}

impl Deref for Caller {
    type Target = CallerContext;

    fn deref(&self) -> &CallerContext {
        &self.0
    }
}

impl Serialize for Caller {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.principal().serialize(serializer)
    }
}

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Rejection> {
        Self::required(&parts.extensions).map_err(|refusal| Rejection::new(refusal, parts))
    }
}

impl<S: Sync> OptionalFromRequestParts<S> for Caller {
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, Rejection> {
        Self::optional(&parts.extensions).map_err(|refusal| Rejection::new(refusal, parts))
    }
}

fn unrelated(context: &CallerContext) -> Refusal {
    let detail = match context.principal().binding() {
        Binding::Deferred => "the work was handed over, and no rule of this route accepts that by deferred_user",
        _ => "the caller says itself for whom it calls, and no rule of this route accepts that by self_asserted_user",
    };
    Refusal::new(RefusalKind::UnrelatedCredentials, "binding")
        .detail(detail)
        .issuer(context.caller_token().issuer().clone())
}

fn denied(caller: &Caller, detail: &'static str) -> Refusal {
    Refusal::new(RefusalKind::Denied, "user").detail(detail).issuer(caller.caller_token().issuer().clone())
}

/// A [`Caller`] that acts for a user.
///
/// Answers 403 to one that acts for itself.
#[derive(Debug, Clone, Serialize)]
#[serde(transparent)]
pub struct UserCaller(Caller);

impl UserCaller {
    /// On whose behalf.
    #[must_use]
    pub fn user(&self) -> &User {
        self.0.user().expect("a UserCaller is made only of a caller with a user")
    }

    /// The caller of a request, from its extensions: see [`Caller::of`].
    ///
    /// # Errors
    ///
    /// As [`Caller::of`], and [`RefusalKind::Denied`] for a caller that acts for itself.
    pub fn of(extensions: &Extensions) -> Result<Self, Rejection> {
        Self::required(extensions).map_err(|refusal| Rejection::within(refusal, extensions))
    }

    pub(crate) fn required(extensions: &Extensions) -> Result<Self, Refusal> {
        let caller = Caller::required(extensions)?;
        match caller.user() {
            Some(_) => Ok(Self(caller)),
            None => Err(denied(&caller, "needs a user, found none")),
        }
    }
}

impl Deref for UserCaller {
    type Target = Caller;

    fn deref(&self) -> &Caller {
        &self.0
    }
}

impl<S: Sync> FromRequestParts<S> for UserCaller {
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Rejection> {
        Self::required(&parts.extensions).map_err(|refusal| Rejection::new(refusal, parts))
    }
}

/// A [`Caller`] that acts for itself: most often scheduled work.
///
/// Answers 403 to one that acts for a user. It says nothing about *which* workload calls: leaving the user out must
/// never open more doors, so pair it with a rule that lists the [callers](tower_identity_inbound::rule::callers).
#[derive(Debug, Clone, Serialize)]
#[serde(transparent)]
pub struct WorkloadCaller(Caller);

impl WorkloadCaller {
    /// The caller of a request, from its extensions: see [`Caller::of`].
    ///
    /// # Errors
    ///
    /// As [`Caller::of`], and [`RefusalKind::Denied`] for a caller that acts for a user.
    pub fn of(extensions: &Extensions) -> Result<Self, Rejection> {
        Self::required(extensions).map_err(|refusal| Rejection::within(refusal, extensions))
    }

    fn required(extensions: &Extensions) -> Result<Self, Refusal> {
        let caller = Caller::required(extensions)?;
        match caller.user() {
            None => Ok(Self(caller)),
            Some(_) => Err(denied(&caller, "needs no user, found one")),
        }
    }
}

impl Deref for WorkloadCaller {
    type Target = Caller;

    fn deref(&self) -> &Caller {
        &self.0
    }
}

impl<S: Sync> FromRequestParts<S> for WorkloadCaller {
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Rejection> {
        Self::required(&parts.extensions).map_err(|refusal| Rejection::new(refusal, parts))
    }
}
