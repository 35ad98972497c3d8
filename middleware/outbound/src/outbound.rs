//! [`Outbound`]: the targets, their tokens, and what gives a request its credential.

mod both;
mod key_set;

use std::{
    fmt,
    sync::{Arc, Mutex},
    time::Duration,
};

use arc_swap::ArcSwap;
use http::{HeaderMap, Method, Uri, header};
use tower_identity_core::{BoxFuture, CallerContext, Clock, Refusal, RefusalKind, Timestamp, ambient};
use tower_identity_oauth::{Http, TokenEndpoint};

use crate::{
    OutboundBuilder, OutboundError, OutboundLayer,
    acting::Acting,
    cache::{Bounds, TokenCache},
    candidate::Shadow,
    deadline,
    entry::{Credential, Entry},
    error::Reason,
    load::Landed,
    origin::OriginOf,
    row::{Asked, Row},
    source::Ask,
    strip::Strip,
    table::Table,
    targets::NoTarget,
    telemetry,
};

/// Gives every request to a listed target the right credential, and lets no other request out.
///
/// Cheap to clone; all clones share the remembered tokens. Made by a [builder](Self::builder), used through a
/// [layer](Self::layer) or a [reqwest client](Self::reqwest).
#[derive(Clone)]
pub struct Outbound(Arc<Shared>);

pub(crate) struct Shared {
    pub(crate) table: ArcSwap<Table>,
    /// Held while the table is replaced.
    pub(crate) replacing: Mutex<()>,
    cache: Arc<TokenCache>,
    pub(crate) http: Http,
    pub(crate) clock: Clock,
}

/// When it is worth another try for a token that came too late.
const LATE: Duration = Duration::from_secs(1);

impl Outbound {
    pub(crate) fn new(table: Table, bounds: Bounds, http: Http, clock: Clock) -> Self {
        let cache = TokenCache::new(bounds, clock.clone());
        let table = ArcSwap::from_pointee(table);
        Self(Arc::new(Shared { table, replacing: Mutex::new(()), cache, http, clock }))
    }

    pub(crate) fn shared(&self) -> &Shared {
        &self.0
    }

    /// Begins with the authorization server that issues the tokens of every target that names no other.
    ///
    /// ```
    /// use tower_identity_jose::{Algorithm, SigningKey};
    /// use tower_identity_oauth::{ClientAuth, TokenEndpoint};
    /// use tower_identity_outbound::{Outbound, Target};
    ///
    /// let auth = ClientAuth::private_key_jwt("orders", SigningKey::generate(Algorithm::Es256)?)?;
    /// let outbound = Outbound::builder(TokenEndpoint::discover("https://login.example.com", auth))
    ///     .target(Target::origin("https://payments.internal")?.audience("payments").token_exchange())
    ///     .build()?;
    /// # let _ = outbound;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn builder(default: TokenEndpoint) -> OutboundBuilder {
        OutboundBuilder::new(default)
    }

    /// A layer over any HTTP client that is a tower service and is sent absolute addresses.
    #[must_use]
    pub fn layer(&self) -> OutboundLayer {
        OutboundLayer::new(self.clone())
    }

    /// The credential of a request that is about to be made. Reads the scope that the code runs in: now, and not
    /// when what it returns is polled.
    pub(crate) fn obtain(
        &self,
        method: &Method,
        uri: &Uri,
        headers: &HeaderMap,
        acting: Option<&Acting>,
    ) -> Result<Obtained, OutboundError> {
        let Shared { table, cache, clock, .. } = &*self.0;
        let table = table.load();
        let row = table.row(method, uri, acting)?;
        let noticed = table.strip.notice(headers);
        if noticed.host && !is_same_host(uri, headers) {
            return Err(OutboundError::new(row.map(|row| row.name.clone()), Reason::Host));
        }
        let strip = noticed.to_strip.then(|| table.strip.clone());
        let now = clock.coarse_wall();
        let Some(row) = row else {
            telemetry::sent_bare();
            return Ok(Obtained::Now(Credential::bare(strip, now)));
        };
        if let Some(field) = row.user_header(acting) {
            return self.obtain_both(row, field, (headers, acting), strip, now);
        }
        // Whoever is in the scope is not counted on unless the token is not at hand.
        let mut shadow = None;
        let found = ambient::with(|scope| -> Result<_, Box<Missing>> {
            let asked = row.picked(acting, scope).ask(acting, scope, now)?;
            shadow = row.shadow(acting, scope, now);
            let entry = cache.find(&asked.key(), now).ok_or_else(|| Missing::token(asked))?;
            asked.accepts(&entry)?;
            is_sent(&entry, asked, cache, now);
            Ok(entry)
        });
        match found {
            Ok(entry) => {
                if let Some(shadow) = shadow {
                    shadow.begin();
                }
                Ok(Obtained::Now(Credential::new(entry, strip, now)))
            }
            Err(missing) => self.wait_for(*missing, shadow, row, headers, strip),
        }
    }

    /// The same where there is no token at hand.
    #[cold]
    fn wait_for(
        &self,
        missing: Missing,
        shadow: Option<Box<Shadow>>,
        row: &Row,
        headers: &HeaderMap,
        strip: Option<Strip>,
    ) -> Result<Obtained, OutboundError> {
        let (outbound, name) = (self.clone(), row.name.clone());
        let (ask, caller) = match missing {
            Missing::Token { ask, caller } => (ask, caller),
            Missing::Right(reason) => return Err(OutboundError::new(Some(name), reason)),
        };
        let (limit, clock) = (deadline::of(row.deadline, headers), self.0.clock.clone());
        let waiting = Waiting { outbound, name: name.clone(), ask, caller, shadow };
        Ok(Obtained::Later(Box::pin(deadline::within(limit, clock, name, waiting.wait(strip)))))
    }

    /// Whether an address is a target's.
    pub(crate) fn lists(&self, uri: &Uri) -> Result<(), NoTarget> {
        self.0.table.load().lists(uri)
    }
}

/// A credential that is at hand, or on its way.
pub(crate) enum Obtained {
    Now(Credential),
    Later(BoxFuture<'static, Result<Credential, OutboundError>>),
}

/// Counts a token that is at hand, and has another one fetched where it is time for that.
#[inline]
fn is_sent(entry: &Entry, asked: Asked<'_, '_>, cache: &Arc<TokenCache>, now: Timestamp) {
    if entry.is_stale(now) { is_sent_stale(entry, asked, cache, now) } else { asked.recipe.told.hit() }
}

#[cold]
fn is_sent_stale(entry: &Entry, asked: Asked<'_, '_>, cache: &Arc<TokenCache>, now: Timestamp) {
    asked.recipe.told.stale();
    if entry.begins_refresh(now)
        && let Ok(ask) = asked.to_ask(true)
    {
        cache.refresh(ask);
    }
}

/// What a request lacks whose credential is not at hand. Boxed, so that what is at hand comes in two registers.
enum Missing {
    /// It is asked for.
    Token { ask: Ask, caller: Option<CallerContext> },
    /// It is refused.
    Right(Reason),
}

impl Missing {
    #[cold]
    fn token(asked: Asked<'_, '_>) -> Box<Self> {
        match asked.to_ask(false) {
            Ok(ask) => Box::new(Self::Token { ask, caller: asked.to_caller() }),
            Err(reason) => reason.into(),
        }
    }
}

impl From<Box<Reason>> for Box<Missing> {
    #[cold]
    fn from(reason: Box<Reason>) -> Self {
        Self::new(Missing::Right(*reason))
    }
}

/// A request whose token is on its way.
struct Waiting {
    outbound: Outbound,
    name: Arc<str>,
    ask: Ask,
    caller: Option<CallerContext>,
    shadow: Option<Box<Shadow>>,
}

impl Waiting {
    async fn wait(mut self, strip: Option<Strip>) -> Result<Credential, OutboundError> {
        let (entry, now) = self.entry().await?;
        Ok(Credential::new(entry, strip, now))
    }

    /// The token, and when it came.
    async fn entry(&mut self) -> Result<(Arc<Entry>, Timestamp), OutboundError> {
        let Shared { cache, clock, .. } = &*self.outbound.0;
        let (came, landed) = cache.ask(&self.ask).await;
        self.ask.recipe.told.came(came);
        let now = clock.wall();
        let entry = self.check(landed, now).map_err(|reason| OutboundError::new(Some(self.name.clone()), reason))?;
        if let Some(shadow) = self.shadow.take() {
            shadow.begin();
        }
        Ok((entry, now))
    }

    /// What was so when it was asked for may be so no longer now that it is here.
    fn check(&self, landed: Result<Landed, Refusal>, now: Timestamp) -> Result<Arc<Entry>, Reason> {
        if self.caller.as_ref().is_some_and(CallerContext::is_revoked) {
            return Err(Reason::Revoked);
        }
        if self.ask.subject.as_ref().is_some_and(|subject| subject.expires_at() <= now) {
            return Err(Reason::SubjectExpired);
        }
        let landed = landed.map_err(Reason::NoToken)?;
        if !landed.is_usable(now) {
            let late = Refusal::new(RefusalKind::Unavailable { retry_after: LATE }, "exp");
            return Err(Reason::NoToken(late.detail("the token's end had passed when it was to be sent")));
        }
        Ok(landed.entry)
    }
}

fn is_same_host(uri: &Uri, headers: &HeaderMap) -> bool {
    OriginOf::uri(uri).is_ok_and(|origin| headers.get_all(header::HOST).iter().all(|host| origin.is_host(host)))
}

impl fmt::Debug for Outbound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outbound").field("table", &self.0.table.load()).finish_non_exhaustive()
    }
}
