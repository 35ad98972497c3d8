//! Clients that show a certificate of ours (RFC 8705 §2).

use reqwest::Identity;

use super::{Authorities, Clients, Http, HttpSetupError, PublicNames, builder, by_the_system};

/// A certificate of ours with its private key.
#[derive(Clone)]
pub(crate) struct TlsIdentity(Identity);

/// Why a text is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum InvalidIdentity {
    #[error("no certificate with a private key in PEM")]
    Missing,
    #[error("a private key that is not the certificate's")]
    Key,
}

impl TlsIdentity {
    /// Reads a chain, the own certificate first, and its key (PEM, RFC 7468). That they fit is all that can be wrong with a
    /// client that trusts nobody.
    pub(crate) fn from_pem(pem: &str) -> Result<Self, InvalidIdentity> {
        let identity = Identity::from_pem(pem.as_bytes()).map_err(|_| InvalidIdentity::Missing)?;
        let nobody = builder(Some(&Authorities::none()));
        nobody.identity(identity.clone()).build().map_err(|_| InvalidIdentity::Key)?;
        Ok(Self(identity))
    }
}

/// [`Http`] that shows one certificate, to whom forms are sent: over connections of its own, which end with it. Two, as
/// metadata may have [chosen](Http::public_only) the server or not.
pub(crate) struct Certified {
    anywhere: Http,
    outside: Http,
}

impl Certified {
    /// The one that goes where this one may.
    pub(crate) fn like(&self, http: &Http) -> &Http {
        if http.is_public_only() { &self.outside } else { &self.anywhere }
    }
}

impl Http {
    /// The same, showing this certificate with each form. Documents are fetched without it.
    pub(crate) fn certified(&self, TlsIdentity(identity): &TlsIdentity) -> Result<Certified, HttpSetupError> {
        let builder = || builder(self.authorities.as_ref()).identity(identity.clone());
        let http = |builder: reqwest::ClientBuilder, public_names_only| {
            let forms = builder.build().map_err(HttpSetupError)?;
            let clients = Clients { forms, documents: self.clients.documents.clone() };
            // Nobody asks this one for others.
            let (public_only, servers) = (Default::default(), Default::default());
            let (clock, authorities) = (self.clock.clone(), self.authorities.clone());
            Ok(Self { clients, clock, authorities, public_names_only, public_only, servers })
        };
        let outside = http(builder().dns_resolver(PublicNames(by_the_system)), true)?;
        Ok(Certified { anywhere: http(builder(), self.public_names_only)?, outside })
    }
}
