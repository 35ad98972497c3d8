//! Requests whose caller's credential is a certificate: of the connection, or of the client that a proxy says it has.

use http::Request;
use rustls_pki_types::CertificateDer;
use serde::Deserialize;
use tower_identity_core::{CertificateThumbprint, Refusal, RefusalKind};
use tower_identity_verify::{Current, check::CERTIFICATE};

use super::settings::{Settings, Verdict, proven};
use crate::{Connection, Inbound, Presented, proxy::no_connection};

/// Whether a client certificate is demanded, where it is the caller's credential. In a file: `"required"`, `"optional"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClientCertificate {
    /// Whoever presents a token presents a certificate too.
    Required,
    /// A token may come without a certificate, and is judged by itself. For the time in which not every caller has one:
    /// whoever stole a user's token leaves the certificate out.
    Optional,
}

/// The certificates of the caller.
pub(super) enum Shown {
    /// Those of the connection, of whatever its acceptor says.
    ByConnection,
    /// Those that a proxy at the other end says, which may be none.
    ByProxy(Vec<CertificateDer<'static>>),
}

impl Shown {
    /// `None` where nobody has said anything.
    pub(super) fn chain<'a, B>(&'a self, request: &'a Request<B>) -> Option<&'a [CertificateDer<'static>]> {
        match self {
            Self::ByConnection => Connection::of(request.extensions()).map(Connection::peer_certificates),
            Self::ByProxy(chain) => Some(chain),
        }
    }

    /// Of the certificate that tokens may be bound to.
    pub(super) fn thumbprint<B>(&self, request: &Request<B>) -> Option<CertificateThumbprint> {
        match self {
            Self::ByConnection => proven(request),
            Self::ByProxy(chain) => chain.first().map(|own| CertificateThumbprint::of(own)),
        }
    }
}

/// Where one is required.
pub(super) fn no_certificate() -> Refusal {
    Refusal::new(RefusalKind::NoCredential, CERTIFICATE).detail("a token without the caller's certificate beside it")
}

impl Settings {
    /// Whose certificates count on this request.
    pub(super) fn shown<B>(&self, verifier: &Current, request: &Request<B>) -> Result<Shown, Refusal> {
        let Some(forwarded) = &self.forwarded else { return Ok(Shown::ByConnection) };
        Ok(forwarded.read(verifier, request)?.map_or(Shown::ByConnection, Shown::ByProxy))
    }

    /// The certificate says who calls, the token beside it for whom, or what that workload may.
    pub(super) fn judge_certified<B>(
        &self,
        wanted: ClientCertificate,
        verifier: &Current,
        presented: Presented<'_>,
        shown: &Shown,
        request: &Request<B>,
    ) -> Verdict {
        let Some(chain) = shown.chain(request) else { return Verdict::Decided(Err(no_connection())) };
        match (presented, chain) {
            (Presented::Credentials(_), []) if wanted == ClientCertificate::Required => {
                Verdict::Decided(Err(no_certificate()))
            }
            (presented @ (Presented::Absent | Presented::Transaction(_) | Presented::Credentials(_)), []) => {
                self.judge_presented(verifier, presented, shown, request)
            }
            (Presented::Malformed(refusal), _) => Verdict::Decided(Err(refusal)),
            // A browser sends a certificate, too, whoever made it ask; and by TLS alone.
            (Presented::Absent, chain) => Verdict::Decided(
                self.cross_site.check(request, true).and_then(|()| verifier.certificate(chain)).map(Inbound::Caller),
            ),
            (Presented::Transaction(token), chain) => match self.cross_site.check(request, true) {
                Ok(()) => Verdict::of(self.carrying(verifier, verifier.certificate(chain).into(), Some(token))),
                Err(refusal) => Verdict::Decided(Err(refusal)),
            },
            (Presented::Credentials(credentials), chain) => {
                let (token, transaction) = (credentials.caller(), credentials.transaction());
                self.guarded(credentials, request, || {
                    self.carrying(verifier, verifier.certificate_and_token(chain, token), transaction)
                })
            }
        }
    }
}
