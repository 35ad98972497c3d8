//! What a profile is made of: data that the checks read.

use std::time::Duration;

use tower_identity_core::Binding;
use tower_identity_jose::{Accept, Algorithm, MediaType};

use crate::claims::ClaimName;

/// What tokens of one profile have to say.
#[derive(Debug)]
pub(crate) struct Table {
    /// The accepted `typ`s.
    pub(crate) types: &'static [&'static str],
    /// Whether `typ` may be absent.
    pub(crate) untyped: bool,
    /// Whether the header may have nothing but `alg`, `kid` and `typ`.
    pub(crate) bare_header: bool,
    pub(crate) algorithms: Algorithms,
    pub(crate) issuer: IssuerShape,
    /// What tells an access token from the other tokens of its issuer, where `typ` does not.
    pub(crate) guards: &'static [Guard],
    pub(crate) audience: AudienceShape,
    /// Whether `exp` must be there.
    pub(crate) ends: bool,
    /// Whether `iat` must be there.
    pub(crate) issued_at: bool,
    /// For how long a token may live, where there is a bound.
    pub(crate) longest: Option<Duration>,
    pub(crate) token_id: TokenIdClaim,
    pub(crate) scopes: ScopeClaim,
    pub(crate) caller: CallerShape,
    pub(crate) attributes: AttributeClaims,
}

impl Table {
    /// What is accepted of a header.
    pub(crate) fn accept(&self, algorithms: Vec<Algorithm>) -> Accept {
        let types = self.types.iter().map(|typ| MediaType::parse(typ).expect("tables name media types"));
        let accept = Accept::new(types, algorithms);
        let accept = if self.untyped { accept.or_untyped() } else { accept };
        if self.bare_header { accept.nothing_else_in_header() } else { accept }
    }

    /// Whether they are transaction tokens.
    pub(crate) fn is_of_transactions(&self) -> bool {
        match self.caller {
            #[cfg(feature = "transaction-tokens")]
            CallerShape::Transaction => true,
            _ => false,
        }
    }
}

/// Which algorithms an issuer may sign with.
#[derive(Debug)]
pub(crate) enum Algorithms {
    /// These, unless its configuration names others.
    Default(&'static [Algorithm]),
    /// These at most, whatever its configuration says.
    Only(&'static [Algorithm]),
}

impl Algorithms {
    pub(crate) const fn default(&self) -> &'static [Algorithm] {
        match self {
            Self::Default(these) | Self::Only(these) => these,
        }
    }

    pub(crate) fn allow(&self, algorithm: Algorithm) -> bool {
        match self {
            Self::Default(_) => true,
            Self::Only(these) => these.contains(&algorithm),
        }
    }
}

/// How it is known whose a token is.
#[derive(Debug)]
pub(crate) enum IssuerShape {
    /// `iss` is the issuer.
    Exact,
    /// `iss`, if it is there, is the issuer: the one that was asked.
    Asked,
    /// `iss` ends in `/`, the tenant, and this; and `tid` is that tenant.
    Tenant { tail: &'static str },
    /// The trust domain of `sub` is the anchor's; `iss` says nothing.
    TrustDomain,
}

/// What a payload has to be like. A claim of a wrong type is there, and is none of the values.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Guard {
    /// The claim is this string.
    Is(ClaimName, &'static str),
    /// The claim is this number.
    IsNumber(ClaimName, u64),
    /// The claim, if it is there, is one of these strings.
    AbsentOr(ClaimName, &'static [&'static str]),
    /// The claim, if it is there, is one of these words, whatever their case.
    AbsentOrWord(ClaimName, &'static [&'static str]),
    /// The claim is there.
    Present(ClaimName),
    /// One of the claims is there.
    AnyOf(&'static [ClaimName]),
    /// None of the claims is there.
    NoneOf(&'static [ClaimName]),
}

/// What says whom a token is for.
#[derive(Debug)]
pub(crate) enum AudienceShape {
    /// `aud`.
    Aud,
    /// `aud`, which names one audience and no more: of two, each could replay the token to the other.
    OneAud,
    /// `aud` where it is there, else the client that the token was issued to.
    AudOrClient,
}

#[derive(Debug)]
pub(crate) struct TokenIdClaim {
    pub(crate) claim: ClaimName,
    pub(crate) required: bool,
}

/// Where scopes are.
#[derive(Debug)]
pub(crate) enum ScopeClaim {
    None,
    /// `scope`, one string of scopes separated by spaces.
    Scope,
    /// `scp`, one string likewise. Where there is none, an application asked for itself, and what it may do is in `roles`,
    /// a list: its permissions, in the place of a user's scopes.
    ScpStringOrRoles,
    /// `scp`, a list of scopes.
    ScpList,
}

/// Who sends a token, and whom it is about.
#[derive(Debug)]
pub(crate) enum CallerShape {
    /// The client that these claims name, all those alike that are there, and one at least; and a user, or not.
    Client {
        claims: &'static [ClaimName],
        /// How the client is spelt where it is a subject or an actor, beside its id.
        account: Around,
        subject: SubjectEvidence,
    },
    /// `sub`, a SPIFFE ID. Never a user.
    SpiffeId,
    /// `sub`, a service account that `kubernetes.io` names too. Never a user.
    ServiceAccount,
    /// `iss`, a service that says itself for which user it calls, who is in `sub_id`. Always a user, and tied by no more than
    /// this.
    Asserting { binding: Binding },
    /// `aud`, the client at which the user has signed in, who is this claim: always a user, and never who sends it.
    SignedIn { user_id: ClaimName },
    /// `req_wl`, which asked for it and need not be who sends it; and `sub`, always a user.
    #[cfg(feature = "transaction-tokens")]
    Transaction,
}

/// What makes it evident whether a token is about its client or about a user.
///
/// Both are lists of alternatives, of which all signs of one have to hold. What is neither is refused.
#[derive(Debug)]
pub(crate) struct SubjectEvidence {
    pub(crate) workload: &'static [&'static [Sign]],
    pub(crate) user: &'static [&'static [Sign]],
    /// The claim that the user goes by.
    pub(crate) user_id: ClaimName,
    /// Whether `sub` must be there. Without it a token is undecided, unless its other claims decide.
    pub(crate) required: bool,
    /// What to do about a token that is neither.
    pub(crate) undecided: &'static str,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sign {
    Present(ClaimName),
    Absent(ClaimName),
    Is(ClaimName, &'static str),
    IsNot(ClaimName, &'static str),
    /// Two claims are equal.
    Same(ClaimName, ClaimName),
    /// The claim is the client, with this around it.
    OfClient(ClaimName, Around),
    /// The claim is there, and is not the client with this around it.
    NotOfClient(ClaimName, Around),
    /// The claim has this in it.
    Contains(ClaimName, &'static str),
    /// The claim is there, and not both parts of this are around it.
    Without(ClaimName, Around),
}

/// What stands around a client's id in the name of its account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Around {
    pub(crate) before: &'static str,
    pub(crate) after: &'static str,
    /// Whether the server writes such names in lower case, whatever the case of the id.
    pub(crate) folded: bool,
}

impl Around {
    pub(crate) const NOTHING: Self = Self { before: "", after: "", folded: false };

    /// Whether the text is the client's id, with this around it.
    pub(crate) fn is_around(self, client: &str, text: &str) -> bool {
        let inner = self.stripped(text);
        inner.is_some_and(|inner| if self.folded { inner.eq_ignore_ascii_case(client) } else { inner == client })
    }

    /// What is left of the text, if it has this around it.
    pub(crate) fn stripped(self, text: &str) -> Option<&str> {
        text.strip_prefix(self.before)?.strip_suffix(self.after)
    }
}

/// What a token says of its subject beside who it is.
#[derive(Debug)]
pub(crate) struct AttributeClaims {
    /// The name to show: the first of these that is there.
    pub(crate) display_name: &'static [ClaimName],
    /// Whether `email` and `email_verified` are read.
    pub(crate) email: bool,
    pub(crate) groups: GroupClaim,
    pub(crate) roles: &'static [RoleClaim],
    /// Whether a group or role may be the object that SCIM has for it.
    pub(crate) scim: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum GroupClaim {
    None,
    /// `groups`.
    Groups,
    /// `groups`; or a word that they are too many for a token: `_claim_names` or `hasgroups`.
    GroupsOrOverage,
    /// `cognito:groups`.
    Cognito,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RoleClaim {
    /// `roles`.
    Roles,
    /// `permissions`.
    Permissions,
    /// `realm_access.roles`.
    Realm,
    /// `resource_access.<audience>.roles`, for the audiences that are ours.
    OfOurAudiences,
}
