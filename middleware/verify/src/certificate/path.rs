//! The roots of an anchor, and the way from a leaf to one of them (RFC 5280 §6.1).

use std::time::Duration;

use rustls_pki_types::{CertificateDer, TrustAnchor, UnixTime, pem::PemObject};
use tower_identity_core::{InvalidSetting, Refusal, Timestamp};
use webpki::{ALL_VERIFICATION_ALGS, EndEntityCert, KeyUsage, anchor_from_trusted_cert};
use x509_cert::{Certificate, der::Decode, ext::pkix::BasicConstraints};

use super::bad;

/// The roots that vouch for one anchor's certificates.
#[derive(Debug)]
pub(super) struct Roots {
    anchors: Box<[TrustAnchor<'static>]>,
    /// In the same order: from when and until when each holds.
    held: Box<[Held]>,
}

/// From when, and until when exclusively, something holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Held {
    pub(super) begins: Timestamp,
    pub(super) ends: Timestamp,
}

impl Held {
    /// `notAfter` is the last second (RFC 5280 §4.1.2.5).
    pub(super) fn of(certificate: &Certificate) -> Self {
        let validity = certificate.tbs_certificate().validity();
        let ends = Timestamp::from_unix(validity.not_after.to_unix_duration());
        Self {
            begins: Timestamp::from_unix(validity.not_before.to_unix_duration()),
            ends: ends.saturating_add(Duration::from_secs(1)),
        }
    }

    fn and(self, other: Self) -> Self {
        Self { begins: self.begins.max(other.begins), ends: self.ends.min(other.ends) }
    }

    pub(super) fn at(self, now: Timestamp) -> bool {
        self.begins <= now && now < self.ends
    }
}

impl Roots {
    /// Reads certificates in PEM. Each has to be an authority's: a leaf that is listed vouches for nobody.
    pub(super) fn parse(pem: &[u8]) -> Result<Self, InvalidSetting> {
        let wrong = |rule: String| InvalidSetting::new("roots", rule);
        let (mut anchors, mut held) = (Vec::new(), Vec::new());
        for (at, der) in CertificateDer::pem_slice_iter(pem).enumerate() {
            let der = der.map_err(|error| wrong(format!("is no PEM: {error}")))?;
            let certificate = Certificate::from_der(&der)
                .map_err(|error| wrong(format!("certificate {at} cannot be read: {error}")))?;
            let constraints = certificate.tbs_certificate().get_extension::<BasicConstraints>();
            if !matches!(constraints, Ok(Some((_, BasicConstraints { ca: true, .. })))) {
                return Err(wrong(format!("certificate {at} is no authority's")));
            }
            let anchor = anchor_from_trusted_cert(&der)
                .map_err(|error| wrong(format!("certificate {at} cannot be a root: {error}")))?;
            anchors.push(anchor.to_owned());
            held.push(Held::of(&certificate));
        }
        if anchors.is_empty() {
            return Err(wrong("holds no certificate".to_owned()));
        }
        Ok(Self { anchors: anchors.into(), held: held.into() })
    }

    /// Those of nobody, who vouch for nothing.
    pub(super) fn none() -> Self {
        Self { anchors: Box::new([]), held: Box::new([]) }
    }

    pub(super) fn len(&self) -> usize {
        self.anchors.len()
    }

    /// Finds the way from the leaf, the first of the chain, to a root, for a client, now; and how long every certificate on
    /// it holds, the root included.
    pub(super) fn vouch(&self, chain: &[CertificateDer<'static>], now: Timestamp) -> Result<Held, Refusal> {
        let [leaf, between @ ..] = chain else { return Err(bad("there is none")) };
        let failed = |error: webpki::Error| bad("no way leads from it to a root that is trusted").caused_by(error);
        let entity = EndEntityCert::try_from(leaf).map_err(failed)?;
        let time = UnixTime::since_unix_epoch(now.since_epoch());
        let usage = KeyUsage::client_auth();
        let path = entity
            .verify_for_usage(ALL_VERIFICATION_ALGS, &self.anchors, between, time, usage, None, None)
            .map_err(failed)?;

        let of = |der: CertificateDer<'_>| Certificate::from_der(&der).map(|certificate| Held::of(&certificate));
        let signed = std::iter::once(entity.der()).chain(path.intermediate_certificates().map(webpki::Cert::der));
        let mut found = self.held_by(path.anchor());
        for certificate in signed {
            found = found.and(of(certificate).map_err(|error| bad("a certificate cannot be read").caused_by(error))?);
        }
        // The roots too, whose time nothing before has asked about.
        if found.at(now) { Ok(found) } else { Err(bad("the root has ended, or not begun")) }
    }

    /// How long this root holds. One that was renewed under its key is there twice, and holds as long as either.
    fn held_by(&self, anchor: &TrustAnchor<'_>) -> Held {
        let same = self.anchors.iter().zip(&self.held).filter(|(own, _)| *own == anchor).map(|(_, held)| *held);
        same.reduce(|one, other| Held { begins: one.begins.min(other.begins), ends: one.ends.max(other.ends) })
            .expect("a way ends at one of these roots")
    }
}
