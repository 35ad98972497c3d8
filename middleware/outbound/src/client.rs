//! The same over reqwest: a client whose requests carry the credential of their target.

use std::{fmt, future::Future, time::Duration};

use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, Version};
use reqwest::{Body, ClientBuilder, Response, redirect, retry};
use serde::Serialize;
use tower_identity_core::{CallerContext, Refusal};

use crate::{
    Outbound, OutboundError, Retries, TargetRefusal, acting::Acting, outbound::Obtained, retries::MadeIn,
    targets::NoTarget,
};

impl Outbound {
    /// A client over reqwest, which builds it: so that nothing below us sends a token elsewhere.
    ///
    /// Whatever the builder says, the client follows no redirect (a 3xx answer is returned as it is), repeats no
    /// request on its own, and uses no proxy, neither from the environment nor from the builder. For egress through
    /// a proxy, put [`layer`](Self::layer) over a client that has one. What a target refuses for its token is tried once
    /// again, with a new one: see [`HttpClient::retries`]. A cookie store would be shared by all users, and no builder
    /// tells whether it has one: give it none.
    ///
    /// ```
    /// # use tower_identity_jose::{Algorithm, SigningKey};
    /// # use tower_identity_oauth::{ClientAuth, TokenEndpoint};
    /// # use tower_identity_outbound::{Outbound, Target};
    /// # let auth = ClientAuth::private_key_jwt("orders", SigningKey::generate(Algorithm::Es256)?)?;
    /// # let outbound = Outbound::builder(TokenEndpoint::discover("https://login.example.com", auth))
    /// #     .target(Target::origin("https://payments.internal")?.audience("payments").token_exchange())
    /// #     .build()?;
    /// let http = outbound.reqwest(reqwest::Client::builder())?;
    /// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
    ///
    /// // Outside a caller's scope there is no user whose token could be exchanged, so nothing is sent.
    /// let error = http.post("https://payments.internal/charges").send().await.expect_err("nobody's");
    /// assert_eq!(error.refusal().map(|refusal| refusal.check()), Some("no_caller"));
    /// # });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// When the builder cannot be built.
    pub fn reqwest(&self, builder: ClientBuilder) -> Result<HttpClient, reqwest::Error> {
        let client = builder
            .redirect(redirect::Policy::none())
            .retry(retry::never())
            .no_proxy()
            .referer(false)
            .connection_verbose(false)
            .build()?;
        Ok(HttpClient { outbound: self.clone(), client, retries: Retries::default() })
    }
}

/// An HTTP client whose requests carry the credential of their target. Cheap to clone.
#[derive(Clone)]
pub struct HttpClient {
    outbound: Outbound,
    client: reqwest::Client,
    retries: Retries,
}

/// A request of an [`HttpClient`]. Made for the caller in whose scope [`send`](Self::send) is called, unless it says
/// otherwise.
///
/// There is no `bearer_auth` and no `basic_auth`: the credential is the target's.
#[must_use = "a request does nothing until it is sent"]
pub struct RequestBuilder {
    client: HttpClient,
    request: reqwest::RequestBuilder,
    /// As it was written: reading it as a URL hides dot segments.
    address: Result<Uri, NoTarget>,
    acting: Option<Acting>,
}

/// Why there is no response.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// The request was not sent: it has no target, or there is no token for it.
    #[error(transparent)]
    Refused(OutboundError),
    /// The request could not be made, or the target did not answer it. Without the address, which may hold secrets.
    #[error("the request could not be made, or the target gave no answer")]
    Failed(#[source] reqwest::Error),
}

impl SendError {
    /// What our own caller is told, where the request was not sent.
    #[must_use]
    pub fn refusal(&self) -> Option<&Refusal> {
        match self {
            Self::Refused(error) => Some(error.refusal()),
            Self::Failed(_) => None,
        }
    }
}

impl From<OutboundError> for SendError {
    fn from(error: OutboundError) -> Self {
        Self::Refused(error)
    }
}

impl From<reqwest::Error> for SendError {
    fn from(error: reqwest::Error) -> Self {
        Self::Failed(error.without_url())
    }
}

impl HttpClient {
    /// Which requests are tried once again, with a new token, when their target refuses the token that they were sent
    /// with. A body that is a stream cannot be sent twice; any other can. Each attempt has the whole of a request's
    /// timeout. Default: [`Retries::Refused`].
    #[must_use]
    pub fn retries(self, retries: Retries) -> Self {
        Self { retries, ..self }
    }

    /// A `GET` request.
    pub fn get(&self, address: impl AsRef<str>) -> RequestBuilder {
        self.request(Method::GET, address)
    }

    /// A `HEAD` request.
    pub fn head(&self, address: impl AsRef<str>) -> RequestBuilder {
        self.request(Method::HEAD, address)
    }

    /// A `POST` request.
    pub fn post(&self, address: impl AsRef<str>) -> RequestBuilder {
        self.request(Method::POST, address)
    }

    /// A `PUT` request.
    pub fn put(&self, address: impl AsRef<str>) -> RequestBuilder {
        self.request(Method::PUT, address)
    }

    /// A `PATCH` request.
    pub fn patch(&self, address: impl AsRef<str>) -> RequestBuilder {
        self.request(Method::PATCH, address)
    }

    /// A `DELETE` request.
    pub fn delete(&self, address: impl AsRef<str>) -> RequestBuilder {
        self.request(Method::DELETE, address)
    }

    /// A request to an absolute address.
    pub fn request(&self, method: Method, address: impl AsRef<str>) -> RequestBuilder {
        let address = address.as_ref();
        RequestBuilder {
            client: self.clone(),
            request: self.client.request(method, address),
            address: address.parse().map_err(|_| NoTarget::NotUri),
            acting: None,
        }
    }
}

impl RequestBuilder {
    /// Adds a header. `Authorization` is the target's and is replaced.
    pub fn header<K, V>(self, name: K, value: V) -> Self
    where
        HeaderName: TryFrom<K, Error: Into<http::Error>>,
        HeaderValue: TryFrom<V, Error: Into<http::Error>>,
    {
        self.with(|request| request.header(name, value))
    }

    /// Adds headers, in the place of others of the same names. `Authorization` is the target's and is replaced.
    pub fn headers(self, headers: HeaderMap) -> Self {
        self.with(|request| request.headers(headers))
    }

    /// How long the target may take for its whole answer, from when the request is sent. Default: what the builder of
    /// the client says.
    pub fn timeout(self, timeout: Duration) -> Self {
        self.with(|request| request.timeout(timeout))
    }

    /// Which version of HTTP. Default: what the connection agrees on.
    pub fn version(self, version: Version) -> Self {
        self.with(|request| request.version(version))
    }

    /// The same request once more, unless its body is a stream.
    #[must_use]
    pub fn try_clone(&self) -> Option<Self> {
        Some(Self {
            client: self.client.clone(),
            request: self.request.try_clone()?,
            address: self.address.clone(),
            acting: self.acting.clone(),
        })
    }

    /// Sends a value as JSON.
    pub fn json(self, body: &(impl Serialize + ?Sized)) -> Self {
        self.with(|request| request.json(body))
    }

    /// Adds to the query.
    pub fn query(self, query: &(impl Serialize + ?Sized)) -> Self {
        self.with(|request| request.query(query))
    }

    /// Sends a form.
    pub fn form(self, form: &(impl Serialize + ?Sized)) -> Self {
        self.with(|request| request.form(form))
    }

    /// Sends a body.
    pub fn body(self, body: impl Into<Body>) -> Self {
        self.with(|request| request.body(body))
    }

    /// For this caller: see [`RequestExt::on_behalf_of`](crate::RequestExt::on_behalf_of).
    pub fn on_behalf_of(mut self, caller: &CallerContext) -> Self {
        self.acting = Some(Acting::OnBehalfOf(caller.clone()).after(self.acting.take()));
        self
    }

    /// For this service itself: see [`RequestExt::as_service`](crate::RequestExt::as_service).
    pub fn as_service(mut self) -> Self {
        self.acting = Some(Acting::AsService.after(self.acting.take()));
        self
    }

    /// What the transaction is about that begins with it: see [`RequestExt::transaction`](crate::RequestExt::transaction).
    #[cfg(feature = "transaction-tokens")]
    pub fn transaction(mut self, transaction: &tower_identity_oauth::Transaction) -> Self {
        self.acting = Some(Acting::in_transaction(transaction.clone(), self.acting.take()));
        self
    }

    fn with(mut self, change: impl FnOnce(reqwest::RequestBuilder) -> reqwest::RequestBuilder) -> Self {
        self.request = change(self.request);
        self
    }

    /// Sends the request with the credential of its target. The scope that the code runs in is read by this call, not
    /// by the future: the future may be sent elsewhere.
    ///
    /// # Errors
    ///
    /// [`SendError::Refused`] when nothing was sent, [`SendError::Failed`] when the target gave no answer. Any answer
    /// is a response, whatever its status.
    pub fn send(self) -> impl Future<Output = Result<Response, SendError>> + Send + use<> {
        let client = self.client.client.clone();
        let prepared = self.prepare();
        async move {
            let (first, second) = prepared?;
            let answer = first.send(&client).await?;
            match second.filter(|_| TargetRefusal::is_invitation(answer.extensions())) {
                // Where the second fails, the first answer stands.
                Some(second) => Ok(second.send(&client).await.unwrap_or(answer)),
                None => Ok(answer),
            }
        }
    }

    fn prepare(self) -> Result<(Attempt, Option<Second>), SendError> {
        let HttpClient { outbound, retries, .. } = self.client;
        let address = self.address.map_err(OutboundError::from)?;
        outbound.lists(&address).map_err(OutboundError::from)?;
        let request = self.request.build()?;
        // What is sent is the URL, so that is what a credential is for.
        let sent = request.url().as_str().parse().map_err(|_| OutboundError::from(NoTarget::NotUri))?;
        let copy = if retries.allow(request.method()) { request.try_clone() } else { None };
        let acting = self.acting;
        let obtained = outbound.obtain(request.method(), &sent, request.headers(), acting.as_ref())?;
        let second = copy.map(|request| Second { outbound, request, sent, acting, made_in: MadeIn::now() });
        Ok((Attempt { request, obtained }, second))
    }
}

/// A request, and its credential, which is at hand or on its way.
struct Attempt {
    request: reqwest::Request,
    obtained: Obtained,
}

impl Attempt {
    async fn send(self, client: &reqwest::Client) -> Result<Response, SendError> {
        let Self { mut request, obtained } = self;
        let credential = match obtained {
            Obtained::Now(credential) => credential,
            Obtained::Later(pending) => pending.await?,
        };
        credential.attach(request.headers_mut());
        let mut response = client.execute(request).await?;
        let (of_user, drop_token) = (credential.is_users(), || credential.drop_token());
        let refusal = TargetRefusal::read(response.status(), response.headers(), of_user, drop_token);
        if let Some(refusal) = refusal {
            response.extensions_mut().insert(refusal);
        }
        Ok(response)
    }
}

/// What is kept for another attempt: all that the first was made of, but its credential.
struct Second {
    outbound: Outbound,
    request: reqwest::Request,
    sent: Uri,
    acting: Option<Acting>,
    made_in: MadeIn,
}

impl Second {
    async fn send(self, client: &reqwest::Client) -> Result<Response, SendError> {
        let Self { outbound, request, sent, acting, made_in } = self;
        let obtained = MadeIn::enter(Some(made_in), || {
            outbound.obtain(request.method(), &sent, request.headers(), acting.as_ref())
        })?;
        Attempt { request, obtained }.send(client).await
    }
}

impl fmt::Debug for HttpClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpClient").field("outbound", &self.outbound).finish_non_exhaustive()
    }
}

impl fmt::Debug for RequestBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestBuilder").field("acting", &self.acting).finish_non_exhaustive()
    }
}
