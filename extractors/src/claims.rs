//! Further claims of the caller's token.

use axum_core::extract::FromRequestParts;
use http::request::Parts;
use serde::de::DeserializeOwned;
use tower_identity_core::{Refusal, RefusalKind};

use crate::{Caller, Rejection};

/// The claims of the request's token, the user's where there is one, read as a type of the handler's choice.
///
/// Answers 403 when the verified token has no claims of that shape, and to a caller that
/// [left its user out](tower_identity_core::Standing::alone): its own claims in the place of its user's could say more.
/// A handler that means the caller's own asks for them: [`caller.caller_token().claims()`](tower_identity_core::VerifiedToken::claims).
///
/// ```
/// use axum_identity::Claims;
///
/// #[derive(serde::Deserialize)]
/// struct Department {
///     department: String,
/// }
///
/// async fn department(Claims(claims): Claims<Department>) -> String {
///     claims.department
/// }
/// # let _: axum::Router = axum::Router::new().route("/", axum::routing::get(department));
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Claims<T>(pub T);

impl<S: Sync, T: DeserializeOwned> FromRequestParts<S> for Claims<T> {
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Rejection> {
        Caller::required(&parts.extensions)
            .and_then(|caller| {
                let token = caller.token();
                if caller.is_alone() {
                    return Err(Refusal::new(RefusalKind::Denied, "claims")
                        .detail("needs the claims of a user, who was left out")
                        .issuer(token.issuer().clone()));
                }
                token.claims().map(Self).map_err(|wrong| {
                    // The place only: what serde says may quote the claim, which is the user's.
                    Refusal::new(RefusalKind::Denied, "claims")
                        .detail(format!("no such claims, {:?} error at column {}", wrong.classify(), wrong.column()))
                        .issuer(token.issuer().clone())
                })
            })
            .map_err(|refusal| Rejection::new(refusal, parts))
    }
}
