//! Requests whose caller's credential is the certificate of the connection.

use http::Request;
use serde::Deserialize;
use tower_identity_core::{Refusal, RefusalKind};
use tower_identity_verify::{Current, check::CERTIFICATE};

use super::settings::{Settings, Verdict};
use crate::{Connection, Inbound, Presented};

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

impl Settings {
    /// The certificate says who calls, the token beside it for whom, or what that workload may.
    pub(super) fn judge_certified<B>(
        &self,
        wanted: ClientCertificate,
        verifier: &Current,
        presented: Presented<'_>,
        request: &Request<B>,
    ) -> Verdict {
        let Some(connection) = Connection::of(request.extensions()) else {
            let missing = "no acceptor has said what it knows of the connection: insert Connection into every request";
            return Verdict::Decided(Err(Refusal::new(RefusalKind::Misconfigured, "wiring").detail(missing)));
        };
        match (presented, connection.peer_certificates()) {
            (Presented::Credentials(_), []) if wanted == ClientCertificate::Required => {
                let refusal = Refusal::new(RefusalKind::NoCredential, CERTIFICATE);
                Verdict::Decided(Err(refusal.detail("a token without the caller's certificate beside it")))
            }
            (presented @ (Presented::Absent | Presented::Credentials(_)), []) => {
                self.judge_presented(verifier, presented, request)
            }
            (Presented::Malformed(refusal), _) => Verdict::Decided(Err(refusal)),
            // A browser sends a certificate, too, whoever made it ask; and by TLS alone.
            (Presented::Absent, chain) => Verdict::Decided(
                self.cross_site.check(request, true).and_then(|()| verifier.certificate(chain)).map(Inbound::Caller),
            ),
            (Presented::Credentials(credentials), chain) => {
                let token = credentials.caller();
                self.guarded(credentials, request, || verifier.certificate_and_token(chain, token))
            }
        }
    }
}
