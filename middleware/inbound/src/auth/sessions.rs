//! Requests whose cookie is the id of a session.

use std::{fmt, sync::Arc, time::Duration};

use http::Request;
use tower_identity_core::{
    BoxFuture, CallerContext, Clock, InvalidSetting, Refusal, RefusalKind, SecretToken, bearer::is_token68,
};
use tower_identity_refresh::Budget;
use tower_identity_verify::{Current, StoreError, Verification};

use super::{
    AuthLayer,
    settings::{Settings, Verdict},
};
use crate::{Credentials, Inbound, Presented, SessionCookie, SessionStore};

const CHECK: &str = "session";

/// How many lookups may be under way at one time.
const CONCURRENCY: usize = 64;

/// For how long a lookup may last.
const DEADLINE: Duration = Duration::from_secs(5);

/// When whoever is not answered is to come back.
const RETRY_AFTER: Duration = Duration::from_secs(2);

impl<P> AuthLayer<P> {
    /// Takes the cookies among the [sources](Self::sources) for ids of sessions: the caller's credential is the access token
    /// that this store has for one, and is verified as one that the cookie held. A token in such a cookie is an unknown session.
    ///
    /// | the cookie | |
    /// |---|---|
    /// | of a session whose token is good | its caller |
    /// | of a session whose token is not acceptable | as of that token |
    /// | of no session, or one that has ended | 401 `invalid_token`, check `session`; also where the layer is [optional](Self::optional) |
    /// | twice, beside another credential, empty, longer than 256 bytes, or with a character that no cookie has | 400, and the store is not asked |
    /// | sent by [another site](Self::allowed_origins) | 403, and the store is not asked |
    /// | while the store fails, has not answered for 5 s, or is asked by 64 requests already | 503 and `Retry-After`, check `session` |
    ///
    /// Neither the id nor the token goes on to the handler in a field. The store's answers are not remembered, those of the
    /// verifier are.
    ///
    /// ```
    /// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
    /// use std::{collections::HashMap, convert::Infallible, future::ready, sync::RwLock};
    ///
    /// use http::{Request, Response};
    /// use tower::{Layer, ServiceExt, service_fn};
    /// use tower_identity_core::{BoxFuture, SecretToken};
    /// use tower_identity_inbound::{AuthLayer, SessionCookie, SessionStore, Source, session::StoreError};
    /// use tower_identity_testkit::TestIssuer;
    /// use tower_identity_verify::{TrustedIssuer, Verifier};
    ///
    /// /// Of one process. Signing in puts a session in, signing out takes it away.
    /// #[derive(Default)]
    /// struct InMemory(RwLock<HashMap<String, SecretToken>>);
    ///
    /// impl SessionStore for InMemory {
    ///     fn token(&self, session: SessionCookie) -> BoxFuture<'_, Result<Option<SecretToken>, StoreError>> {
    ///         let found = self.0.read().expect("no writer panics").get(session.expose()).cloned();
    ///         Box::pin(ready(Ok(found)))
    ///     }
    /// }
    ///
    /// let login = TestIssuer::start();
    /// let token = login.token().subject("alice").client("browser").audience("shop").build();
    /// let store = InMemory(RwLock::new([("Zm9vYmFy".to_owned(), token)].into()));
    ///
    /// let home = TrustedIssuer::discover(login.issuer().as_str()).audience("shop");
    /// let layer = AuthLayer::new(Verifier::builder(home).build()?)
    ///     .sources([Source::authorization(), Source::cookie("__Host-session")?])?
    ///     .sessions(store)?;
    ///
    /// let shop = layer.layer(service_fn(async |_: Request<String>| Ok::<_, Infallible>(Response::new(String::new()))));
    /// let status = async |session: &str| {
    ///     let request = Request::get("/orders").header("cookie", format!("__Host-session={session}"));
    ///     let Ok(response) = shop.clone().oneshot(request.body(String::new()).expect("a request")).await;
    ///     response.status().as_u16()
    /// };
    /// assert_eq!(status("Zm9vYmFy").await, 200);
    /// assert_eq!(status("bWFkZSB1cA").await, 401);
    /// # Ok::<(), tower_identity_core::InvalidSetting>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`InvalidSetting`] for the field `sources`: none of them is a cookie, so say them first; for `user_source`: it is a
    /// cookie. Either holds for what is said later, too.
    pub fn sessions(self, store: impl SessionStore) -> Result<Self, InvalidSetting> {
        let sources = self.settings.sources.clone().of_sessions()?;
        let sessions = Sessions { store: Arc::new(store), budget: Budget::new(CONCURRENCY) };
        Ok(self.with(|settings| {
            settings.sources = sources;
            settings.sessions = Some(sessions);
        }))
    }
}

/// The store, and how many may ask it at one time.
#[derive(Clone)]
pub(super) struct Sessions {
    store: Arc<dyn SessionStore>,
    budget: Budget,
}

/// The store of sessions did not answer in time.
#[derive(Debug, thiserror::Error)]
#[error("no answer within {} s", DEADLINE.as_secs())]
struct Silent;

impl Sessions {
    /// The token of a session.
    async fn token(&self, session: SessionCookie, clock: &Clock) -> Result<SecretToken, Refusal> {
        let _permit = self
            .budget
            .take()
            .ok_or_else(|| unavailable().detail(format!("{CONCURRENCY} lookups of sessions are under way already")))?;
        match clock.within(DEADLINE, self.store.token(session)).await {
            Some(Ok(Some(token))) => Ok(token),
            Some(Ok(None)) => Err(refused().detail("there is no such session")),
            Some(Err(error)) => Err(unavailable().caused_by(error)),
            None => Err(unavailable().caused_by(StoreError::new(Silent))),
        }
    }
}

/// A store in memory would show its ids.
impl fmt::Debug for Sessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sessions(..)")
    }
}

impl Settings {
    /// Finds out which token a session stands for, and judges the request with that in its place.
    pub(super) fn judge_session<B>(
        self: &Arc<Self>,
        sessions: &Sessions,
        verifier: &Current,
        credentials: Credentials<'_>,
        request: &Request<B>,
    ) -> Verdict {
        // No other site makes us ask.
        if let Err(refusal) = self.cross_site.check(request, self.sources.by_tls_alone()) {
            return Verdict::Decided(Err(refusal));
        }
        let session = SessionCookie::new(credentials.caller());
        let (settings, sessions, verifier) = (Arc::clone(self), sessions.clone(), verifier.kept());
        let head = head_of(request);
        let waiting: BoxFuture<'static, _> = Box::pin(async move {
            let token = sessions.token(session, verifier.clock()).await?;
            let verdict = settings.judge_standing_for(&verifier, &token, &head);
            drop((token, head, verifier));
            match verdict {
                Verdict::Decided(decision) => decision.and_then(caller),
                Verdict::Waiting(verification) => verification.await,
            }
        });
        Verdict::Waiting(Verification::fetching(waiting))
    }

    fn judge_standing_for(&self, verifier: &Current, token: &SecretToken, head: &Request<()>) -> Verdict {
        let (token, longest) = (token.expose(), verifier.max_token_bytes());
        if token.len() > longest || !is_token68(token) {
            return Verdict::Decided(Err(refused().detail("what the session stands for has not the form of a token")));
        }
        match Presented::read(&self.sources, head.headers(), head.uri(), longest) {
            Presented::Credentials(credentials) => {
                self.judge_read(verifier, Presented::Credentials(credentials.with_caller(token)), head)
            }
            other => self.judge_read(verifier, other, head),
        }
    }
}

/// What a verdict depends on, without the body: the request itself is not the verdict's to keep.
fn head_of<B>(request: &Request<B>) -> Request<()> {
    let mut head = Request::new(());
    *head.method_mut() = request.method().clone();
    *head.uri_mut() = request.uri().clone();
    *head.headers_mut() = request.headers().clone();
    *head.extensions_mut() = request.extensions().clone();
    head
}

/// Whoever has a session is somebody.
fn caller(inbound: Inbound) -> Result<CallerContext, Refusal> {
    match inbound {
        Inbound::Caller(caller) => Ok(caller),
        Inbound::Anonymous => Err(refused()),
    }
}

fn refused() -> Refusal {
    Refusal::new(RefusalKind::InvalidToken, CHECK)
}

fn unavailable() -> Refusal {
    Refusal::new(RefusalKind::Unavailable { retry_after: RETRY_AFTER }, CHECK)
}
