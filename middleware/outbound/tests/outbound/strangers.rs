//! Law 2: a token goes only to an origin that is listed.

use axum::body::Bytes;
use tower::ServiceExt;
use tower_identity_outbound::Target;

use crate::support::{Callee, World, client, echoed, is_alone, refused, run_alone};

#[tokio::test]
async fn rfc6750_b1_an_address_that_only_looks_like_the_targets_gets_nothing() {
    let world = World::new().await;
    let listed = || world.payments.target().path_prefix("/v1").token_exchange();
    let http = client(&world.builder().target(listed()).build().expect("outbound"));
    let alice = world.caller("alice");
    let port = world.payments.port();
    let refusals = [
        (format!("http://127.0.0.1:{port}/"), "no target of"),
        (format!("http://127.0.0.1:{port}/v1x"), "no target of"),
        (format!("http://127.0.0.1:{port}/v"), "no target of"),
        (format!("http://127.0.0.1:{port}/V1/charges"), "no target of"),
        (format!("http://127.0.0.1:{port}//v1/charges"), "no target of"),
        (format!("http://127.0.0.1:{port}/v1/../admin"), "dot segment"),
        (format!("http://127.0.0.1:{port}/x/../v1/charges"), "dot segment"),
        (format!("http://127.0.0.1:{port}/v1/%2e%2e/admin"), "dot segment"),
        (format!("http://127.0.0.1:{port}/v1/%2E%2E/admin"), "dot segment"),
        (format!("http://127.0.0.1:{port}/v1/..%2fadmin"), "dot segment"),
        (format!("http://127.0.0.1:{port}/v1%2f..%2fadmin"), "dot segment"),
        (format!("http://127.0.0.1:{port}/v1/..%5cadmin"), "dot segment"),
        (format!("http://127.0.0.1:{port}/v1\\..\\admin"), "dot segment"),
        (format!("http://alice@127.0.0.1:{port}/v1/"), "user name or password"),
        (format!("http://127.0.0.1:{port}@localhost/v1/"), "user name or password"),
        (format!("http://localhost:{port}/v1/"), "no target lists"),
        (format!("http://127.0.0.1.:{port}/v1/"), "no target lists"),
        (format!("http://127.1:{port}/v1/"), "no target lists"),
        (format!("http://0x7f000001:{port}/v1/"), "no target lists"),
        (format!("http://127.0.0.2:{port}/v1/"), "no target lists"),
        (format!("https://127.0.0.1:{port}/v1/"), "no target lists"),
        ("http://127.0.0.1/v1/".to_owned(), "no target lists"),
        ("http://127.0.0.1:99999/v1/".to_owned(), "not a port number"),
        ("/v1/charges".to_owned(), "no scheme and host"),
        ("127.0.0.1/v1".to_owned(), "not a URI"),
        (String::new(), "not a URI"),
        (format!("http://127.0.0.1:{port}/v1/\r\nx-admin: 1"), "not a URI"),
        (format!("http://127.0.0.1\t:{port}/v1/"), "not a URI"),
    ];
    for (address, why) in refusals {
        let (check, text) = refused(http.get(&address).on_behalf_of(&alice).send().await);
        assert_eq!(check, "target", "{address}");
        assert!(text.contains(why), "{address}: {text}");
    }
    assert_eq!((world.authority.calls().len(), world.payments.got().len()), (0, 0));

    // The control: the same address, as it is meant.
    for path in ["/v1", "/v1/", "/v1/charges?x=../..", "/v1/a.b/..c"] {
        assert_eq!(
            echoed(http.get(world.payments.url(path)).on_behalf_of(&alice).send().await).await,
            "Bearer token-0"
        );
    }
    assert_eq!(world.payments.got().len(), 4);
}

#[tokio::test]
async fn a_host_name_has_no_case_and_a_default_port_need_not_be_written() {
    let world = World::new().await;
    let origin = format!("http://localhost:{}", world.payments.port());
    let target = Target::origin(&origin).expect("origin").audience("payments").client_credentials();
    let http = client(&world.builder().target(target).build().expect("outbound"));
    let shouted = format!("HTTP://LocalHost:{}/", world.payments.port());
    assert_eq!(echoed(http.get(shouted).send().await).await, "Bearer token-0");
    // Default ports are in the tables of `origin`; nothing listens there.
}

#[tokio::test]
async fn a_host_header_that_is_not_the_targets_stops_the_request() {
    let world = World::new().await;
    let http = world.for_itself();
    let get = || http.get(world.payments.url("/"));
    assert_eq!(refused(get().header("host", "stranger.example").send().await).0, "host");
    let twice = get().header("host", format!("127.0.0.1:{}", world.payments.port())).header("host", "stranger.example");
    assert_eq!(refused(twice.send().await).0, "host");
    assert_eq!((world.authority.calls().len(), world.payments.got().len()), (0, 0));
    echoed(get().header("host", format!("127.0.0.1:{}", world.payments.port())).send().await).await;
}

#[tokio::test]
async fn a_redirect_carries_no_token_to_anybody() {
    let world = World::new().await;
    let stranger = Callee::start().await;
    let http = world.for_itself();
    for status in [301, 302, 303, 307, 308] {
        world.payments.answers(status, Some(stranger.url("/collect")));
        let response = http.post(world.payments.url("/")).body("order").send().await.expect("a response");
        assert_eq!(response.status(), status, "returned as it is");
    }
    world.payments.answers(302, Some(world.payments.url("/again")));
    assert_eq!(http.get(world.payments.url("/")).send().await.expect("a response").status(), 302);
    assert_eq!((world.payments.got().len(), stranger.got().len()), (6, 0));
}

#[tokio::test]
async fn a_builder_that_follows_redirects_and_has_a_proxy_is_set_right() {
    let world = World::new().await;
    let (proxy, stranger) = (Callee::start().await, Callee::start().await);
    let builder = || {
        let proxy = reqwest::Proxy::all(proxy.url("")).expect("proxy");
        reqwest::Client::builder().proxy(proxy).redirect(reqwest::redirect::Policy::limited(5))
    };
    let outbound = world.builder().target(world.payments.target().client_credentials()).build().expect("outbound");
    let http = outbound.reqwest(builder()).expect("client");
    world.payments.answers(302, Some(stranger.url("/collect")));
    assert_eq!(http.get(world.payments.url("/")).send().await.expect("a response").status(), 302);
    assert_eq!((world.payments.got().len(), proxy.got().len(), stranger.got().len()), (1, 0, 0));

    // The control: what the builder makes by itself.
    builder().build().expect("client").get(world.payments.url("/")).send().await.expect("a response");
    assert_eq!((world.payments.got().len(), proxy.got().len()), (1, 1));
}

#[tokio::test]
async fn over_http_2_too_a_redirect_is_the_answer_and_nothing_below_us_repeats_a_request() {
    let world = World::new().await;
    let stranger = Callee::start().await;
    let origin = world.payments.url("");
    let builder = || {
        let again = reqwest::retry::for_host("127.0.0.1").max_extra_load(10.0).classify_fn(|answer| {
            if answer.status().is_some_and(|status| status == 503) { answer.retryable() } else { answer.success() }
        });
        reqwest::Client::builder().http2_prior_knowledge().no_proxy().retry(again)
    };
    let outbound = world.builder().target(world.payments.target().client_credentials()).build().expect("outbound");
    let http = outbound.reqwest(builder()).expect("client");
    assert_eq!(echoed(http.get(&origin).send().await).await, "Bearer token-0");
    for (status, location) in [(503, None), (307, Some(stranger.url("/collect")))] {
        world.payments.answers(status, location);
        let before = world.payments.got().len();
        assert_eq!(http.get(&origin).send().await.expect("a response").status(), status);
        assert_eq!(world.payments.got().len(), before + 1);
    }
    assert_eq!(stranger.got().len(), 0);
    assert!(world.payments.got().iter().all(|got| got.version == axum::http::Version::HTTP_2));

    // The control: what the builder makes by itself.
    world.payments.answers(503, None);
    let before = world.payments.got().len();
    builder().build().expect("client").get(&origin).send().await.expect("a response");
    assert!(world.payments.got().len() > before + 1);
}

#[tokio::test]
async fn a_request_has_what_is_said_of_it_but_the_credential() {
    let world = World::new().await;
    let http = world.for_itself();
    let headers = [("authorization", "Bearer theirs"), ("x-order", "7"), ("x-request-id", "a")];
    let headers = headers.map(|(name, value)| (name.parse().expect("a name"), value.parse().expect("a value")));
    let request = http
        .head(world.payments.url("/v1"))
        .header("x-order", "6")
        .headers(headers.into_iter().collect())
        .timeout(std::time::Duration::from_secs(30))
        .version(axum::http::Version::HTTP_11);
    let again = request.try_clone().expect("no stream");
    for request in [request, again] {
        assert_eq!(request.send().await.expect("a response").status(), 200);
    }
    for got in world.payments.got() {
        assert_eq!((got.method.as_str(), got.authorization(), &*got.path), ("HEAD", vec!["Bearer token-0"], "/v1"));
        assert_eq!(got.headers.get_all("x-order").iter().collect::<Vec<_>>(), ["7"]);
        assert_eq!(got.headers["x-request-id"], "a");
    }
    let stream = reqwest::Body::wrap(http_body_util::Full::<axum::body::Bytes>::from("charge"));
    assert!(http.post(world.payments.url("/")).body(stream).try_clone().is_none());

    // Connections to it are made, and never answered.
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("loopback");
    let origin = format!("http://{}", silent.local_addr().expect("address"));
    let target = Target::origin(&origin).expect("origin").audience("payments").client_credentials();
    let http = client(&world.builder().target(target).build().expect("outbound"));
    let late = http.get(format!("{origin}/")).timeout(std::time::Duration::from_millis(1)).send().await;
    assert!(late.expect_err("no answer in time").refusal().is_none());
}

/// Sees its own environment only in a process of its own.
#[tokio::test]
async fn a_proxy_of_the_environment_sees_no_token() {
    if is_alone() {
        return in_an_environment_with_a_proxy().await;
    }
    let proxy = Callee::start().await;
    let variables = ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"].map(|name| (name, proxy.url("")));
    run_alone("strangers::a_proxy_of_the_environment_sees_no_token", variables.to_vec()).await;
    let got: Vec<_> = proxy.got().iter().map(|got| got.authorization().join(",")).collect();
    assert_eq!(got, [""], "the control's request, which has no token, and nothing else");
}

async fn in_an_environment_with_a_proxy() {
    let world = World::new().await;
    // The control: the variables are in force, for a client that heeds them.
    reqwest::get(world.payments.url("/control")).await.expect("the proxy's answer");
    assert_eq!(world.payments.got().len(), 0);
    assert_eq!(echoed(world.for_itself().get(world.payments.url("/")).send().await).await, "Bearer token-0");
    assert_eq!(world.authority.calls().len(), 1);

    // Nor do the other clients heed them, of which we did not make any.
    let outbound = world.builder().target(world.payments.target().client_credentials()).build().expect("outbound");
    let client = hyper_util::client::legacy::Client::builder(hyper_util::rt::TokioExecutor::new()).build_http();
    let client = tower::ServiceBuilder::new().layer(outbound.layer()).service(client);
    let request = http::Request::get(world.payments.url("/hyper")).body(http_body_util::Empty::<Bytes>::new());
    assert_eq!(client.oneshot(request.expect("a request")).await.expect("sent").status(), 200);
    #[cfg(feature = "tonic")]
    {
        let endpoint = tonic::transport::Endpoint::from_shared(world.payments.url("")).expect("an address");
        for channel in [outbound.channel(endpoint.clone()), outbound.connect_channel(endpoint).await.expect("there")] {
            let request = http::Request::post("/tonic").body(tonic::body::Body::empty()).expect("a request");
            assert_eq!(channel.oneshot(request).await.expect("sent").status(), 200);
        }
    }
    for got in &world.payments.got()[1..] {
        assert_eq!(got.authorization(), ["Bearer token-1"], "{}", got.path);
    }
    let expected = if cfg!(feature = "tonic") { 4 } else { 2 };
    assert_eq!(world.payments.got().len(), expected);
}

/// The server behind one address that has the name is the one that gets the token.
#[cfg(feature = "tonic")]
#[tokio::test]
async fn rfc6750_b1_a_channel_names_the_server_that_it_connects_to_whatever_origin_is_said() {
    use http::Uri;
    use tonic::transport::Endpoint;

    let world = World::new().await;
    let outbound = world.builder().target(world.payments.target().client_credentials()).build().expect("outbound");
    let said = Uri::from_static("http://elsewhere.example");
    let endpoint = Endpoint::from_shared(world.payments.url("")).expect("an address").origin(said);
    for channel in [outbound.channel(endpoint.clone()), outbound.connect_channel(endpoint).await.expect("there")] {
        for address in ["/pay.Till/Charge", "http://elsewhere.example/pay.Till/Charge"] {
            let request = http::Request::post(address).body(tonic::body::Body::empty()).expect("a request");
            assert_eq!(channel.clone().oneshot(request).await.expect("sent").status(), 200);
        }
    }
    let authority = format!("127.0.0.1:{}", world.payments.port());
    let got = world.payments.got();
    assert_eq!(got.len(), 4);
    for got in got {
        assert_eq!((got.authority.as_deref(), &*got.path), (Some(&*authority), "/pay.Till/Charge"));
        assert_eq!(got.authorization(), ["Bearer token-0"]);
    }
}

/// Whether its token is waited for or at hand.
#[tokio::test]
async fn rfc6750_b1_what_the_operator_names_besides_is_taken_away_from_every_request() {
    let world = World::new().await;
    let builder = || world.builder().target(world.payments.target().client_credentials());
    for (builder, kept) in [(builder().strip_also(["x-api-*"]), false), (builder(), true)] {
        let http = client(&builder.build().expect("outbound"));
        for _ in 0..2 {
            echoed(http.get(world.payments.url("/")).header("x-api-key", "k").send().await).await;
            let got = world.payments.got();
            assert_eq!(got.last().map(|got| got.headers.contains_key("x-api-key")), Some(kept));
        }
    }
}

#[tokio::test]
async fn inbound_credentials_go_no_further() {
    let world = World::new().await;
    let response = world
        .for_users()
        .get(world.payments.url("/"))
        .header("authorization", "Bearer token-of-alice")
        .header("authorization", "Basic YTpi")
        .header("proxy-authorization", "Basic YTpi")
        .header("connection", "authorization")
        .header("x-request-id", "7")
        .on_behalf_of(&world.caller("alice"))
        .send();
    assert_eq!(echoed(response.await).await, "Bearer token-0");
    let got = &world.payments.got()[0];
    assert_eq!(got.authorization(), ["Bearer token-0"]);
    assert_eq!(got.headers.get("proxy-authorization"), None);
    assert_eq!(got.headers.get("connection"), None);
    assert_eq!(got.headers["x-request-id"], "7");
    assert_eq!(got.path, "/");
}
