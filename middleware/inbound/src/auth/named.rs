//! Requests whose caller names its user in plain text.

use http::{HeaderMap, Request};
use tower_identity_core::{Refusal, RefusalKind};
use tower_identity_verify::{Current, check::PLAIN_USER};

use super::{
    certified::{ClientCertificate, Shown, no_certificate},
    settings::{Settings, Verdict},
};
use crate::{Inbound, Presented, plain_user::Said, proxy::no_connection, source::malformed};

impl Settings {
    /// The user whom the caller of a request names, where that is looked for.
    pub(super) fn name_of_user<'a>(&self, headers: &'a HeaderMap) -> Result<Option<(&'a str, Said)>, Refusal> {
        let Some(field) = &self.plain_user else { return Ok(None) };
        Ok(field.find(headers)?.map(|user| (user, field.said())))
    }

    /// Who names a user has one credential beside the name, and it is its own.
    pub(super) fn judge_named<B>(
        &self,
        verifier: &Current,
        presented: Presented<'_>,
        (user, said): (&str, Said),
        shown: &Shown,
        request: &Request<B>,
    ) -> Verdict {
        let certificates = match self.client_certificate {
            Some(_) => shown.chain(request).ok_or_else(no_connection),
            None => Ok(&[][..]),
        };
        let refused = |refusal| Verdict::Decided(Err(refusal));
        match (presented, certificates) {
            (_, Err(refusal)) | (Presented::Malformed(refusal), _) => refused(refusal),
            (Presented::Absent, Ok([])) => refused(
                Refusal::new(RefusalKind::NoCredential, "caller")
                    .detail("a user's name without the caller's credential"),
            ),
            (Presented::Absent, Ok(chain)) if said == Said::ByIdToken => match self.cross_site.check(request, true) {
                Ok(()) => Verdict::of(verifier.certificate_signed_in(chain, user)),
                Err(refusal) => refused(refusal),
            },
            (Presented::Absent, Ok(chain)) => Verdict::Decided(
                (self.cross_site.check(request, true).and_then(|()| verifier.certificate_naming(chain, user)))
                    .map(Inbound::Caller),
            ),
            (Presented::Credentials(_), Ok([])) if self.client_certificate == Some(ClientCertificate::Required) => {
                refused(no_certificate())
            }
            (Presented::Credentials(credentials), Ok([]))
                if credentials.user().or(credentials.transaction()).is_none() =>
            {
                let over = verifier.over(shown.thumbprint(request));
                self.guarded(credentials, request, || match said {
                    Said::ByName => over.naming(credentials.caller(), user),
                    Said::ByIdToken => over.signed_in(credentials.caller(), user),
                })
            }
            (Presented::Credentials(_) | Presented::Transaction(_), Ok(_)) => {
                refused(malformed(PLAIN_USER).detail("a user's name beside two credentials"))
            }
        }
    }
}
