//! Whether a service is closed to those who present no credential.

use std::{collections::BTreeSet, fmt, future::poll_fn};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, Uri};
use http_body_util::Full;
use tower_identity_core::{Refusal, RefusalKind};
use tower_service::Service;

/// What every path is asked by besides, for routes that share a path with one that is closed.
/// `CONNECT` begins a WebSocket over HTTP/2 (RFC 8441). `OPTIONS` is not among them: a preflight brings no credential.
const METHODS: [Method; 8] = [
    Method::GET,
    Method::HEAD,
    Method::POST,
    Method::PUT,
    Method::PATCH,
    Method::DELETE,
    Method::CONNECT,
    Method::TRACE,
];

/// A path that no service has.
const UNKNOWN: &str = "/assert-closed/no-such-route";

/// Asserts that a service answers nobody who presents no credential: not these requests, each written as `GET /orders`,
/// and nothing beside them. A route that was added after the layer is found by this.
///
/// Each request is sent bare: as it stands; to its path by the other common methods; and by its own method to the path
/// with its slashes doubled, with a slash at its end, behind and before a `%2e` (and below a segment and `%2e%2e`), and
/// with its first letter percent-encoded. And a path that there is not is asked for, which is what the fallback answers.
///
/// Closed is what is refused for want of a credential, by this workspace's own layers and extractors: a response that
/// carries a [`Refusal`] of [`RefusalKind::NoCredential`] among its extensions. A 401 that a handler made up is not,
/// nor any other status, a 500 and a 404 among them: see [`assert_closed_or_not_found`].
///
/// ```
/// use axum::{Router, routing::{get, post}};
/// use tower_identity_inbound::{RequireLayer, rule::user};
/// use tower_identity_testkit::{assert_closed, without_caller};
///
/// // In a test of a service, its own router, with its own `AuthLayer`.
/// let app = Router::new()
///     .route("/orders", get(|| async { "orders" }).post(|| async { "placed" }))
///     .layer(RequireLayer::new(user()))
///     .layer(without_caller());
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// assert_closed(app, ["GET /orders", "POST /orders"]).await;
/// # });
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Panics
///
/// When a request is answered otherwise; the message names each. And when a request is not written as a method and a path.
pub async fn assert_closed<S, ResBody>(service: S, requests: impl IntoIterator<Item: AsRef<str>>)
where
    S: Service<Request<Full<Bytes>>, Response = Response<ResBody>, Error: fmt::Debug> + Clone,
{
    assert_all(service, requests, |_, response| is_refused(response)).await;
}

/// The same where a router around the closed one answers for what it does not know: a disguise of a path and the unknown
/// one may be 404 too, and another method than the request's 405. The requests as they stand are closed, or there is a
/// hole.
///
/// # Panics
///
/// As [`assert_closed`].
pub async fn assert_closed_or_not_found<S, ResBody>(service: S, requests: impl IntoIterator<Item: AsRef<str>>)
where
    S: Service<Request<Full<Bytes>>, Response = Response<ResBody>, Error: fmt::Debug> + Clone,
{
    let unknown = [StatusCode::NOT_FOUND, StatusCode::METHOD_NOT_ALLOWED];
    let is_closed = |stated: bool, response: &Response<ResBody>| {
        is_refused(response) || (!stated && unknown.contains(&response.status()))
    };
    assert_all(service, requests, is_closed).await;
}

fn is_refused<B>(response: &Response<B>) -> bool {
    response.extensions().get::<Refusal>().map(Refusal::kind) == Some(&RefusalKind::NoCredential)
}

async fn assert_all<S, ResBody>(
    service: S,
    requests: impl IntoIterator<Item: AsRef<str>>,
    is_closed: impl Fn(bool, &Response<ResBody>) -> bool,
) where
    S: Service<Request<Full<Bytes>>, Response = Response<ResBody>, Error: fmt::Debug> + Clone,
{
    let mut open = Vec::new();
    let mut asked = BTreeSet::new();
    let stated: Vec<_> = requests.into_iter().map(|request| read(request.as_ref())).collect();
    assert!(!stated.is_empty(), "there is no request to assert anything of");
    let beside = stated.iter().flat_map(|(method, path)| beside(method, path));
    let all = stated.iter().cloned().map(|request| (true, request)).chain(beside.map(|request| (false, request)));
    for (is_stated, (method, path)) in all {
        if !asked.insert((method.to_string(), path.clone())) {
            continue;
        }
        let response = ask(service.clone(), &method, &path).await;
        if !is_closed(is_stated, &response) {
            open.push(format!("\n  {method} {path} is answered {}", response.status()));
        }
    }
    assert!(open.is_empty(), "not closed to a request without a credential:{}", open.concat());
}

/// The same path by other methods, the same method in disguises of the path, and what there is not.
fn beside(method: &Method, path: &str) -> impl Iterator<Item = (Method, String)> {
    let other_methods = METHODS.map(|method| (method, path.to_owned()));
    let own = method.clone();
    let disguised = disguises(path).into_iter().chain([UNKNOWN.to_owned()]).map(move |path| (own.clone(), path));
    other_methods.into_iter().chain(disguised)
}

fn disguises(path: &str) -> Vec<String> {
    let (path, query) = path.split_at(path.find('?').unwrap_or(path.len()));
    let inner = path.trim_start_matches('/');
    let first = inner.bytes().next().filter(u8::is_ascii_alphanumeric);
    let encoded = first.map(|first| format!("/%{first:02x}{}", &inner[1..]));
    let end = path.strip_suffix('/').filter(|shorter| !shorter.is_empty()).map_or(format!("{path}/"), str::to_owned);
    let mut all = vec![
        format!("/{path}"),
        path.replace('/', "//"),
        end,
        format!("/%2e{path}"),
        format!("/x/%2e%2e{path}"),
        format!("{}/%2e", path.trim_end_matches('/')),
    ];
    all.extend(encoded);
    all.into_iter().map(|disguise| disguise + query).collect()
}

fn read(request: &str) -> (Method, String) {
    let parts = request.split_once(' ').filter(|(_, path)| path.starts_with('/') && path.parse::<Uri>().is_ok());
    let read = parts.and_then(|(method, path)| Some((method.parse().ok()?, path.to_owned())));
    read.unwrap_or_else(|| panic!("{request:?} is not a method and a path, such as GET /orders"))
}

async fn ask<S, ResBody>(mut service: S, method: &Method, path: &str) -> Response<ResBody>
where
    S: Service<Request<Full<Bytes>>, Response = Response<ResBody>, Error: fmt::Debug>,
{
    let request = Request::builder().method(method).uri(path).body(Full::default()).expect("a method and a path");
    let failed = "the service fails in place of answering";
    poll_fn(|cx| service.poll_ready(cx)).await.expect(failed);
    service.call(request).await.expect(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_asked_for_in_every_disguise() {
        let cases: [(&str, &[&str]); 3] = [
            ("/a/b", &["//a/b", "//a//b", "/a/b/", "/%2e/a/b", "/x/%2e%2e/a/b", "/a/b/%2e", "/%61/b"]),
            (
                "/orders/?x=/y",
                &[
                    "//orders/?x=/y",
                    "//orders//?x=/y",
                    "/orders?x=/y",
                    "/%2e/orders/?x=/y",
                    "/x/%2e%2e/orders/?x=/y",
                    "/orders/%2e?x=/y",
                    "/%6frders/?x=/y",
                ],
            ),
            ("/", &["//", "//", "//", "/%2e/", "/x/%2e%2e/", "/%2e"]),
        ];
        for (path, expected) in cases {
            assert_eq!(disguises(path), expected, "{path}");
            assert!(disguises(path).iter().all(|path| path.parse::<Uri>().is_ok()), "{path}");
        }
    }
}
