//! The user whom a path names, who has to be the caller's.

use std::ops::Deref;

use axum_core::{
    extract::FromRequestParts,
    response::{IntoResponse, Response},
};
use http::request::Parts;
use tower_identity_core::{CallerContext, Refusal, RefusalKind};

use crate::{Rejection, UserCaller};

/// A path that names the user whom the request is made for: `/users/{user}/orders` is alice's only with alice's token.
///
/// Around the extractor of the path, whose parameters have to [name a user](NamesUser). A plain `String` is the id of a
/// user of the verifier's home issuer:
///
/// ```
/// use axum::{Router, extract::Path, routing::get};
/// use axum_identity::PathUser;
///
/// async fn orders(PathUser(Path(user)): PathUser<Path<String>>) -> String {
///     format!("the orders of {user}")
/// }
///
/// # let _: Router =
/// Router::new().route("/users/{user}/orders", get(orders))
/// # ;
/// ```
///
/// What the path says is compared as it stands after percent-decoding, byte for byte: `%61lice` is alice, `Alice` and
/// `alice%2F` are not. Answers 403 where it names anybody else, and to a caller without a user; 500 on a route whose
/// parameters are not as many; and 403 to everybody, with the reason in the event, where they are not of these names and
/// types.
///
/// It takes the caller's word for nothing but who they are: which of several callers may come at all is a rule's to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PathUser<P>(pub P);

/// The parameters of a path, one of which names a user: for [`PathUser`].
///
/// ```
/// use axum::{Router, extract::Path, routing::get};
/// use axum_identity::{NamesUser, PathUser};
///
/// #[derive(serde::Deserialize)]
/// struct OrderOfUser {
///     user: String,
///     order: u64,
/// }
///
/// impl NamesUser for OrderOfUser {
///     fn user(&self) -> &str {
///         &self.user
///     }
/// }
///
/// async fn order(PathUser(Path(it)): PathUser<Path<OrderOfUser>>) -> String {
///     format!("order {} of {}", it.order, it.user)
/// }
///
/// # let _: Router =
/// Router::new().route("/users/{user}/orders/{order}", get(order))
/// # ;
/// ```
pub trait NamesUser {
    /// The user's id at its issuer.
    fn user(&self) -> &str;

    /// The issuer whose user it is, where that is not the verifier's home issuer: an id says nothing about who somebody is
    /// without it, and two issuers may both have an alice.
    fn issuer(&self) -> Option<&str> {
        None
    }
}

impl NamesUser for String {
    fn user(&self) -> &str {
        self
    }
}

impl<S, P> FromRequestParts<S> for PathUser<P>
where
    S: Send + Sync,
    P: FromRequestParts<S> + Deref<Target: NamesUser>,
{
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Rejection> {
        let caller = UserCaller::required(&parts.extensions).map_err(|refusal| Rejection::new(refusal, parts))?;
        let path = P::from_request_parts(parts, state).await.map_err(|wrong| unread(&wrong.into_response()));
        let named = path.and_then(|path| is_of(&*path, caller.context()).map(|()| Self(path)));
        named.map_err(|refusal| Rejection::new(refusal.issuer(caller.caller_token().issuer().clone()), parts))
    }
}

/// A path without parameters is a route that was put together wrongly; one that they cannot be read from names nobody.
fn unread(rejection: &Response) -> Refusal {
    if rejection.status().is_client_error() {
        Refusal::new(RefusalKind::Denied, "path_user")
            .detail("the parameters that name a user cannot be read from the path")
    } else {
        Refusal::new(RefusalKind::Misconfigured, "path_user").detail("the route has no such parameters")
    }
}

fn is_of(path: &(impl NamesUser + ?Sized), caller: &CallerContext) -> Result<(), Refusal> {
    let denied = |detail| Err(Refusal::new(RefusalKind::Denied, "path_user").detail(detail));
    let Some((token, user)) = caller.user_token().and_then(|token| Some((token, token.identity().user.as_ref()?)))
    else {
        return denied("needs a user, found none");
    };
    // A tenant is an issuer of its own, so that the issuer and the id are the whole name.
    let of_this_issuer = match path.issuer() {
        None => token.is_of_home(),
        Some(issuer) => user.issuer == *issuer,
    };
    match user.id == *path.user() {
        true if of_this_issuer => Ok(()),
        true => denied("the path names a user of another issuer"),
        false => denied("the path names another user"),
    }
}
