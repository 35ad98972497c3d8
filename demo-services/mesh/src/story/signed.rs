//! What a service signs itself, as it sends it.

use std::convert::Infallible;

use http::{Request, Response, header::AUTHORIZATION};
use tower::{Layer, ServiceExt, service_fn};
use tower_identity::{BoxError, Refusal, Settings, SettingsError};

/// Why there is no such token.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotSigned {
    #[error(transparent)]
    Settings(#[from] SettingsError),
    #[error("the user's own token is refused")]
    Refused(#[from] Refusal),
    #[error("nothing would be sent")]
    NotSent(#[source] BoxError),
}

/// The token that the storefront of these settings sends to orders for the user of this one: what its requests are given,
/// taken from one that is not sent.
pub(super) async fn for_orders(settings: &Settings, orders: &str, first: &str) -> Result<String, NotSigned> {
    let (verifier, outbound) = (settings.verifier()?, settings.outbound()?);
    let caller = verifier.bearer(first).await?;
    let unsent = service_fn(async |request: Request<()>| {
        let bearer =
            request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
        Ok::<_, Infallible>(Response::new(bearer.unwrap_or_default().to_owned()))
    });
    let request = Request::get(format!("{orders}/orders")).body(()).expect("an origin and a path");
    let answer = caller.scope(outbound.layer().layer(unsent).oneshot(request)).await.map_err(NotSigned::NotSent)?;
    Ok(answer.into_body())
}
