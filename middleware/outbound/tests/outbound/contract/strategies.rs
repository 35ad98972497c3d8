//! The strategies, each with what shows that it keeps to the contract: a row for each.

use std::{
    sync::{LazyLock, Mutex},
    time::Duration,
};

use serde_json::{Value, json};
use tower_identity_core::{Binding, CallerContext, Credential, Scopes};
use tower_identity_jose::{Algorithm, MediaType, SigningKey};
use tower_identity_oauth::CustomGrantType;
#[cfg(feature = "transaction-tokens")]
use tower_identity_oauth::Transaction;
#[cfg(feature = "transaction-tokens")]
use tower_identity_outbound::TransactionToken;
use tower_identity_outbound::{
    Chaining, Embedded, EntraOnBehalfOf, IdJag, Plaintext, Relay, Signed, Strategy, Target, TokenExchange,
    danger::PlainUser,
};

use super::acts::{self, LARGE};
use crate::support::{Answer, Authority, Folder, HeardTime, START, World, issued};

static KEY: LazyLock<SigningKey> = LazyLock::new(|| SigningKey::generate(Algorithm::Es256).expect("a key"));

/// What a contract is played in: anew for each act.
pub(super) struct Scene {
    pub(super) world: World,
    pub(super) folder: Folder,
    /// Another authorization server, which rows name `partner`.
    pub(super) partner: Authority,
    /// Tokens that were made here, and are not to be seen.
    pub(super) secrets: Mutex<Vec<String>>,
    /// Moves only by hand.
    pub(super) time: HeardTime,
}

type Contract = acts::Contract<Scene>;

pub(super) const CONTRACTS: &[Contract] = &[
    Contract {
        name: "token_exchange",
        is_callers: true,
        asks: true,
        row: |_, row| row.token_exchange(),
        other: |_, row| row.token_exchange().actor_token(),
        caller: plain,
        fails: server_fails,
        wrong: &[("token_request", wider), ("credential_bytes", large)],
    },
    Contract {
        name: "client_credentials",
        is_callers: false,
        asks: true,
        row: |_, row| row.client_credentials(),
        other: |_, row| row.client_credentials().server("partner"),
        caller: plain,
        fails: server_fails,
        wrong: &[("token_request", wider), ("credential_bytes", large)],
    },
    Contract {
        name: "keycloak_exchange",
        is_callers: true,
        asks: true,
        row: |_, row| row.keycloak_exchange(),
        other: |_, row| row.scope("profile").keycloak_exchange(),
        caller: plain,
        fails: server_fails,
        wrong: &[
            ("subject_aud", |scene| scene.world.holding("alice", &["account"], &json!({}))),
            ("subject_issuer", |scene| scene.world.of_issuer("https://other.example", Some("alice"), "theirs", 300)),
            ("bound", |scene| scene.world.holding("alice", &["orders"], &json!({"cnf": {"jkt": "x"}}))),
            ("token_request", wider),
            ("credential_bytes", large),
        ],
    },
    Contract {
        name: "entra_on_behalf_of",
        is_callers: true,
        asks: true,
        row: |_, row| row.entra_on_behalf_of(),
        other: |_, row| row.strategy(EntraOnBehalfOf::new().audience("api://shop")),
        caller: plain,
        fails: server_fails,
        wrong: &[
            ("subject_aud", |scene| scene.world.holding("alice", &["api://shop"], &json!({}))),
            ("no_user", |scene| scene.world.caller_without_user()),
            ("bound", |scene| scene.world.holding("alice", &["orders"], &json!({"cnf": {"jkt": "x"}}))),
            ("token_request", wider),
            ("credential_bytes", large),
        ],
    },
    Contract {
        name: "custom_grant",
        is_callers: true,
        asks: true,
        row: |_, row| row.custom_grant(delegation("token")),
        other: |_, row| row.custom_grant(delegation("user_token")),
        caller: plain,
        fails: server_fails,
        wrong: &[("token_request", wider), ("credential_bytes", large)],
    },
    Contract {
        name: "assertion",
        is_callers: true,
        asks: true,
        row: |_, row| row.by_assertion(),
        other: |_, row| row.scope("profile").by_assertion(),
        caller: |scene, user| scene.asserting(user, "JWT"),
        fails: |scene| {
            server_fails(scene);
            scene.asserting("alice", "JWT")
        },
        wrong: &[
            ("subject_aud", plain_alice),
            ("assertion", |scene| scene.asserting("alice", "at+jwt")),
            ("token_request", |scene| {
                wider(scene);
                scene.asserting("alice", "JWT")
            }),
            ("credential_bytes", |scene| {
                large(scene);
                scene.asserting("alice", "JWT")
            }),
        ],
    },
    Contract {
        name: "chaining",
        is_callers: true,
        asks: true,
        row: |_, row| row.server("partner").chaining(),
        other: |_, row| row.server("partner").strategy(Chaining::new().scope(Scopes::parse("a").expect("scopes"))),
        caller: |scene, user| {
            scene.grants("jwt", "authorization-grant+jwt", &scene.partner);
            plain(scene, user)
        },
        fails: |scene| {
            scene.grants("jwt", "authorization-grant+jwt", &scene.partner);
            scene.partner.answers(Answer::error(400, "invalid_grant"));
            plain(scene, "alice")
        },
        wrong: &[
            ("token_request", plain_alice),
            ("token_request", |scene| {
                scene.grants("jwt", "at+jwt", &scene.partner);
                plain(scene, "alice")
            }),
            ("assertion_aud", |scene| {
                scene.grants("jwt", "authorization-grant+jwt", &scene.world.authority);
                plain(scene, "alice")
            }),
            ("credential_bytes", |scene| {
                large(scene);
                scene.grants("jwt", "authorization-grant+jwt", &scene.partner);
                plain(scene, "alice")
            }),
        ],
    },
    Contract {
        name: "id_jag",
        is_callers: true,
        asks: true,
        row: |_, row| row.server("partner").resource("https://payments.internal/").id_jag(),
        other: |_, row| row.server("partner").resource("https://payments.internal/").strategy(IdJag::new().id_token()),
        caller: |scene, user| {
            scene.grants("id-jag", "oauth-id-jag+jwt", &scene.partner);
            plain(scene, user)
        },
        fails: |scene| {
            scene.grants("id-jag", "oauth-id-jag+jwt", &scene.partner);
            scene.partner.answers(Answer::error(400, "invalid_grant"));
            plain(scene, "alice")
        },
        wrong: &[
            ("token_request", |scene| {
                scene.grants("id-jag", "JWT", &scene.partner);
                plain(scene, "alice")
            }),
            ("assertion_aud", |scene| {
                scene.grants("id-jag", "oauth-id-jag+jwt", &scene.world.authority);
                plain(scene, "alice")
            }),
            ("credential_bytes", |scene| {
                large(scene);
                scene.grants("id-jag", "oauth-id-jag+jwt", &scene.partner);
                plain(scene, "alice")
            }),
        ],
    },
    Contract {
        name: "relay",
        is_callers: true,
        asks: false,
        row: |_, row| row.strategy(Relay::new().accepts("mesh")),
        other: |_, row| row.relay(),
        caller: |scene, user| scene.world.holding(user, &["mesh"], &json!({})),
        fails: |scene| scene.world.holding("alice", &["orders"], &json!({})),
        wrong: &[
            ("relay_aud", |scene| scene.world.holding("alice", &["orders"], &json!({}))),
            ("bound", |scene| scene.world.holding("alice", &["mesh"], &json!({"cnf": {"jkt": "x"}}))),
            ("credential_bytes", |scene| scene.world.holding(&"a".repeat(LARGE), &["mesh"], &json!({}))),
        ],
    },
    Contract {
        name: "embedded",
        is_callers: true,
        asks: false,
        row: |_, row| row.embedded("token"),
        other: |_, row| row.embedded("other"),
        caller: embedding,
        fails: plain_alice,
        wrong: &[
            ("embedded", |scene| scene.embedding("alice", "two words")),
            ("embedded_aud", |scene| scene.embedding("alice", &scene.jwt("alice", &json!({"aud": "stock"})))),
            ("embedded_sub", |scene| scene.embedding("alice", &scene.jwt("bob", &json!({})))),
            ("embedded_exp", |scene| scene.embedding("alice", &scene.jwt("alice", &json!({"exp": START})))),
            ("credential_bytes", |scene| scene.embedding("alice", &"a".repeat(LARGE))),
        ],
    },
    Contract {
        name: "embedded, else token_exchange",
        is_callers: true,
        asks: true,
        row: |_, row| row.strategy([Embedded::at("token").into(), Strategy::from(TokenExchange::new())]),
        other: |_, row| row.strategy([Embedded::at("token").into(), Relay::new().into()]),
        caller: plain,
        fails: server_fails,
        wrong: &[
            ("embedded_sub", |scene| scene.embedding("alice", &scene.jwt("bob", &json!({})))),
            ("token_request", wider),
            ("credential_bytes", large),
        ],
    },
    Contract {
        name: "signed",
        is_callers: true,
        asks: false,
        row: |_, row| row.signed("https://orders.internal", KEY.clone()),
        other: |_, row| {
            let signed = Signed::new("https://orders.internal", KEY.clone());
            row.strategy(signed.lifetime(Duration::from_secs(120)))
        },
        caller: allowed,
        fails: plain_alice,
        wrong: &[
            ("scope", plain_alice),
            ("no_user", |scene| scene.world.caller_without_user()),
            ("credential_bytes", |scene| allowed(scene, &"a".repeat(LARGE))),
        ],
    },
    #[cfg(feature = "transaction-tokens")]
    Contract {
        name: "transaction_token",
        is_callers: true,
        asks: true,
        row: |_, row| transactional(row, Transaction::new()),
        other: |_, row| transactional(row, Transaction::new().details(json!({"order": "8a77"})).expect("an object")),
        caller: |scene, user| {
            scene.begins(&json!({}));
            plain(scene, user)
        },
        fails: server_fails,
        wrong: &[
            ("trust_domain", |scene| {
                let bank = "bank.internal".parse().expect("audience");
                scene.world.with("alice", |parts| parts.trust_domain = Some(bank))
            }),
            ("token_request", wider),
            ("txn_aud", |scene| scene.begins(&json!({"aud": "bank.internal"}))),
            ("txn_scope", |scene| scene.begins(&json!({"scope": "payments:charge admin"}))),
            ("txn_exp", |scene| scene.begins(&json!({"exp": START}))),
            ("credential_bytes", |scene| scene.begins(&json!({"sub": "a".repeat(LARGE)}))),
        ],
    },
    Contract {
        name: "plain_user",
        is_callers: true,
        asks: false,
        row: |scene, row| naming(scene, row, PlainUser::pass_on),
        other: |scene, row| {
            naming(scene, row.tenant("acme").subjects_of(scene.world.authority.issuer()), |plain| plain)
        },
        caller: plain,
        fails: |scene| scene.world.of_issuer("https://other.example", Some("alice"), "theirs", 300),
        wrong: &[
            ("subject_issuer", |scene| scene.world.of_issuer("https://other.example", Some("alice"), "theirs", 300)),
            ("tenant", |scene| scene.world.of_tenant(Some("acme"), "alice", &["orders"], &json!({}))),
            ("no_user", |scene| scene.world.caller_without_user()),
            ("binding", |scene| scene.world.tied("alice", Binding::None)),
            ("plain_user", |scene| scene.world.caller("alice,bob")),
            ("credential_bytes", |scene| scene.world.caller(&"a".repeat(LARGE))),
        ],
    },
    Contract {
        name: "file",
        is_callers: false,
        asks: false,
        row: |scene, row| row.token_file(scene.folder.at("token")),
        other: |scene, row| row.token_file(scene.folder.at("other")),
        caller: |scene, user| {
            scene.folder.write("token", &scene.jwt("orders", &json!({"jti": "one"})));
            scene.folder.write("other", &scene.jwt("orders", &json!({"jti": "other"})));
            plain(scene, user)
        },
        fails: plain_alice,
        wrong: &[
            ("own_token", |scene| scene.in_file("two words")),
            ("own_token", |scene| scene.in_file(&scene.jwt("orders", &json!({"aud": "stock"})))),
            ("own_token", |scene| scene.in_file(&scene.jwt("orders", &json!({"exp": START})))),
            ("credential_bytes", |scene| scene.in_file(&"a".repeat(LARGE))),
        ],
    },
];

impl Scene {
    pub(super) async fn new() -> Self {
        let (world, partner) = (World::new().await, Authority::start().await);
        partner.answers(Answer::ok(issued(300).body.replace("{token}", "partner-{token}")));
        Self { world, folder: Folder::new(), partner, secrets: Mutex::default(), time: HeardTime::default() }
    }

    /// A JWT for the target, of this subject, with these claims besides or in their place.
    fn jwt(&self, subject: &str, but_for: &Value) -> String {
        let mut claims = json!({
            "iss": self.world.authority.issuer(), "aud": "payments", "sub": subject, "exp": START + 300,
        });
        let all = claims.as_object_mut().expect("an object");
        all.extend(but_for.as_object().expect("an object").clone());
        let token = KEY.sign(&MediaType::ACCESS_TOKEN, &claims).expect("signed").expose().to_owned();
        self.secrets.lock().expect("unpoisoned").push(token.clone());
        token
    }

    /// A caller whose token holds these two.
    fn embedding(&self, user: &str, token: &str) -> CallerContext {
        let other = self.jwt(user, &json!({"jti": "other"}));
        self.world.holding(user, &["orders"], &json!({"token": token, "other": other}))
    }

    /// A caller whose token is for the server, too, and says that it is of this kind.
    fn asserting(&self, user: &str, typ: &str) -> CallerContext {
        let claims = json!({"sub": user});
        let token = KEY.sign(&MediaType::parse(typ).expect("a type"), &claims).expect("signed");
        self.secrets.lock().expect("unpoisoned").push(token.expose().to_owned());
        self.world.with(user, |parts| {
            parts.credential = Credential::Token { token, payload: (*b"{}").into() };
            parts.audience.push(self.world.authority.issuer().parse().expect("audience"));
        })
    }

    /// The server answers with a grant of this type and kind for that one.
    fn grants(&self, issued: &str, typ: &str, to: &Authority) {
        let claims = json!({"aud": to.issuer(), "client_id": "orders"});
        let grant = KEY.sign(&MediaType::parse(typ).expect("a type"), &claims).expect("signed").expose().to_owned();
        let issued = format!("urn:ietf:params:oauth:token-type:{issued}");
        let body = json!({"access_token": grant, "token_type": "N_A", "issued_token_type": issued, "expires_in": 60});
        self.secrets.lock().expect("unpoisoned").push(grant);
        self.world.authority.answers(Answer::ok(body.to_string()));
    }

    /// The server answers with a transaction token, with these claims changed, which differs each time.
    #[cfg(feature = "transaction-tokens")]
    fn begins(&self, changes: &Value) -> CallerContext {
        let mut claims = json!({"aud": "shop.internal", "exp": START + 60, "scope": "payments:charge"});
        claims.as_object_mut().expect("an object").extend(changes.as_object().expect("an object").clone());
        let token = KEY.sign(&MediaType::parse("txntoken+jwt").expect("a type"), &claims).expect("signed");
        let (signed, _) = token.expose().rsplit_once('.').expect("three parts");
        let body = json!({
            "access_token": format!("{signed}.{{token}}A"), "token_type": "N_A", "expires_in": 60,
            "issued_token_type": "urn:ietf:params:oauth:token-type:txn_token",
        });
        self.secrets.lock().expect("unpoisoned").push(signed.to_owned());
        answers(self, &Answer::ok(body.to_string()))
    }

    fn in_file(&self, text: &str) -> CallerContext {
        self.folder.write("token", text);
        plain(self, "alice")
    }
}

/// A caller whose token is for this service, and holds nothing.
fn plain(scene: &Scene, user: &str) -> CallerContext {
    scene.world.caller(user)
}

fn plain_alice(scene: &Scene) -> CallerContext {
    plain(scene, "alice")
}

/// A caller whose token has a scope.
fn allowed(scene: &Scene, user: &str) -> CallerContext {
    scene.world.with(user, |parts| parts.scopes = Scopes::parse("payments:charge").expect("scopes"))
}

fn embedding(scene: &Scene, user: &str) -> CallerContext {
    scene.embedding(user, &scene.jwt(user, &json!({})))
}

/// A row whose one credential is the transaction token.
#[cfg(feature = "transaction-tokens")]
fn transactional(row: Target, about: Transaction) -> Target {
    let scope = Scopes::parse("payments:charge").expect("scopes");
    let strategy = TransactionToken::of("shop.internal").scope(scope).transaction(about);
    row.plaintext(Plaintext::SidecarMtls).strategy(strategy.without_own_token())
}

/// A row whose one credential is the user's name.
fn naming(scene: &Scene, row: Target, but_for: fn(PlainUser) -> PlainUser) -> Target {
    let plain = PlainUser::in_field("x-user-id", scene.world.authority.issuer()).without_own_token();
    row.plaintext(Plaintext::SidecarMtls).strategy(but_for(plain))
}

fn delegation(subject_parameter: &str) -> CustomGrantType {
    CustomGrantType::new("delegation", subject_parameter).expect("usable")
}

/// The servers answer this.
fn answers(scene: &Scene, answer: &Answer) -> CallerContext {
    scene.world.authority.answers(answer.clone());
    scene.partner.answers(answer.clone());
    plain(scene, "alice")
}

fn server_fails(scene: &Scene) -> CallerContext {
    answers(scene, &Answer::error(500, "server_error"))
}

fn wider(scene: &Scene) -> CallerContext {
    answers(scene, &Answer::ok(issued(300).body.replace("\"expires_in\"", "\"scope\":\"admin\",\"expires_in\"")))
}

fn large(scene: &Scene) -> CallerContext {
    answers(scene, &Answer::ok(issued(300).body.replace("{token}", &"a".repeat(LARGE))))
}
