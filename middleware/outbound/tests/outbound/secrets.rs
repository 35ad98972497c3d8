//! Law 11: no token and no secret in anything that is printed, at any level.

use std::{error::Error, fmt::Debug};

use tower_identity_outbound::{RequestExt, SendError, Target};

use crate::support::{Answer, Log, World, client, echoed, is_alone, issued, run_alone};

/// Everything that an error says, down to its last cause, both ways of saying it.
fn told(error: &(dyn Error + 'static)) -> String {
    let mut text = format!("{error:?}");
    let mut next = Some(error);
    while let Some(error) = next {
        text += &format!("\n{error}");
        next = error.source();
    }
    text
}

fn holds_no_secret(text: &str) {
    for secret in ["token-of-alice", "token-0", "token-1", "s3cret"] {
        assert!(!text.contains(secret), "{secret} in {text}");
    }
}

/// Hears everything, whatever thread says it, only in a process of its own.
#[tokio::test]
async fn nothing_that_is_printed_or_logged_holds_a_secret() {
    if !is_alone() {
        return run_alone("secrets::nothing_that_is_printed_or_logged_holds_a_secret", Vec::new()).await;
    }
    let log = Log::default();
    tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(log.clone()).init();
    let verbose = || reqwest::Client::builder().connection_verbose(true);

    let world = World::new().await;
    let outbound = world.builder().target(world.payments.target().token_exchange()).build().expect("outbound");
    let http = outbound.reqwest(verbose()).expect("client");
    let alice = world.caller("alice");
    let get = || http.get(world.payments.url("/charges?code=s3cret")).on_behalf_of(&alice);

    echoed(get().send().await).await;
    world.payments.answers(401, None);
    get().send().await.expect("a response");
    world.authority.answers(Answer::ok(issued(300).body.replace(":access_token", ":jwt")));
    let failed = get().send().await.expect_err("another type of token");
    let stranger =
        http.get("https://s3cret@stranger.example/token-0?code=s3cret").send().await.expect_err("not listed");
    world.authority.answers(issued(300));
    let nowhere = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("loopback");
        format!("http://{}", listener.local_addr().expect("address"))
    };
    let gone = Target::origin(&nowhere).expect("origin").audience("gone").client_credentials();
    let unreached = client(&world.builder().target(gone).build().expect("outbound"));
    let unreached = unreached.get(format!("{nowhere}/charges?code=s3cret")).send().await.expect_err("nobody there");
    assert!(matches!(unreached, SendError::Failed(_)), "{unreached:?}");
    // The control: a client of others' says all that it sends.
    let others = verbose().build().expect("client");
    others.get(world.payments.url("/")).header("authorization", "of-others").send().await.expect("a response");

    let request = http::Request::new(()).on_behalf_of(&alice);
    let printed: [&dyn Debug; 5] = [&outbound, &outbound.layer(), &http, &get(), &request];
    for printed in printed {
        holds_no_secret(&format!("{printed:?} {printed:#?}"));
    }
    for error in [&failed, &stranger, &unreached] {
        holds_no_secret(&told(error));
    }
    let log = log.text();
    for heard in ["token obtained", "request not sent", "token request", "of-others"] {
        assert!(log.contains(heard), "{heard}");
    }
    holds_no_secret(&log);
}
