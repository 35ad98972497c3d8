//! Clients that show a certificate of ours (RFC 8705 §2).

use std::sync::Arc;

use reqwest::Identity;
use rustls::{
    ClientConfig,
    crypto::CryptoProvider,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    sign::{CertifiedKey, SingleCertAndKey},
};
use tower_identity_core::SecretToken;

use super::{Authorities, Clients, Http, HttpSetupError, PublicNames, Tls, builder, by_the_system};

/// A certificate of ours with its private key.
#[derive(Clone)]
pub(crate) struct TlsIdentity {
    identity: Identity,
    /// The same, as it was read.
    pem: SecretToken,
}

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
        let nobody = builder(&Tls::Authorities(Authorities::none()));
        nobody.identity(identity.clone()).build().map_err(|_| InvalidIdentity::Key)?;
        Ok(Self { identity, pem: SecretToken::new(pem) })
    }

    /// What shows it to servers, and trusts those that this TLS does.
    fn shown(&self, tls: &Tls) -> reqwest::ClientBuilder {
        let Tls::Config(config) = tls else { return builder(tls).identity(self.identity.clone()) };
        let mut config = ClientConfig::clone(config);
        config.client_auth_cert_resolver = Arc::new(SingleCertAndKey::from(self.certified(config.crypto_provider())));
        builder(&Tls::Config(config.into()))
    }

    fn certified(&self, provider: &CryptoProvider) -> CertifiedKey {
        let pem = self.pem.expose().as_bytes();
        let chain = CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>();
        let (chain, key) =
            chain.and_then(|chain| Ok((chain, PrivateKeyDer::from_pem_slice(pem)?))).expect("it was read");
        CertifiedKey::from_der(chain, key, provider).expect("the key is the certificate's")
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
    pub(crate) fn certified(&self, identity: &TlsIdentity) -> Result<Certified, HttpSetupError> {
        let builder = || identity.shown(&self.tls);
        let http = |builder: reqwest::ClientBuilder, public_names_only| {
            let forms = builder.build().map_err(HttpSetupError)?;
            let clients = Clients { forms, documents: self.clients.documents.clone() };
            // Nobody asks this one for others.
            let (public_only, servers) = (Default::default(), Default::default());
            let (clock, tls) = (self.clock.clone(), self.tls.clone());
            Ok(Self { clients, clock, tls, public_names_only, public_only, servers })
        };
        let outside = http(builder().dns_resolver(PublicNames(by_the_system)), true)?;
        Ok(Certified { anywhere: http(builder(), self.public_names_only)?, outside })
    }
}
