//! Roots that follow their file: a new authority comes, an old one goes, and what is no file of roots changes nothing.

use std::{fs, time::Duration};

use serde_json::json;
use tower_identity_testkit::{LogCapture, ManualClock, TestCertificate};
use tower_identity_verify::{CertificateSettings, TrustedIssuer, Verifier};

use super::{House, STOREFRONT, no_way, storefront, told};
use crate::support::eventually;

/// Moves time on by what it takes until another text counts.
async fn look(clock: &ManualClock) {
    for seconds in [5, 1] {
        clock.sleepers(1).await;
        clock.advance(Duration::from_secs(seconds));
        eventually(|| clock.next_wake().is_some_and(|wake| !wake.is_zero())).await;
    }
}

fn events(logs: &LogCapture) -> Vec<String> {
    let text = logs.text();
    let events = text.lines().filter_map(|line| line.trim_start().split_once(" tower_identity::certificates: "));
    events.map(|(level, rest)| format!("{level} {}", rest.split(" file=").next().expect("a message"))).collect()
}

#[tokio::test]
async fn cert_a1_roots_follow_their_file_and_so_does_what_they_had_vouched_for() {
    const READ: &str = "INFO roots read issuer=\"spiffe://example.org\"";
    const REFUSED: &str = "WARN roots refused: those before them stay issuer=\"spiffe://example.org\"";
    let (house, folder) = (House::new(), tempfile::tempdir().expect("a folder"));
    let (old, new) = (house.svid().build(), house.partner.certificate().uri(STOREFRONT).build());
    let put = |text: &str| fs::write(folder.path().join("bundle.pem"), text).expect("written");
    put(&house.spire.pem());
    let table = json!({"trust_domain": "example.org", "roots": "bundle.pem"});
    let settings: CertificateSettings = serde_json::from_value(table).expect("a table");
    let home = TrustedIssuer::discover("https://login.example.com").audience("orders");
    let anchor = settings.anchor(folder.path()).expect("in order");
    let verifier = Verifier::builder(home).certificates(anchor).clock(house.time.clock()).build().expect("valid");
    let judge = |of: &TestCertificate| told(verifier.certificate(of.chain()));
    let both = || (judge(&old), judge(&new));
    let stranger = || no_way("InvalidSignatureForPublicKey");
    let logs = LogCapture::start();

    for _ in 0..2 {
        assert_eq!(both(), (storefront(), stranger()), "the same text is no news");
        look(&house.time).await;
    }
    assert_eq!(events(&logs), [""; 0]);
    put(&(house.spire.pem() + &house.partner.pem()));
    assert_eq!(both(), (storefront(), stranger()), "it may be half written");
    look(&house.time).await;
    assert_eq!(both(), (storefront(), storefront()));
    put(&house.partner.pem());
    look(&house.time).await;
    assert_eq!(both(), (stranger(), storefront()), "though it was remembered");
    assert_eq!(events(&logs), [READ, READ]);

    // What is no file of roots: each is told once.
    let leaf = house.partner.pem().replace("CERTIFICATE", "SOMETHING");
    for bad in ["", "hello", &leaf, &"\n".repeat(1024 * 1024 + 1)] {
        put(bad);
        look(&house.time).await;
        look(&house.time).await;
        assert_eq!(both(), (stranger(), storefront()));
    }
    fs::remove_file(folder.path().join("bundle.pem")).expect("removed");
    look(&house.time).await;
    assert_eq!(both(), (stranger(), storefront()));
    assert_eq!(events(&logs)[2..], [REFUSED; 5]);
    put(&house.spire.pem());
    look(&house.time).await;
    assert_eq!(both(), (storefront(), stranger()));

    // It is looked at for as long as there is a clone of the verifier.
    drop(verifier);
    eventually(|| house.time.asleep() == 0).await;
}
