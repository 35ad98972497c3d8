//! What a service answered, and whom it saw.

use std::{borrow::Cow, collections::BTreeMap, fmt};

use reqwest::{
    RequestBuilder, StatusCode,
    header::{HeaderMap, WWW_AUTHENTICATE},
};
use serde_json::{Value, json};
use tonic::{Code, Status};

use crate::{
    mode::{Relayed, Said, TrustDomain},
    product::Shape,
};

/// A response, read to its end.
#[derive(Debug)]
pub(super) struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    pub(super) body: Value,
}

impl Answer {
    pub(super) async fn to(request: RequestBuilder) -> Result<Self, reqwest::Error> {
        let response = request.send().await?;
        let (status, headers) = (response.status(), response.headers().clone());
        let body = response.bytes().await?;
        Ok(Self { status, headers, body: serde_json::from_slice(&body).unwrap_or(Value::Null) })
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The status, and the kind of the refusal: `403 unrelated_credentials`.
    pub(super) fn refusal(&self) -> String {
        format!("{} {}", self.status.as_u16(), self.body["code"].as_str().unwrap_or("none"))
    }

    /// The [outcome](Self::outcome) of a refusal with a challenge, and the [refusal](Self::refusal) of one without.
    pub(super) fn refused_as(&self) -> String {
        if self.header(WWW_AUTHENTICATE.as_str()).is_some() { self.outcome() } else { self.refusal() }
    }

    /// The status, and the error code of the challenge if there is one: `401 invalid_token`.
    pub(super) fn outcome(&self) -> String {
        with_error_code(self.status.as_u16().into(), self.header(WWW_AUTHENTICATE.as_str()))
    }
}

/// The same of a call over gRPC: `16 invalid_token`, and `0` where it succeeded.
pub(super) fn outcome_over_grpc<T>(answer: Result<T, Status>) -> String {
    match answer {
        Ok(_) => with_error_code(Code::Ok.into(), None),
        Err(status) => {
            let challenge = status.metadata().get(WWW_AUTHENTICATE.as_str());
            with_error_code(status.code().into(), challenge.and_then(|challenge| challenge.to_str().ok()))
        }
    }
}

fn with_error_code(status: i32, challenge: Option<&str>) -> String {
    let error = challenge.and_then(|challenge| challenge.split_once("error=\"")?.1.split_once('"'));
    match error {
        Some((error, _)) => format!("{status} {error}"),
        None => status.to_string(),
    }
}

/// Whom a service must have seen: everything that a principal says but its token's id.
#[derive(Debug, Clone)]
pub(super) struct Seen<'a> {
    pub(super) service: &'a str,
    pub(super) caller: &'a str,
    pub(super) user: Option<&'a str>,
    /// Who acts for the user, the current one first.
    pub(super) actors: &'a [&'a str],
    pub(super) scopes: Cow<'a, [&'a str]>,
    /// Whom the token is for, where that is not the service alone.
    pub(super) audience: Option<&'a [&'a str]>,
    pub(super) by: By,
}

/// What the request presented.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum By {
    /// One token, for the caller and for whom it calls.
    OneToken,
    /// One token, which goes by whom it was issued to: it names no actors.
    OfItsClient,
    /// The caller's own token, and the user's beside it, in which the authority names the caller.
    TwoTokens,
    /// The caller's own token, and the user's name beside it, in plain text.
    Name,
    /// One token, which the caller has signed itself.
    ItsWord,
    /// The caller's own token, and the user's transaction token beside it, which is of this trust domain.
    Transaction(&'static str),
    /// The caller's certificate, and a token beside it: the user's, in which the authority names the caller, or the caller's own.
    Certificate,
    /// One token from outside, in whose place is the transaction token that the edge has made of it.
    Minted(&'static str),
}

impl Seen<'_> {
    /// The same where the user's own token goes all the way: who sends it on is in no token.
    pub(super) fn relayed(self, token: &'static Relayed) -> Self {
        let by = if self.service == "payments" { By::OfItsClient } else { By::OneToken };
        let (audience, scopes) = (Some(token.audience), Cow::Borrowed(token.scopes));
        Self { caller: "storefront-web", actors: &[], audience, scopes, by, ..self }
    }

    /// The same where each service says itself for whom it calls.
    pub(super) fn said(self, said: &'static Said) -> Self {
        match self.service {
            "storefront" => Self { scopes: Cow::Borrowed(said.at_storefront), ..self },
            "orders" => Self { scopes: Cow::Borrowed(said.at_orders), by: By::ItsWord, ..self },
            _ => Self { by: By::ItsWord, ..self },
        }
    }

    /// The same where the caller names its user in plain text: what it may do itself counts, whoever that is.
    pub(super) fn named(self) -> Self {
        match self.service {
            "storefront" => self,
            "orders" => Self { actors: &[], by: By::Name, ..self },
            _ => {
                let scopes = Cow::Borrowed(&["payments:charge", "payments:read"][..]);
                Self { scopes, actors: &[], by: By::Name, ..self }
            }
        }
    }

    /// The same where a transaction token says for whom, beyond the edge: it allows the same wherever it comes.
    pub(super) fn carried(self, domain: &'static TrustDomain) -> Self {
        match (self.service, domain.minted) {
            ("storefront", None) => self,
            _ => Self { scopes: Cow::Borrowed(domain.scopes), ..self }.in_transaction(domain),
        }
    }

    /// The same of a user of the partner's.
    pub(super) fn carried_for_a_guest(self, domain: &'static TrustDomain) -> Self {
        let scopes = domain.minted.map_or_else(|| self.scopes.clone(), |minted| Cow::Borrowed(minted.for_guests));
        Self { scopes, ..self }.in_transaction(domain)
    }

    /// The same by a transaction token, which names nobody who acts.
    fn in_transaction(self, domain: &TrustDomain) -> Self {
        let by = if self.service == "storefront" { By::Minted(domain.name) } else { By::Transaction(domain.name) };
        Self { actors: &[], by, ..self }
    }

    /// The same where orders and payments take the caller's certificate for its credential, beside a token. Then a token of the
    /// caller's own is the only one, and allows what it says.
    pub(super) fn by_certificate(self) -> Self {
        match (self.service, self.user) {
            ("orders" | "payments", Some(_)) => Self { by: By::Certificate, ..self },
            ("payments", None) => Self { by: By::Certificate, scopes: Cow::Borrowed(&["payments:settle"]), ..self },
            _ => self,
        }
    }

    /// The same as tokens of this shape show it.
    pub(super) fn shown_by(mut self, shape: Shape) -> Self {
        if !shape.names_actors && !self.actors.is_empty() {
            self.actors = &[];
            self.by = if self.by == By::OneToken { By::OfItsClient } else { self.by };
        }
        if !self.scopes.is_empty() {
            self.scopes.to_mut().extend(shape.unasked);
            self.scopes.to_mut().sort_unstable();
        }
        self
    }

    /// The principal in JSON, as this issuer vouches for it, for users of this tenant where it has tenants; or as the services
    /// do, which listen at these origins.
    pub(super) fn principal(
        &self,
        issuer: &str,
        tenant: Option<&str>,
        origins: &BTreeMap<&'static str, String>,
    ) -> Value {
        let named = |id: &str| json!({ "id": id, "issuer": issuer });
        let actor = |id: &str| match self.by {
            By::ItsWord => json!({ "id": origins[id], "issuer": origins[id] }),
            _ => named(id),
        };
        json!({
            "caller": named(self.caller),
            "user": self.user.map(|id| match self.by {
                By::Transaction(domain) | By::Minted(domain) => user(id, domain, None),
                _ => user(id, issuer, tenant),
            }),
            "actors": self.actors.iter().map(|id| actor(id)).collect::<Vec<_>>(),
            "scopes": self.scopes,
            "audience": match (self.by, self.audience) {
                (By::Transaction(domain) | By::Minted(domain), _) => json!(domain),
                (_, None) => json!(self.service),
                (_, Some([one])) => json!(one),
                (_, Some(several)) => json!(several),
            },
            // Who is not an actor here has the token from its own sign-in, or from client credentials.
            "evidence": match (self.by, self.actors, self.user) {
                (By::OneToken, [_, ..], _) | (By::ItsWord, ..) => "actor",
                (By::OneToken, [], Some(_)) | (By::Minted(_), ..) => "issued_to",
                (By::OneToken, [], None) | (By::TwoTokens | By::Name | By::Transaction(_), ..) => "subject",
                (By::OfItsClient, ..) => "direct_client",
                (By::Certificate, ..) => "proven",
            },
            "binding": match self.by {
                By::OneToken | By::OfItsClient => "same_token",
                By::TwoTokens => "issuer_named",
                By::Certificate if self.user.is_some() => "issuer_named",
                By::Certificate => "same_token",
                By::Name => "none",
                By::ItsWord => "self_asserted",
                By::Transaction(_) | By::Minted(_) => "transaction",
            },
        })
    }
}

/// A user of an issuer, in JSON.
fn user(id: &str, issuer: &str, tenant: Option<&str>) -> Value {
    let mut user = json!({ "id": id, "issuer": issuer });
    if let Some(tenant) = tenant {
        user["tenant"] = tenant.into();
    }
    user
}

/// `orders      saw storefront for alice: orders:read orders:write`
impl fmt::Display for Seen<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:<10} saw {} for {}", self.service, self.caller, self.user.unwrap_or("nobody"))?;
        if let Some(before) = self.actors.get(1..).filter(|before| !before.is_empty()) {
            write!(f, ", after {}", before.join(", "))?;
        }
        match &*self.scopes {
            [] => f.write_str(": no scopes"),
            scopes => write!(f, ": {}", scopes.join(" ")),
        }
    }
}

/// A principal without its token's id, which is another each time.
pub(super) fn lasting(principal: &Value) -> Value {
    let mut lasting = principal.clone();
    if let Some(members) = lasting.as_object_mut() {
        members.remove("token_id");
    }
    lasting
}
