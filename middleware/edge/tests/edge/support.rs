//! A mint with keys of its own, on a clock that stands still.

use serde_json::Value;
use tower_identity_core::{Audience, Revocations, SecretToken};
use tower_identity_edge::{EdgeLayer, KeyRing, Mint, MintBuilder, Pairwise, Rotation, TrustDomain, UserNames};
use tower_identity_inbound::AuthLayer;
use tower_identity_jose::{Accept, Algorithm, KeySet, KeyedHash, Limits, MediaType, Unopened, Unverified};
use tower_identity_testkit::{ManualClock, TestCaller, TestIssuer, TokenBuilder};
use tower_identity_verify::{TrustedIssuer, Verifier};

pub(crate) const SHOP: &str = "shop.internal";

pub(crate) fn audience(name: &str) -> Audience {
    Audience::parse(name).expect("a name")
}

pub(crate) fn secret() -> KeyedHash {
    KeyedHash::new([7; 32]).expect("32 bytes")
}

pub(crate) fn ring(clock: &ManualClock) -> KeyRing {
    KeyRing::generated(Algorithm::Es256, Rotation::default(), clock.clock()).expect("a rotation")
}

pub(crate) fn shop() -> TrustDomain {
    TrustDomain::new(SHOP, Pairwise::new(secret()))
}

pub(crate) fn builder(clock: &ManualClock) -> MintBuilder {
    Mint::builder("gateway", ring(clock), secret())
}

/// The header and the claims of a token that one of these keys has signed.
pub(crate) fn opened(token: &SecretToken, keys: &KeySet) -> (String, Value) {
    let kind = MediaType::parse("txntoken+jwt").expect("a type");
    let token = Unverified::<Value>::parse(token.expose(), &Limits::default()).expect("a token");
    let typ = token.header().typ().unwrap_or_default().to_owned();
    let opened = token.open(keys, &Accept::new([kind], [Algorithm::Es256])).map_err(Unopened::into_error);
    (typ, opened.expect("one of these keys signed it").claims().clone())
}

/// An issuer outside, an edge in front of a service that says what it finds, and one clock for all.
pub(crate) struct Edge {
    pub(crate) clock: ManualClock,
    pub(crate) login: TestIssuer,
    pub(crate) mint: Mint,
    pub(crate) revocations: Revocations,
}

impl Edge {
    pub(crate) fn new() -> Self {
        let clock = ManualClock::new();
        let domain = shop().scope("orders:write", "orders:place");
        Self {
            login: TestIssuer::builder().clock(clock.clock()).start(),
            mint: builder(&clock).trust_domain(domain).build().expect("a mint"),
            revocations: Revocations::new(clock.clock()),
            clock,
        }
    }

    pub(crate) fn outside(&self) -> AuthLayer {
        let home = TrustedIssuer::discover(self.login.issuer().as_str()).audience("shop");
        let verifier = Verifier::builder(home).clock(self.clock.clock()).revocations(self.revocations.clone());
        AuthLayer::new(verifier.build().expect("a verifier"))
    }

    pub(crate) fn layer(&self) -> EdgeLayer {
        EdgeLayer::new(self.outside().edge(), self.mint.clone(), SHOP).expect("a layer").forwarding()
    }

    pub(crate) fn token(&self, user: &str) -> TokenBuilder {
        self.login.token().subject(user).client("browser").audience("shop").scope("orders:write openid")
    }

    /// The name that a user of the issuer has inside.
    pub(crate) fn name(&self, user: &str) -> String {
        let caller = TestCaller::workload("browser").issuer(self.login.issuer().as_str()).user(user).context();
        let name = Pairwise::new(secret()).name(caller.principal(), &audience(SHOP));
        name.expect("everybody has one").to_string()
    }
}
