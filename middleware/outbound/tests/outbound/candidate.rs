//! Another way to a token, tried on some before all, or behind everybody's back.

use std::{collections::BTreeMap, future::poll_fn, task::Poll};

use metrics_util::debugging::{DebugValue, DebuggingRecorder, Snapshotter};
use tower_identity_core::{CallerContext, Refusal, RefusalKind, Revocation};
use tower_identity_outbound::{Candidate, HttpClient, RequestBuilder, Target};

use crate::support::{Answer, Authority, EXCHANGE, Log, World, client, echoed, issued, soon};

/// A world of which one target takes this service's own token, and whose candidate is as given.
async fn world(candidate: Candidate) -> (World, HttpClient) {
    let world = World::new().await;
    let http = client_of(&world, candidate);
    (world, http)
}

fn client_of(world: &World, candidate: Candidate) -> HttpClient {
    let target = world.payments.target().client_credentials().candidate(candidate);
    client(&world.builder().target(target).build().expect("outbound"))
}

/// Sends a request in a caller's scope; gives the grant of the token that the target got, or the failing check.
async fn sent(world: &World, http: &HttpClient, caller: &CallerContext) -> Result<String, Refusal> {
    match caller.scope(async { http.get(world.payments.url("/charges")).send().await }).await {
        Ok(response) => {
            let authorization = echoed(Ok(response)).await;
            Ok(world.authority.call_of(&authorization)["grant_type"].clone())
        }
        Err(error) => Err(error.refusal().expect("refused before it was sent").clone()),
    }
}

const OWN: &str = "client_credentials";

/// Waits for what is counted in the background.
async fn until(mut so: impl FnMut() -> bool) {
    let waiting = poll_fn(|cx| {
        cx.waker().wake_by_ref();
        if so() { Poll::Ready(()) } else { Poll::Pending }
    });
    soon(waiting).await;
}

/// Lets what is to come in the background come, if there is anything: others' turns, and a call of our own that is
/// answered after whatever was sent before it.
async fn settled(world: &World) {
    let other = Target::origin(&world.payments.url("")).expect("origin").audience("settled").client_credentials();
    let http = client(&world.builder().target(other).build().expect("outbound"));
    for _ in 0..3 {
        echoed(http.get(world.payments.url("/")).send().await).await;
    }
}

/// What a shadow's counter has counted since it was last asked, by outcome.
fn counted(snapshotter: &Snapshotter) -> BTreeMap<String, u64> {
    let counters = snapshotter.snapshot().into_vec().into_iter().filter_map(|(key, _, _, value)| {
        let key = key.key();
        let labels: BTreeMap<_, _> = key.labels().map(|label| (label.key(), label.value())).collect();
        match value {
            DebugValue::Counter(count) if count > 0 && key.name() == "tower_identity_candidate_tokens_total" => {
                assert!(labels["target"].starts_with("http://127.0.0.1:"), "{labels:?}");
                Some((labels["outcome"].to_owned(), count))
            }
            _ => None,
        }
    });
    counters.collect()
}

/// How many requests took which token, by `which` and `strategy`.
fn taken(snapshotter: &Snapshotter) -> BTreeMap<String, u64> {
    let counters = snapshotter.snapshot().into_vec().into_iter().filter_map(|(key, _, _, value)| {
        let key = key.key();
        let labels: BTreeMap<_, _> = key.labels().map(|label| (label.key(), label.value())).collect();
        match value {
            DebugValue::Counter(count) if count > 0 && key.name() == "tower_identity_token_requests_total" => {
                Some((format!("{} {} {}", labels["which"], labels["strategy"], labels["result"]), count))
            }
            _ => None,
        }
    });
    counters.collect()
}

/// Runs a test that counts.
fn counting<F: Future<Output = ()>>(test: impl FnOnce(Snapshotter) -> F) {
    let recorder = DebuggingRecorder::new();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    metrics::with_local_recorder(&recorder, || runtime.block_on(test(recorder.snapshotter())));
}

fn are<const N: usize>(counts: [(&str, u64); N]) -> BTreeMap<String, u64> {
    counts.into_iter().map(|(outcome, count)| (outcome.to_owned(), count)).collect()
}

#[tokio::test]
async fn cand_a1_of_the_callers_always_the_same_get_the_candidate_and_more_of_them_when_it_is_raised() {
    let world = World::new().await;
    let mut before: Vec<bool> = vec![false; 40];
    for (percent, least, most) in [(0, 0, 0), (30, 1, 27), (30, 1, 27), (60, 9, 39), (100, 40, 40)] {
        // Each time as after a restart.
        let http = client_of(&world, Candidate::percent(percent).token_exchange());
        let mut picked = Vec::new();
        for n in 0..40 {
            let grant = sent(&world, &http, &world.caller(&format!("user-{n}"))).await.expect("sent");
            picked.push(grant == EXCHANGE);
        }
        let count = picked.iter().filter(|picked| **picked).count();
        assert!((least..=most).contains(&count), "{count} of 40 at {percent}");
        assert!(before.iter().zip(&picked).all(|(before, now)| now >= before), "none is let go at {percent}");
        before = picked;
    }
}

/// As with the token itself, what the request says wins over the scope that it is made in.
#[tokio::test]
async fn cand_a2_it_is_for_whom_a_request_is_made_that_decides_whether_it_is_picked() {
    let world = World::new().await;
    let target = world.payments.target().token_exchange().candidate(Candidate::percent(50).audience("ledger"));
    let http = client(&world.builder().target(target).build().expect("outbound"));
    let get = || http.get(world.payments.url("/"));
    let is_picked = async |request: RequestBuilder| {
        let authorization = echoed(request.send().await).await;
        world.authority.call_of(&authorization)["audience"] == "ledger"
    };
    let service = is_picked(get().as_service()).await;
    let mut found = [None, None];
    for caller in (0..64).map(|n| world.caller(&format!("user-{n}"))) {
        let picked = caller.scope(async { is_picked(get()).await }).await;
        found[usize::from(picked)].get_or_insert(caller);
    }
    let [Some(left), Some(picked)] = found else { panic!("64 callers, and all alike") };
    assert!(!picked.scope(async { is_picked(get().on_behalf_of(&left)).await }).await);
    assert!(left.scope(async { is_picked(get().on_behalf_of(&picked)).await }).await);
    for scope in [left, picked] {
        assert_eq!(scope.scope(async { is_picked(get().as_service()).await }).await, service);
    }
}

#[test]
fn cand_a4_metrics_tell_a_candidates_tokens_from_the_rows_own() {
    counting(|snapshotter| async move {
        let world = World::new().await;
        for percent in [0, 100] {
            let http = client_of(&world, Candidate::percent(percent).token_exchange());
            for _ in 0..2 {
                sent(&world, &http, &world.caller("alice")).await.expect("sent");
            }
        }
        let expected = are([
            ("current client_credentials miss", 1),
            ("current client_credentials hit", 1),
            ("candidate token_exchange miss", 1),
            ("candidate token_exchange hit", 1),
        ]);
        assert_eq!(taken(&snapshotter), expected);
    });
}

#[tokio::test]
async fn cand_a3_who_is_picked_is_refused_where_the_candidates_token_cannot_be_had() {
    for (percent, expected) in [(100, Err(RefusalKind::InvalidToken)), (0, Ok(OWN.to_owned()))] {
        let (world, http) = world(Candidate::percent(percent).token_exchange()).await;
        let alice = world.caller("alice");
        // The row's own is at hand already, and would do.
        world.authority.answers(issued(300));
        echoed(http.get(world.payments.url("/")).as_service().send().await).await;
        let before = world.payments.got().len();
        if percent == 100 {
            world.authority.answers(Answer::error(400, "invalid_grant"));
        }
        let result = sent(&world, &http, &alice).await;
        assert_eq!(result.map_err(|refusal| refusal.kind().clone()), expected);
        assert_eq!(world.payments.got().len() - before, usize::from(percent == 0), "nothing in its place");
    }
}

#[tokio::test]
async fn cand_a3_who_is_picked_goes_by_the_candidates_rules() {
    // Nobody acts for a user here, and the candidate takes users' tokens only.
    let (world, http) = world(Candidate::percent(100).token_exchange()).await;
    let refused = sent(&world, &http, &world.caller_without_user()).await.expect_err("no user");
    assert_eq!((refused.check(), world.payments.got().len(), world.authority.calls().len()), ("no_user", 0, 0));
    // A subject token goes to no server that does not take its issuer's.
    let partners = world.of_issuer("https://partner.example", Some("alice"), "token-of-partner", 3600);
    let refused = sent(&world, &http, &partners).await.expect_err("a foreign subject");
    assert_eq!((refused.check(), world.payments.got().len(), world.authority.calls().len()), ("subject_issuer", 0, 0));
    assert_eq!(sent(&world, &http, &world.caller("alice")).await.expect("sent"), EXCHANGE);
}

#[tokio::test]
async fn cand_a1_a_candidate_may_be_at_another_server() {
    let world = World::new().await;
    let other = Authority::start().await;
    let target = world.payments.target().client_credentials();
    let target = target.candidate(Candidate::percent(100).server("new").audience("payments-new").scope("charge"));
    let outbound = world.builder().server("new", other.endpoint("orders-new")).target(target);
    let http = client(&outbound.build().expect("outbound"));
    echoed(http.get(world.payments.url("/")).send().await).await;
    let asked = &other.calls()[0];
    assert_eq!((&*asked["client_id"], &*asked["audience"], &*asked["scope"]), ("orders-new", "payments-new", "charge"));
    assert_eq!((other.calls().len(), world.authority.calls().len()), (1, 0));

    let target = world.payments.target().client_credentials().candidate(Candidate::shadow().server("gone"));
    let wrong = world.builder().target(target).build().expect_err("no such server");
    assert_eq!(wrong.to_string(), "target[0].candidate.server: names \"gone\", and there is no such server");
}

#[test]
fn cand_b2_a_shadow_is_asked_for_and_told_and_the_rows_own_token_is_sent() {
    counting(|snapshotter| async move {
        let (world, http) = world(Candidate::shadow().token_exchange()).await;
        let log = Log::default();
        let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(log.clone()).finish();
        let _heard = tracing::subscriber::set_default(subscriber);

        let body = issued(300).body.replace("Bearer\"", "Bearer\",\"scope\":\"\"");
        world.authority.answers(Answer::ok(body.replace("\"scope\":\"\"", "\"scope\":\"payments:charge\"")));
        assert_eq!(sent(&world, &http, &world.caller("alice")).await.expect("sent"), OWN);
        until(|| log.text().contains("candidate tried")).await;
        let (row, all) = (world.payments.url(""), log.text());
        let told = all.lines().find(|line| line.contains("candidate tried")).expect("told").to_owned();
        let fields = format!(
            "INFO tower_identity::candidate: candidate tried row=\"{row}\" strategy=\"token_exchange\" outcome=\"obtained\" \
             seconds=290"
        );
        assert!(told.ends_with(&fields), "{told}");

        world.authority.answers(Answer::error(400, "invalid_grant"));
        assert_eq!(sent(&world, &http, &world.caller("bob")).await.expect("sent"), OWN);
        until(|| log.text().contains("refused")).await;
        let all = log.text();
        let told = all.lines().rfind(|line| line.contains("candidate tried")).expect("told").to_owned();
        assert!(told.contains("WARN") && told.contains("kind=\"invalid_token\" check=\"token_request\""), "{told}");
        for secret in ["token-of-", "alice", "bob", "s3cret"] {
            assert!(!all.contains(secret), "{secret} in {all}");
        }

        let grants: Vec<_> = world.authority.calls().iter().map(|call| call["grant_type"].clone()).collect();
        assert_eq!(grants, [OWN, EXCHANGE, EXCHANGE]);
        assert_eq!(counted(&snapshotter), are([("obtained", 1), ("refused", 1)]));
        assert!(world.payments.got().iter().all(|got| got.authorization() == ["Bearer token-0"]));
    });
}

#[tokio::test]
async fn cand_b2_no_request_waits_for_a_shadow() {
    let (world, http) = world(Candidate::shadow().token_exchange()).await;
    echoed(http.get(world.payments.url("/")).as_service().send().await).await;
    world.authority.called(1).await;
    world.authority.closes();
    // The row's own token is at hand, and the candidate's on its way for ever.
    for user in ["alice", "bob"] {
        let own = soon(async { sent(&world, &http, &world.caller(user)).await }).await;
        assert_eq!(own.expect("sent"), OWN);
    }
    world.authority.called(3).await;
    assert_eq!(world.payments.got().len(), 3);
    world.authority.opens();
}

#[test]
fn cand_b1_a_shadow_never_takes_more_than_its_budget_and_what_is_left_out_is_counted() {
    counting(|snapshotter| async move {
        let candidate = Candidate::shadow().token_exchange().max_in_flight(2).max_per_second(3);
        let (world, http) = world(candidate).await;
        echoed(http.get(world.payments.url("/")).as_service().send().await).await;
        until(|| counted(&snapshotter).contains_key("obtained")).await;
        world.time.advance(1);

        // Two at one time, while nothing comes back.
        world.authority.closes();
        let before = world.authority.calls().len();
        for n in 0..5 {
            assert_eq!(sent(&world, &http, &world.caller(&format!("a-{n}"))).await.expect("sent"), OWN);
        }
        world.authority.called(before + 2).await;
        assert_eq!(counted(&snapshotter), are([("dropped", 3)]));
        world.authority.opens();
        let mut obtained = 0;
        until(|| {
            obtained += counted(&snapshotter).get("obtained").copied().unwrap_or_default();
            obtained == 2
        })
        .await;

        // A third in this second, and no more.
        for n in 0..5 {
            assert_eq!(sent(&world, &http, &world.caller(&format!("b-{n}"))).await.expect("sent"), OWN);
            settled(&world).await;
        }
        assert_eq!(counted(&snapshotter), are([("obtained", 1), ("dropped", 4)]));
        // And in the next one again.
        world.time.advance(1);
        for n in 0..5 {
            assert_eq!(sent(&world, &http, &world.caller(&format!("c-{n}"))).await.expect("sent"), OWN);
            settled(&world).await;
        }
        assert_eq!(counted(&snapshotter), are([("obtained", 3), ("dropped", 2)]));
    });
}

#[test]
fn cand_b1_one_callers_shadow_is_asked_for_once_in_five_minutes() {
    counting(|snapshotter| async move {
        let (world, http) = world(Candidate::shadow().token_exchange()).await;
        let alice = world.presented("alice", "token-of-alice", 36_000);
        for (seconds, tried) in [(0, 1), (0, 0), (299, 0), (1, 1), (0, 0)] {
            world.time.advance(seconds);
            sent(&world, &http, &alice).await.expect("sent");
            settled(&world).await;
            assert_eq!(counted(&snapshotter).get("obtained").copied().unwrap_or_default(), tried, "{seconds}");
        }
    });
}

#[test]
fn cand_b3_a_shadow_goes_by_the_rules_for_subjects_and_nobodys_is_asked_for_who_is_refused() {
    counting(|snapshotter| async move {
        let (world, http) = world(Candidate::shadow().token_exchange()).await;
        // One for this service itself is tried, which nobody's refusal is taken for.
        echoed(http.get(world.payments.url("/")).as_service().send().await).await;
        until(|| counted(&snapshotter).contains_key("obtained")).await;
        // Each of them gets the row's own token, and the candidate would refuse them without asking anybody.
        let partners = world.of_issuer("https://partner.example", Some("alice"), "token-of-partner", 3600);
        for caller in [world.caller_without_user(), partners] {
            assert_eq!(sent(&world, &http, &caller).await.expect("sent"), OWN);
        }
        settled(&world).await;
        assert_eq!(counted(&snapshotter), are([("refused", 2)]));
        let exchanges = || world.authority.calls().iter().filter(|call| call["grant_type"] == EXCHANGE).count();
        assert_eq!(exchanges(), 0);

        // Whoever is revoked gets nothing asked for, either.
        let issuer = tower_identity_core::Issuer::parse(world.authority.issuer()).expect("issuer");
        let mallory = world.caller("mallory");
        assert!(world.revocations.revoke(Revocation::subject(issuer, "mallory".parse().expect("subject"))));
        assert_eq!(sent(&world, &http, &mallory).await.expect("this service's own"), OWN);
        settled(&world).await;
        assert_eq!((counted(&snapshotter), exchanges()), (are([("refused", 1)]), 0));
        assert_eq!(sent(&world, &http, &world.caller("alice")).await.expect("sent"), OWN);
        until(|| exchanges() == 1).await;
    });
}

#[tokio::test]
async fn cand_b3_where_the_rows_own_token_cannot_be_had_no_shadow_is_asked_for() {
    let (world, http) = world(Candidate::shadow().token_exchange()).await;
    world.authority.answers(Answer::error(400, "invalid_client"));
    let refused = sent(&world, &http, &world.caller("alice")).await.expect_err("no token");
    assert_eq!(refused.kind(), &RefusalKind::Misconfigured);
    settled_refused(&world).await;
    assert!(world.authority.calls().iter().all(|call| call["grant_type"] == OWN));
    assert_eq!(world.payments.got().len(), 0);
}

/// As [`settled`], where nothing is issued.
async fn settled_refused(world: &World) {
    let other = Target::origin(&world.payments.url("")).expect("origin").audience("settled").client_credentials();
    let http = client(&world.builder().target(other).build().expect("outbound"));
    for _ in 0..3 {
        http.get(world.payments.url("/")).send().await.expect_err("nothing is issued");
    }
}
