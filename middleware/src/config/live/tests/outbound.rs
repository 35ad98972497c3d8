//! Targets follow the file, with the rest of it or not at all.

use tower_identity_testkit::TestCaller;

use super::*;
use crate::HttpClient;

fn with_targets(world: &World, who_may: &str, origins: &[&str]) -> String {
    let login = world.login.issuer();
    let server =
        format!("[outbound.server.login]\nissuer = \"{login}\"\nclient_id = \"orders\"\nclient_secret = \"s\"\n");
    let targets = origins.iter().map(|origin| {
        format!("[[outbound.target]]\norigin = \"{origin}\"\naudience = \"a\"\nstrategy = \"client_credentials\"\n")
    });
    format!("{}\n{server}{}", text(&[&world.login], who_may), targets.collect::<String>())
}

/// The check that a request fails which is on behalf of a caller: at a target for services another than at none.
async fn check_at(http: &HttpClient, origin: &str) -> &'static str {
    let caller = TestCaller::workload("web").user("alice").context();
    let error = http.get(origin).on_behalf_of(&caller).send().await.expect_err("nothing is sent");
    error.refusal().expect("refused").check()
}

#[tokio::test]
async fn chg_a1_targets_follow_the_file_and_a_file_that_is_refused_changes_none() {
    const A: &str = "https://a.internal";
    const B: &str = "https://b.internal";
    let world = World::new();
    world.write(with_targets(&world, "callers = ['storefront']", &[A]));
    let settings = LiveSettings::watched_by(world.file(), world.clock.clock()).expect("a good file");
    let rule = settings.rule("charge").expect("there is one");
    let http = settings.outbound().expect("outbound").reqwest(reqwest::Client::builder()).expect("a client");
    let lists = async || [check_at(&http, A).await, check_at(&http, B).await];
    assert_eq!(lists().await, ["service_only", "target"]);

    let digest = settings.digest();
    world.write(with_targets(&world, "callers = ['storefront']", &[B]));
    assert_eq!(settings.reload().expect("good"), 2);
    assert_eq!(lists().await, ["target", "service_only"]);
    assert_ne!(settings.digest(), digest);

    // Whatever of a file is refused, none of it counts.
    let good = with_targets(&world, "callers = ['stock']", &[A]);
    let bad = [
        (
            with_targets(&world, "callers = ['stock']", &[A, A]),
            "outbound.target[1].origin: is listed by an earlier target",
        ),
        (with_targets(&world, "all = ['user', 'no_user']", &[A]), "inbound.rule.charge: "),
        (good.replace("realm", "relam"), "inbound.relam: "),
        (
            good.replace("[outbound.server", "[outbound]\ncache_bytes = 1\n[outbound.server"),
            "outbound.cache_bytes: takes effect",
        ),
        (text(&[&world.login], "callers = ['stock']"), "outbound: is gone, and this service calls on"),
    ];
    for (bad, expected) in bad {
        world.write(&bad);
        let refused = settings.reload().expect_err(expected).to_string();
        assert!(refused.contains(&format!(": {expected}")), "{refused}");
        assert_eq!(lists().await, ["target", "service_only"], "{refused}");
        assert_eq!((settings.generation(), rule.current().to_string()), (2, "a caller among storefront".to_owned()));
    }

    // The control.
    let logs = LogCapture::start();
    world.write(good);
    assert_eq!(settings.reload().expect("good"), 3);
    assert_eq!(
        (events(&logs), rule.current().to_string()),
        (vec![RELOADED.to_owned()], "a caller among stock".to_owned())
    );
    assert_eq!(lists().await, ["service_only", "target"]);
}
