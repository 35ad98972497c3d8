//! A mint with keys of its own, on a clock that stands still.

use serde_json::Value;
use tower_identity_core::{Audience, SecretToken};
use tower_identity_edge::{KeyRing, Mint, MintBuilder, Pairwise, Rotation, TrustDomain};
use tower_identity_jose::{Accept, Algorithm, KeySet, KeyedHash, Limits, MediaType, Unopened, Unverified};
use tower_identity_testkit::ManualClock;

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
