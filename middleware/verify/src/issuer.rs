//! Whom a verifier trusts, and what this service is called there.

use std::time::Duration;

/// An issuer that is trusted, and the audience that this service goes by there.
///
/// Made in two steps, because a verifier without an audience accepts tokens that were meant for others:
/// a constructor gives a [`NeedsAudience`], and its [`audience`](NeedsAudience::audience) gives the `TrustedIssuer`.
#[derive(Debug, Clone)]
pub struct TrustedIssuer {
    leeway: Duration,
}

impl TrustedIssuer {
    /// Trusts an issuer and finds its keys by its metadata (RFC 8414, OpenID Connect Discovery).
    pub fn discover(_issuer: impl Into<String>) -> NeedsAudience {
        unimplemented!()
    }

    /// Trusts an issuer whose keys are at a URL of their own, which may be an internal one. Its metadata is not read.
    pub fn keys_at(_issuer: impl Into<String>, _jwks_uri: impl Into<String>) -> NeedsAudience {
        unimplemented!()
    }

    /// Adds another audience that this service goes by at this issuer: a token for any one of them is for us.
    #[must_use]
    pub fn audience(self, _audience: impl Into<String>) -> Self {
        unimplemented!()
    }

    /// How far the clocks of issuer and service may differ: 30 s by default, 120 s at most.
    #[must_use]
    pub fn leeway(self, leeway: Duration) -> Self {
        Self { leeway }
    }
}

/// A trusted issuer that still lacks what this service is called there. No verifier accepts it.
#[derive(Debug, Clone)]
#[must_use = "an issuer is trusted only for tokens that are addressed to this service: name its audience"]
pub struct NeedsAudience(());

impl NeedsAudience {
    /// Names the audience that this service goes by at this issuer: compared to the byte (RFC 9068 §4).
    pub fn audience(self, _audience: impl Into<String>) -> TrustedIssuer {
        unimplemented!()
    }
}
