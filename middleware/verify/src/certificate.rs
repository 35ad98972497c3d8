//! Client certificates as the caller's credential: whose are trusted, and the verdict on a chain.
//!
//! An acceptor says which chain the peer of its connection sent and proved the key of. Whom that names is decided here, by
//! roots of our own: an acceptor may serve others too, and trust more.

mod beside;
mod leaf;
mod path;
mod remembered;
mod rooted;
mod settings;

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use rustls_pki_types::CertificateDer;
use tower_identity_core::{
    ActorChain, Attributes, AuthenticationContext, CertificateThumbprint, Clock, Credential, Evidence, Identity,
    InvalidSetting, Issuer, Refusal, RefusalKind, Revocations, Scopes, Subject, Timestamp, VerifiedToken,
    VerifiedTokenParts, Workload,
};
use tower_identity_refresh::Posted;

use self::{
    leaf::Leaf,
    path::Held,
    remembered::Remembered,
    rooted::{Rooted, RootsIn},
};
pub use self::{leaf::NameKind, settings::CertificateSettings};
use crate::{check, shown::Shown, spiffe::TrustDomain, trusted::in_force};

/// Whose client certificates are trusted, and the roots that vouch for them: a SPIFFE trust domain's or a private
/// authority's.
///
/// ```
/// use tower_identity_verify::{CertificateAnchor, NameKind, TrustedIssuer, Verifier};
///
/// # fn build(bundle: &[u8], authority: &[u8]) -> Result<Verifier, tower_identity_core::InvalidSetting> {
/// let verifier = Verifier::builder(TrustedIssuer::discover("https://login.example.com").audience("orders"))
///     .certificates(CertificateAnchor::trust_domain("example.org", bundle))
///     .certificates(CertificateAnchor::private_authority("https://pki.example.com", NameKind::Dns, authority))
///     .build()?;
/// # Ok(verifier)
/// # }
/// # assert_eq!(build(b"", b"").unwrap_err().to_string(), "certificates[0].roots: holds no certificate");
/// ```
///
/// What is wrong in it is reported by [`VerifierBuilder::build`](crate::VerifierBuilder::build). The roots are those that it
/// was given; those of a [file](CertificateSettings::anchor) follow it.
#[derive(Debug, Clone)]
pub struct CertificateAnchor {
    whose: Whose,
    roots: RootsIn,
}

#[derive(Debug, Clone)]
enum Whose {
    TrustDomain(String),
    Authority { issuer: String, name: NameKind },
}

impl CertificateAnchor {
    /// Trusts the X.509-SVIDs of a SPIFFE trust domain, by the certificates of its authorities in PEM.
    ///
    /// The workload is the one URI name of the certificate, a SPIFFE ID of this domain, and its issuer is `spiffe://<trust
    /// domain>`, the same as of the domain's [JWT-SVIDs](crate::TrustedIssuer::trust_domain) (X509-SVID §2, §5).
    pub fn trust_domain(name: impl Into<String>, roots: impl Into<Vec<u8>>) -> Self {
        Self { whose: Whose::TrustDomain(name.into()), roots: RootsIn::Text(roots.into()) }
    }

    /// [`trust_domain`](Self::trust_domain), by authorities that are posted as they come and go, as the Workload API of
    /// SPIFFE tells of them. They are looked at every five seconds: a new one is trusted, and one that left is trusted no longer.
    pub fn trust_domain_posted(name: impl Into<String>, roots: &Posted) -> Self {
        Self { whose: Whose::TrustDomain(name.into()), roots: RootsIn::Posted(roots.clone()) }
    }

    /// Trusts the certificates of a private authority, by its certificates in PEM.
    ///
    /// The workload is the one name of this kind that the certificate has, byte for byte: several are refused, and so is one
    /// with a wildcard. The common name is no name (RFC 6125 §6.4.4). Its issuer is the name that the authority is given
    /// here, which is no token issuer's: what is the same workload there is said by
    /// [`workload`](crate::VerifierBuilder::workload).
    pub fn private_authority(issuer: impl Into<String>, name: NameKind, roots: impl Into<Vec<u8>>) -> Self {
        Self { whose: Whose::Authority { issuer: issuer.into(), name }, roots: RootsIn::Text(roots.into()) }
    }

    fn check(self, changes: &Arc<AtomicU64>, clock: &Clock) -> Result<Anchor, InvalidSetting> {
        let (issuer, names) = match self.whose {
            Whose::TrustDomain(name) => {
                let rule = "is no trust domain: lower case letters, digits, dots, dashes and underscores";
                let domain = TrustDomain::parse(&name).ok_or_else(|| InvalidSetting::new("trust_domain", rule))?;
                (Issuer::parse(domain.id()), Names::Spiffe(domain))
            }
            Whose::Authority { issuer, name } => (Issuer::parse(issuer), Names::Of(name)),
        };
        let issuer = issuer.map_err(|wrong| InvalidSetting::new("issuer", wrong.to_string()))?;
        let roots = Rooted::read(self.roots, &issuer, changes, clock)?;
        Ok(Anchor { issuer, names, roots })
    }
}

/// One anchor at work.
#[derive(Debug)]
struct Anchor {
    issuer: Issuer,
    names: Names,
    roots: Rooted,
}

#[derive(Debug)]
enum Names {
    Spiffe(TrustDomain),
    Of(NameKind),
}

/// All anchors of a verifier, and what it remembers of the certificates that it has verified.
#[derive(Debug)]
pub(crate) struct Certificates {
    anchors: Box<[Anchor]>,
    home: Option<Issuer>,
    revocations: Revocations,
    /// Whether users' tokens are of other issuers than callers'.
    users_are_apart: bool,
    remembered: Remembered,
    /// How often roots of any anchor were replaced.
    changes: Arc<AtomicU64>,
}

impl Certificates {
    /// Reads the anchors, of which none is there twice, and none has the name of a token issuer but a trust domain.
    pub(crate) fn build(
        anchors: Vec<CertificateAnchor>,
        token_issuers: &[Issuer],
        home: Option<&Issuer>,
        revocations: &Revocations,
        users_are_apart: bool,
        clock: &Clock,
    ) -> Result<Self, InvalidSetting> {
        let changes = Arc::default();
        let mut all: Vec<Anchor> = Vec::with_capacity(anchors.len());
        for (at, anchor) in anchors.into_iter().enumerate() {
            let of = |wrong: InvalidSetting| wrong.within(at).within("certificates");
            let anchor = anchor.check(&changes, clock).map_err(of)?;
            if all.iter().any(|other| other.issuer == anchor.issuer) {
                return Err(of(InvalidSetting::new("issuer", "is trusted twice")));
            }
            if matches!(anchor.names, Names::Of(_)) && token_issuers.contains(&anchor.issuer) {
                let rule = "is an issuer of tokens, whose names are others; say by workload which are one";
                return Err(of(InvalidSetting::new("issuer", rule)));
            }
            all.push(anchor);
        }
        Ok(Self {
            anchors: all.into(),
            home: home.cloned(),
            revocations: revocations.clone(),
            users_are_apart,
            remembered: Remembered::new(),
            changes,
        })
    }

    pub(crate) fn issuers(&self) -> impl Iterator<Item = &Issuer> {
        self.anchors.iter().map(|anchor| &anchor.issuer)
    }

    /// Whom the chain names, now. The last check of all is that it was not revoked, which is asked each time.
    fn verify(&self, chain: &[CertificateDer<'static>], now: Timestamp) -> Result<Arc<VerifiedToken>, Refusal> {
        self.anchors.iter().for_each(|anchor| anchor.roots.keep());
        // Before the roots: what they vouch for is remembered for no newer ones.
        let changes = self.changes.load(Ordering::Acquire);
        let token = match self.remembered.get(chain, changes, now) {
            Some(token) => token,
            None => self.verify_anew(chain, changes, now)?,
        };
        in_force(&token).map_err(|refusal| refusal.issuer(token.issuer().clone()))?;
        Ok(token)
    }

    fn verify_anew(
        &self,
        chain: &[CertificateDer<'static>],
        changes: u64,
        now: Timestamp,
    ) -> Result<Arc<VerifiedToken>, Refusal> {
        let leaf = Leaf::read(chain)?;
        let (anchor, found) = self.anchor_of(&leaf, chain, now)?;
        let of = |refusal: Refusal| refusal.issuer(anchor.issuer.clone());
        leaf.is_of_a_client().map_err(of)?;
        let id = anchor.workload(&leaf).map_err(of)?;
        let token = Arc::new(self.vouch(anchor, id, (&chain[0], leaf.issued_at), found));
        self.remembered.insert(chain, changes, found.begins, Arc::clone(&token));
        Ok(token)
    }

    /// Whose the chain is. An X.509-SVID says by its name which trust domain's roots have to vouch for it, and no other
    /// root may (SPIFFE-ID §2.1); any other certificate is of the authority that does.
    fn anchor_of<'a>(
        &'a self,
        leaf: &Leaf,
        chain: &[CertificateDer<'static>],
        now: Timestamp,
    ) -> Result<(&'a Anchor, Held), Refusal> {
        let vouches = |anchor: &'a Anchor| match anchor.roots.roots().vouch(chain, now) {
            Ok(found) => Ok((anchor, found)),
            Err(refusal) => Err(refusal.issuer(anchor.issuer.clone())),
        };
        if let Some(id) = leaf.spiffe_id()? {
            let of_domain =
                |anchor: &&Anchor| matches!(&anchor.names, Names::Spiffe(domain) if domain.has_workload(id));
            return match self.anchors.iter().find(of_domain) {
                Some(anchor) => vouches(anchor),
                None => Err(bad(format!("{} is no workload of a trust domain that is trusted", Shown(id)))),
            };
        }
        let mut authorities = self.anchors.iter().filter(|anchor| matches!(anchor.names, Names::Of(_)));
        let none = || bad("it has no SPIFFE ID, and no authority is trusted for other names");
        let first = vouches(authorities.next().ok_or_else(none)?);
        first.or_else(|refusal| authorities.find_map(|anchor| vouches(anchor).ok()).ok_or(refusal))
    }

    #[expect(clippy::disallowed_methods, reason = "this is the verification that may state its result")]
    fn vouch(
        &self,
        anchor: &Anchor,
        id: Subject,
        (leaf, issued_at): (&CertificateDer<'_>, Timestamp),
        found: Held,
    ) -> VerifiedToken {
        let issuer = &anchor.issuer;
        VerifiedToken::assertion(VerifiedTokenParts {
            credential: Credential::Certificate(Arc::from(leaf.as_ref())),
            issuer: issuer.clone(),
            home: self.home.as_ref() == Some(issuer),
            identity: Identity {
                workload: Workload { id, issuer: issuer.clone() },
                evidence: Evidence::Proven,
                user: None,
            },
            actors: ActorChain::default(),
            scopes: Scopes::default(),
            audience: Vec::new(),
            token_id: None,
            transaction: None,
            trust_domain: None,
            authentication: AuthenticationContext::default(),
            attributes: Attributes::default(),
            issued_at: Some(issued_at),
            expires_at: found.ends,
            certificate: Some(CertificateThumbprint::of(leaf)),
            revocations: self.revocations.clone(),
        })
    }
}

impl Anchor {
    fn workload(&self, leaf: &Leaf) -> Result<Subject, Refusal> {
        let name = match (&self.names, leaf.spiffe_id()?) {
            (Names::Spiffe(_), Some(id)) => id,
            (Names::Spiffe(_), None) => return Err(bad("it has no SPIFFE ID")),
            (Names::Of(kind), _) => leaf.only_name(*kind)?,
        };
        Subject::parse(name).map_err(|wrong| bad(format!("its name is unusable: {wrong}")))
    }
}

/// A certificate that does not hold is a bad credential, never an absent one.
fn bad(detail: impl Into<std::borrow::Cow<'static, str>>) -> Refusal {
    Refusal::new(RefusalKind::InvalidToken, check::CERTIFICATE).detail(detail.into())
}
