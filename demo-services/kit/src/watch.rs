//! Watching a service from outside of all its layers: what it is asked, and how it answers.

use std::sync::Arc;

use axum::{
    Router,
    extract::Request,
    http::request::Parts,
    middleware::{Next, from_fn},
    response::Response,
};

/// Told of each request, by its head and that of its answer, when the service answers.
///
/// The head is as it arrived, with its credentials: whoever watches keeps them to itself. What was refused has its
/// [`Refusal`](tower_identity::Refusal) among the extensions of the answer.
pub type Watch = Arc<dyn Fn(&Parts, &Response) + Send + Sync>;

/// A service under watch.
pub(crate) fn watched(app: Router, watch: Watch) -> Router {
    app.layer(from_fn(move |request: Request, next: Next| {
        let watch = Arc::clone(&watch);
        async move {
            let (head, body) = request.into_parts();
            let response = next.run(Request::from_parts(head.clone(), body)).await;
            watch(&head, &response);
            response
        }
    }))
}

#[cfg(test)]
mod tests {
    use std::{net::SocketAddr, sync::Mutex};

    use axum::{http::StatusCode, routing::get};
    use tokio::{net::TcpListener, sync::oneshot};

    use crate::{Listener, serve};

    use super::*;

    /// What is asked of a service, and what it answers, by whoever watches and by whoever asks.
    async fn asked(watch: Option<Watch>) -> Vec<StatusCode> {
        let tcp = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await.expect("a free port");
        let listener = Listener::from(tcp).watched(watch);
        let origin = format!("http://{}", listener.local_addr().expect("bound"));
        let (stop, stopped) = oneshot::channel::<()>();
        let app = Router::new().route("/", get(async || "hello"));
        let stopped = Box::pin(async {
            let _ = stopped.await;
        });
        let serving = tokio::spawn(serve(listener, app, stopped));
        let client = reqwest::Client::builder().no_proxy().build().expect("a client");
        let mut statuses = Vec::new();
        for path in ["/", "/nowhere"] {
            let request = client.get(format!("{origin}{path}")).header("x-asked", "yes");
            statuses.push(request.send().await.expect("answered").status());
        }
        drop((client, stop));
        serving.await.expect("no panic").expect("stopped");
        statuses
    }

    #[tokio::test]
    async fn every_request_is_seen_as_it_arrived_and_answered_as_without() {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let seeing = Arc::clone(&seen);
        let watch: Watch = Arc::new(move |request, response| {
            let asked = request.headers.get("x-asked").expect("the field arrived").clone();
            seeing.lock().expect("whole").push((request.uri.path().to_owned(), asked, response.status()));
        });
        let answered = asked(Some(watch)).await;
        assert_eq!(answered, asked(None).await);
        let expected = [("/", StatusCode::OK), ("/nowhere", StatusCode::NOT_FOUND)];
        let expected = expected.map(|(path, status)| (path.to_owned(), "yes".parse().expect("a value"), status));
        assert_eq!(*seen.lock().expect("whole"), expected);
    }
}
