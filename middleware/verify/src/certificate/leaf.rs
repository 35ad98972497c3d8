//! What a leaf certificate says: its names, and what its key is for.

use rustls_pki_types::CertificateDer;
use serde::Deserialize;
use tower_identity_core::{Refusal, Timestamp};
use x509_cert::{
    Certificate,
    der::{Decode, asn1::Ia5String},
    ext::pkix::{KeyUsage, SubjectAltName, name::GeneralName},
};

use super::bad;

/// The longest chain, in certificates: what is longer is no workload's.
const MAX_CERTIFICATES: usize = 4;
/// The longest chain, in bytes.
const MAX_BYTES: usize = 64 * 1024;

/// Which of a certificate's alternative names is the workload's, at a private authority. In a file: `"dns"`, `"uri"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum NameKind {
    /// Its DNS name.
    Dns,
    /// Its URI.
    Uri,
}

/// A leaf, read and not yet vouched for.
#[derive(Debug)]
pub(super) struct Leaf {
    dns: Vec<Ia5String>,
    uris: Vec<Ia5String>,
    key_usage: Option<KeyUsage>,
    pub(super) issued_at: Timestamp,
}

impl Leaf {
    /// Reads the first of a chain.
    pub(super) fn read(chain: &[CertificateDer<'_>]) -> Result<Self, Refusal> {
        let bytes: usize = chain.iter().map(|certificate| certificate.len()).sum();
        if chain.len() > MAX_CERTIFICATES || bytes > MAX_BYTES {
            return Err(bad(format!("a chain of {} certificates, {bytes} bytes", chain.len())));
        }
        let leaf = chain.first().ok_or_else(|| bad("there is none"))?;
        let unreadable = |error: x509_cert::der::Error| bad("it cannot be read").caused_by(error);
        let certificate = Certificate::from_der(leaf).map_err(unreadable)?;
        let said = certificate.tbs_certificate();
        let key_usage = said.get_extension::<KeyUsage>().map_err(unreadable)?.map(|(_, usage)| usage);
        let names = said.get_extension::<SubjectAltName>().map_err(unreadable)?;
        let (mut dns, mut uris) = (Vec::new(), Vec::new());
        for name in names.map_or_else(Vec::new, |(_, names)| names.0) {
            match name {
                GeneralName::DnsName(name) => dns.push(name),
                GeneralName::UniformResourceIdentifier(uri) => uris.push(uri),
                _ => {}
            }
        }
        let issued_at = Timestamp::from_unix(said.validity().not_before.to_unix_duration());
        Ok(Self { dns, uris, key_usage, issued_at })
    }

    /// Its SPIFFE ID, if it is an X.509-SVID: whatever has a URI of that scheme is one, in any spelling, and an SVID has no
    /// other URI (X509-SVID §2).
    pub(super) fn spiffe_id(&self) -> Result<Option<&str>, Refusal> {
        let of_spiffe = |uri: &Ia5String| uri.as_bytes().get(..7).is_some_and(|s| s.eq_ignore_ascii_case(b"spiffe:"));
        match &self.uris[..] {
            uris if !uris.iter().any(of_spiffe) => Ok(None),
            [id] => Ok(Some(id.as_str())),
            uris => Err(bad(format!("an X.509-SVID with {} URI names", uris.len()))),
        }
    }

    /// Its one name of this kind. What stands for many is no name of one.
    pub(super) fn only_name(&self, kind: NameKind) -> Result<&str, Refusal> {
        let (names, what) = match kind {
            NameKind::Dns => (&self.dns, "DNS"),
            NameKind::Uri => (&self.uris, "URI"),
        };
        match &names[..] {
            [name] if kind == NameKind::Dns && name.as_str().contains('*') => Err(bad("its DNS name is a wildcard")),
            [name] => Ok(name.as_str()),
            names => Err(bad(format!("it has {} {what} names, and one is the workload's", names.len()))),
        }
    }

    /// Whether its key is for what a client of TLS does with it (RFC 8446 §4.4.2.4), and for nothing that an authority does
    /// (X509-SVID §5.2). That it is no authority's, the way to its root has shown.
    pub(super) fn is_of_a_client(&self) -> Result<(), Refusal> {
        let is_svid = self.spiffe_id()?.is_some();
        match &self.key_usage {
            // Every SVID says what its key is for (X509-SVID §4.3).
            None if is_svid => Err(bad("an X.509-SVID without a key usage")),
            None => Ok(()),
            Some(usage) if usage.key_cert_sign() || usage.crl_sign() => Err(bad("its key signs certificates")),
            Some(usage) if !usage.digital_signature() => Err(bad("its key is not for signatures")),
            Some(_) => Ok(()),
        }
    }
}
