//! What an internal identity says (draft-ietf-oauth-transaction-tokens-11 §4.2).

use serde::{Serialize, Serializer, ser::SerializeMap};
use tower_identity_core::{
    Attributes, Audience, AuthenticationContext, Groups, Issuer, Scopes, Subject, TransactionId,
    transaction_tokens::{REQUESTER_CONTEXT, REQUESTING_WORKLOAD},
};

use crate::{Attribute, trust_domain::Domain};

pub(super) struct Claims<'a> {
    pub(super) issuer: Option<&'a Issuer>,
    pub(super) audience: &'a Audience,
    pub(super) subject: &'a Subject,
    pub(super) scopes: Scopes,
    pub(super) transaction: &'a TransactionId,
    pub(super) requesting_workload: &'a Subject,
    pub(super) iat: u64,
    pub(super) exp: u64,
    pub(super) signed_in: &'a AuthenticationContext,
    pub(super) source: String,
    pub(super) attributes: &'a Attributes,
    /// Which says what of the attributes crosses.
    pub(super) domain: &'a Domain,
}

impl Serialize for Claims<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut claims = serializer.serialize_map(None)?;
        if let Some(issuer) = self.issuer {
            claims.serialize_entry("iss", issuer)?;
        }
        claims.serialize_entry("iat", &self.iat)?;
        claims.serialize_entry("exp", &self.exp)?;
        claims.serialize_entry("aud", self.audience)?;
        claims.serialize_entry("txn", self.transaction)?;
        claims.serialize_entry("sub", self.subject)?;
        claims.serialize_entry("scope", &format_args!("{}", self.scopes))?;
        claims.serialize_entry(REQUESTING_WORKLOAD, self.requesting_workload)?;
        let context = Context {
            acr: self.signed_in.acr.as_deref(),
            amr: &self.signed_in.amr,
            auth_time: self.signed_in.auth_time.map(tower_identity_core::Timestamp::as_secs),
            src: &self.source,
        };
        claims.serialize_entry(REQUESTER_CONTEXT, &context)?;
        self.attributes(&mut claims)?;
        claims.end()
    }
}

impl Claims<'_> {
    fn attributes<M: SerializeMap>(&self, claims: &mut M) -> Result<(), M::Error> {
        let Attributes { display_name, email, groups, roles } = self.attributes;
        let crosses = |attribute| self.domain.lets_cross(attribute);
        if let Some(name) = display_name.as_deref().filter(|_| crosses(Attribute::DisplayName)) {
            claims.serialize_entry("name", name)?;
        }
        if let Some(email) = email.as_ref().filter(|_| crosses(Attribute::Email)) {
            claims.serialize_entry("email", &email.address)?;
            claims.serialize_entry("email_verified", &email.verified)?;
        }
        match groups {
            Groups::Known(groups) if crosses(Attribute::Groups) => claims.serialize_entry("groups", groups)?,
            Groups::Known(_) | Groups::Unknown => {}
        }
        if crosses(Attribute::Roles) {
            claims.serialize_entry("roles", roles)?;
        }
        Ok(())
    }
}

/// How the user signed in, so that who is asked for a fresh or strong sign-in inside can tell; and of what it was made.
#[derive(Serialize)]
struct Context<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    acr: Option<&'a str>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    amr: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    auth_time: Option<u64>,
    src: &'a str,
}
