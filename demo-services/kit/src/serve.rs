//! Serving until told to stop.

use std::{io, time::Duration};

use axum::{
    Router,
    extract::{ConnectInfo, Request},
    http::{HeaderValue, header::HOST},
    middleware::map_request,
};
use tokio::sync::oneshot;
use tower_identity::{BoxFuture, Connection, EachConnection, Settings, TlsListener, system_clock};

use crate::{Listener, StartError, watch::watched};

/// Resolves when a service is to stop.
pub type Stop = BoxFuture<'static, ()>;

/// A service at work: resolves when it has stopped.
pub type Serving = BoxFuture<'static, io::Result<()>>;

/// Every service's `run`: checks the settings when it is called, serves the listener when its future is awaited.
pub type Run = fn(&Settings, Listener, Stop) -> Result<Serving, StartError>;

/// How long requests that are under way may take once a service is told to stop.
const GRACE: Duration = Duration::from_secs(5);

/// Serves HTTP/1.1 and, to clients that begin with it or agree on it, HTTP/2, until told to stop, and then until the requests that are
/// under way are answered, or five seconds have passed. Handlers find their peer's address in [`ConnectInfo`], and what the connection has proven
/// in [`Connection`].
///
/// ```
/// use axum::{Router, routing::get};
///
/// # tokio::runtime::Runtime::new()?.block_on(async {
/// let listener = demo_kit::listen("127.0.0.1:0".parse()?, "--listen").await?;
/// let app = Router::new().route("/", get(async || "hello"));
/// let at_once = Box::pin(async {});
/// demo_kit::serve(listener, app, at_once).await?;
/// # Ok(())
/// # })
/// # .map_err(|error: Box<dyn std::error::Error>| error)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use]
pub fn serve(listener: Listener, app: Router, stop: Stop) -> Serving {
    let Listener { tcp, tls, watch } = listener;
    let app = watch.into_iter().fold(app, watched);
    let app = EachConnection::new(app.layer(map_request(with_peer)));
    Box::pin(async move {
        let (stopping, told) = oneshot::channel::<()>();
        let told_to_stop = async move {
            stop.await;
            drop(stopping);
        };
        let served: Serving = match tls {
            None => Box::pin(axum::serve(tcp, app).with_graceful_shutdown(told_to_stop).into_future()),
            Some(tls) => {
                let listener = TlsListener::new(tcp, tls);
                Box::pin(axum::serve(listener, app).with_graceful_shutdown(told_to_stop).into_future())
            }
        };
        let overtime = async {
            // The sender is dropped, never used: an error is the signal.
            let _ = told.await;
            system_clock().sleep(GRACE).await;
        };
        tokio::select! {
            served = served => served,
            () = overtime => Ok(()),
        }
    })
}

/// Says of each request where its peer is, as axum does where it makes the connection's service itself; and whom it is for where
/// HTTP/1.1 says so, which HTTP/2 does in the address (RFC 9113 §8.3.1).
async fn with_peer(mut request: Request) -> Request {
    let authority = request.uri().authority().and_then(|authority| HeaderValue::from_str(authority.as_str()).ok());
    if let Some(authority) = authority.filter(|_| !request.headers().contains_key(HOST)) {
        request.headers_mut().insert(HOST, authority);
    }
    if let Some(peer) = request.extensions().get::<Connection>().and_then(Connection::peer_addr) {
        request.extensions_mut().insert(ConnectInfo(peer));
    }
    request
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use axum::routing::get;
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
    };

    use super::*;

    #[tokio::test]
    async fn a_request_under_way_is_answered_after_the_stop() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        let (stop, stopped) = oneshot::channel::<()>();
        let (entered, handler_entered) = oneshot::channel::<()>();
        let (finish, finished) = oneshot::channel::<()>();
        let once = Arc::new(Mutex::new(Some((entered, finished))));
        let app = Router::new().route(
            "/",
            get(move || {
                let (entered, finished) = once.lock().expect("lock").take().expect("one request");
                async move {
                    entered.send(()).expect("the test waits");
                    finished.await.expect("the test finishes it");
                    "done"
                }
            }),
        );
        let serving = tokio::spawn(serve(listener.into(), app, Box::pin(async move { stopped.await.expect("told") })));

        let mut client = tokio::net::TcpStream::connect(address).await.expect("connected");
        client.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.expect("sent");
        handler_entered.await.expect("the request is under way");
        stop.send(()).expect("serving");
        finish.send(()).expect("the handler waits");

        let mut answer = String::new();
        client.read_to_string(&mut answer).await.expect("answered, then closed");
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("\r\n\r\ndone"), "{answer}");
        serving.await.expect("no panic").expect("stopped");
        assert_eq!(
            tokio::net::TcpStream::connect(address).await.map(|_| ()).map_err(|error| error.kind()),
            Err(io::ErrorKind::ConnectionRefused)
        );
    }
}
