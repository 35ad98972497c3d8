//! Files that are followed, whole or not at all.

use std::{fs, time::Duration};

use serde_json::json;
use tower_identity_inbound::ClientCertificate;
use tower_identity_testkit::{LogCapture, TestAuthority};
use tower_identity_tls::TlsSettings;

use crate::support::{House, ask_over, events, nobody, told, until_told};

const READ: &str = "INFO certificate read";
const REFUSED: &str = "WARN certificate refused: that before it stays";
const DAY: Duration = Duration::from_secs(86_400);

#[tokio::test]
async fn tls_a3_another_certificate_counts_from_the_next_handshake_on() {
    let (house, logs) = (House::new(), LogCapture::start());
    let mut served = house.serve(house.builder()).await;
    let mut before = served.connect(served.config(None)).await.expect("a connection");
    assert_eq!(ask_over(&mut before).await, nobody());

    let renewed = TestAuthority::new(&house.time.clock());
    house.put_server(&renewed);
    assert_eq!(served.ask(None).await, nobody(), "it may be half written");
    until_told(&house.time, &logs, 1).await;
    assert_eq!(served.ask(None).await, None, "its clients have not heard of the new authority");
    served.roots = renewed.pem();
    assert_eq!(served.ask(None).await, nobody());
    assert_eq!(ask_over(&mut before).await, nobody(), "a connection that is there stays");
    assert_eq!(events(&logs), [READ]);
    logs.assert_hides([fs::read_to_string(house.path("server.key")).expect("there")]);
}

/// Whatever is wrong with them, what was there before goes on.
#[tokio::test]
async fn tls_a3_files_that_do_not_fit_together_change_nothing() {
    let (house, logs) = (House::new(), LogCapture::start());
    let served = house.serve(house.asking(ClientCertificate::Required)).await;
    let client = house.client();
    let other = house.servers.certificate().dns("localhost").build();
    let mut told_so_far = 0;
    for (name, bad) in [
        ("server.key", other.key_pem()),
        ("server.key", "hello".to_owned()),
        ("server.pem", String::new()),
        ("server.pem", other.pem().replace("-----END", "----END")),
        ("clients.pem", String::new()),
    ] {
        let good = fs::read_to_string(house.path(name)).expect("there");
        assert_eq!(served.ask(Some(&client)).await, told(&client));
        house.put(name, &bad);
        told_so_far += 1;
        until_told(&house.time, &logs, told_so_far).await;
        assert_eq!(events(&logs).last().map(String::as_str), Some(REFUSED), "{name}: {bad}");
        assert_eq!(served.ask(Some(&client)).await, told(&client), "{name}: {bad}");
        house.put(name, &good);
        told_so_far += 1;
        until_told(&house.time, &logs, told_so_far).await;
        assert_eq!(events(&logs).last().map(String::as_str), Some(READ), "{name}");
    }
    logs.assert_hides([other.key_pem()]);
}

#[tokio::test]
async fn tls_a3_other_roots_count_from_the_next_handshake_on() {
    let (house, logs) = (House::new(), LogCapture::start());
    let served = house.serve(house.asking(ClientCertificate::Required)).await;
    let new = TestAuthority::new(&house.time.clock());
    let (of_old, of_new) = (house.client(), new.certificate().uri("spiffe://example.org/storefront").build());
    assert_eq!((served.ask(Some(&of_old)).await, served.ask(Some(&of_new)).await), (told(&of_old), None));
    house.put("clients.pem", &new.pem());
    until_told(&house.time, &logs, 1).await;
    assert_eq!((served.ask(Some(&of_old)).await, served.ask(Some(&of_new)).await), (None, told(&of_new)));
}

#[tokio::test]
async fn tls_a4_a_revoked_certificate_is_refused_and_so_is_one_of_which_that_cannot_be_said() {
    let (house, logs) = (House::new(), LogCapture::start());
    let now = house.time.clock().wall();
    let (revoked, good) = (house.client(), house.client());
    let list = |revoked: &[_]| house.clients.revocation_list(revoked, now.saturating_add(DAY / 2));
    house.put("clients.crl", &list(&[]));
    let tls = house.asking(ClientCertificate::Optional).revocation_lists([house.path("clients.crl")]);
    let served = house.serve(tls).await;
    assert_eq!((served.ask(Some(&revoked)).await, served.ask(Some(&good)).await), (told(&revoked), told(&good)));
    house.put("clients.crl", &list(&[&revoked]));
    until_told(&house.time, &logs, 1).await;
    assert_eq!((served.ask(Some(&revoked)).await, served.ask(Some(&good)).await), (None, told(&good)));

    // The list of another authority says nothing of this one's.
    house.put("clients.crl", &house.servers.revocation_list(&[], now.saturating_add(DAY / 2)));
    until_told(&house.time, &logs, 2).await;
    assert_eq!(served.ask(Some(&good)).await, None);
    house.put("clients.crl", &list(&[&revoked]));
    until_told(&house.time, &logs, 3).await;
    assert_eq!(served.ask(Some(&good)).await, told(&good));
    // Nor does one that has ended; the certificate itself holds still.
    house.time.advance(DAY / 2 + Duration::from_secs(60));
    assert_eq!(served.ask(Some(&good)).await, None);
    assert_eq!(served.ask(None).await, nobody());
}

#[test]
fn tls_a3_what_is_wrong_from_the_start_is_refused_by_its_field() {
    let house = House::new();
    house.put("empty", "");
    house.put("list.crl", &house.clients.pem());
    let path = |name: &str| house.path(name);
    let good = json!({
        "certificate": path("server.pem"), "key": path("server.key"),
        "client_certificate": "required", "client_roots": path("clients.pem"),
    });
    let build = |changes: serde_json::Value| {
        let mut table = good.clone();
        for (name, value) in changes.as_object().expect("an object") {
            table[name] = value.clone();
        }
        table.as_object_mut().expect("an object").retain(|_, value| !value.is_null());
        let settings: TlsSettings = serde_json::from_value(table).expect("a table");
        let built = settings.builder().and_then(tower_identity_tls::ServerTlsBuilder::build);
        let folder = path("").display().to_string();
        built.map(drop).map_err(|wrong| wrong.to_string().replace(&folder, ""))
    };
    let wrong = |changes, rule: &str| assert_eq!(build(changes), Err(rule.to_owned()));
    assert_eq!(build(json!({})), Ok(()));
    wrong(json!({"certificate": path("none")}), "certificate: none cannot be read: entity not found");
    wrong(json!({"certificate": path("empty")}), "certificate: empty holds none in PEM");
    wrong(json!({"certificate": null, "key": null}), "certificate: is missing: whose the listener is");
    wrong(json!({"key": null}), "key: is missing: that of the certificate");
    wrong(json!({"key": path("empty")}), "key: empty holds no private key in PEM");
    wrong(json!({"key": path("server.pem")}), "key: server.pem holds no private key in PEM");
    wrong(json!({"client_roots": path("empty")}), "client_roots: empty holds none in PEM");
    wrong(json!({"client_roots": null}), "client_roots: is missing: whose certificates are asked for");
    wrong(json!({"client_authorities": "any"}), "client_authorities: goes without client_roots: any is any");
    assert_eq!(build(json!({"client_authorities": "any", "client_roots": null})), Ok(()));
    let nobody = json!({"client_authorities": "any", "client_roots": null, "client_certificate": null});
    wrong(nobody, "client_certificate: is missing: required or optional");
    wrong(
        json!({"client_authorities": "any", "client_roots": null, "revocation_lists": [path("list.crl")]}),
        "revocation_lists: are of authorities, and any authority's clients are taken",
    );
    wrong(json!({"client_certificate": null}), "client_certificate: is missing: required or optional");
    let without_clients = json!({"client_certificate": null, "client_roots": null});
    assert_eq!(build(without_clients), Ok(()));
    wrong(
        json!({"client_certificate": null, "client_roots": null, "revocation_lists": [path("list.crl")]}),
        "revocation_lists: are of clients, who are asked for no certificate",
    );
    wrong(json!({"revocation_lists": [path("list.crl")]}), "revocation_lists[0]: list.crl holds none in PEM");
    wrong(json!({"handshake_seconds": 0}), "handshake_seconds: is not from 1 to 60");
    wrong(json!({"handshake_seconds": 61}), "handshake_seconds: is not from 1 to 60");
    assert_eq!(build(json!({"handshake_seconds": 60})), Ok(()));
}
