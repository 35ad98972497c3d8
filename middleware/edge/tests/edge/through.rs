//! A request through a layer of the edge, and what the service behind it finds.

use std::convert::Infallible;

use bytes::Bytes;
use http::{HeaderMap, Request, Response, header::AUTHORIZATION};
use http_body_util::{Empty, Full};
use tower::{Layer, Service, ServiceExt, service_fn};
use tower_identity_core::{CallerContext, SecretToken, ambient, transaction_tokens::FIELD};
use tower_identity_edge::EdgeLayer;
use tower_identity_inbound::{AuthBody, EdgeBody, Inbound};

/// What a service finds: in the request, around it, and on it.
#[derive(Clone)]
pub(crate) struct Found {
    pub(crate) inbound: Option<CallerContext>,
    pub(crate) ambient: Option<CallerContext>,
    pub(crate) headers: HeaderMap,
}

pub(crate) type Asked = Request<Empty<Bytes>>;

pub(crate) fn with(token: &SecretToken) -> Asked {
    let value = format!("Bearer {}", token.expose());
    Request::builder().header(AUTHORIZATION, value).body(Empty::new()).expect("a request")
}

pub(crate) async fn through<L>(layer: &L, request: Asked) -> Response<()>
where
    L: Layer<tower::util::BoxCloneSyncService<Request<EdgeBody<Empty<Bytes>>>, Response<Full<Bytes>>, Infallible>>,
    L::Service: Service<Asked, Response: Into<Parts>, Error = Infallible>,
{
    let inner = service_fn(async |request: Request<EdgeBody<Empty<Bytes>>>| {
        // After a wait, as most handlers do.
        tokio::task::yield_now().await;
        let inbound = Inbound::of(request.extensions()).expect("authenticated").caller().cloned();
        let found = Found { inbound, ambient: ambient::current(), headers: request.headers().clone() };
        let mut response = Response::new(Full::default());
        response.extensions_mut().insert(found);
        Ok::<_, Infallible>(response)
    });
    let inner = tower::util::BoxCloneSyncService::new(inner);
    let Ok(response) = layer.layer(inner).oneshot(request).await;
    Response::from_parts(response.into().0, ())
}

pub(crate) struct Parts(http::response::Parts);

impl<B> From<Response<AuthBody<B>>> for Parts {
    fn from(response: Response<AuthBody<B>>) -> Self {
        Self(response.into_parts().0)
    }
}

pub(crate) fn found(response: &Response<()>) -> Found {
    assert_eq!(response.status(), 200);
    response.extensions().get::<Found>().expect("the service was called").clone()
}

/// The internal identity of whoever presents this.
pub(crate) async fn field(layer: &EdgeLayer, token: &SecretToken) -> String {
    let found = found(&through(layer, with(token)).await);
    found.headers.get(FIELD).expect("it forwards").to_str().expect("text").to_owned()
}
