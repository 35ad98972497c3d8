//! The policy for tower's retry layer: once again, with a new token, what the target refused.

use std::{
    fmt,
    future::{Ready, ready},
    mem,
    sync::{Mutex, PoisonError},
};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use tower::retry::Policy;

use crate::{Replay, Retries, TargetRefusal, retries::MadeIn};

/// A [policy](Policy) for [`tower::retry`]: a request whose token the target refused is tried once again, with a new
/// token; which requests are, [`Retries`] says.
///
/// Goes directly around an [`OutboundLayer`](crate::OutboundLayer), whose responses say what the policy has to know,
/// and whose error type keeps the place of an answer that is set aside. The second attempt is for whoever made the
/// first, wherever the answer is polled.
///
/// A body can be sent again if it can be cloned, as `Full` and `Empty` of `http-body-util` can. Of bodies that cannot,
/// [`Replay`] makes such as can while they are short.
///
/// ```
/// use std::sync::atomic::{AtomicUsize, Ordering};
///
/// use http::{Request, Response};
/// use tower::{ServiceBuilder, ServiceExt, retry::RetryLayer};
/// use tower_identity_outbound::{Retries, RetryRefused};
/// # use tower_identity_jose::{Algorithm, SigningKey};
/// # use tower_identity_oauth::{ClientAuth, TokenEndpoint};
/// # use tower_identity_outbound::{Outbound, Target};
/// # let auth = ClientAuth::private_key_jwt("orders", SigningKey::generate(Algorithm::Es256)?)?;
/// # let outbound = Outbound::builder(TokenEndpoint::discover("https://login.example.com", auth))
/// #     .target(Target::origin("https://payments.internal")?.audience("payments").token_exchange())
/// #     .build()?;
/// # let client = tower::service_fn(async |_: Request<String>| Ok::<_, std::io::Error>(Response::new(())));
///
/// let client = ServiceBuilder::new()
///     .layer(RetryLayer::new(RetryRefused::new(Retries::Refused)))
///     .layer(outbound.layer())
///     .service(client);
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// # let request = Request::get("https://payments.internal/").body(String::new()).expect("request");
/// # let error = client.oneshot(request).await.expect_err("nobody's");
/// # assert!(error.to_string().contains("no caller is known here"), "{error}");
/// # });
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct RetryRefused<B> {
    retries: Retries,
    /// The first answer, while the second attempt is made. In a mutex so that a service with this policy can be shared
    /// between threads, whatever body its answers have; it is never locked.
    first: Mutex<Option<Response<B>>>,
}

/// Stands where an answer was that is set aside during a second attempt. No caller ever gets it.
#[derive(Debug, thiserror::Error)]
#[error("the first answer is set aside while the request is tried again")]
pub struct SetAside(());

impl<B> RetryRefused<B> {
    /// Retries these requests.
    #[must_use]
    pub fn new(retries: Retries) -> Self {
        Self { retries, first: Mutex::new(None) }
    }

    /// A copy for a second attempt, with the body that `again` makes.
    fn keep<Q>(&self, request: &Request<Q>, again: impl FnOnce(&Q) -> Option<Q>) -> Option<Request<Q>> {
        if !self.retries.allow(request.method()) {
            return None;
        }
        let mut copy = Request::new(again(request.body())?);
        *copy.method_mut() = request.method().clone();
        *copy.uri_mut() = request.uri().clone();
        *copy.version_mut() = request.version();
        *copy.headers_mut() = request.headers().clone();
        *copy.extensions_mut() = request.extensions().clone();
        copy.extensions_mut().get_or_insert_with(MadeIn::now);
        Some(copy)
    }

    fn is_to_be_retried<E: From<SetAside>>(&mut self, result: &mut Result<Response<B>, E>) -> Option<Ready<()>> {
        let first = self.first.get_mut().unwrap_or_else(PoisonError::into_inner);
        match (first.take(), &*result) {
            (Some(first), Err(_)) => {
                tracing::debug!("a second attempt failed, and the first answer stands");
                *result = Ok(first);
                None
            }
            (None, Ok(response)) if TargetRefusal::is_invitation(response.extensions()) => {
                *first = mem::replace(result, Err(SetAside(()).into())).ok();
                Some(ready(()))
            }
            _ => None,
        }
    }
}

impl<Q: Clone, B, E: From<SetAside>> Policy<Request<Q>, Response<B>, E> for RetryRefused<B> {
    type Future = Ready<()>;

    fn retry(&mut self, _: &mut Request<Q>, result: &mut Result<Response<B>, E>) -> Option<Self::Future> {
        self.is_to_be_retried(result)
    }

    fn clone_request(&mut self, request: &Request<Q>) -> Option<Request<Q>> {
        self.keep(request, |body| Some(body.clone()))
    }
}

impl<Q: Body<Data = Bytes> + Unpin, B, E: From<SetAside>> Policy<Request<Replay<Q>>, Response<B>, E>
    for RetryRefused<B>
{
    type Future = Ready<()>;

    fn retry(&mut self, _: &mut Request<Replay<Q>>, result: &mut Result<Response<B>, E>) -> Option<Self::Future> {
        self.is_to_be_retried(result)
    }

    fn clone_request(&mut self, request: &Request<Replay<Q>>) -> Option<Request<Replay<Q>>> {
        self.keep(request, Replay::again)
    }
}

/// For another request: without an answer that is set aside.
impl<B> Clone for RetryRefused<B> {
    fn clone(&self) -> Self {
        Self::new(self.retries)
    }
}

impl<B> Default for RetryRefused<B> {
    fn default() -> Self {
        Self::new(Retries::default())
    }
}

impl<B> fmt::Debug for RetryRefused<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RetryRefused").field("retries", &self.retries).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, Method, Version};

    use super::*;

    #[test]
    fn rfc6750_b2_the_second_attempt_is_of_the_same_request() {
        let whole = |request: &Request<u8>| {
            let (method, uri, version) = (request.method().clone(), request.uri().clone(), request.version());
            (
                method,
                uri,
                version,
                request.headers().clone(),
                request.extensions().get::<u16>().copied(),
                *request.body(),
            )
        };
        let mut first =
            Request::post("https://payments.internal/v1?x=y").version(Version::HTTP_2).body(7).expect("valid");
        first.headers_mut().insert("x-order", "8".parse().expect("a value"));
        first.extensions_mut().insert(9_u16);
        let policy = RetryRefused::<()>::default();
        let second = policy.keep(&first, |body| Some(*body)).expect("every method");
        assert_eq!(whole(&second), whole(&first));
        let other = Request::new(7);
        assert_eq!(
            (other.method(), other.version(), other.headers()),
            (&Method::GET, Version::HTTP_11, &HeaderMap::new())
        );
        assert_ne!(whole(&other), whole(&first), "all of it differs from what a request is by default");
    }
}
