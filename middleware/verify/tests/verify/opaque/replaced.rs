//! What is remembered of opaque tokens, where other settings take the place of those that asked.

use std::{fs, time::Duration};

use tower_identity_oauth::{ClientAuth, Introspection};
use tower_identity_testkit::Endpoint;
use tower_identity_verify::{TrustedIssuer, Verifier};

use super::{Desk, auth};
use crate::support::{accepted, invalid, refused};

impl Desk {
    fn replace(&self, introspection: Introspection, change: impl FnOnce(TrustedIssuer) -> TrustedIssuer) {
        let trusted = TrustedIssuer::opaque(self.issuer.issuer().as_str(), introspection).audience("orders");
        self.verifier.replace(Verifier::builder(change(trusted))).expect("valid");
    }

    fn introspection(&self) -> Introspection {
        Introspection::at(self.issuer.url(Endpoint::Introspection), auth())
    }
}

#[tokio::test]
async fn what_was_said_of_a_token_is_remembered_where_the_same_is_asked_and_judged_by_the_new_rules() {
    let desk = Desk::new();
    let token = desk.token();
    accepted(desk.ask(&token).await);
    desk.replace(desk.introspection(), |issuer| issuer);
    accepted(desk.ask_at_once(&token));
    let trusted = TrustedIssuer::opaque(desk.issuer.issuer().as_str(), desk.introspection()).audience("stock");
    desk.verifier.replace(Verifier::builder(trusted)).expect("valid");
    assert_eq!(refused(desk.ask_at_once(&token)), invalid("aud"));
    assert_eq!(desk.calls(), 1);
}

#[tokio::test]
async fn what_others_were_told_is_not_remembered() {
    let other_client = ClientAuth::client_secret_basic("stock", "hunter2").expect("usable");
    let changes: [fn(&Desk, ClientAuth) -> Introspection; 5] = [
        |desk, other| Introspection::at(desk.issuer.url(Endpoint::Introspection), other),
        // Of this client by another secret: one that is gone may have been somebody else's, too.
        |desk, _| {
            let rotated = ClientAuth::client_secret_basic("orders", "hunter3").expect("usable");
            Introspection::at(desk.issuer.url(Endpoint::Introspection), rotated)
        },
        |desk, _| desk.introspection().remember(Duration::from_secs(5)),
        |desk, _| desk.introspection().concurrency(1),
        |_, _| Introspection::discovered(auth()),
    ];
    for change in changes {
        let desk = Desk::new();
        let token = desk.token();
        accepted(desk.ask(&token).await);
        desk.replace(change(&desk, other_client.clone()), |issuer| issuer);
        assert!(!desk.is_remembered(&token));
        desk.replace(desk.introspection(), |issuer| issuer);
        assert!(!desk.is_remembered(&token), "it is gone with the settings in between");
    }
}

#[tokio::test]
async fn what_is_remembered_of_users_tokens_stays_apart() {
    let desk = Desk::new();
    let token = desk.token();
    let user = |desk: &Desk| desk.verifier.pair(token.expose(), token.expose());
    assert!(user(&desk).try_now().is_err(), "it is asked for, once for each of the two");
    let _ = user(&desk).await;
    let calls = desk.calls();
    desk.replace(desk.introspection(), |issuer| issuer);
    assert!(user(&desk).try_now().is_ok());
    assert_eq!(desk.calls(), calls);
}

#[tokio::test]
async fn what_servers_of_other_authorities_said_is_not_remembered() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("authorities.pem");
    let another = || {
        let certified = rcgen::generate_simple_self_signed(["login.example.com".to_owned()]).expect("a certificate");
        fs::write(&file, certified.cert.pem()).expect("written");
    };
    let desk = Desk::new();
    let token = desk.token();
    let replace = || desk.replace(desk.introspection(), |issuer| issuer.keys_ca_file(&file));
    accepted(desk.ask(&token).await);
    for calls in [2, 3] {
        another();
        replace();
        assert!(!desk.is_remembered(&token));
        accepted(desk.ask(&token).await);
        replace();
        accepted(desk.ask_at_once(&token));
        assert_eq!(desk.calls(), calls);
    }
}
