//! Tokens that are encrypted to this service: every attack beside a control that differs in one thing.

use serde_json::json;
use tower_identity_core::{Binding, RefusalKind};
use tower_identity_jose::{DecryptionKey, KeySet, MediaType, SigningKey};
use tower_identity_verify::{Checked, IssuerSettings, Outcome, TrustedIssuer, Verdict, Verifier, check};

use crate::support::{ManualClock, claims, invalid, key, sign};

const LOGIN: &str = "https://login.example.com";
const PARTNER: &str = "https://partner.example";

/// An issuer whose tokens are encrypted to one of two keys, and another whose are not.
struct Mesh {
    clock: ManualClock,
    login: SigningKey,
    partner: SigningKey,
    now: DecryptionKey,
    next: DecryptionKey,
}

impl Mesh {
    fn new() -> Self {
        let (now, next) = (DecryptionKey::generate(), DecryptionKey::generate());
        Self { clock: ManualClock::new(), login: key(), partner: key(), now, next }
    }

    fn verifier(&self) -> Verifier {
        let home = trusted(LOGIN, &self.login).encrypted_to([self.now.clone(), self.next.clone()]);
        let builder = Verifier::builder(home).issuer(trusted(PARTNER, &self.partner)).clock(self.clock.clock());
        builder.build().expect("valid")
    }

    fn of_login(&self) -> String {
        sign(&self.login, &claims(LOGIN, self.clock.now()))
    }

    fn of_partner(&self) -> String {
        sign(&self.partner, &claims(PARTNER, self.clock.now()))
    }
}

fn trusted(issuer: &str, key: &SigningKey) -> TrustedIssuer {
    TrustedIssuer::keys(issuer, KeySet::from_keys([key.verifying_key()]).expect("one key")).audience("orders")
}

fn encrypted(to: &DecryptionKey, inside: &str) -> String {
    to.encryption_key().encrypt(&inside.into()).expose().to_owned()
}

type Outcomes = Result<String, (RefusalKind, &'static str)>;

async fn bearer(verifier: &Verifier, token: &str) -> Outcomes {
    let caller = verifier.bearer(token).await.map_err(|refusal| (refusal.kind().clone(), refusal.check()))?;
    let principal = caller.principal();
    assert_eq!(principal.binding(), Binding::SameToken);
    Ok(principal.user().expect("a user").issuer.to_string())
}

#[tokio::test]
async fn jwe_a4_tokens_of_an_issuer_are_encrypted_or_they_are_not() {
    let mesh = Mesh::new();
    let verifier = mesh.verifier();
    let (login, partner) = (mesh.of_login(), mesh.of_partner());
    let no = || Err(invalid(check::ENCRYPTION));
    let cases = [
        ("to the present key", encrypted(&mesh.now, &login), Ok(LOGIN.to_owned())),
        ("to the next one", encrypted(&mesh.next, &login), Ok(LOGIN.to_owned())),
        ("to nobody", login.clone(), no()),
        ("to another", encrypted(&DecryptionKey::generate(), &login), no()),
        ("of an issuer whose are not", encrypted(&mesh.now, &partner), no()),
        ("of that issuer, to nobody", partner.clone(), Ok(PARTNER.to_owned())),
        ("twice", encrypted(&mesh.now, &encrypted(&mesh.now, &login)), Err(invalid("format"))),
        ("what is no token", encrypted(&mesh.now, "alice"), Err(invalid("format"))),
    ];
    for (name, token, expected) in cases {
        for again in 0..2 {
            assert_eq!(bearer(&verifier, &token).await, expected, "{name}, {again}");
        }
    }
    let plain = Verifier::builder(trusted(LOGIN, &mesh.login)).clock(mesh.clock.clock()).build().expect("valid");
    assert_eq!(bearer(&plain, &encrypted(&mesh.now, &login)).await, Err(invalid("format")), "where none are");
    assert_eq!(bearer(&plain, &login).await, Ok(LOGIN.to_owned()));
}

#[tokio::test]
async fn jwe_a4_what_is_inside_is_judged_as_ever() {
    let mesh = Mesh::new();
    let verifier = mesh.verifier();
    let with = |name: &str, value: serde_json::Value| {
        let mut claims = claims(LOGIN, mesh.clock.now());
        claims[name] = value;
        claims
    };
    let now = mesh.clock.now().as_secs();
    let typed = mesh.login.sign(&MediaType::JWT, &claims(LOGIN, mesh.clock.now())).expect("signed");
    let cases = [
        ("the control", mesh.of_login(), Ok(LOGIN.to_owned())),
        ("whoever encrypts, another has signed", sign(&key(), &claims(LOGIN, mesh.clock.now())), Err(invalid("key"))),
        ("for another service", sign(&mesh.login, &with("aud", json!("stock"))), Err(invalid("aud"))),
        ("ended", sign(&mesh.login, &with("exp", json!(now - 60))), Err(invalid("exp"))),
        ("of another kind", typed.expose().to_owned(), Err(invalid("typ"))),
        ("of a stranger", sign(&key(), &claims("https://evil.example", mesh.clock.now())), Err(invalid("iss"))),
    ];
    for (name, token, expected) in cases {
        assert_eq!(bearer(&verifier, &encrypted(&mesh.now, &token)).await, expected, "{name}");
    }
}

#[tokio::test]
async fn jwe_a4_beside_one_another_each_is_as_its_issuer_has_it() {
    let mesh = Mesh::new();
    let home = trusted(PARTNER, &mesh.partner);
    let users = trusted(LOGIN, &mesh.login).encrypted_to([mesh.now.clone()]);
    let verifier = Verifier::builder(home).user_issuer(users).clock(mesh.clock.clock()).build().expect("valid");
    let mut own = claims(PARTNER, mesh.clock.now());
    (own["sub"], own["client_id"]) = ("storefront".into(), "storefront".into());
    let own = sign(&mesh.partner, &own);
    let check = async |caller: &str, user: &str| verifier.pair(caller, user).await.map(drop).map_err(|it| it.check());
    let alice = mesh.of_login();
    assert_eq!(check(&own, &encrypted(&mesh.now, &alice)).await, Err(check::BINDING), "both are read");
    assert_eq!(check(&own, &alice).await, Err(check::ENCRYPTION));
    assert_eq!(check(&encrypted(&mesh.now, &own), &alice).await, Err(check::ENCRYPTION));
}

#[tokio::test]
async fn jwe_a4_an_encrypted_token_is_explained_by_what_is_inside() {
    let mesh = Mesh::new();
    let explanation = mesh.verifier().explain(&encrypted(&mesh.now, &mesh.of_login())).await;
    assert_eq!(explanation.verdict(), Verdict::Accepted);
    let format = explanation.checks().iter().find(|checked: &&Checked| checked.check == check::FORMAT);
    assert_eq!(format.map(|checked| checked.outcome), Some(Outcome::Passed));
    let to_another = encrypted(&DecryptionKey::generate(), &mesh.of_login());
    assert_eq!(mesh.verifier().explain(&to_another).await.verdict(), Verdict::Refused);
}

#[test]
fn jwe_a4_a_file_names_the_keys() {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).expect("written");
    write("now.pem", key().to_pem().expect("exported").expose());
    write("next.pem", key().to_pem().expect("exported").expose());
    write("bad.pem", "no key");
    let read = |files: serde_json::Value| {
        let table = json!({"issuer": LOGIN, "audience": "orders", "decryption_key_file": files});
        let settings: IssuerSettings = serde_json::from_value(table).expect("a table");
        let issuer = settings.trusted_issuer(folder.path());
        issuer.and_then(|issuer| Verifier::builder(issuer).build()).map(drop).map_err(|wrong| wrong.to_string())
    };
    assert_eq!(read(json!("now.pem")), Ok(()));
    assert_eq!(read(json!(["now.pem", "next.pem"])), Ok(()));
    assert_eq!(read(json!([])), Err("decryption_key_file: names no key".to_owned()));
    for gone in ["gone.pem", "bad.pem"] {
        let refused = read(json!(["now.pem", gone])).expect_err("no key");
        assert!(refused.starts_with("decryption_key_file: no key in ") && refused.contains(gone), "{refused}");
    }
}

#[test]
fn jwe_a4_an_issuer_without_a_key_is_refused() {
    let mesh = Mesh::new();
    let built = |keys: Vec<DecryptionKey>| {
        let builder = Verifier::builder(trusted(LOGIN, &mesh.login).encrypted_to(keys));
        builder.build().map(drop).map_err(|wrong| wrong.to_string())
    };
    assert_eq!(built(vec![mesh.now.clone()]), Ok(()));
    assert_eq!(built(Vec::new()), Err("issuer[0].decryption_key_file: names no key".to_owned()));
}
