//! Serving until told to stop.

use std::{io, net::SocketAddr, time::Duration};

use axum::Router;
use tokio::sync::oneshot;
use tower_identity::{BoxFuture, Settings, system_clock};

use crate::{Listener, StartError, watch::watched};

/// Resolves when a service is to stop.
pub type Stop = BoxFuture<'static, ()>;

/// A service at work: resolves when it has stopped.
pub type Serving = BoxFuture<'static, io::Result<()>>;

/// Every service's `run`: checks the settings when it is called, serves the listener when its future is awaited.
pub type Run = fn(&Settings, Listener, Stop) -> Result<Serving, StartError>;

/// How long requests that are under way may take once a service is told to stop.
const GRACE: Duration = Duration::from_secs(5);

/// Serves HTTP/1.1 and, to clients that begin with it, HTTP/2, until told to stop, and then until the requests that are
/// under way are answered, or five seconds have passed. Handlers find their peer's address in [`ConnectInfo`](axum::extract::ConnectInfo).
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
    let Listener { tcp, watch } = listener;
    let app = watch.into_iter().fold(app, watched);
    Box::pin(async move {
        let (stopping, told) = oneshot::channel::<()>();
        let served = axum::serve(tcp, app.into_make_service_with_connect_info::<SocketAddr>()).with_graceful_shutdown(
            async move {
                stop.await;
                drop(stopping);
            },
        );
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
