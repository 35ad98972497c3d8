//! In place of authentication: the same request for the handler, without a credential to verify.

use std::task::{Context, Poll};

use http::{Request, header::AUTHORIZATION};
use tower_identity_core::{
    CallerContext,
    ambient::{self, Scoped},
};
use tower_identity_inbound::Inbound;
use tower_layer::Layer;
use tower_service::Service;

/// Every request comes from this caller: in place of an `AuthLayer`, around the same rules and handlers.
///
/// Give it a [`TestCaller`](crate::TestCaller), or a [`CallerContext`] that is there already.
///
/// ```
/// use axum::{Router, body::Body, routing::post};
/// use http::{Request, StatusCode};
/// use tower::ServiceExt;
/// use tower_identity_inbound::{RequireLayer, rule::{scope, user}};
/// use tower_identity_testkit::{TestCaller, with_caller};
///
/// // The routes of the service, with their rules. Its `main` puts an `AuthLayer` around them.
/// fn routes() -> Router {
///     let rule = scope("orders:write").and(user());
///     Router::new().route("/orders", post(|| async { "placed" }).layer(RequireLayer::new(rule)))
/// }
///
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// let status = async |caller: TestCaller| {
///     let request = Request::post("/orders").body(Body::empty()).expect("a request");
///     let Ok(response) = routes().layer(with_caller(caller)).oneshot(request).await;
///     response.status()
/// };
/// let alice = TestCaller::workload("storefront").user("alice");
/// assert_eq!(status(alice.clone().scope("orders:write")).await, StatusCode::OK);
/// assert_eq!(status(alice).await, StatusCode::FORBIDDEN);
/// # });
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn with_caller(caller: impl Into<CallerContext>) -> WithCallerLayer {
    WithCallerLayer { inbound: Inbound::Caller(caller.into()) }
}

/// Every request comes without a credential: in place of an optional `AuthLayer`.
pub fn without_caller() -> WithCallerLayer {
    WithCallerLayer { inbound: Inbound::Anonymous }
}

/// The layer of [`with_caller`] and [`without_caller`].
///
/// As authentication would, it leaves an [`Inbound`] in the request, removes the `Authorization` header, and runs
/// what is inside in the caller's ambient scope.
#[derive(Debug, Clone)]
#[must_use = "a layer does nothing until it is around a service"]
pub struct WithCallerLayer {
    inbound: Inbound,
}

impl<S> Layer<S> for WithCallerLayer {
    type Service = WithCallerService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        WithCallerService { inner, inbound: self.inbound.clone() }
    }
}

/// The service of [`WithCallerLayer`].
#[derive(Debug, Clone)]
pub struct WithCallerService<S> {
    inner: S,
    inbound: Inbound,
}

impl<S, B> Service<Request<B>> for WithCallerService<S>
where
    S: Service<Request<B>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Scoped<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let mut scope = self.inbound.caller().cloned();
        request.headers_mut().remove(AUTHORIZATION);
        request.extensions_mut().insert(self.inbound.clone());
        let calling = ambient::enter(&mut scope, || self.inner.call(request));
        Scoped::new(scope, calling)
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use http::{HeaderMap, HeaderValue};
    use tower::{ServiceExt, service_fn};

    use super::*;
    use crate::TestCaller;

    #[derive(Debug, PartialEq)]
    struct Seen {
        inbound: Option<String>,
        ambient: Option<String>,
        headers: HeaderMap,
    }

    fn workload(context: &CallerContext) -> String {
        context.principal().workload().id.to_string()
    }

    async fn through(layer: WithCallerLayer) -> Seen {
        let look = service_fn(|request: Request<()>| {
            let at_call = ambient::current().as_ref().map(workload);
            async move {
                assert_eq!(ambient::current().as_ref().map(workload), at_call, "at call and at poll");
                let inbound = Inbound::of(request.extensions()).expect("always there");
                let inbound = inbound.caller().map(workload);
                Ok::<_, Infallible>(Seen { inbound, ambient: at_call, headers: request.headers().clone() })
            }
        });
        let mut request = Request::new(());
        request.headers_mut().insert(AUTHORIZATION, HeaderValue::from_static("Bearer from-outside"));
        let Ok(seen) = layer.layer(look).oneshot(request).await;
        assert!(ambient::current().is_none(), "the scope ends with the call");
        seen
    }

    #[tokio::test]
    async fn the_handler_sees_the_caller_as_if_it_had_been_authenticated() {
        let orders = || Some("orders".to_owned());
        let expected = Seen { inbound: orders(), ambient: orders(), headers: HeaderMap::new() };
        assert_eq!(through(with_caller(TestCaller::workload("orders"))).await, expected);
    }

    #[tokio::test]
    async fn nobody_is_anonymous_in_a_scope_of_nobody() {
        let around = TestCaller::workload("somebody-around").context();
        let seen = around.scope(async {
            let mut service = without_caller().layer(service_fn(|request: Request<()>| async move {
                let anonymous = matches!(Inbound::of(request.extensions()), Ok(Inbound::Anonymous));
                Ok::<_, Infallible>((anonymous, ambient::current().is_none()))
            }));
            service.ready().await.map(|service| service.call(Request::new(())))
        });
        let Ok(calling) = seen.await;
        assert_eq!(calling.await, Ok((true, true)));
    }
}
