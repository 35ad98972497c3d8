//! Certificates and keys as texts (RFC 7468), which is what all who go by them read.

use spiffe::{X509Bundle, X509Svid};

/// The chain, its own certificate first, and the key.
pub(crate) fn of_svid(svid: &X509Svid) -> String {
    let chain = svid.cert_chain().iter().map(|certificate| section("CERTIFICATE", certificate.as_bytes()));
    chain.chain([section("PRIVATE KEY", svid.private_key().as_bytes())]).collect()
}

pub(crate) fn of_bundle(bundle: &X509Bundle) -> String {
    bundle.authorities().iter().map(|authority| section("CERTIFICATE", authority.as_bytes())).collect()
}

fn section(label: &str, der: &[u8]) -> String {
    let base64 = base64_simd::STANDARD.encode_to_string(der);
    let mut text = format!("-----BEGIN {label}-----\n");
    for line in base64.as_bytes().chunks(64) {
        text.push_str(std::str::from_utf8(line).expect("base64 is ASCII"));
        text.push('\n');
    }
    text.push_str(&format!("-----END {label}-----\n"));
    text
}
