//! HTTP to authorization servers, and to nobody else.
//!
//! Every request has a deadline and a cap on the answer's size, follows no redirect, uses no proxy from the
//! environment, keeps no cookies, and is never repeated below us.

mod authorities;
mod caching;
mod certified;
mod error;
mod get;
mod public_names;

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use http::{
    HeaderMap, HeaderValue, StatusCode,
    header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE},
};
use reqwest::redirect::Policy;
use rustls::ClientConfig;
use tower_identity_core::Clock;

pub use self::{
    authorities::Authorities,
    caching::{MAX_RETRY_AFTER, Validator},
    error::FetchError,
    get::{Fetched, Get, Refetched},
};
use self::{
    caching::retry_after,
    error::unreachable,
    public_names::{Lookup, PublicNames, by_the_system},
};
pub(crate) use self::{
    certified::{Certified, TlsIdentity},
    error::is_transient,
};
use crate::{Endpoint, token_client::Servers};

/// The most that is read of an answer, in bytes.
pub const MAX_BODY_BYTES: usize = 256 * 1024;

/// How long one request may take, from connecting to the last byte of the answer.
pub const DEADLINE: Duration = Duration::from_secs(5);

/// How long connecting may take, TLS included: a server that does not even say that nobody is there leaves time for
/// another attempt, or another endpoint.
const CONNECTING: Duration = Duration::from_secs(2);

/// The TLS side of the HTTP client could not be set up, for lack of usable root certificates for example.
#[derive(Debug, thiserror::Error)]
#[error("the HTTP client cannot be set up")]
pub struct HttpSetupError(#[source] reqwest::Error);

/// What a form was answered with: any status but a redirect.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) retry_after: Option<Duration>,
    pub(crate) body: Bytes,
}

/// An HTTP client for authorization servers. Cheap to clone; the clones share the connections of token requests. Each
/// document is fetched over a connection of its own.
///
/// ```
/// use tower_identity_oauth::Http;
/// use tower_identity_refresh::system_clock;
///
/// let http = Http::new(system_clock())?; // needs no runtime and no server that is up
/// # Ok::<(), tower_identity_oauth::HttpSetupError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Http {
    clients: Clients,
    clock: Clock,
    tls: Tls,
    public_names_only: bool,
    /// For all clones, made when they are first needed.
    public_only: Arc<OnceLock<Clients>>,
    /// What is known of the servers whose tokens are asked for, by all clones.
    servers: Arc<Servers>,
}

/// What connections are made by.
#[derive(Debug, Clone)]
enum Tls {
    /// The authorities that the system trusts.
    System,
    /// These, and no others.
    Authorities(Authorities),
    /// What this says, of authorities and of a certificate that is shown.
    Config(Arc<ClientConfig>),
}

/// Two, which share no connection.
#[derive(Debug, Clone)]
struct Clients {
    /// Token requests are many, and their connections are kept.
    forms: reqwest::Client,
    /// Documents are minutes apart. A connection that was idle for that long is one that the server may close just when
    /// the next request is on its way, which would look like an outage: each has a connection of its own.
    documents: reqwest::Client,
}

impl Http {
    /// A client that measures its deadlines by this clock.
    ///
    /// # Errors
    ///
    /// [`HttpSetupError`] when TLS cannot be set up.
    pub fn new(clock: Clock) -> Result<Self, HttpSetupError> {
        Self::by(Tls::System, clock)
    }

    /// The same by this TLS: it says which servers are trusted, and which certificate is shown to those that ask for one,
    /// whoever they are. It is followed where it changes.
    ///
    /// # Errors
    ///
    /// [`HttpSetupError`] when it cannot be used.
    pub fn with_tls(config: impl Into<Arc<ClientConfig>>, clock: Clock) -> Result<Self, HttpSetupError> {
        Self::by(Tls::Config(config.into()), clock)
    }

    fn by(tls: Tls, clock: Clock) -> Result<Self, HttpSetupError> {
        Ok(Self {
            clients: Clients::new(|| builder(&tls))?,
            clock,
            tls,
            public_names_only: false,
            public_only: Arc::default(),
            servers: Arc::default(),
        })
    }

    /// The same, but for servers that metadata names: it connects to no [private address](FetchError::Private) that a
    /// name leads to. It shares no connection with this one.
    ///
    /// # Errors
    ///
    /// [`HttpSetupError`] when TLS cannot be set up.
    pub fn public_only(&self) -> Result<Self, HttpSetupError> {
        self.public_names(by_the_system)
    }

    /// The same, but for servers whose certificates are of these authorities, and of no others. It shares no connection
    /// with this one.
    ///
    /// # Errors
    ///
    /// [`HttpSetupError`] when one of them is no authority's certificate.
    pub fn trusting(&self, authorities: Authorities) -> Result<Self, HttpSetupError> {
        Self::by(Tls::Authorities(authorities), self.clock.clone())
    }

    fn public_names(&self, lookup: Lookup) -> Result<Self, HttpSetupError> {
        let clients = match self.public_only.get() {
            Some(clients) => clients,
            None => {
                let clients = Clients::new(|| builder(&self.tls).dns_resolver(PublicNames(lookup)))?;
                self.public_only.get_or_init(|| clients)
            }
        };
        Ok(Self { clients: clients.clone(), public_names_only: true, ..self.clone() })
    }

    /// Whether it connects to no private address that a name leads to.
    #[must_use]
    pub fn is_public_only(&self) -> bool {
        self.public_names_only
    }

    /// The clock that deadlines are measured by.
    #[must_use]
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    pub(crate) fn servers(&self) -> &Servers {
        &self.servers
    }

    /// Prepares a request for a JSON document: metadata, or a key set.
    pub fn get<'a>(&'a self, from: &'a Endpoint) -> Get<'a> {
        Get::new(self, from)
    }

    /// Fetches a JSON document: metadata, or a key set. Sends no credentials.
    ///
    /// # Errors
    ///
    /// [`FetchError`], also for every status but 200.
    pub async fn get_json_bytes(&self, from: &Endpoint) -> Result<Fetched, FetchError> {
        match self.get(from).send().await? {
            Refetched::Changed(document) => Ok(document),
            Refetched::Unchanged { .. } => {
                Err(FetchError::Status { status: StatusCode::NOT_MODIFIED, retry_after: None })
            }
        }
    }

    /// Posts a form, with the client's credentials in it or in the `Authorization` header. Whatever the status, the
    /// body is the answer: a failure has one too (RFC 6749 §5.2). Takes no longer than `within`.
    pub(crate) async fn post_form(
        &self,
        to: &Endpoint,
        authorization: Option<&HeaderValue>,
        form: String,
        within: Duration,
    ) -> Result<Answer, FetchError> {
        let request = self.form("application/json", to, authorization, form);
        let (status, headers, body) = self.send(request, within).await?;
        Ok(Answer { status, retry_after: retry_after(&headers), body })
    }

    /// The same for an answer of another media type; and what the server says of which it is.
    pub(crate) async fn post_form_for(
        &self,
        accept: &'static str,
        to: &Endpoint,
        authorization: Option<&HeaderValue>,
        form: String,
        within: Duration,
    ) -> Result<(Answer, Option<HeaderValue>), FetchError> {
        let (status, mut headers, body) = self.send(self.form(accept, to, authorization, form), within).await?;
        Ok((Answer { status, retry_after: retry_after(&headers), body }, headers.remove(CONTENT_TYPE)))
    }

    fn form(
        &self,
        accept: &'static str,
        to: &Endpoint,
        authorization: Option<&HeaderValue>,
        form: String,
    ) -> reqwest::RequestBuilder {
        let request = self
            .clients
            .forms
            .post(to.url().clone())
            .header(ACCEPT, accept)
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(form);
        match authorization {
            Some(credentials) => request.header(AUTHORIZATION, credentials),
            None => request,
        }
    }

    async fn send(
        &self,
        request: reqwest::RequestBuilder,
        within: Duration,
    ) -> Result<(StatusCode, HeaderMap, Bytes), FetchError> {
        let exchange = async {
            let mut response = request.send().await.map_err(unreachable)?;
            let status = response.status();
            if status.is_redirection() && status != StatusCode::NOT_MODIFIED {
                return Err(FetchError::Redirected { status });
            }
            let body = read_capped(&mut response).await?;
            Ok((status, std::mem::take(response.headers_mut()), body))
        };
        self.clock.within(within, exchange).await.unwrap_or(Err(FetchError::Timeout { after: within }))
    }
}

impl Clients {
    fn new(builder: impl Fn() -> reqwest::ClientBuilder) -> Result<Self, HttpSetupError> {
        let build = |builder: reqwest::ClientBuilder| builder.build().map_err(HttpSetupError);
        Ok(Self { forms: build(builder())?, documents: build(builder().pool_max_idle_per_host(0))? })
    }
}

fn builder(tls: &Tls) -> reqwest::ClientBuilder {
    let builder = reqwest::Client::builder();
    let builder = match tls {
        Tls::System => builder,
        Tls::Authorities(Authorities(certificates)) => builder.tls_certs_only(certificates.iter().cloned()),
        Tls::Config(config) => builder.tls_backend_preconfigured(ClientConfig::clone(config)),
    };
    builder
        .redirect(Policy::none())
        .no_proxy()
        .retry(reqwest::retry::never())
        .referer(false)
        .connect_timeout(CONNECTING)
}

/// Reads the body, and stops at the cap: at once where the length is announced, else at the chunk that exceeds it.
async fn read_capped(response: &mut reqwest::Response) -> Result<Bytes, FetchError> {
    let too_large = FetchError::TooLarge { limit: MAX_BODY_BYTES };
    let announced = response.content_length().unwrap_or_default();
    if announced > MAX_BODY_BYTES as u64 {
        return Err(too_large);
    }
    let mut body = BytesMut::new();
    while let Some(chunk) = response.chunk().await.map_err(unreachable)? {
        if body.len() + chunk.len() > MAX_BODY_BYTES {
            return Err(too_large);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}
