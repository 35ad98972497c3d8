//! The client for authorization servers: deadline, cap, redirects, proxies.

use std::{
    convert::Infallible,
    net::TcpListener,
    pin::pin,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use axum::{
    body::{Body, Bytes},
    http::{StatusCode, header},
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tower_identity_oauth::{
    ClientAuth, ClientCredentials, DEADLINE, DEFAULT_RETRY_AFTER, Endpoint, FetchError, Fetched, MAX_BODY_BYTES,
    Refetched, TargetService, TokenEndpoint, TokenErrorKind, Urgency,
};

use crate::support::{ManualTime, Server, json, poll_once, raw_server};

fn endpoint(url: &str) -> Endpoint {
    url.parse().expect("loopback")
}

/// What can be compared of a result.
fn outcome(result: Result<Fetched, FetchError>) -> Result<usize, String> {
    result.map(|fetched| fetched.body().len()).map_err(|error| error.to_string())
}

async fn get(url: &str) -> Result<usize, String> {
    outcome(ManualTime::new().http().get_json_bytes(&endpoint(url)).await)
}

#[tokio::test]
async fn a_document_comes_with_how_long_it_may_be_kept() {
    let server = Server::start().await;
    server.answer(|_| ([(header::CACHE_CONTROL, "public, max-age=300")], "{}"));
    let fetched = ManualTime::new().http().get_json_bytes(&endpoint(&server.url("/keys"))).await.expect("a document");
    assert_eq!(fetched.body(), &Bytes::from_static(b"{}"));
    assert_eq!(fetched.max_age(), Some(Duration::from_secs(300)));
    let arrived = server.arrived();
    let [request] = &arrived[..] else { panic!("{} requests", arrived.len()) };
    assert_eq!(request.uri.path(), "/keys");
    for credential in [header::AUTHORIZATION, header::COOKIE, header::REFERER] {
        assert_eq!(request.headers.get(&credential), None, "{credential}");
    }
}

#[tokio::test]
async fn jwks_a1_a_document_that_is_known_is_not_sent_again() {
    let server = Server::start().await;
    let http = ManualTime::new().http();
    let url = endpoint(&server.url("/keys"));
    server.answer(|_| ([(header::ETAG, "\"7\""), (header::CACHE_CONTROL, "max-age=300")], "{}"));
    let known = http.get_json_bytes(&url).await.expect("a document");
    assert_eq!(server.arrived()[0].headers.get(header::IF_NONE_MATCH), None);
    assert!(known.validator().is_some());
    let again = async || match http.get(&url).unless(known.validator()).send().await.expect("an answer") {
        Refetched::Unchanged { max_age } => Err(max_age),
        Refetched::Changed(fetched) => Ok(fetched.body().len()),
    };

    server.forget_answers().answer(|_| (StatusCode::NOT_MODIFIED, [(header::CACHE_CONTROL, "max-age=60")]));
    assert_eq!(again().await, Err(Some(Duration::from_secs(60))));
    assert_eq!(server.arrived()[0].headers[header::IF_NONE_MATCH], "\"7\"");
    server.forget_answers().answer(|_| StatusCode::NOT_MODIFIED);
    assert_eq!(again().await, Err(None));
    server.forget_answers().answer(|_| "[1]");
    assert_eq!(again().await, Ok(3));

    // Who did not ask for what is new gets no answer by it.
    server.forget_answers().answer(|_| StatusCode::NOT_MODIFIED);
    let refused = Err("the server answers 304 Not Modified".to_owned());
    assert_eq!(outcome(http.get_json_bytes(&url).await), refused);
}

#[tokio::test]
async fn rfc8414_a6_a_body_is_read_up_to_the_cap_whether_its_length_is_announced_or_not() {
    let server = Server::start().await;
    let spaces = |count| Bytes::from(vec![b' '; count]);
    let refused = Err("the answer is larger than 262144 bytes".to_owned());

    server.answer(move |_| json(spaces(MAX_BODY_BYTES)));
    assert_eq!(get(&server.url("/")).await, Ok(MAX_BODY_BYTES), "the control");
    server.forget_answers().answer(move |_| json(spaces(MAX_BODY_BYTES + 1)));
    assert_eq!(get(&server.url("/")).await, refused);
    server.forget_answers().answer(move |_| json(spaces(10 << 20)));
    assert_eq!(get(&server.url("/")).await, refused);

    server.forget_answers().answer(move |_| {
        let chunks = (0..640).map(move |_| Ok::<_, Infallible>(spaces(16 << 10)));
        json(Body::from_stream(futures_util::stream::iter(chunks)))
    });
    assert_eq!(get(&server.url("/")).await, refused, "in chunks, of a length that nobody announced");

    let (announced, _arrivals) = raw_server(b"HTTP/1.1 200 OK\r\ncontent-length: 10485760\r\n\r\n", true).await;
    assert_eq!(get(&announced).await, refused, "announced, and refused before it comes");
}

#[tokio::test]
async fn rfc8414_a6_a_redirect_is_refused_and_nobody_is_asked_where_it_points() {
    let (server, canary) = (Server::start().await, Server::start().await);
    canary.answer(|_| json("{}"));
    for status in [StatusCode::MOVED_PERMANENTLY, StatusCode::FOUND, StatusCode::TEMPORARY_REDIRECT] {
        let to = canary.url("/");
        server.forget_answers().answer(move |_| (status, [(header::LOCATION, to.clone())]));
        let refused = Err(format!("the server redirects ({status}), which is not followed"));
        assert_eq!(get(&server.url("/")).await, refused);
    }
    assert_eq!(canary.arrived().len(), 0);
    assert_eq!(get(&canary.url("/")).await, Ok(2), "the control: it does answer");
}

#[tokio::test]
async fn another_status_than_200_is_no_document_and_says_whether_to_try_again() {
    let server = Server::start().await;
    for (status, transient) in
        [(204, false), (400, false), (404, false), (408, true), (429, true), (500, true), (503, true)]
    {
        let status = StatusCode::from_u16(status).expect("status");
        server.forget_answers().answer(move |_| (status, [(header::RETRY_AFTER, "7")]));
        let http = ManualTime::new().http();
        let error = http.get_json_bytes(&endpoint(&server.url("/"))).await.expect_err("no document");
        assert_eq!(error.to_string(), format!("the server answers {status}"));
        assert_eq!((error.is_transient(), error.retry_after()), (transient, Some(Duration::from_secs(7))), "{status}");
        assert_eq!(server.arrived().len(), 1, "nothing below us tries again");
    }
}

#[tokio::test]
async fn a_server_that_hangs_up_is_out_of_reach() {
    let unreachable = Err("the server is out of reach or hung up".to_owned());
    let (silent, _arrivals) = raw_server(b"", true).await;
    assert_eq!(get(&silent).await, unreachable);
    let (broken_off, _arrivals) = raw_server(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{}", true).await;
    assert_eq!(get(&broken_off).await, unreachable);
    let (no_http, _arrivals) = raw_server(b"220 mail.example ESMTP\r\n", true).await;
    assert_eq!(get(&no_http).await, unreachable);
    let (whole, _arrivals) = raw_server(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}", true).await;
    assert_eq!(get(&whole).await, Ok(2), "the control");

    let nobody = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a port");
    assert_eq!(get(&format!("http://{nobody}/")).await, unreachable);
}

#[tokio::test]
async fn a_server_that_is_slow_has_until_the_deadline_for_the_whole_answer() {
    for (says, where_it_stops) in [
        (&b""[..], "before its first byte"),
        (&b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{}"[..], "within the body"),
    ] {
        let (url, mut arrivals) = raw_server(says, false).await;
        let time = ManualTime::new();
        let http = time.http();
        let url = endpoint(&url);
        let mut get = pin!(http.get_json_bytes(&url));
        tokio::select! {
            early = &mut get => panic!("{where_it_stops}: {early:?}"),
            arrived = arrivals.recv() => assert_eq!(arrived, Some(())),
        }
        time.advance(DEADLINE - Duration::from_millis(1));
        let early = poll_once(get.as_mut()).await;
        assert!(early.is_none(), "{where_it_stops}: a millisecond is left");
        time.advance(Duration::from_millis(1));
        let ended = poll_once(get.as_mut()).await.expect("the deadline is over");
        assert_eq!(outcome(ended), Err("no answer within 5 s".to_owned()), "{where_it_stops}");
    }
}

/// A server that keeps every connection after its first answer, and hangs up on it as the next request comes. Says how many
/// connections there were.
async fn hangs_up_on_the_second(says: String) -> (String, Arc<AtomicU32>) {
    let whole = |request: &[u8]| {
        let text = String::from_utf8_lossy(request).to_ascii_lowercase();
        text.split_once("\r\n\r\n").is_some_and(|(head, body)| {
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
            body.len() >= length.unwrap_or(0)
        })
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}/", listener.local_addr().expect("an address"));
    let connections = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&connections);
    tokio::spawn(async move {
        while let Ok((mut connection, _)) = listener.accept().await {
            counted.fetch_add(1, Ordering::Relaxed);
            let says = says.clone();
            tokio::spawn(async move {
                let mut request = Vec::new();
                while !whole(&request) && connection.read_buf(&mut request).await.unwrap_or(0) > 0 {}
                let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", says.len());
                connection.write_all((head + &says).as_bytes()).await.expect("the client still reads");
                _ = connection.read(&mut [0]).await;
            });
        }
    });
    (url, connections)
}

#[tokio::test]
async fn jwks_a3_a_server_that_closes_an_idle_connection_is_not_out_of_reach() {
    let idle = async || {
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
    };
    let (url, connections) = hangs_up_on_the_second("{}".to_owned()).await;
    let (http, url) = (ManualTime::new().http(), endpoint(&url));
    for fetch in 1..=3 {
        assert_eq!(outcome(http.get_json_bytes(&url).await), Ok(2));
        assert_eq!(connections.load(Ordering::Relaxed), fetch);
        idle().await;
    }

    // The control: token requests share one, and the second comes upon the server that hangs up; it is made again only
    // where somebody waits.
    let token = serde_json::json!({"access_token": "a", "token_type": "Bearer"}).to_string();
    let (url, connections) = hangs_up_on_the_second(token).await;
    let auth = ClientAuth::client_secret_basic("orders", "hunter2").expect("usable");
    let client = TokenEndpoint::at("https://as.example", url, auth).connect(&http).expect("loopback");
    let grant = ClientCredentials::new(TargetService::default()).into();
    client.request(&grant).await.expect("a token");
    idle().await;
    let refused = client.request_with(&grant, Urgency::Refresh).await.expect_err("hung up on");
    assert_eq!(refused.kind(), &TokenErrorKind::Unavailable { retry_after: DEFAULT_RETRY_AFTER });
    assert_eq!(connections.load(Ordering::Relaxed), 1);
}

/// As a Kubernetes API server does.
#[tokio::test]
async fn a_key_set_is_asked_for_by_its_own_type_too() {
    let server = Server::start().await;
    for produces in ["application/json", "application/jwk-set+json"] {
        server.forget_answers().answer(move |arrived| {
            let accepted = arrived.headers[header::ACCEPT].to_str().expect("text");
            let is_accepted = accepted.split(", ").any(|accepted| accepted == produces);
            (if is_accepted { StatusCode::OK } else { StatusCode::NOT_ACCEPTABLE }, "{}")
        });
        assert_eq!(get(&server.url("/")).await, Ok(2), "{produces}");
    }
}

/// Runs a test above once more, in a process whose environment names a proxy. The proxy hangs up on whoever comes.
#[test]
fn the_environments_proxy_is_not_used() {
    let proxy = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", proxy.local_addr().expect("an address"));
    let visits = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&visits);
    std::thread::spawn(move || proxy.incoming().for_each(|_| _ = counted.fetch_add(1, Ordering::Relaxed)));
    let child = Command::new(std::env::current_exe().expect("this test binary"))
        .args(["--exact", "transport::a_document_comes_with_how_long_it_may_be_kept"])
        .envs(
            ["http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"]
                .map(|name| (name, &url)),
        )
        .envs([("no_proxy", ""), ("NO_PROXY", "")])
        .output()
        .expect("the child runs");
    let said = String::from_utf8_lossy(&child.stdout);
    assert!(child.status.success() && said.contains("1 passed"), "{said}");
    assert_eq!(visits.load(Ordering::Relaxed), 0);
}
