//! Requests to addresses that no target lists: refused with the line to add, or sent bare where that is said.

use tower_identity_outbound::Unlisted;

use crate::support::{Callee, World, client, echoed, refused};

#[tokio::test]
async fn rfc6750_b1_what_no_target_lists_is_refused_with_the_line_to_add() {
    let (world, weather) = (World::new().await, Callee::start().await);
    let http = world.for_users();
    let (check, text) = refused(http.get(weather.url("/today")).send().await);
    assert_eq!(check, "target");
    assert!(text.contains(&format!("add [[outbound.target]] origin = \"{}\"", weather.url(""))), "{text}");
    assert_eq!(weather.got().len(), 0);
}

#[tokio::test]
async fn rfc6750_b1_what_no_target_lists_is_sent_bare_only_where_that_is_said() {
    let (world, weather) = (World::new().await, Callee::start().await);
    let target = world.payments.target().path_prefix("/v1").token_exchange();
    let builder = || world.builder().target(target.clone()).unlisted(Unlisted::Bare).strip_also(["x-api-*"]);
    let http = client(&builder().build().expect("outbound"));
    let alice = world.caller("alice");

    let request = http
        .get(weather.url("/today?in=here"))
        .header("authorization", "Bearer token-of-alice")
        .header("proxy-authorization", "Basic YTpi")
        .header("cookie", "session=1")
        .header("x-forwarded-user", "alice")
        .header("x-api-key", "k")
        .header("x-request-id", "7");
    assert_eq!(echoed(alice.scope(async { request.send().await }).await).await, "");
    let got = &weather.got()[0];
    let mut names: Vec<_> = got.headers.keys().map(ToString::to_string).collect();
    names.sort();
    assert_eq!(names, ["accept", "host", "x-request-id"]);
    assert_eq!(echoed(http.get(world.payments.url("/health")).send().await).await, "", "no row of this path");
    assert_eq!(world.authority.calls().len(), 0);

    // A 401 of a target that was sent nothing is an answer like others.
    weather.answers(401, None);
    assert_eq!(http.get(weather.url("/")).send().await.expect("a response").status(), 401);
    let sent = (weather.got().len(), world.payments.got().len());
    assert_eq!(sent, (2, 1));

    // For whom it is would be lost; another path may be hidden; and there are those that are no address for a request.
    let port = weather.port();
    let bad = [
        http.get(weather.url("/")).on_behalf_of(&alice),
        http.get(weather.url("/")).as_service(),
        http.get(format!("http://alice:s3cret@127.0.0.1:{port}/")),
        http.get(weather.url("/a/../b")),
        http.get(weather.url("/a/%2e%2e/b")),
        http.get(format!("ftp://127.0.0.1:{port}/")),
        http.get("/today"),
        http.get(world.payments.url("/v1/../health")),
    ];
    for bad in bad {
        assert_eq!(refused(bad.send().await).0, "target");
    }
    let elsewhere = http.get(weather.url("/")).header("host", "stranger.example");
    assert_eq!(refused(elsewhere.send().await).0, "host");
    assert_eq!((weather.got().len(), world.payments.got().len()), sent);

    // The control: what is listed is sent with its token, or not at all.
    let listed = || http.get(world.payments.url("/v1"));
    assert_eq!(refused(listed().send().await).0, "no_caller");
    assert_eq!(echoed(listed().on_behalf_of(&alice).send().await).await, "Bearer token-0");
}
