//! Other people's authorization servers, where this one answers in their shape: tables of data, as their documentation and
//! their source have it. What a table says nothing of is as it is here otherwise.

mod aadsts;
mod entra;
mod keycloak;

use axum::{
    Json,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use tower_identity::{Audience, Fingerprint, Scopes, Subject, Timestamp};
use tower_identity_jose::{Algorithm, MediaType, random_id};

pub(crate) use self::entra::{asked, asked_for_itself};
use self::{aadsts::Aadsts, entra::ENTRA, keycloak::KEYCLOAK};
use crate::{
    claims::PresentedClaims,
    error::TokenError,
    layout::{AT_THE_ROOT, Layout},
};

/// A product whose shape the authority answers in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Product {
    /// Keycloak, with its standard token exchange (V2): nobody is named as an actor, the default client scopes come
    /// unasked, an issued token may outlive the one that it was exchanged for, and refusals have Keycloak's codes.
    Keycloak,
    /// Microsoft Entra ID, its tokens of version 2.0 and its on-behalf-of flow: the issuer is a tenant's, users have another
    /// `sub` at each service, what an application may do by itself is in `roles`, nobody is asked what a token is, and
    /// refusals have Entra's numbers.
    Entra,
}

impl Product {
    pub(crate) const fn dialect(self) -> &'static Dialect {
        match self {
            Self::Keycloak => &KEYCLOAK,
            Self::Entra => &ENTRA,
        }
    }
}

/// How tokens and answers are written.
#[derive(Debug)]
pub(crate) struct Dialect {
    /// What the header of an access token says it is.
    pub(crate) typ: MediaType,
    /// What everything is signed with, if no key file says otherwise.
    pub(crate) algorithm: Algorithm,
    pub(crate) layout: Layout,
    /// What a client's assertion names as its audience.
    pub(crate) assertion_audience: AssertionAudience,
    user: UserClaim,
    /// The claim that a token is told by.
    token_id: &'static str,
    /// What an access token says, beside what all of them do (`iss sub aud iat exp`, how it is told from others, and how its
    /// user signed in).
    claims: &'static [(&'static str, Says)],
    /// The scopes that are granted to everybody, unasked.
    pub(crate) unasked: &'static str,
    pub(crate) exchanged: Exchanged,
    pub(crate) grants: Grants,
    pub(crate) answer: Answered,
    refuses: Refuses,
}

/// By what grants there are tokens, beside client credentials.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Grants {
    /// Token exchange (RFC 8693); and, of chains, grants for other authorization servers.
    Exchange { chains: bool },
    /// Entra ID's on-behalf-of flow. A scope names the service that it is of, and is all that does.
    OnBehalfOf,
}

/// What becomes of the token that another is issued for.
#[derive(Debug)]
pub(crate) struct Exchanged {
    /// Whether the new one says who acts for its subject, and who did before.
    pub(crate) names_actors: bool,
    /// Whether it ends with the tokens that it was exchanged for.
    pub(crate) ends_with_subject: bool,
    /// Whether whom a token was issued to may exchange it, too, and not only whom it is for.
    pub(crate) holder_exchanges: bool,
}

/// Whom an assertion for client authentication has to be for.
#[derive(Debug, Clone, Copy)]
pub(crate) enum AssertionAudience {
    Issuer,
    TokenEndpoint,
}

/// Which claim a user is known by.
#[derive(Debug, Clone, Copy)]
enum UserClaim {
    /// `sub`, the same everywhere.
    Sub,
    /// This one; `sub` is another for each audience.
    Beside(&'static str),
}

/// What a claim is of.
#[derive(Debug, Clone, Copy)]
enum Says {
    /// The client that the token is issued to.
    Client,
    /// The same, in a token of its own only.
    ClientItself,
    /// The user, or the client in a token of its own.
    Subject,
    /// The user's name; of a client's own token, that of its service account.
    UserName,
    /// The scopes, in one string.
    Scopes,
    /// The same, in a user's token only.
    UsersScopes,
    /// The scopes as a list, in a client's own token only.
    ClientsRoles,
    /// The tenant whose issuer this is.
    Tenant,
    /// When it is issued.
    IssuedAt,
    /// This, in every access token and in nothing else that the same key signs.
    Always(&'static str),
    /// This, in a client's own token only.
    OfClients(&'static str),
}

/// What a token is issued on, as far as claims are about it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct About<'a> {
    pub(crate) subject: &'a str,
    pub(crate) client: &'a str,
    pub(crate) scopes: &'a str,
    pub(crate) tenant: &'a str,
    pub(crate) issued_at: Timestamp,
}

/// What an answer says beside the token.
#[derive(Debug)]
pub(crate) struct Answered {
    scopes: ToldScopes,
    more: &'static [(&'static str, More)],
}

/// How an answer says what was granted.
#[derive(Debug, Clone, Copy)]
enum ToldScopes {
    AsGranted,
    /// Each with the service that it is of; of a client's own token, nothing.
    WithTheirService,
}

#[derive(Debug, Clone, Copy)]
enum More {
    Number(u64),
    /// The same as `expires_in`.
    Lifetime,
}

/// How refusals are told.
#[derive(Debug)]
enum Refuses {
    /// By a code and words; what is not among them, as it is here otherwise.
    Codes(&'static [(TokenError, Told)]),
    /// By Entra's numbers.
    Aadsts(&'static [(TokenError, Aadsts)]),
}

/// A refusal, as the product words it.
#[derive(Debug)]
struct Told {
    status: StatusCode,
    error: &'static str,
    description: &'static str,
}

const fn told(status: StatusCode, error: &'static str, description: &'static str) -> Told {
    Told { status, error, description }
}

/// As the RFCs have it (9068 §2, 8693 §4).
pub(crate) static OURS: Dialect = Dialect {
    typ: MediaType::ACCESS_TOKEN,
    algorithm: Algorithm::Es256,
    layout: AT_THE_ROOT,
    assertion_audience: AssertionAudience::Issuer,
    user: UserClaim::Sub,
    token_id: "jti",
    claims: &[("client_id", Says::Client), ("scope", Says::Scopes)],
    unasked: "",
    exchanged: Exchanged { names_actors: true, ends_with_subject: true, holder_exchanges: false },
    grants: Grants::Exchange { chains: true },
    answer: Answered { scopes: ToldScopes::AsGranted, more: &[] },
    refuses: Refuses::Codes(&[]),
};

const BAD: StatusCode = StatusCode::BAD_REQUEST;

impl Dialect {
    /// Whether grants for other authorization servers are issued.
    pub(crate) fn chains(&self) -> bool {
        self.grants == Grants::Exchange { chains: true }
    }

    /// What an access token says beside what all of them do.
    pub(crate) fn claims(&self, about: About<'_>) -> Map<String, Value> {
        let own = self.claims.iter().filter_map(|(name, says)| Some((*name, says.of(about)?)));
        let id = (self.token_id, Value::String(random_id()));
        own.chain([id]).map(|(name, value)| (name.to_owned(), value)).collect()
    }

    /// The `sub` of a token for this audience: the subject, or what it goes by there and nowhere else.
    pub(crate) fn subject(&self, about: About<'_>, audience: &[Audience]) -> Subject {
        let known = || Subject::parse(about.subject).expect("a token was issued for it, so it is a subject");
        match self.user {
            UserClaim::Beside(_) if about.subject != about.client => {
                let pairwise = Fingerprint::of("pairwise-subject")
                    .field(about.tenant)
                    .list(audience.iter().map(Audience::as_str))
                    .field(about.subject)
                    .finish();
                let name = base64_simd::URL_SAFE_NO_PAD.encode_to_string(pairwise.as_bytes());
                Subject::parse(name).expect("base64url is of characters that a subject may have")
            }
            UserClaim::Sub | UserClaim::Beside(_) => known(),
        }
    }

    /// Whom a token of ours is about, as we know them.
    pub(crate) fn known(&self, claims: &PresentedClaims) -> Option<Subject> {
        match self.user {
            UserClaim::Sub => Some(claims.sub.clone()),
            UserClaim::Beside(claim) => Subject::parse(claims.others.get(claim)?.as_str()?).ok(),
        }
    }

    /// Whether a token that the header says is an access token is one: what always stands in one stands in it.
    pub(crate) fn is_access_token(&self, claims: &Map<String, Value>) -> bool {
        self.claims.iter().all(|(name, says)| match says {
            Says::Always(word) => claims.get(*name).is_some_and(|found| found == word),
            _ => true,
        })
    }

    /// What was granted for this audience, as the answer says it.
    pub(crate) fn told_scopes(&self, about: About<'_>, audience: &[Audience]) -> Option<String> {
        match self.answer.scopes {
            ToldScopes::AsGranted => Some(about.scopes.to_owned()),
            ToldScopes::WithTheirService if about.subject == about.client => None,
            ToldScopes::WithTheirService => {
                let granted = Scopes::parse(about.scopes).expect("they were granted, so they are scopes");
                let of = audience.first().map_or("", Audience::as_str);
                let named: Vec<_> = granted.iter().map(|scope| entra::of_service(of, scope)).collect();
                Some(named.join(" "))
            }
        }
    }

    /// What an answer says beside what all of them do.
    pub(crate) fn more(&self, expires_in: u64) -> impl Iterator<Item = (&'static str, u64)> {
        self.answer.more.iter().map(move |(name, more)| match more {
            More::Number(number) => (*name, *number),
            More::Lifetime => (*name, expires_in),
        })
    }

    /// The answer that refuses.
    pub(crate) fn refuse(&self, error: TokenError, now: Timestamp) -> Response {
        #[derive(Serialize)]
        struct Body {
            error: &'static str,
            error_description: &'static str,
        }
        match self.refuses {
            Refuses::Codes(codes) => {
                let Some((_, told)) = codes.iter().find(|(ours, _)| ours.reason() == error.reason()) else {
                    return error.into_response();
                };
                error.log();
                (told.status, Json(Body { error: told.error, error_description: told.description })).into_response()
            }
            Refuses::Aadsts(numbers) => {
                let told = numbers.iter().find(|(ours, _)| ours.reason() == error.reason()).map(|(_, told)| told);
                aadsts::refuse(error, told, now)
            }
        }
    }
}

impl Says {
    fn of(self, about: About<'_>) -> Option<Value> {
        let About { subject, client, scopes, tenant, issued_at } = about;
        let is_own = subject == client;
        Some(match self {
            Self::Client => json!(client),
            Self::ClientItself => json!(is_own.then_some(client)?),
            Self::Subject => json!(subject),
            Self::UserName if is_own => json!(format!("service-account-{client}")),
            Self::UserName => json!(subject),
            Self::Scopes => json!(scopes),
            Self::UsersScopes => json!((!is_own).then_some(scopes)?),
            Self::ClientsRoles => json!(is_own.then(|| scopes.split(' ').collect::<Vec<_>>())?),
            Self::Tenant => json!(tenant),
            Self::IssuedAt => json!(issued_at),
            Self::Always(word) => json!(word),
            Self::OfClients(word) => json!(is_own.then_some(word)?),
        })
    }
}
