//! What this service tells clients about itself: OAuth 2.0 Protected Resource Metadata (RFC 9728).

use std::{
    convert::Infallible,
    future::{Ready, ready},
    sync::Arc,
    task::{Context, Poll},
};

use arc_swap::ArcSwap;
use bytes::Bytes;
use http::{
    HeaderValue, Method, Request, Response, StatusCode,
    header::{ALLOW, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE},
};
use http_body_util::Full;
use serde::Serialize;
use tower_identity_core::Scopes;
use tower_identity_verify::Verifier;
use tower_service::Service;

mod builder;
mod settings;

pub use self::{builder::ResourceMetadataBuilder, settings::ResourceSettings};

/// The metadata of this service as a protected resource (RFC 9728): which authorization servers issue tokens for it, and
/// which scopes there are. A client that knows nothing but the service's URL finds its way from here.
///
/// It is itself the service that answers at [`path`](Self::path): `GET` and `HEAD`, to everybody. So it stands beside
/// what [`AuthLayer`](crate::AuthLayer) guards, never below it; and the layer names it in every challenge.
///
/// ```
/// use axum::{Router, routing::get};
/// use tower_identity_inbound::{AuthLayer, ResourceMetadata};
/// use tower_identity_verify::{TrustedIssuer, Verifier};
///
/// let home = TrustedIssuer::discover("https://login.example.com").audience("orders");
/// let verifier = Verifier::builder(home).build()?;
/// let metadata = ResourceMetadata::builder("https://orders.example.com/v1").scope("orders:read").build(&verifier)?;
/// assert_eq!(metadata.url(), "https://orders.example.com/.well-known/oauth-protected-resource/v1");
///
/// let app: Router = Router::new()
///     .route("/v1/orders", get(|| async { "orders" }))
///     .layer(AuthLayer::new(verifier).resource(&metadata))
///     .route_service(metadata.path(), metadata.clone());
/// # Ok::<(), tower_identity_core::InvalidSetting>(())
/// ```
#[derive(Debug, Clone)]
pub struct ResourceMetadata(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    url: String,
    /// Where the path of the URL begins.
    path_at: usize,
    said: Said,
    /// The verifier whose issuers clients may know, where no others are named.
    verifier: Option<Verifier>,
    /// The whole answer, and the generation of the verifier's settings that it is of.
    document: ArcSwap<(u64, Bytes)>,
}

/// What the document says, but for issuers that are the verifier's.
#[derive(Debug)]
struct Said {
    identifier: String,
    authorization_servers: Vec<String>,
    scopes: Scopes,
    name: Option<String>,
    documentation: Option<String>,
}

impl ResourceMetadata {
    /// Collects the metadata of the resource of this identifier: the URL that clients know the service by. What is
    /// wrong with it is reported by [`build`](ResourceMetadataBuilder::build).
    pub fn builder(identifier: impl Into<String>) -> ResourceMetadataBuilder {
        ResourceMetadataBuilder::new(identifier.into())
    }

    /// The path that this answers at: `/.well-known/oauth-protected-resource`, and behind it the path of the identifier
    /// (RFC 9728 §3.1).
    #[must_use]
    pub fn path(&self) -> &str {
        &self.0.url[self.0.path_at..]
    }

    /// The URL of the metadata, which challenges name as `resource_metadata` (RFC 9728 §5.1).
    #[must_use]
    pub fn url(&self) -> &str {
        &self.0.url
    }
}

impl Inner {
    /// The document as it is now: where it lists the verifier's issuers, those of its present settings.
    fn document(&self) -> Bytes {
        let Some(verifier) = &self.verifier else { return self.document.load().1.clone() };
        let current = verifier.current();
        let written = self.document.load();
        if written.0 == current.generation() {
            return written.1.clone();
        }
        let document = self.said.document(&builder::issuers_of(&current));
        self.document.store(Arc::new((current.generation(), document.clone())));
        document
    }
}

impl Said {
    fn document(&self, authorization_servers: &[String]) -> Bytes {
        let document = Document {
            resource: &self.identifier,
            authorization_servers,
            scopes_supported: self.scopes.iter().collect(),
            bearer_methods_supported: ["header"],
            resource_name: self.name.as_deref(),
            resource_documentation: self.documentation.as_deref(),
        };
        serde_json::to_vec(&document).expect("strings serialize").into()
    }
}

/// The document (RFC 9728 §2). Lists without members are left out.
#[derive(Serialize)]
struct Document<'a> {
    resource: &'a str,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    authorization_servers: &'a [String],
    #[serde(skip_serializing_if = "Vec::is_empty")]
    scopes_supported: Vec<&'a str>,
    /// The header, and neither form nor query (OAuth 2.1 §5.1).
    bearer_methods_supported: [&'static str; 1],
    #[serde(skip_serializing_if = "Option::is_none")]
    resource_name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resource_documentation: Option<&'a str>,
}

impl<B> Service<Request<B>> for ResourceMetadata {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        ready(Ok(self.answer(request.method())))
    }
}

impl ResourceMetadata {
    fn answer(&self, method: &Method) -> Response<Full<Bytes>> {
        let mut response = Response::new(Full::default());
        if *method != Method::GET && *method != Method::HEAD {
            *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
            response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
            return response;
        }
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        // It changes with a deployment, and clients read it before their first token only.
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=3600"));
        let document = self.0.document();
        headers.insert(CONTENT_LENGTH, HeaderValue::from(document.len()));
        if *method == Method::GET {
            *response.body_mut() = Full::new(document);
        }
        response
    }
}
