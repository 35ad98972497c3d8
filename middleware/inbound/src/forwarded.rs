//! The client certificate of a caller whose TLS ends at a proxy in front of this service (RFC 8705 §6.5, RFC 9440).
//!
//! Whoever can write the field is whoever it says. So it is read where the peer of the connection is one of the
//! [proxies](ProxyPeer), from the one field that was named, in its one form; from anybody else it is taken away unread.

mod form;
mod xfcc;

use http::{HeaderMap, HeaderName, HeaderValue, Request};
use rustls_pki_types::CertificateDer;
use serde::Deserialize;
use tower_identity_core::{
    InvalidSetting, Refusal,
    fields::{Pattern, same},
};
use tower_identity_verify::{Current, Verifier};

pub use self::form::CertificateForm;
use crate::{
    ProxyPeer,
    fields::{self, OF_THE_MESSAGE},
    proxy::Proxies,
    source::malformed,
};

/// The longest field, and the longest chain beside it, in bytes.
const MAX_BYTES: usize = 16 * 1024;

/// Of a field that cannot be read as one certificate.
const CHECK: &str = "forwarded_certificate";

/// The names under which certificates of clients are handed on, by one product or the other. Beside the one that is read,
/// another would be a second answer to one question.
const KNOWN: &[Pattern] = &[
    Pattern::name("client-cert"),
    Pattern::name("x-forwarded-client-cert"),
    Pattern::name("x-forwarded-tls-client-cert"),
    Pattern::name("x-client-cert"),
    Pattern::name("x-ssl-client-cert"),
    Pattern::name("ssl-client-cert"),
    Pattern::name("x-tls-client-cert"),
    Pattern::name("x-amzn-mtls-clientcert"),
    Pattern::name("x-amzn-mtls-clientcert-leaf"),
    Pattern::name("x-arr-clientcert"),
];

/// Where a proxy says which certificate the client showed it, and which peers are such proxies.
///
/// | from | the field | |
/// |---|---|---|
/// | one of the proxies | one certificate | is the caller's, as if the connection had shown it: judged by the roots of the verifier, related to a token, and what a token may be bound to |
/// | one of the proxies | none, or empty | the caller has no certificate. The proxy's own is never the caller's |
/// | one of the proxies | twice, in another spelling or form, longer than 16 KiB, not one certificate; or a field beside it that other products use for one | 400, check `forwarded_certificate` |
/// | anybody else | whatever | taken away unread: the caller's certificate is the connection's |
///
/// What the proxy verified is not asked: the chain is verified here. That the client has the key of its certificate is the
/// proxy's word alone, and so every proxy that is named here can call as anybody whose certificate it has seen. Handlers
/// do not see the field.
///
/// In a file:
///
/// ```toml
/// [inbound.forwarded_certificate]
/// header = "x-ssl-client-cert"
/// form = "escaped_pem"                    # nginx: $ssl_client_escaped_cert
/// peers = ["loopback", { caller = { issuer = "spiffe://example.org", id = "spiffe://example.org/gateway" } }]
/// ```
///
/// ```
/// use tower_identity_inbound::{CertificateForm, ForwardedCertificate, ProxyPeer};
///
/// let forwarded = ForwardedCertificate::by_header("client-cert", CertificateForm::Rfc9440, [ProxyPeer::Loopback])?;
/// let refused = ForwardedCertificate::by_header("client-cert", CertificateForm::Rfc9440, []).unwrap_err();
/// assert_eq!(refused.to_string(), "peers: names no proxy: whose word is taken");
/// # Ok::<(), tower_identity_core::InvalidSetting>(())
/// ```
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "Written")]
pub struct ForwardedCertificate {
    header: HeaderName,
    /// Of [`CertificateForm::Rfc9440`], where the rest of the chain is.
    chain: Option<HeaderName>,
    form: CertificateForm,
    proxies: Proxies,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    header: String,
    form: CertificateForm,
    peers: Vec<ProxyPeer>,
}

impl TryFrom<Written> for ForwardedCertificate {
    type Error = InvalidSetting;

    fn try_from(written: Written) -> Result<Self, InvalidSetting> {
        Self::by_header(written.header, written.form, written.peers)
    }
}

impl ForwardedCertificate {
    /// Reads the field of this name, in this form, from these peers.
    ///
    /// # Errors
    ///
    /// [`InvalidSetting`] for the field `header`: this is no name of a field, it has a `_`, or it means something else; for
    /// `peers`: there is none, or one is named twice.
    pub fn by_header(
        header: impl AsRef<str>,
        form: CertificateForm,
        peers: impl IntoIterator<Item = ProxyPeer>,
    ) -> Result<Self, InvalidSetting> {
        let header = name(header.as_ref())?;
        let chain = match form {
            CertificateForm::Rfc9440 => Some(name(&format!("{header}-chain"))?),
            _ => None,
        };
        Ok(Self { header, chain, form, proxies: Proxies::of(peers)? })
    }

    /// The field that is read.
    pub(crate) fn header(&self) -> &HeaderName {
        &self.header
    }

    /// Whether somebody vouches for the proxies.
    pub(crate) fn known_to(&self, verifier: &Verifier) -> Result<(), InvalidSetting> {
        self.proxies.known_to(verifier)
    }

    /// The certificates of the client, its own first, where a proxy sent the request: none where it had none. `None` where
    /// the caller itself did.
    pub(crate) fn read<B>(
        &self,
        verifier: &Current,
        request: &Request<B>,
    ) -> Result<Option<Vec<CertificateDer<'static>>>, Refusal> {
        if !self.proxies.sent(verifier, request)? {
            return Ok(None);
        }
        self.certificates(request.headers()).map(Some)
    }

    fn certificates(&self, headers: &HeaderMap) -> Result<Vec<CertificateDer<'static>>, Refusal> {
        if let Some(other) = headers.keys().find(|name| self.is_another(name)) {
            return Err(wrong(format!("{other} beside {}, or in its place", self.header)));
        }
        let mut fields = headers.get_all(&self.header).into_iter().map(HeaderValue::as_bytes);
        let own = fields.next().unwrap_or_default();
        if fields.next().is_some() {
            return Err(wrong(format!("more than one field {}", self.header)));
        }
        let chain = || self.chain.iter().flat_map(|name| headers.get_all(name)).map(HeaderValue::as_bytes);
        if own.len() > MAX_BYTES || chain().map(<[u8]>::len).sum::<usize>() > MAX_BYTES {
            return Err(wrong(format!("longer than {MAX_BYTES} bytes")));
        }
        self.form.read(own, chain())
    }

    /// Whether somebody may take this field for one of ours, and it is none.
    fn is_another(&self, name: &HeaderName) -> bool {
        let own = || [Some(&self.header), self.chain.as_ref()].into_iter().flatten();
        let is_spelled_otherwise = || own().any(|own| same(own.as_str(), name.as_str()));
        let is_known = || KNOWN.iter().any(|known| known.matches(name.as_str()));
        !own().any(|own| own == name) && (is_spelled_otherwise() || is_known())
    }

    /// Takes the fields out, in every spelling.
    pub(crate) fn strip(&self, headers: &mut HeaderMap) {
        let own = |name: &HeaderName| same(self.header.as_str(), name.as_str());
        let chain = |name: &HeaderName| self.chain.as_ref().is_some_and(|chain| same(chain.as_str(), name.as_str()));
        fields::remove(headers, |name| own(name) || chain(name));
    }
}

fn name(text: &str) -> Result<HeaderName, InvalidSetting> {
    let refuse = |rule: &str| Err(InvalidSetting::new("header", rule));
    let Ok(name) = HeaderName::from_bytes(text.as_bytes()) else {
        return refuse("is no name of a header field");
    };
    if name.as_str().contains('_') {
        return refuse("is written with _, which proxies take for - or drop");
    }
    if OF_THE_MESSAGE.iter().any(|pattern| pattern.matches(name.as_str())) {
        return refuse("has another meaning, and is no place for a certificate");
    }
    Ok(name)
}

/// What a proxy says is not what it was to say: malformed, and never taken for nothing.
fn wrong(detail: impl Into<std::borrow::Cow<'static, str>>) -> Refusal {
    malformed(CHECK).detail(detail)
}
