//! What is refused when the verifier is built, where keys come from, and what takes their place.

use tower_identity_oauth::{ClientAuth, Introspection};
use tower_identity_verify::{ProducerSettings, Profile};

use super::*;
use crate::support::{LocalIssuer, accepted};

#[test]
fn defer_a5_a_producer_that_may_not_be_one_is_refused() {
    let mesh = Mesh::new();
    let orders = || trusted(ORDERS, &mesh.orders);
    let built = |service: TrustedIssuer, topics: &[&str], users_of: &[&str]| {
        let producer = Producer::new(service).topics(topics.iter().copied()).users_of(users_of.iter().copied());
        mesh.plain().handed_off_by(producer).build().map(drop).map_err(|wrong| wrong.to_string())
    };
    let wrong = |rule: &str| Err(format!("handed_off_by[0].{rule}"));
    let topics = &["invoices", "receipts"];
    assert_eq!(built(orders(), topics, &[LOGIN]), Ok(()));
    assert_eq!(built(orders(), &[], &[LOGIN]), wrong("topics: names no topic"));
    assert_eq!(built(orders(), &["invoices", ""], &[LOGIN]), wrong("topics[1]: topic is empty"));
    assert_eq!(built(orders(), topics, &[]), wrong("users_of: names no issuer"));
    assert_eq!(
        built(orders(), topics, &[LOGIN, ORDERS]),
        wrong("users_of[1]: is the service itself, which has no users")
    );
    let profile = "profile: is that of access tokens, which such a service does not issue";
    assert_eq!(built(orders().profile(Profile::Plain), topics, &[LOGIN]), wrong(profile));
    let domain = TrustedIssuer::trust_domain("example.org", "https://spire.example.org/bundle").audience("billing");
    assert_eq!(
        built(domain, topics, &[LOGIN]),
        wrong("issuer: is a trust domain; name one service of it, by its SPIFFE ID")
    );
    let auth = ClientAuth::client_secret_basic("billing", "hunter2").expect("usable");
    let asked = Introspection::at("https://orders.internal/introspect", auth);
    assert_eq!(
        built(TrustedIssuer::opaque(ORDERS, asked).audience("billing"), topics, &[LOGIN]),
        wrong("introspection: is of opaque tokens, and a service says for whom it calls in a JWT")
    );
    let encrypted = orders().encrypted_to([tower_identity_jose::DecryptionKey::generate()]);
    assert_eq!(
        built(encrypted, topics, &[LOGIN]),
        wrong("decryption_key_file: is of tokens, and a record is not encrypted")
    );
    let known = "issuer: is trusted for its tokens already; a service's word comes under a name of its own";
    assert_eq!(built(trusted(LOGIN, &mesh.orders), topics, &[PARTNER]), wrong(known));

    let twice = mesh.plain().handed_off_by(mesh.of_orders()).handed_off_by(mesh.of_orders());
    let refused = twice.build().map(drop).map_err(|wrong| wrong.to_string());
    assert_eq!(refused, Err("handed_off_by[1].issuer: is listed twice".to_owned()));
}

#[tokio::test]
async fn defer_a5_a_producers_keys_are_fetched_when_its_first_record_comes_and_stay_when_settings_change() {
    let (mesh, published) = (Mesh::new(), LocalIssuer::start().await);
    let by_url = |topics: &[&str]| {
        let service = TrustedIssuer::discover(published.url()).audience("billing");
        mesh.plain().handed_off_by(Producer::new(service).topics(topics.iter().copied()).users_of([LOGIN]))
    };
    let mut claims = mesh.record();
    (claims["iss"], claims["act"]) = (published.url().into(), json!({"sub": published.url()}));
    let record = sign(&published.key(), &claims);
    let verifier = by_url(&["invoices"]).build().expect("valid");
    assert_eq!(published.fetches(), 0);
    accepted(verifier.handed_off(&record, "invoices", PAYLOAD).await);
    assert_eq!(published.fetches(), 1);

    verifier.replace(by_url(&["receipts"])).expect("valid");
    assert_eq!(invoice(&verifier, &record).await, invalid("topic"), "not any longer");
    verifier.replace(by_url(&["invoices"])).expect("valid");
    accepted(verifier.handed_off(&record, "invoices", PAYLOAD).await);
    assert_eq!(published.fetches(), 1, "the keys are the same");
}

#[test]
fn defer_a5_a_table_of_a_file_says_the_same() {
    let mesh = Mesh::new();
    let folder = tempfile::tempdir().expect("a folder");
    let key_set = tower_identity_jose::public_key_set([&mesh.orders]);
    std::fs::write(folder.path().join("orders.keys.json"), key_set).expect("written");
    let built = |change: Value| {
        let mut table = json!({
            "issuer": ORDERS, "audience": "billing", "topics": ["invoices"], "users_of": [LOGIN],
            "keys_file": "orders.keys.json",
        });
        table.as_object_mut().expect("an object").extend(change.as_object().expect("an object").clone());
        let settings: ProducerSettings = serde_json::from_value(table).map_err(|wrong| wrong.to_string())?;
        let builder = settings.add_to(mesh.plain(), folder.path());
        builder.and_then(VerifierBuilder::build).map_err(|wrong| wrong.to_string())
    };
    let verifier = built(json!({})).expect("in order");
    let record = sign(&mesh.orders, &mesh.record());
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    assert_eq!(runtime.block_on(invoice(&verifier, &record)), of_alice());
    let refused = |change: Value| built(change).map(drop).expect_err("refused");
    assert_eq!(refused(json!({"topics": []})), "handed_off_by[0].topics: names no topic");
    assert_eq!(refused(json!({"keys": {"url": ORDERS}})), "keys_file: stands beside keys.url");
    assert!(refused(json!({"topic": "x"})).starts_with("unknown field `topic`"));
    assert!(refused(json!({"keys_file": "gone.json"})).starts_with("keys_file: "));
}
