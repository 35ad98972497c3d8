//! What no agent should send: nothing of it is taken, and the agent is not asked without end.

use super::*;

/// Gives the agent's thread, and the task of the stream, room to get on.
async fn wait_until(is_so: impl Fn() -> bool) {
    for _ in 0..5_000_000 {
        if is_so() {
            return;
        }
        std::thread::yield_now();
        tokio::task::yield_now().await;
    }
    panic!("it is never so");
}

#[tokio::test]
async fn wapi_a4_an_answer_that_is_none_changes_nothing() {
    let logs = LogCapture::start();
    let (stage, first) = Stage::new().await;
    let bundle = stage.workload.bundle("example.org").expect("a trust domain");
    let (svid, authorities) = (stage.workload.svid().text(), bundle.text());
    assert!(authorities.as_ref().is_ok_and(|text| !text.is_empty()), "what came before it was asked for");
    let failures = || logs.text().matches("workload not updated").count();

    let large = vec![0; 5 * 1024 * 1024];
    for (name, bytes) in [("nothing", &[][..]), ("no message", &[0xff; 16]), ("too much", &large)] {
        let before = failures();
        stage.agent.send_bytes(bytes);
        wait_until(|| failures() > before).await;
        assert_eq!(
            (stage.workload.svid().text().ok(), bundle.text().ok()),
            (svid.as_ref().ok().cloned(), authorities.as_ref().ok().cloned()),
            "{name}"
        );
        // What the agent says when it is asked again is in order.
        stage.agent.send(ID, &first, &[("example.org", &[&stage.authority])]);
        let asked = stage.agent.asked();
        stage.until(|| async { stage.agent.asked() > asked }).await;
    }
    stage.renew();
    wait_until(|| stage.workload.svid().text().ok() != svid.as_ref().ok().cloned()).await;
}

#[tokio::test]
async fn wapi_a4_a_certificate_whose_key_is_anothers_is_not_shown() {
    let logs = LogCapture::start();
    let (stage, first) = Stage::new().await;
    let (addr, client) = (serve(&stage).await, client(&[&stage.authority]));
    let showing = |certificate: &TestCertificate| Some(certificate.chain()[0].to_vec());
    assert_eq!(shown(&client, addr).await, showing(&first));

    let (next, other) = (stage.svid(&stage.authority), stage.svid(&stage.authority));
    stage.agent.send_with_key_of(&other, ID, &next, &[("example.org", &[&stage.authority])]);
    stage.until(|| async { logs.text().contains("stays") }).await;
    assert_eq!(shown(&client, addr).await, showing(&first));
    stage.agent.send(ID, &next, &[("example.org", &[&stage.authority])]);
    stage.until(|| async { shown(&client, addr).await == showing(&next) }).await;
    assert!(!logs.text().contains("PRIVATE KEY"));
}

#[tokio::test]
async fn wapi_a4_whatever_a_federated_bundle_holds_it_vouches_for_its_own_domain_alone() {
    let (stage, first) = Stage::new().await;
    let foreign = TestAuthority::new(&system_clock());
    stage.agent.send(ID, &first, &[("example.org", &[&stage.authority]), ("partner.example", &[&foreign])]);
    let [own, partner] = ["example.org", "partner.example"].map(|domain| {
        let posted = stage.workload.bundle(domain).expect("a trust domain");
        (CertificateAnchor::trust_domain_posted(domain, &posted), posted)
    });
    stage.until(|| async { partner.1.text().is_ok_and(|text| !text.is_empty()) }).await;
    let verifier = Verifier::builder(TrustedIssuer::discover("https://login.example.com").audience("orders"))
        .certificates(own.0)
        .certificates(partner.0)
        .clock(stage.time.clock())
        .build()
        .expect("it is ready");
    let check = |authority: &TestAuthority, id: &str| {
        let certificate = authority.certificate().uri(id).build();
        verifier.certificate(certificate.chain()).map(drop).map_err(|refusal| refusal.check())
    };
    let (ours, theirs) = ("spiffe://example.org/storefront", "spiffe://partner.example/credit");
    assert_eq!(check(&stage.authority, ours), Ok(()));
    assert_eq!(check(&foreign, theirs), Ok(()));
    assert_eq!(check(&foreign, ours), Err("certificate"));
    assert_eq!(check(&stage.authority, theirs), Err("certificate"));
}

#[tokio::test]
async fn wapi_a4_an_agent_that_answers_badly_is_asked_ever_more_seldom_until_it_answers_well() {
    let folder = tempfile::tempdir().expect("a folder");
    let (agent, time) = (TestWorkloadApi::start(folder.path().join("agent.sock")), ManualClock::new());
    agent.send_bytes(&[]);
    let workload = WorkloadApi::with_clock(&agent.endpoint(), time.clock()).expect("an endpoint");
    let waits = workload.clone();
    let waiting = tokio::spawn(async move { waits.ready(Duration::from_secs(3600)).await });
    // Beside the pause there is the wait.
    let pause = async |asked: usize| {
        wait_until(|| agent.asked() == asked && time.asleep() == 2).await;
        time.next_wake().expect("somebody sleeps")
    };
    for (asked, most) in [1, 2, 4, 8, 16, 30, 30, 30].into_iter().enumerate() {
        let most = Duration::from_secs(most);
        let pause = pause(asked + 1).await;
        assert!(most / 2 <= pause && pause <= most, "{pause:?} after {} failures", asked + 1);
        time.advance(pause);
    }
    wait_until(|| agent.asked() == 9 && time.asleep() == 2).await;
    let authority = TestAuthority::new(&system_clock());
    agent.send(ID, &authority.certificate().uri(ID).build(), &[("example.org", &[&authority])]);
    time.advance(Duration::from_secs(30));
    waiting.await.expect("no panic").expect("it is told now");

    agent.send_bytes(&[]);
    wait_until(|| time.asleep() == 1).await;
    assert!(time.next_wake().is_some_and(|pause| pause <= Duration::from_secs(1)), "as at first");
}
