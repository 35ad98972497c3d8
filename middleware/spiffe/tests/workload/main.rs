//! An agent, and those who go by what it sends, while that changes.
#![cfg(unix)]

mod wrong;

use std::{
    future::Future,
    net::SocketAddr,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    time::Duration,
};

use axum::{Router, routing::get};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tower_identity_core::CertificateThumbprint;
use tower_identity_inbound::ClientCertificate;
use tower_identity_oauth::{Authorities, ClientAuth, ClientCredentials, Http, Standing, TargetService, TokenEndpoint};
use tower_identity_refresh::system_clock;
use tower_identity_spiffe::WorkloadApi;
use tower_identity_testkit::{
    ClientAuthentication, LogCapture, ManualClock, TestAuthority, TestCertificate, TestIssuer, TestWorkloadApi,
};
use tower_identity_tls::{EachConnection, ServerTls, TlsListener};
use tower_identity_verify::{CertificateAnchor, TrustedIssuer, Verifier};

const ID: &str = "spiffe://example.org/orders";
const READY: Duration = Duration::from_secs(5);

/// An agent, an authority of its trust domain, and a workload that has had its first certificate.
struct Stage {
    time: ManualClock,
    folder: TempDir,
    agent: TestWorkloadApi,
    authority: TestAuthority,
    workload: WorkloadApi,
}

impl Stage {
    async fn new() -> (Self, TestCertificate) {
        // What TLS says of time, some say by the system's clock.
        let time = ManualClock::at(system_clock().wall());
        let folder = tempfile::tempdir().expect("a folder");
        let agent = TestWorkloadApi::start(folder.path().join("agent.sock"));
        let authority = TestAuthority::new(&system_clock());
        let workload = WorkloadApi::with_clock(&agent.endpoint(), time.clock()).expect("an endpoint");
        let stage = Self { time, folder, agent, authority, workload };
        let first = stage.renew();
        stage.workload.ready(READY).await.expect("it was sent");
        (stage, first)
    }

    /// Sends another certificate.
    fn renew(&self) -> TestCertificate {
        let svid = self.svid(&self.authority);
        self.agent.send(ID, &svid, &[("example.org", &[&self.authority])]);
        svid
    }

    fn svid(&self, authority: &TestAuthority) -> TestCertificate {
        authority.certificate().uri(ID).dns("localhost").address([127, 0, 0, 1].into()).build()
    }

    /// Moves time on until it is so.
    async fn until<F: Future<Output = bool>>(&self, is_so: impl Fn() -> F) {
        for _ in 0..2_000 {
            if is_so().await {
                return;
            }
            self.time.advance(Duration::from_millis(500));
            for _ in 0..20 {
                std::thread::yield_now();
                tokio::task::yield_now().await;
            }
        }
        panic!("it is never so");
    }
}

/// A service by the workload's certificate, and its address.
async fn serve(stage: &Stage) -> SocketAddr {
    let tls = ServerTls::posted(stage.workload.svid())
        .clients_of_any_authority(ClientCertificate::Optional)
        .clock(stage.time.clock());
    let tcp = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let addr = tcp.local_addr().expect("bound");
    let listener = TlsListener::new(tcp, tls.build().expect("it is ready"));
    let app = Router::new().route("/", get(|| async { "orders" }));
    tokio::spawn(async move { axum::serve(listener, EachConnection::new(app)).await });
    addr
}

/// The certificate of the service, over a connection of its own; none where the request is lost.
async fn shown(client: &reqwest::Client, addr: SocketAddr) -> Option<Vec<u8>> {
    let response = client.get(format!("https://{addr}/")).send().await.ok()?;
    let info = response.extensions().get::<reqwest::tls::TlsInfo>().expect("over TLS");
    let certificate = info.peer_certificate().expect("a server has one").to_vec();
    (response.text().await.ok()? == "orders").then_some(certificate)
}

fn client(authorities: &[&TestAuthority]) -> reqwest::Client {
    let roots = authorities.iter().map(|one| reqwest::Certificate::from_pem(one.pem().as_bytes()).expect("a root"));
    let client = reqwest::Client::builder().tls_certs_only(roots).tls_info(true).pool_max_idle_per_host(0);
    client.no_proxy().build().expect("a client")
}

#[tokio::test]
async fn wapi_a1_a_renewed_certificate_is_shown_and_no_request_is_lost() {
    let (stage, first) = Stage::new().await;
    assert_eq!(stage.workload.id().as_deref(), Some(ID));
    let (addr, client) = (serve(&stage).await, client(&[&stage.authority]));
    let (asked, lost, stop) = (AtomicUsize::new(0), AtomicUsize::new(0), AtomicBool::new(false));
    let load = async {
        while !stop.load(Ordering::Relaxed) {
            let counter = if shown(&client, addr).await.is_some() { &asked } else { &lost };
            counter.fetch_add(1, Ordering::Relaxed);
        }
    };
    let rotation = async {
        assert_eq!(shown(&client, addr).await.as_deref(), Some(&*first.chain()[0]));
        for _ in 0..3 {
            let renewed = stage.renew();
            stage.until(|| async { shown(&client, addr).await.as_deref() == Some(&*renewed.chain()[0]) }).await;
        }
        stop.store(true, Ordering::Relaxed);
    };
    futures_util::future::join(load, rotation).await;
    assert_eq!(lost.load(Ordering::Relaxed), 0);
    assert!(asked.load(Ordering::Relaxed) > 0);
}

#[tokio::test]
async fn wapi_a1_what_proves_us_to_an_authorization_server_is_renewed_with_it() {
    let (stage, first) = Stage::new().await;
    let servers = TestAuthority::new(&system_clock());
    let server = servers.certificate().address([127, 0, 0, 1].into()).build();
    let issuer = TestIssuer::builder().clock(stage.time.clock()).mtls(&server, &stage.authority).start();
    let roots = stage.folder.path().join("servers.pem");
    std::fs::write(&roots, servers.pem()).expect("written");
    let http = Http::new(stage.time.clock()).expect("TLS can be set up");
    let http = http.trusting(Authorities::from_file("roots", &roots).expect("a root")).expect("TLS can be set up");
    let auth = ClientAuth::tls_client_auth_posted("orders", stage.workload.svid()).expect("usable");
    let client = TokenEndpoint::discover(issuer.issuer().as_str(), auth).connect(&http).expect("it is ready");
    let grant = ClientCredentials::new(TargetService::default()).into();

    issuer.register_certificate("orders", &first);
    let token = client.request(&grant).await.expect("a token");
    let renewed = stage.renew();
    issuer.register_certificate("orders", &renewed);
    stage.until(|| async { token.standing().is_some_and(Standing::is_gone) }).await;
    client.request(&grant).await.expect("a token");
    let by = |certificate: &TestCertificate| {
        let thumbprint = CertificateThumbprint::of(&certificate.chain()[0]);
        ClientAuthentication::Certificate { client_id: "orders".to_owned(), thumbprint }
    };
    let clients: Vec<_> = issuer.token_calls().iter().map(|call| call.client().clone()).collect();
    assert_eq!(clients, [by(&first), by(&renewed)]);
}

#[tokio::test]
async fn wapi_a2_while_the_agent_is_gone_the_last_stays_and_it_is_asked_again() {
    let logs = LogCapture::start();
    let (stage, first) = Stage::new().await;
    let (addr, client) = (serve(&stage).await, client(&[&stage.authority]));
    stage.agent.stop();
    let failures = || logs.text().matches("workload not updated").count();
    stage.until(|| async { failures() >= 2 }).await;
    assert_eq!(shown(&client, addr).await.as_deref(), Some(&*first.chain()[0]));

    let renewed = stage.svid(&stage.authority);
    stage.agent.send(ID, &renewed, &[("example.org", &[&stage.authority])]);
    stage.agent.restart();
    stage.until(|| async { shown(&client, addr).await.as_deref() == Some(&*renewed.chain()[0]) }).await;
    assert!(!logs.text().contains("PRIVATE KEY"));
}

#[tokio::test]
async fn wapi_a2_who_was_sent_nothing_is_not_ready() {
    let folder = tempfile::tempdir().expect("a folder");
    let time = ManualClock::new();
    let socket = format!("unix:{}", folder.path().join("nobody.sock").display());
    let workload = WorkloadApi::with_clock(&socket, time.clock()).expect("an endpoint");
    let waits = workload.clone();
    let waiting = tokio::spawn(async move { waits.ready(READY).await });
    // Of the wait, and of the pause before the next attempt.
    time.sleepers(2).await;
    time.advance(READY);
    let expected = format!("the Workload API at {socket} has sent no certificate within 5 s");
    assert_eq!(waiting.await.expect("no panic").expect_err("nobody sends").to_string(), expected);
    let refused = ServerTls::posted(workload.svid()).build().expect_err("there is none");
    assert!(refused.to_string().ends_with("cannot be read: entity not found"), "{refused}");
    let elsewhere = WorkloadApi::at("tcp://192.0.2.7:8081").expect_err("plaintext");
    let rule = "endpoint: is on another machine, and keys would go there in plaintext";
    assert_eq!(elsewhere.to_string(), rule);
    assert!(WorkloadApi::at("tcp://127.0.0.1:8081").is_ok(), "the control");
}

#[tokio::test]
async fn wapi_a3_authorities_that_the_agent_no_longer_tells_of_vouch_for_nobody() {
    let (stage, first) = Stage::new().await;
    let (next, partners) = (TestAuthority::new(&system_clock()), TestAuthority::new(&system_clock()));
    stage.agent.send(ID, &first, &[("example.org", &[&stage.authority]), ("partner.example", &[&partners])]);
    let [own, partner] = ["example.org", "partner.example"].map(|domain| {
        let posted = stage.workload.bundle(domain).expect("a trust domain");
        CertificateAnchor::trust_domain_posted(domain, &posted)
    });
    // It is told of in its own time.
    let posted = stage.workload.bundle("partner.example").expect("a trust domain");
    stage.until(|| async { posted.text().is_ok_and(|text| !text.is_empty()) }).await;
    let verifier = Verifier::builder(TrustedIssuer::discover("https://login.example.com").audience("orders"))
        .certificates(own)
        .certificates(partner)
        .clock(stage.time.clock())
        .build()
        .expect("it is ready");
    let of = |authority: &TestAuthority, id: &str| authority.certificate().uri(id).build();
    let is_good = |certificate: &TestCertificate| verifier.certificate(certificate.chain()).is_ok();
    let own = of(&stage.authority, "spiffe://example.org/storefront");
    let of_next = of(&next, "spiffe://example.org/storefront");
    let of_partner = of(&partners, "spiffe://partner.example/credit");
    let (is_good, own, of_next, of_partner) = (&is_good, &own, &of_next, &of_partner);
    assert_eq!([own, of_next, of_partner].map(is_good), [true, false, true]);

    // Both, as while an authority is replaced; then the new one alone, and no partner.
    let both: [(&str, &[&TestAuthority]); 2] =
        [("example.org", &[&stage.authority, &next]), ("partner.example", &[&partners])];
    stage.agent.send(ID, &first, &both);
    stage.until(|| async { [own, of_next, of_partner].map(is_good) == [true; 3] }).await;
    stage.agent.send(ID, &stage.svid(&next), &[("example.org", &[&next])]);
    stage.until(|| async { [own, of_next, of_partner].map(is_good) == [false, true, false] }).await;
}
