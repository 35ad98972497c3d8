//! Why there is no usable answer.

use std::{error::Error, io, sync::Arc, time::Duration};

use http::StatusCode;
use rustls::AlertDescription;

use super::public_names::LeadsInside;

/// Why there is no usable answer.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum FetchError {
    /// No connection, a connection that broke off, or no HTTP on it.
    #[error("the server is out of reach or hung up")]
    Unreachable(#[source] Arc<dyn Error + Send + Sync>),
    /// The server's name leads to this machine or to a private network, and may not: metadata chose it.
    #[error("the server's name leads to private addresses only")]
    Private,
    /// The server ends the connection because of the certificate that we showed, or because we showed none (RFC 8446 §6.2).
    #[error("the server refuses the client certificate ({alert})")]
    Certificate {
        /// What it says of it.
        alert: Box<str>,
    },
    /// No whole answer within the deadline.
    #[error("no answer within {} s", .after.as_secs())]
    Timeout {
        /// The deadline.
        after: Duration,
    },
    /// The answer is larger than the cap.
    #[error("the answer is larger than {limit} bytes")]
    TooLarge {
        /// The cap.
        limit: usize,
    },
    /// The server redirects; nobody follows, since a redirect would choose where credentials and trust go.
    #[error("the server redirects ({status}), which is not followed")]
    Redirected {
        /// The status.
        status: StatusCode,
    },
    /// Another status than 200.
    #[error("the server answers {status}")]
    Status {
        /// The status.
        status: StatusCode,
        /// `Retry-After` in seconds, at most [`MAX_RETRY_AFTER`](super::MAX_RETRY_AFTER).
        retry_after: Option<Duration>,
    },
}

impl FetchError {
    /// Whether the same request may well succeed a little later: the server is out of reach, slow, overloaded or
    /// broken. Everything else needs somebody to act.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable(_) | Self::Timeout { .. } => true,
            Self::Status { status, .. } => is_transient(*status),
            Self::TooLarge { .. } | Self::Redirected { .. } | Self::Private | Self::Certificate { .. } => false,
        }
    }

    /// When the server wants to be asked again, if it says so.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Status { retry_after, .. } => *retry_after,
            _ => None,
        }
    }
}

pub(crate) fn is_transient(status: StatusCode) -> bool {
    status.is_server_error() || matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT)
}

/// No answer came. The URL is left out: whoever reports the error names the server, and a query may hold anything.
pub(super) fn unreachable(error: reqwest::Error) -> FetchError {
    let mut cause: Option<&(dyn Error + 'static)> = Some(&error);
    while let Some(error) = cause {
        if error.is::<LeadsInside>() {
            return FetchError::Private;
        }
        if let Some(alert) = certificate_refused(error) {
            return FetchError::Certificate { alert: format!("{alert:?}").into() };
        }
        cause = error.source();
    }
    FetchError::Unreachable(Arc::new(error.without_url()))
}

/// What the server says of our certificate, if that is what this error is.
fn certificate_refused(error: &(dyn Error + 'static)) -> Option<AlertDescription> {
    use AlertDescription::{
        AccessDenied, BadCertificate, CertificateExpired, CertificateRequired, CertificateRevoked, CertificateUnknown,
        DecryptError, UnknownCA, UnsupportedCertificate,
    };
    // An I/O error has the source of what it holds for its own.
    let held = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
    match held?.downcast_ref::<rustls::Error>()? {
        rustls::Error::AlertReceived(
            alert @ (AccessDenied
            | BadCertificate
            | CertificateExpired
            | CertificateRequired
            | CertificateRevoked
            | CertificateUnknown
            | DecryptError
            | UnknownCA
            | UnsupportedCertificate),
        ) => Some(*alert),
        _ => None,
    }
}
