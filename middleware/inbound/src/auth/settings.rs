//! What a layer was told, and its judgement of a request.

use std::sync::Arc;

use http::{HeaderMap, HeaderValue, Request, header::AUTHORIZATION};
use tower_identity_core::{CallerContext, CertificateThumbprint, Refusal, RefusalKind};
use tower_identity_refresh::Upkeep;
use tower_identity_verify::{Current, Over, Verification, Verifier};

use super::{ClientCertificate, certified::Shown, plain::judge_anew, sessions::Sessions};
use crate::{
    Connection, Credentials, ForwardedCertificate, Inbound, Presented, ResourceMetadata, RuleSet, Sources, Streams,
    challenge::Names,
    counted::Passed,
    cross_site::CrossSite,
    danger::Development,
    decision::{self, Stage},
    edge::Edge,
    plain_user::PlainUser,
    unenforced::Unenforced,
};

/// For how many issuers that come with other settings of the verifier what passes is counted without a lookup.
const FURTHER_ISSUERS: usize = 8;

#[derive(Debug, Clone)]
pub(super) struct Settings {
    pub(super) verifier: Verifier,
    pub(super) sources: Sources,
    /// Where the cookies among these hold ids of sessions.
    pub(super) sessions: Option<Sessions>,
    /// Whether the caller's credential is the certificate of the connection.
    pub(super) client_certificate: Option<ClientCertificate>,
    /// Where a proxy may say which certificate the caller has.
    pub(super) forwarded: Option<Arc<ForwardedCertificate>>,
    /// Where a caller names its user.
    pub(super) plain_user: Option<PlainUser>,
    pub(super) cross_site: CrossSite,
    pub(super) optional: bool,
    pub(super) realm: Option<String>,
    pub(super) resource: Option<ResourceMetadata>,
    /// Of the two before it, kept up to date by [`settle`](Self::settle), as the edge's are of the sources.
    pub(super) names: Option<Names>,
    /// Whether requests are taken for [plain](super::plain) ones first. Kept up to date likewise.
    pub(super) are_plain: bool,
    pub(super) edge: Option<Arc<Edge>>,
    pub(super) development: Option<Development>,
    pub(super) streams: Streams,
    pub(super) passed: Passed,
    /// There is one where the layer observes.
    pub(super) unenforced: Option<Arc<Unenforced>>,
    /// Of whatever replaces the verifier's settings.
    pub(super) upkeep: Option<Arc<Upkeep>>,
}

/// What to do about a request, as far as it can be said without waiting.
pub(super) enum Verdict {
    Decided(Result<Inbound, Refusal>),
    Waiting(Verification),
}

impl Verdict {
    pub(super) fn of(verification: Verification) -> Self {
        match verification.try_now() {
            Ok(decision) => Self::Decided(decision.map(Inbound::Caller)),
            Err(verification) => Self::Waiting(verification),
        }
    }
}

impl Settings {
    pub(super) fn new(verifier: Verifier) -> Self {
        Self {
            passed: Passed::of(verifier.issuers().chain(verifier.certificate_issuers()).count() + FURTHER_ISSUERS),
            verifier,
            sources: Sources::default(),
            sessions: None,
            client_certificate: None,
            forwarded: None,
            plain_user: None,
            cross_site: CrossSite::default(),
            optional: false,
            realm: None,
            resource: None,
            names: None,
            are_plain: true,
            edge: None,
            development: None,
            streams: Streams::default(),
            unenforced: None,
            upkeep: None,
        }
    }

    /// Brings up to date what follows from other settings.
    pub(super) fn settle(&mut self) {
        self.names = Names::of(self.realm.as_deref(), self.resource.as_ref().map(ResourceMetadata::url));
        self.are_plain = self.are_plain();
        self.edge = self.edge.take().map(|edge| Arc::new(Arc::unwrap_or_clone(edge).around(&self.sources)));
    }

    /// Whoever calls from outside has no transaction token.
    pub(super) fn stand_at_the_edge(&mut self, edge: impl FnOnce() -> Edge) {
        self.edge.get_or_insert_with(|| Arc::new(edge()));
        self.sources.forget_transaction_tokens();
        self.plain_user = None;
    }

    /// The one generation of the verifier's settings by which a request is judged, whatever takes its place meanwhile; the
    /// rules further in by the same.
    #[inline]
    pub(super) fn current<B>(&self, request: &mut Request<B>) -> Current {
        if let Some(upkeep) = &self.upkeep {
            upkeep.keep();
        }
        let verifier = self.verifier.current();
        if let Some(rules) = verifier.beside::<RuleSet>() {
            rules.pin(request.extensions_mut());
        }
        verifier
    }

    /// Judges a request whose token is not remembered: `Ok` for one that goes on, for this caller, whose credential was taken
    /// out of it already. Out of line, so that requests whose token is remembered have less to pass on.
    #[inline(never)]
    pub(super) fn judge<B>(
        self: &Arc<Self>,
        verifier: &Current,
        plain: Option<HeaderValue>,
        request: &mut Request<B>,
    ) -> Result<CallerContext, Verdict> {
        if request.extensions().get::<Inbound>().is_some() {
            let twice =
                "an AuthLayer has authenticated this request already; keep one, and close routes by RequireLayer";
            return Err(Verdict::Decided(Err(Refusal::new(RefusalKind::Misconfigured, "wiring").detail(twice))));
        }
        if let Some(judged) = plain.and_then(|field| judge_anew(verifier, field, request)) {
            return judged;
        }
        let bytes = verifier.max_token_bytes();
        let presented = Presented::read(&self.sources, request.headers(), request.uri(), bytes);
        Err(match (&self.sessions, presented) {
            (Some(sessions), Presented::Credentials(credentials)) if credentials.by_cookie() => {
                self.judge_session(sessions, verifier, credentials, request)
            }
            (_, presented) => self.judge_read(verifier, presented, request),
        })
    }

    /// Judges what was read of a request, whose tokens are all there.
    pub(super) fn judge_read<B>(&self, verifier: &Current, presented: Presented<'_>, request: &Request<B>) -> Verdict {
        let shown = match self.shown(verifier, request) {
            Ok(shown) => shown,
            Err(refusal) => return Verdict::Decided(Err(refusal)),
        };
        let named = match self.name_of_user(request.headers()) {
            Ok(named) => named,
            Err(refusal) => return Verdict::Decided(Err(refusal)),
        };
        if let Some(user) = named {
            return self.judge_named(verifier, presented, user, &shown, request);
        }
        match self.client_certificate {
            Some(wanted) => self.judge_certified(wanted, verifier, presented, &shown, request),
            None => self.judge_presented(verifier, presented, &shown, request),
        }
    }

    pub(super) fn judge_presented<B>(
        &self,
        verifier: &Current,
        presented: Presented<'_>,
        shown: &Shown,
        request: &Request<B>,
    ) -> Verdict {
        match presented {
            Presented::Absent if self.optional => Verdict::Decided(Ok(Inbound::Anonymous)),
            Presented::Absent => Verdict::Decided(Err(Refusal::new(RefusalKind::NoCredential, "credential"))),
            Presented::Malformed(refusal) => Verdict::Decided(Err(refusal)),
            Presented::Transaction(_) => {
                let nobody = "a transaction token without the caller's own credential beside it";
                Verdict::Decided(Err(Refusal::new(RefusalKind::NoCredential, "caller").detail(nobody)))
            }
            Presented::Credentials(credentials) => {
                let certificate = shown.thumbprint(request);
                self.guarded(credentials, request, || {
                    let caller = self.verify(verifier.over(certificate), credentials);
                    self.carrying(verifier, caller, credentials.transaction())
                })
            }
        }
    }

    /// Verifies what no other site made a browser send.
    pub(super) fn guarded<B>(
        &self,
        credentials: Credentials<'_>,
        request: &Request<B>,
        verify: impl FnOnce() -> Verification,
    ) -> Verdict {
        if credentials.by_cookie()
            && let Err(refusal) = self.cross_site.check(request, self.sources.by_tls_alone())
        {
            return Verdict::Decided(Err(refusal));
        }
        Verdict::of(verify())
    }

    fn verify(&self, verifier: Over<'_>, credentials: Credentials<'_>) -> Verification {
        match (credentials.user(), self.sources.user()) {
            (Some(user), _) => verifier.pair(credentials.caller(), user),
            (None, Some(_)) => verifier.alone(credentials.caller()),
            (None, None) if self.plain_user.is_some() => verifier.alone(credentials.caller()),
            (None, None) => verifier.bearer(credentials.caller()),
        }
    }

    /// The caller with the transaction token beside its credential, where such are read.
    #[cfg_attr(not(feature = "transaction-tokens"), expect(unused_variables, reason = "none is read"))]
    pub(super) fn carrying(&self, verifier: &Current, caller: Verification, token: Option<&str>) -> Verification {
        #[cfg(feature = "transaction-tokens")]
        if self.sources.transaction().is_some() {
            return verifier.transaction(caller, token);
        }
        caller
    }

    /// Leaves in a request what challenges name, further in too.
    #[inline]
    pub(super) fn name<B>(&self, request: &mut Request<B>) {
        if let Some(names) = &self.names {
            request.extensions_mut().insert(names.clone());
        }
    }

    /// Leaves in a request that goes on what further layers and handlers are to find, and gives its caller's scope.
    pub(super) fn admit<B>(&self, inbound: Inbound, request: &mut Request<B>) -> Option<CallerContext> {
        decision::accept(Stage::Authentication, &inbound, &self.passed);
        if let Some(edge) = &self.edge {
            edge.strip(request.headers_mut());
        }
        let scope = inbound.caller().cloned();
        request.extensions_mut().insert(inbound);
        scope
    }

    /// Takes the credentials from a request that goes on: no handler is to see them.
    pub(super) fn strip(&self, headers: &mut HeaderMap) {
        // Whatever it holds where it is no source: nobody has verified it.
        headers.remove(AUTHORIZATION);
        for source in self.sources.all().filter(|source| !source.is_authorization()) {
            source.remove(headers);
        }
        if let Some(field) = &self.plain_user {
            field.remove(headers);
        }
        if let Some(forwarded) = &self.forwarded {
            forwarded.strip(headers);
        }
    }
}

/// The certificate whose key the connection has proven, if an acceptor says so of one: what tokens may be bound to.
pub(super) fn proven<B>(request: &Request<B>) -> Option<CertificateThumbprint> {
    Connection::of(request.extensions())?.thumbprint()
}
