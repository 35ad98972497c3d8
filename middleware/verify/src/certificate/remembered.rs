//! The chains that were verified, so that a connection's many requests cost one verification.

use std::sync::Arc;

use quick_cache::{Weighter, sync::Cache};
use rustls_pki_types::CertificateDer;
use tower_identity_core::{Timestamp, VerifiedToken};

/// How much is remembered of chains, in bytes: the least used make room.
const BYTES: u64 = 4 * 1024 * 1024;
/// What an entry takes beside its chain, in bytes, rounded up.
const OVERHEAD: u64 = 1024;
/// How many chains of the usual size that is.
const CHAINS: usize = 1024;

type Chain = Box<[CertificateDer<'static>]>;

/// By all bytes of the chain, and good ones only, so that made-up chains push nothing out. What a verifier remembers is its
/// own: another has other roots.
#[derive(Debug)]
pub(super) struct Remembered(Cache<Chain, Verified, ByBytes>);

#[derive(Debug, Clone)]
struct Verified {
    /// The number of the roots that vouched for it.
    changes: u64,
    begins: Timestamp,
    token: Arc<VerifiedToken>,
}

#[derive(Debug, Clone)]
struct ByBytes;

impl Weighter<Chain, Verified> for ByBytes {
    /// The leaf is there twice: here, and as what was verified.
    fn weight(&self, chain: &Chain, _: &Verified) -> u64 {
        OVERHEAD + chain.iter().chain(chain.first()).map(|certificate| certificate.len() as u64).sum::<u64>()
    }
}

impl Remembered {
    pub(super) fn new() -> Self {
        Self(Cache::with_weighter(CHAINS, BYTES, ByBytes))
    }

    /// Whom this very chain named, if that still holds, and the roots are those that vouched for it.
    pub(super) fn get(
        &self,
        chain: &[CertificateDer<'static>],
        changes: u64,
        now: Timestamp,
    ) -> Option<Arc<VerifiedToken>> {
        let found = self.0.get(chain)?;
        let holds = found.changes == changes && found.begins <= now && now < found.token.expires_at();
        holds.then_some(found.token)
    }

    pub(super) fn insert(
        &self,
        chain: &[CertificateDer<'static>],
        changes: u64,
        begins: Timestamp,
        token: Arc<VerifiedToken>,
    ) {
        self.0.insert(chain.into(), Verified { changes, begins, token });
    }
}
