//! What every strategy keeps to, each shown of each: it fails closed, its key is complete, what it gets is checked, it waits
//! no longer than it may, who goes away harms nobody, and no secret of it is seen. A new strategy is a new row in
//! [`strategies`].

mod strategies;

use tower_identity_core::CallerContext;
use tower_identity_outbound::{HttpClient, OutboundBuilder, RequestBuilder, Target};

use self::strategies::{CONTRACTS, Contract, Scene};
use crate::support::{HeardTime, Log, client, echoed, is_alone, refused, run_alone};

impl Contract {
    fn client(&self, scene: &Scene) -> HttpClient {
        let row = (self.row)(scene, scene.world.payments.target()).max_credential_bytes(strategies::LARGE - 400);
        client(&scene.builder().target(row).build().expect("outbound"))
    }

    fn request(&self, scene: &Scene, http: &HttpClient, path: &str, caller: &CallerContext) -> RequestBuilder {
        let request = http.get(scene.world.payments.url(path));
        if self.is_callers { request.on_behalf_of(caller) } else { request }
    }

    /// What the target got, or the failing check.
    async fn sent(
        &self,
        scene: &Scene,
        http: &HttpClient,
        path: &str,
        caller: &CallerContext,
    ) -> Result<String, &'static str> {
        match self.request(scene, http, path, caller).send().await {
            Ok(response) => Ok(echoed(Ok(response)).await),
            Err(error) => Err(refused(Err(error)).0),
        }
    }

    /// How often its servers are asked for one token.
    async fn calls_for_one(&self) -> usize {
        let scene = Scene::new().await;
        let alice = (self.caller)(&scene, "alice");
        self.sent(&scene, &self.client(&scene), "/", &alice).await.expect("there is a token");
        scene.asked()
    }
}

#[tokio::test]
async fn out_b33_every_strategy_fails_closed() {
    for contract in CONTRACTS {
        let scene = Scene::new().await;
        let caller = (contract.fails)(&scene);
        let sent = contract.sent(&scene, &contract.client(&scene), "/", &caller).await;
        assert!(sent.is_err(), "{}: {sent:?}", contract.name);
        assert_eq!(scene.world.payments.got().len(), 0, "{}: nothing arrives", contract.name);

        let scene = Scene::new().await;
        let caller = (contract.caller)(&scene, "alice");
        let sent = contract.sent(&scene, &contract.client(&scene), "/", &caller).await;
        assert!(sent.as_ref().is_ok_and(|sent| sent.starts_with("Bearer ")), "{}: {sent:?}", contract.name);
    }
}

#[tokio::test]
async fn out_b33_every_strategys_key_is_complete() {
    for contract in CONTRACTS {
        let scene = Scene::new().await;
        let row = |path: &str| scene.world.payments.target().path_prefix(path);
        let rows = [(contract.row)(&scene, row("/one")), (contract.other)(&scene, row("/other"))];
        let builder = rows.into_iter().fold(scene.builder(), OutboundBuilder::target);
        let http = client(&builder.build().expect("outbound"));
        let [alice, bob] = ["alice", "bob"].map(|user| (contract.caller)(&scene, user));
        let mut sent = Vec::new();
        for (path, caller) in [("/one", &alice), ("/one", &bob), ("/other", &alice), ("/one", &alice)] {
            sent.push(contract.sent(&scene, &http, path, caller).await);
        }
        let [of_alice, of_bob, of_other, again] = &*sent else { unreachable!("four were sent") };
        assert!(of_alice.is_ok() && of_alice == again, "{}: {sent:?}", contract.name);
        assert_eq!(of_alice != of_bob, contract.is_callers, "{}: {sent:?}", contract.name);
        assert_ne!(of_alice, of_other, "{}", contract.name);
    }
}

#[tokio::test]
async fn out_b33_every_strategy_checks_what_it_gets() {
    for contract in CONTRACTS {
        assert!(contract.wrong.iter().any(|(check, _)| *check == "credential_bytes"), "{}", contract.name);
        for (check, wrong) in contract.wrong {
            let scene = Scene::new().await;
            let caller = wrong(&scene);
            let sent = contract.sent(&scene, &contract.client(&scene), "/", &caller).await;
            assert_eq!(sent, Err(*check), "{}", contract.name);
            assert_eq!(scene.world.payments.got().len(), 0, "{}: {check}", contract.name);
        }
    }
}

#[tokio::test]
async fn out_b33_every_strategy_keeps_the_deadline() {
    for contract in CONTRACTS {
        let (scene, time) = (Scene::new().await, HeardTime::default());
        let row = |deadline| {
            let row = (contract.row)(&scene, scene.world.payments.target());
            row.deadline(std::time::Duration::from_secs(deadline))
        };
        let http = client(&scene.builder().clock(time.clock()).target(row(2)).build().expect("outbound"));
        let alice = (contract.caller)(&scene, "alice");
        scene.world.authority.closes();
        if !contract.asks {
            // It waits for nobody.
            assert!(contract.sent(&scene, &http, "/", &alice).await.is_ok(), "{}", contract.name);
            continue;
        }
        let sending = tokio::spawn(contract.request(&scene, &http, "/", &alice).send());
        scene.world.authority.called(1).await;
        time.advance(1999);
        tokio::task::yield_now().await;
        assert!(!sending.is_finished(), "{}: it is not time yet", contract.name);
        time.advance(1);
        assert_eq!(refused(sending.await.expect("joined")).0, "deadline", "{}", contract.name);
        assert_eq!(scene.world.payments.got().len(), 0, "{}", contract.name);
        // What comes then is kept.
        scene.world.authority.opens();
        assert!(contract.sent(&scene, &http, "/", &alice).await.is_ok(), "{}", contract.name);
        assert_eq!(scene.asked(), contract.calls_for_one().await, "{}", contract.name);
    }
}

#[tokio::test]
async fn out_b33_who_goes_away_harms_nobody_whatever_the_strategy() {
    for contract in CONTRACTS {
        let scene = Scene::new().await;
        let http = contract.client(&scene);
        let alice = (contract.caller)(&scene, "alice");
        scene.world.authority.closes();
        let send = || tokio::spawn(contract.request(&scene, &http, "/", &alice).send());
        let (first, second) = (send(), send());
        if contract.asks {
            scene.world.authority.called(1).await;
        }
        first.abort();
        assert!(first.await.expect_err("aborted").is_cancelled());
        scene.world.authority.opens();
        assert!(echoed(second.await.expect("joined")).await.starts_with("Bearer "), "{}", contract.name);
        assert_eq!(scene.asked(), contract.calls_for_one().await, "{}", contract.name);
        assert_eq!(scene.world.payments.got().len(), 1, "{}", contract.name);
    }
}

/// Hears everything, whatever thread says it, only in a process of its own.
#[tokio::test]
async fn out_b33_no_strategy_shows_a_secret() {
    if !is_alone() {
        return run_alone("contract::out_b33_no_strategy_shows_a_secret", Vec::new()).await;
    }
    let log = Log::default();
    tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(log.clone()).init();
    let (mut shown, mut secrets) = (String::new(), vec!["token-of-alice".to_owned(), "s3cret-of-ours".to_owned()]);
    for contract in CONTRACTS {
        let wrong = contract.wrong.iter().map(|(_, wrong)| *wrong);
        for case in wrong.chain([contract.fails]) {
            let scene = Scene::new().await;
            let caller = case(&scene);
            let error =
                contract.request(&scene, &contract.client(&scene), "/", &caller).send().await.expect_err("refused");
            shown += &said(&error);
            secrets.append(&mut scene.secrets.lock().expect("unpoisoned"));
        }
        let scene = Scene::new().await;
        let alice = (contract.caller)(&scene, "alice");
        let row: Target = (contract.row)(&scene, scene.world.payments.target());
        let builder = scene.builder().target(row.clone());
        shown += &format!("{row:?} {builder:#?}");
        let outbound = builder.build().expect("outbound");
        let http = client(&outbound);
        let sent = contract.sent(&scene, &http, "/", &alice).await.expect("there is a token");
        shown += &format!("{outbound:?} {outbound:#?} {http:?} {:?}", contract.request(&scene, &http, "/", &alice));
        secrets.push(sent.strip_prefix("Bearer ").expect("a bearer token").to_owned());
        secrets.append(&mut scene.secrets.lock().expect("unpoisoned"));
    }
    let log = log.text();
    assert!(log.contains("token obtained") && log.contains("request not sent"), "it was heard");
    for secret in secrets {
        assert!(!shown.contains(&secret) && !log.contains(&secret), "{secret} is seen");
    }
}

/// Everything that an error says, down to its last cause.
fn said(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = format!("{error:?}");
    let mut next = Some(error);
    while let Some(error) = next {
        text += &format!("\n{error}");
        next = error.source();
    }
    text
}
