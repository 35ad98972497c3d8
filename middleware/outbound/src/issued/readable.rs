//! Tokens that we may read, and what their claims have to be.

use serde::Deserialize;
use tower_identity_core::{Audience, ClientId, Fingerprint, InvalidSetting};
use tower_identity_oauth::TargetService;

/// Says of a target that the tokens issued for it are JWTs which this service may read, and how they name what is
/// checked of them: see [`Target::readable_jwt`](crate::Target::readable_jwt).
///
/// To everybody but the service that it is for, an access token is opaque (RFC 9068 §6): only who runs both ends knows
/// that it may be read. What is read is a second look at what the authorization server did, and no more: the signature
/// is not checked, because the token is not for us, and it is the target that has to trust it.
///
/// | claim | what it has to be |
/// |---|---|
/// | `aud` | names the target: its [audience](crate::Target::audience) or [resource](crate::Target::resource), exactly |
/// | `sub`, `tid` | of an exchange within one issuer: the user and tenant of the subject token; within none: never this service itself |
/// | `act.sub`, `azp`, `client_id`, `appid`, `cid` | this service, each of them that is there |
/// | `exp` | later than now, where it is there; the token is used no longer |
///
/// ```
/// use tower_identity_outbound::{ReadableJwt, Target};
///
/// let payments = Target::origin("https://payments.internal")?
///     .audience("payments")
///     .token_exchange()
///     .readable_jwt(ReadableJwt::new().known_as("client:orders"));
/// # let _ = payments;
/// # Ok::<(), tower_identity_core::InvalidSetting>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[must_use = "it does nothing until a target has it"]
pub struct ReadableJwt {
    audience: Option<String>,
    user_claim: Option<String>,
    mapped_subjects: bool,
    known_as: Vec<String>,
}

impl ReadableJwt {
    /// JWTs that name the target by its row's audience or resource, a user by `sub`, and this service by its client id.
    pub fn new() -> Self {
        Self::default()
    }

    /// What `aud` names the target by, where that is neither the row's audience nor its resource. Some servers ask for
    /// a scope, and answer with an identifier of their own.
    pub fn audience(mut self, audience: impl Into<String>) -> Self {
        self.audience = Some(audience.into());
        self
    }

    /// The claim that names the user as its issuer's [profile](tower_identity_core::User) does, where that is not
    /// `sub`: `oid` at Entra ID, `uid` at Okta.
    pub fn user_claim(mut self, claim: impl Into<String>) -> Self {
        self.user_claim = Some(claim.into());
        self
    }

    /// The server gives a user another subject at each service, so that subjects cannot be compared. What is left is
    /// that there is one, and that it is not this service.
    pub fn mapped_subjects(mut self) -> Self {
        self.mapped_subjects = true;
        self
    }

    /// Another name that the server knows this service by, beside its client id: `client:orders`, or the subject of a
    /// service account. Adds to those named before.
    pub fn known_as(mut self, name: impl Into<String>) -> Self {
        self.known_as.push(name.into());
        self
    }

    /// What it means for these terms and this client.
    pub(crate) fn compile(&self, terms: &TargetService, client: &ClientId) -> Result<Readable, InvalidSetting> {
        let audiences = match &self.audience {
            Some(one) => {
                vec![Audience::parse(one).map_err(|wrong| InvalidSetting::new("audience", wrong.to_string()))?]
            }
            None => {
                let resource = terms.resource.as_ref().and_then(|resource| Audience::parse(resource.as_str()).ok());
                terms.audience.iter().cloned().chain(resource).collect()
            }
        };
        if audiences.is_empty() {
            let rule = "is missing, and so are the target's audience and resource: whom has the token to be for?";
            return Err(InvalidSetting::new("audience", rule));
        }
        if self.mapped_subjects && self.user_claim.is_some() {
            return Err(InvalidSetting::new("user_claim", "is of no use where subjects are mapped"));
        }
        let user = match (&self.user_claim, self.mapped_subjects) {
            (_, true) => Users::Mapped,
            (Some(claim), false) if claim.is_empty() => {
                return Err(InvalidSetting::new("user_claim", "is empty"));
            }
            (claim, false) => Users::Same { claim: claim.as_deref().unwrap_or("sub").into() },
        };
        let mut us: Vec<Box<str>> = vec![client.as_str().into()];
        for name in &self.known_as {
            // An empty name would make an empty claim one of ours.
            let name = ClientId::parse(name).map_err(|wrong| InvalidSetting::new("known_as", wrong.to_string()))?;
            us.push(name.as_str().into());
        }
        Ok(Readable { audiences, users: user, us })
    }
}

/// What the claims of an issued token have to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Readable {
    /// What the target goes by: at least one.
    pub(super) audiences: Vec<Audience>,
    pub(super) users: Users,
    /// What this service goes by: the client id first.
    pub(super) us: Vec<Box<str>>,
}

/// How users of one issuer are told from each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Users {
    /// By this claim, which is the same in every token of a user.
    Same { claim: Box<str> },
    /// Each service knows them by other subjects.
    Mapped,
}

impl Readable {
    pub(super) fn fingerprint(&self) -> Fingerprint {
        let claim = match &self.users {
            Users::Same { claim } => Some(&**claim),
            Users::Mapped => None,
        };
        Fingerprint::of("outbound-readable")
            .list(self.audiences.iter().map(Audience::as_str))
            .optional(claim)
            .list(self.us.iter().map(|name| &**name))
            .finish()
    }

    /// Whether a name is this service's.
    pub(super) fn is_us(&self, name: &str) -> bool {
        self.us.iter().any(|us| **us == *name)
    }
}

#[cfg(test)]
mod tests {
    use tower_identity_oauth::Resource;

    use super::*;

    fn compiled(jwt: &ReadableJwt, audience: Option<&str>, resource: Option<&str>) -> Result<Readable, String> {
        let terms = TargetService {
            audience: audience.map(|text| Audience::parse(text).expect("audience")),
            resource: resource.map(|text| Resource::parse(text).expect("resource")),
            ..TargetService::default()
        };
        jwt.compile(&terms, &ClientId::parse("orders").expect("client")).map_err(|wrong| wrong.to_string())
    }

    fn readable(audiences: &[&str], users: Users, us: &[&str]) -> Result<Readable, String> {
        let audiences = audiences.iter().map(|text| Audience::parse(text).expect("audience")).collect();
        Ok(Readable { audiences, users, us: us.iter().map(|name| (*name).into()).collect() })
    }

    fn by(claim: &str) -> Users {
        Users::Same { claim: claim.into() }
    }

    #[test]
    fn the_row_says_whom_the_token_is_for_unless_something_else_does() {
        let plain = ReadableJwt::new();
        assert_eq!(compiled(&plain, Some("payments"), None), readable(&["payments"], by("sub"), &["orders"]));
        let both = compiled(&plain, Some("payments"), Some("https://payments.internal/"));
        assert_eq!(both, readable(&["payments", "https://payments.internal/"], by("sub"), &["orders"]));
        let other = compiled(&ReadableJwt::new().audience("7f0c"), Some("payments"), None);
        assert_eq!(other, readable(&["7f0c"], by("sub"), &["orders"]));
        let refused = compiled(&plain, None, None);
        assert_eq!(
            refused.expect_err("for whom?"),
            "audience: is missing, and so are the target's audience and resource: whom has the token to be for?"
        );
    }

    #[test]
    fn a_file_says_what_code_says() {
        let file: ReadableJwt = toml::from_str(
            "audience = '7f0c'\nuser_claim = 'oid'\nknown_as = ['client:orders', 'spiffe://example.org/orders']",
        )
        .expect("settings");
        let code = ReadableJwt::new()
            .audience("7f0c")
            .user_claim("oid")
            .known_as("client:orders")
            .known_as("spiffe://example.org/orders");
        assert_eq!(file, code);
        let us = ["orders", "client:orders", "spiffe://example.org/orders"];
        assert_eq!(compiled(&file, None, None), readable(&["7f0c"], by("oid"), &us));
        let mapped: ReadableJwt = toml::from_str("mapped_subjects = true").expect("settings");
        assert_eq!(mapped, ReadableJwt::new().mapped_subjects());
        assert_eq!(compiled(&mapped, Some("a"), None), readable(&["a"], Users::Mapped, &["orders"]));
        assert!(toml::from_str::<ReadableJwt>("audiences = 'a'").is_err());
    }

    #[test]
    fn what_would_check_nothing_is_refused() {
        let cases = [
            (ReadableJwt::new().audience(""), "audience: audience is empty"),
            (ReadableJwt::new().user_claim(""), "user_claim: is empty"),
            (ReadableJwt::new().known_as(""), "known_as: client id is empty"),
            (
                ReadableJwt::new().mapped_subjects().user_claim("oid"),
                "user_claim: is of no use where subjects are mapped",
            ),
        ];
        for (jwt, expected) in cases {
            assert_eq!(compiled(&jwt, Some("payments"), None).expect_err(expected), expected);
        }
    }

    #[test]
    fn out_b1_every_demand_is_part_of_the_key() {
        let print = |readable: Result<Readable, String>| readable.expect("readable").fingerprint();
        let all = [
            print(readable(&["a"], by("sub"), &["orders"])),
            print(readable(&["b"], by("sub"), &["orders"])),
            print(readable(&["a"], by("oid"), &["orders"])),
            print(readable(&["a"], Users::Mapped, &["orders"])),
            print(readable(&["a"], by("sub"), &["orders", "b"])),
        ];
        for (at, one) in all.iter().enumerate() {
            assert!(all[at + 1..].iter().all(|other| one != other), "{at}");
        }
    }
}
