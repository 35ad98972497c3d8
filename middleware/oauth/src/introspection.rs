//! Looking tokens up at the server that issued them (RFC 7662): where, as which client, and in which form the answer
//! comes.

mod answer;
mod client;
mod error;
mod settings;
mod signed;

use std::time::Duration;

use tower_identity_core::{Fingerprint, InvalidSetting, Issuer};

use self::client::Where;
pub use self::{
    answer::{Introspected, Members},
    client::IntrospectionClient,
    error::{IntrospectionError, IntrospectionErrorKind},
    settings::IntrospectionSettings,
    signed::{InvalidAnswer, SignedAnswer},
};
use crate::{ClientAuth, Discovery, DiscoveryOptions, DiscoveryOrder, Endpoint, Http, discovery::url_of};

/// How long an answer is remembered, where nothing else is said.
const REMEMBERED: Duration = Duration::from_secs(60);

/// How many tokens are looked up at one time, where nothing else is said.
const CONCURRENCY: usize = 64;

/// The form in which an introspection endpoint answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum AnswerForm {
    /// A JSON object (RFC 7662 §2.2). The default.
    #[default]
    Plain,
    /// A signed JWT that holds the object, and nothing but that (RFC 9701 §5).
    Signed,
    /// The JWT that the token stands for: the *phantom token* approach.
    Phantom,
}

impl AnswerForm {
    /// The media type of the answer.
    #[must_use]
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Plain => "application/json",
            Self::Signed => "application/token-introspection+jwt",
            Self::Phantom => "application/jwt",
        }
    }
}

/// How an issuer's tokens are looked up there (RFC 7662): at which endpoint, as which client, and in which form the
/// answer comes.
///
/// A description: it holds what it was given, and the first thing that is wrong with it comes out of
/// [`connect`](Self::connect).
///
/// ```
/// use tower_identity_oauth::{ClientAuth, Http, Introspection};
/// use tower_identity_refresh::system_clock;
///
/// let orders = ClientAuth::client_secret_basic("orders", "s3cr3t")?;
/// let introspection = Introspection::at("https://login.example.com/introspect", orders).signed();
/// let client = introspection.connect(&"https://login.example.com".parse()?, &Http::new(system_clock())?)?;
/// assert_eq!(client.client_id().as_str(), "orders");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Introspection {
    at: Option<String>,
    order: Option<DiscoveryOrder>,
    auth: ClientAuth,
    form: AnswerForm,
    remembered: Duration,
    concurrency: usize,
}

impl Introspection {
    /// The longest time that can be set for [`remember`](Self::remember): five minutes.
    pub const MAX_REMEMBERED: Duration = Duration::from_secs(300);

    /// The largest number that can be set for [`concurrency`](Self::concurrency).
    pub const MAX_CONCURRENCY: usize = 4096;

    /// At the endpoint that the issuer's metadata names, found at first use.
    #[must_use]
    pub fn discovered(auth: ClientAuth) -> Self {
        Self { at: None, order: None, auth, form: AnswerForm::Plain, remembered: REMEMBERED, concurrency: CONCURRENCY }
    }

    /// At an endpoint that is known. Nothing is fetched from the issuer to find it.
    #[must_use]
    pub fn at(url: impl Into<String>, auth: ClientAuth) -> Self {
        Self { at: Some(url.into()), ..Self::discovered(auth) }
    }

    /// Where the issuer's metadata is looked for, and in which order. Of no use to an endpoint that is known.
    #[must_use]
    pub fn discovery(mut self, order: DiscoveryOrder) -> Self {
        self.order = Some(order);
        self
    }

    /// Demands signed answers (RFC 9701): a plain one is refused, whatever it says.
    #[must_use]
    pub fn signed(mut self) -> Self {
        self.form = AnswerForm::Signed;
        self
    }

    /// Demands the JWT that the token stands for (media type `application/jwt`), which takes the token's place from
    /// here on: what is outside never goes further in.
    #[must_use]
    pub fn phantom(mut self) -> Self {
        self.form = AnswerForm::Phantom;
        self
    }

    /// For how long an answer is remembered, and so for how long a token that was revoked may go on: 60 s by default,
    /// [five minutes](Self::MAX_REMEMBERED) at most, zero for not at all. Never beyond the token's own end.
    #[must_use]
    pub fn remember(mut self, answers: Duration) -> Self {
        self.remembered = answers;
        self
    }

    /// How many tokens that nothing is remembered of are looked up at one time: 64 by default. Whoever comes while so
    /// many are under way is told to come back, so that made-up tokens cost the server no more than this.
    #[must_use]
    pub fn concurrency(mut self, lookups: usize) -> Self {
        self.concurrency = lookups;
        self
    }

    /// The form in which answers come.
    #[must_use]
    pub fn form(&self) -> AnswerForm {
        self.form
    }

    /// For how long an answer is remembered.
    #[must_use]
    pub fn remembered(&self) -> Duration {
        self.remembered
    }

    /// How many unknown tokens are looked up at one time.
    #[must_use]
    pub fn max_concurrency(&self) -> usize {
        self.concurrency
    }

    /// Checks the description, and makes a client of it for this issuer's tokens. Sends nothing, and needs no server
    /// that is up.
    ///
    /// # Errors
    ///
    /// [`InvalidSetting`] of `issuer`, `url`, `discovery`, `assertion`, `remember_seconds` or `concurrency`.
    pub fn connect(&self, issuer: &Issuer, http: &Http) -> Result<IntrospectionClient, InvalidSetting> {
        let at = match self.check(issuer)? {
            Some(endpoint) => Where::Known(endpoint),
            None => {
                let options = DiscoveryOptions::default().order(self.order.unwrap_or_default());
                Where::Discovered(Discovery::with(&options, issuer.clone(), http.clone())?)
            }
        };
        let fingerprint = Fingerprint::of("introspection")
            .field(issuer.as_str())
            .optional(self.at.as_deref())
            .field(self.auth.fingerprint().as_bytes())
            .field(self.form.media_type())
            .finish();
        let auth = (self.auth.clone(), self.auth.prover(http)?);
        Ok(IntrospectionClient::new(issuer.clone(), at, auth, self.form, http.clone(), fingerprint))
    }

    /// Everything that can be wrong, without a client and without files: the endpoint, where it is known.
    ///
    /// # Errors
    ///
    /// As [`connect`](Self::connect).
    pub fn check(&self, issuer: &Issuer) -> Result<Option<Endpoint>, InvalidSetting> {
        if self.remembered > Self::MAX_REMEMBERED {
            let rule = format!("more than {} s", Self::MAX_REMEMBERED.as_secs());
            return Err(InvalidSetting::new("remember_seconds", rule));
        }
        if !(1..=Self::MAX_CONCURRENCY).contains(&self.concurrency) {
            return Err(InvalidSetting::new("concurrency", format!("is not from 1 to {}", Self::MAX_CONCURRENCY)));
        }
        if self.auth.is_for_endpoint() {
            let rule = "is token_endpoint, and this is none; write the audience itself";
            return Err(InvalidSetting::new("audience", rule).within("assertion"));
        }
        match (&self.at, self.order) {
            (None, _) if self.auth.is_for_another() => Err(InvalidSetting::new(
                "url",
                "is missing: an assertion for another audience than the issuer goes nowhere that metadata says",
            )),
            (None, _) => url_of(issuer).map(|_| None),
            (Some(_), Some(_)) => Err(InvalidSetting::new("discovery", "goes without url: metadata is not read")),
            (Some(url), None) => {
                let endpoint = Endpoint::parse(url);
                if self.auth.is_by_certificate() {
                    let with_tls = endpoint.as_ref().map_err(Clone::clone).and_then(Endpoint::with_tls);
                    with_tls.map_err(|broken| InvalidSetting::new("url", broken.to_string()))?;
                }
                endpoint.map(Some).map_err(|broken| InvalidSetting::new("url", broken.to_string()))
            }
        }
    }
}

#[cfg(test)]
mod tests;
