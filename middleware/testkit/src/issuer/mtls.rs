//! The door for clients that show a certificate (RFC 8705 §2, §5).

use std::{collections::HashMap, sync::Arc};

use rustls_pki_types::{CertificateDer, pem::PemObject};
use tokio_rustls::rustls::{RootCertStore, ServerConfig, crypto::aws_lc_rs, server::WebPkiClientVerifier};
use tower_identity_core::CertificateThumbprint;

use super::{ClientAuthentication, Endpoint, TestIssuer, TestIssuerBuilder, state::Shared};
use crate::{TestAuthority, TestCertificate};

/// Who is known by which certificates.
#[derive(Debug, Default)]
pub(super) struct Registered(HashMap<String, Vec<CertificateThumbprint>>);

impl TestIssuerBuilder {
    /// Serves its endpoints at a second port, too: with TLS, by this certificate, and for clients with a certificate of this
    /// authority, or with none. Metadata names them (`mtls_endpoint_aliases`). Certificates have to hold by the system's
    /// clock.
    ///
    /// # Panics
    ///
    /// When TLS cannot be set up.
    pub fn mtls(mut self, server: &TestCertificate, clients: &TestAuthority) -> Self {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(clients.pem().as_bytes()).expect("PEM")).expect("a root");
        let provider = Arc::new(aws_lc_rs::default_provider());
        let clients = WebPkiClientVerifier::builder_with_provider(roots.into(), Arc::clone(&provider));
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("the provider has suites for them")
            .with_client_cert_verifier(clients.allow_unauthenticated().build().expect("a verifier"))
            .with_single_cert(server.chain().to_vec(), server.key())
            .expect("the key is the certificate's");
        self.mtls = Some(Arc::new(config));
        self
    }
}

impl TestIssuer {
    /// Knows a client by this very certificate from now on, beside others that it is known by. What is issued to it is bound
    /// to the certificate that it shows (`cnf`, RFC 8705 §3.1).
    pub fn register_certificate(&self, client_id: impl Into<String>, certificate: &TestCertificate) {
        let thumbprint = CertificateThumbprint::of(&certificate.chain()[0]);
        self.shared.state().registered.0.entry(client_id.into()).or_default().push(thumbprint);
    }

    /// Knows a client by no certificate any more.
    pub fn forget_certificates(&self, client_id: &str) {
        self.shared.state().registered.0.remove(client_id);
    }

    /// Where an endpoint is for clients that show a certificate.
    ///
    /// # Panics
    ///
    /// When there is [no such door](TestIssuerBuilder::mtls).
    #[must_use]
    #[track_caller]
    pub fn mtls_url(&self, endpoint: Endpoint) -> String {
        self.shared.mtls_url(endpoint).expect("it was built with a door for clients that show a certificate")
    }
}

impl Shared {
    pub(super) fn mtls_url(&self, endpoint: Endpoint) -> Option<String> {
        self.mtls_origin.as_ref().map(|origin| format!("{origin}{}", endpoint.path(&self.path)))
    }

    /// Who says who it is by no other means than its name, over a connection with a certificate that it is known by.
    pub(super) fn recognised(
        &self,
        client: ClientAuthentication,
        shown: Option<CertificateThumbprint>,
    ) -> ClientAuthentication {
        match (client, shown) {
            (ClientAuthentication::None { client_id: Some(client_id) }, Some(thumbprint))
                if self.state().registered.0.get(&client_id).is_some_and(|known| known.contains(&thumbprint)) =>
            {
                ClientAuthentication::Certificate { client_id, thumbprint }
            }
            (client, _) => client,
        }
    }
}
