//! What a request presents, and what a service's requests are given without anybody being asked by the walk.

use std::convert::Infallible;

use http::{HeaderMap, HeaderName, Request, Response, header::AUTHORIZATION};
use tower::{Layer, ServiceExt, service_fn};
use tower_identity::{BoxError, Refusal, SecretToken, Settings, SettingsError, transaction_tokens::FIELD};

/// The field of a transaction token.
pub(super) const TRANSACTION: HeaderName = HeaderName::from_static(FIELD);

/// The field of a user's name, where services say it in plain text.
const NAME: HeaderName = HeaderName::from_static("x-user-id");

const SCHEME: &str = "Bearer ";

/// A bearer token, and what says beside it for whom: a transaction token, or a name.
#[derive(Debug, Clone)]
pub(super) struct Presented {
    bearer: SecretToken,
    beside: Option<(HeaderName, SecretToken)>,
}

/// Why there is no such token.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotSent {
    #[error(transparent)]
    Settings(#[from] SettingsError),
    #[error("the user's own token is refused")]
    Refused(#[from] Refusal),
    #[error("nothing would be sent")]
    Unsent(#[source] BoxError),
}

impl Presented {
    /// The bearer token.
    pub(super) fn bearer(&self) -> &str {
        self.bearer.expose()
    }

    /// What goes into the request.
    pub(super) fn fields(&self) -> impl Iterator<Item = (HeaderName, String)> {
        let bearer = (AUTHORIZATION, format!("{SCHEME}{}", self.bearer.expose()));
        let beside = self.beside.as_ref().map(|(field, value)| (field.clone(), value.expose().to_owned()));
        [Some(bearer), beside].into_iter().flatten()
    }

    /// The same beside this token of another service.
    pub(super) fn sent_on_by(&self, own: &str) -> Self {
        Self { bearer: SecretToken::new(own), beside: self.beside.clone() }
    }

    /// The transaction token, where there is one.
    pub(super) fn transaction(&self) -> Option<&SecretToken> {
        self.beside.as_ref().filter(|(field, _)| *field == TRANSACTION).map(|(_, token)| token)
    }

    fn of(headers: &HeaderMap) -> Self {
        let text = |name: &HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
        let bearer = text(&AUTHORIZATION).and_then(|value| value.strip_prefix(SCHEME)).unwrap_or_default();
        let beside = [TRANSACTION, NAME].into_iter().find_map(|name| Some((SecretToken::new(text(&name)?), name)));
        Self { bearer: SecretToken::new(bearer), beside: beside.map(|(value, name)| (name, value)) }
    }
}

impl From<&str> for Presented {
    fn from(bearer: &str) -> Self {
        Self { bearer: SecretToken::new(bearer), beside: None }
    }
}

impl From<&String> for Presented {
    fn from(bearer: &String) -> Self {
        Self::from(bearer.as_str())
    }
}

impl From<&Self> for Presented {
    fn from(presented: &Self) -> Self {
        presented.clone()
    }
}

/// What the storefront of these settings sends to orders for the user of this token: taken from a request that is not sent.
pub(super) async fn to_orders(settings: &Settings, orders: &str, first: &str) -> Result<Presented, NotSent> {
    let (verifier, outbound) = (settings.verifier()?, settings.outbound()?);
    let caller = verifier.bearer(first).await?;
    let unsent =
        service_fn(async |request: Request<()>| Ok::<_, Infallible>(Response::new(Presented::of(request.headers()))));
    let request = Request::get(format!("{orders}/orders")).body(()).expect("an origin and a path");
    let answer = caller.scope(outbound.layer().layer(unsent).oneshot(request)).await.map_err(NotSent::Unsent)?;
    Ok(answer.into_body())
}

/// What it sends beside this token of its own where it is the edge, and makes itself what says for whom.
pub(super) async fn made_at_the_edge(settings: &Settings, own: &str, first: &str) -> Result<Presented, NotSent> {
    let (verifier, edge) = (settings.verifier()?, settings.edge()?);
    let caller = verifier.bearer(first).await?;
    let trust_domain = edge.mint().trust_domains().next().expect("a mint has one");
    let minted = edge.mint().mint(&caller, trust_domain).map_err(Refusal::from)?;
    Ok(Presented { beside: Some((TRANSACTION, minted.token().clone())), ..own.into() })
}
