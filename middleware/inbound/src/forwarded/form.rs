//! The forms in which proxies write a certificate into a field.

use base64_simd::STANDARD;
use percent_encoding::percent_decode;
use rustls_pki_types::{CertificateDer, pem::PemObject};
use serde::Deserialize;
use tower_identity_core::Refusal;

use super::{wrong, xfcc};

/// How a proxy writes the client's certificate. In a file: `"rfc9440"`, `"escaped_pem"`, `"base64_der"`, `"xfcc"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum CertificateForm {
    /// RFC 9440 §2.2: the DER as a byte sequence of structured fields, `:MIIB…:`, without parameters. The field of this name
    /// with `-chain` at its end has the rest of the chain, if the proxy sends it (§2.3).
    Rfc9440,
    /// One certificate in PEM, percent-encoded: nginx's `$ssl_client_escaped_cert`.
    EscapedPem,
    /// The DER in base64: HAProxy's `%[ssl_c_der,base64]`.
    Base64Der,
    /// Envoy's `X-Forwarded-Client-Cert`: one element, whose `Cert` or `Chain` holds certificates in PEM, percent-encoded. A
    /// `Hash` or a `Subject` alone is no certificate; several elements are what several proxies say.
    Xfcc,
}

impl CertificateForm {
    /// The chain that stands in a field of this form, or nothing where that is empty: what proxies write that set the field
    /// whether there was a certificate or not.
    pub(super) fn read<'h>(
        self,
        own: &[u8],
        mut rest: impl Iterator<Item = &'h [u8]>,
    ) -> Result<Vec<CertificateDer<'static>>, Refusal> {
        match (self, own) {
            // RFC 9440 §2.3: the chain does not come alone.
            (_, b"" | b"::") if rest.next().is_some() => Err(wrong("a chain without the certificate that it is of")),
            (_, b"") | (Self::Rfc9440, b"::") => Ok(Vec::new()),
            (Self::Rfc9440, own) => {
                let rest = rest.flat_map(|list| list.split(|byte| *byte == b','));
                std::iter::once(own).chain(rest.map(<[u8]>::trim_ascii)).map(byte_sequence).collect()
            }
            (Self::EscapedPem, own) => match escaped_pem(own)? {
                one if one.len() == 1 => Ok(one),
                several => Err(wrong(format!("{} certificates where one belongs", several.len()))),
            },
            (Self::Base64Der, own) => Ok(vec![der(own)?]),
            (Self::Xfcc, own) => xfcc::read(own),
        }
    }
}

/// RFC 8941 §3.3.5.
fn byte_sequence(text: &[u8]) -> Result<CertificateDer<'static>, Refusal> {
    let base64 = text.strip_prefix(b":").and_then(|text| text.strip_suffix(b":"));
    der(base64.ok_or_else(|| wrong("is no byte sequence"))?)
}

fn der(base64: &[u8]) -> Result<CertificateDer<'static>, Refusal> {
    match STANDARD.decode_to_vec(base64) {
        Ok(der) if !der.is_empty() => Ok(der.into()),
        _ => Err(wrong("is no base64 of a certificate")),
    }
}

/// One certificate at least, and nothing before the first or behind the last.
pub(super) fn escaped_pem(text: &[u8]) -> Result<Vec<CertificateDer<'static>>, Refusal> {
    let pem: Vec<u8> = percent_decode(text).collect();
    let pem = pem.trim_ascii();
    if !pem.starts_with(b"-----BEGIN CERTIFICATE-----") || !pem.ends_with(b"-----END CERTIFICATE-----") {
        return Err(wrong("is no certificate in PEM"));
    }
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match read {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        Ok(_) => Err(wrong("is no certificate in PEM")),
        Err(error) => Err(wrong("is no certificate in PEM").caused_by(error)),
    }
}
