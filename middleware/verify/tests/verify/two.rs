//! Two credentials on one request: every attack beside a control that differs in one thing.

mod aliases;
mod attacks;
mod concurrently;
mod id_tokens;
mod may_act;
mod plain_users;
mod trusted;

use serde_json::{Value, json};
use tower_identity_core::{Binding, CallerContext, Refusal, RefusalKind};
use tower_identity_jose::{KeySet, SigningKey};
use tower_identity_verify::{Profile, TrustedIssuer, Verification, Verifier, VerifierBuilder};

use crate::support::{ManualClock, at_once, key, sign};

const LOGIN: &str = "https://login.example.com";
const PARTNER: &str = "https://partner.example";
const SPIRE: &str = "spiffe://example.org";

/// What a pair of credentials comes to: who calls for whom, tied by what, with which scopes; or the refusal.
type Outcome = Result<String, (RefusalKind, &'static str)>;

/// An issuer whose keys are given.
struct Authority {
    issuer: &'static str,
    key: SigningKey,
}

impl Authority {
    fn new(issuer: &'static str) -> Self {
        Self { issuer, key: key() }
    }

    fn trusted(&self, audience: &str) -> TrustedIssuer {
        let keys = KeySet::from_keys([self.key.verifying_key()]).expect("one key");
        TrustedIssuer::keys(self.issuer, keys).audience(audience)
    }

    fn sign(&self, claims: &Value) -> String {
        sign(&self.key, claims)
    }

    /// A workload's own token.
    fn own(&self, client: &str) -> Value {
        self.of(client, client)
    }

    /// A user's token, issued to this client.
    fn of(&self, user: &str, client: &str) -> Value {
        let now = ManualClock::new().now().as_secs();
        json!({
            "iss": self.issuer, "sub": user, "client_id": client, "aud": "orders", "scope": format!("of:{user}"),
            "iat": now, "exp": now + 300, "jti": "1f0c",
        })
    }
}

/// Three issuers of callers: the login of home, a partner, and a SPIFFE trust domain.
struct House {
    login: Authority,
    partner: Authority,
    spire: Authority,
}

impl House {
    fn new() -> Self {
        Self { login: Authority::new(LOGIN), partner: Authority::new(PARTNER), spire: Authority::new(SPIRE) }
    }

    fn builder(&self) -> VerifierBuilder {
        Verifier::builder(self.login.trusted("orders"))
            .issuer(self.partner.trusted("orders"))
            .issuer(self.spire.trusted("orders").profile(Profile::JwtSvid))
            .clock(ManualClock::new().clock())
    }

    fn verifier(&self) -> Verifier {
        self.builder().build().expect("valid")
    }

    /// A JWT-SVID.
    fn svid(&self, path: &str) -> String {
        let now = ManualClock::new().now().as_secs();
        let claims = json!({"sub": format!("{SPIRE}{path}"), "aud": "orders", "exp": now + 300});
        let header = json!({"alg": "ES256", "kid": self.spire.key.key_id(), "typ": "JWT"});
        let header = header.as_object().expect("an object").clone();
        self.spire.key.sign_with_header(&header, &claims).expect("signed").expose().to_owned()
    }
}

fn with(mut claims: Value, name: &str, value: Value) -> Value {
    claims[name] = value;
    claims
}

fn outcome(decision: Result<CallerContext, Refusal>) -> Outcome {
    let caller = decision.map_err(|refusal| (refusal.kind().clone(), refusal.check()))?;
    let principal = caller.principal();
    let user = principal.user().map_or("nobody", |user| user.id.as_str());
    let binding = match principal.binding() {
        Binding::IssuerNamed => "named",
        Binding::None => "none",
        Binding::SameToken => "same token",
        other => panic!("{other:?} needs proofs"),
    };
    Ok(format!("{} for {user}, {binding}: {}", principal.workload().id, principal.scopes()))
}

/// The decision, which needed no keys.
#[track_caller]
fn decided(verification: Verification) -> Outcome {
    outcome(at_once(verification))
}

fn ok(said: &str) -> Outcome {
    Ok(said.to_owned())
}

fn unrelated() -> Outcome {
    Err((RefusalKind::UnrelatedCredentials, "binding"))
}

fn invalid(check: &'static str) -> Outcome {
    Err((RefusalKind::InvalidToken, check))
}
