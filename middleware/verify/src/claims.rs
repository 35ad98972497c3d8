//! The claims of a token, as they were found, of whichever profile.

mod found;
mod objects;

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{self, DeserializeSeed, IgnoredAny, MapAccess, Visitor},
};
use tower_identity_core::Refusal;
#[cfg(feature = "transaction-tokens")]
use tower_identity_core::transaction_tokens::{REQUESTER_CONTEXT, REQUESTING_WORKLOAD, TRANSACTION_CONTEXT};
use tower_identity_jose::{
    NumericDate,
    json::{self, JsonError, Plain},
};

pub(crate) use self::found::{ClaimName, Found};
#[cfg(feature = "transaction-tokens")]
pub(crate) use self::objects::RequesterContext;
pub(crate) use self::objects::{Access, ActorClaim, Elsewhere, KubernetesClaim, KubernetesObject, SubjectId};
use crate::{
    claim::{Claim, Object, wrong},
    plain,
    text::{Entry, List, Members, Text, TextOrNumber, Texts},
};

/// Makes the struct of the claims and, as derived code would, what reads it: but in the place where the claims are to
/// lie. There are so many that a copy of them is felt, and derived code makes several.
macro_rules! claims {
    (
        $(#[$doc:meta])*
        $visible:vis struct Claims<'a> {
            $($(#[$where:meta])* $of_claim:vis $claim:ident: $type:ty = $name:tt,)+
        }
    ) => {
        $(#[$doc])*
        #[derive(Debug, Default)]
        $visible struct Claims<'a> {
            $($(#[$where])* $of_claim $claim: Claim<$type>,)+
        }

        impl<'de> Visitor<'de> for Unread<'_, 'de> {
            type Value = ();

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the claims of a token")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
                while let Some(name) = members.next_key::<Text<'_>>()? {
                    match &*name {
                        $($(#[$where])* $name => once(&mut self.0.$claim, $name, &mut members)?,)+
                        _ => drop(members.next_value::<IgnoredAny>()?),
                    }
                }
                Ok(())
            }
        }

        impl<'a> Claims<'a> {
            /// Reads claims that are written plainly, all of them absent so far.
            fn read_plainly(&mut self, plain: &mut Plain<'a>) -> Option<()> {
                plain.object(|plain, name| match name {
                    $($(#[$where])* $name => plain::set(&mut self.$claim, plain),)+
                    _ => plain.ignore(),
                })
            }
        }
    };
}

claims! {
    /// What is read of the payload; which of it counts is for the profile to say.
    ///
    /// Absent claims cost nothing. `may_act` is not read: it says who may act, never who acts (RFC 8693 §4.4).
    pub(crate) struct Claims<'a> {
        pub(crate) iss: Text<'a> = "iss",
        pub(crate) sub: Text<'a> = "sub",
        pub(crate) aud: Texts<'a> = "aud",
        pub(crate) exp: NumericDate = "exp",
        pub(crate) nbf: NumericDate = "nbf",
        pub(crate) iat: NumericDate = "iat",
        jti: Text<'a> = "jti",
        uti: Text<'a> = "uti",
        pub(crate) cnf: Members<'a, Claim<Text<'a>>> = "cnf",
        pub(crate) act: Object<ActorClaim<'a>> = "act",
        pub(crate) txn: Text<'a> = "txn",

        // Of a transaction token.
        #[cfg(feature = "transaction-tokens")]
        pub(crate) req_wl: Text<'a> = REQUESTING_WORKLOAD,
        #[cfg(feature = "transaction-tokens")]
        pub(crate) tctx: Object<IgnoredAny> = TRANSACTION_CONTEXT,
        #[cfg(feature = "transaction-tokens")]
        pub(crate) rctx: Object<RequesterContext<'a>> = REQUESTER_CONTEXT,

        // The client that the token was issued to.
        client_id: Text<'a> = "client_id",
        azp: Text<'a> = "azp",
        appid: Text<'a> = "appid",
        cid: Text<'a> = "cid",

        // Whom it is about, and what says so.
        tid: Text<'a> = "tid",
        oid: Text<'a> = "oid",
        uid: Text<'a> = "uid",
        idtyp: Text<'a> = "idtyp",
        gty: Text<'a> = "gty",
        username: Text<'a> = "username",
        preferred_username: Text<'a> = "preferred_username",
        unique_name: Text<'a> = "unique_name",
        pub(crate) kubernetes: Object<KubernetesClaim<'a>> = "kubernetes.io",
        pub(crate) sub_id: Object<SubjectId<'a>> = "sub_id",

        // What kind of token it is.
        typ: Text<'a> = "typ",
        token_use: Text<'a> = "token_use",
        token_type: Text<'a> = "token_type",
        ver: TextOrNumber<'a> = "ver",
        nonce: IgnoredAny = "nonce",
        at_hash: IgnoredAny = "at_hash",
        c_hash: IgnoredAny = "c_hash",
        events: IgnoredAny = "events",
        token_introspection: IgnoredAny = "token_introspection",

        // What it allows.
        pub(crate) scope: Text<'a> = "scope",
        pub(crate) scp: Texts<'a> = "scp",

        // How the user signed in.
        pub(crate) auth_time: NumericDate = "auth_time",
        pub(crate) acr: Text<'a> = "acr",
        pub(crate) amr: List<Text<'a>> = "amr",
        pub(crate) sid: Text<'a> = "sid",

        // What else is said of the subject.
        name: Text<'a> = "name",
        pub(crate) email: Text<'a> = "email",
        pub(crate) email_verified: bool = "email_verified",
        pub(crate) groups: List<Entry<'a>> = "groups",
        pub(crate) cognito_groups: List<Entry<'a>> = "cognito:groups",
        pub(crate) hasgroups: bool = "hasgroups",
        pub(crate) claim_names: Object<Elsewhere> = "_claim_names",
        pub(crate) roles: List<Entry<'a>> = "roles",
        pub(crate) permissions: List<Entry<'a>> = "permissions",
        pub(crate) realm_access: Object<Access<'a>> = "realm_access",
        pub(crate) resource_access: Members<'a, Claim<Object<Access<'a>>>> = "resource_access",
    }
}

/// Reads claims to the place where they are to lie: as they are written most often, or else strictly.
pub(crate) fn read<'c, 'a>(payload: json::Unread<'a>, claims: &'c mut Claims<'a>) -> Result<&'c Claims<'a>, JsonError> {
    if payload.plainly(|plain| claims.read_plainly(plain)).is_none() {
        *claims = Claims::default();
        payload.strictly(Unread(claims))?;
    }
    Ok(claims)
}

/// Where claims are to be read to, all of them absent so far.
pub(crate) struct Unread<'c, 'a>(pub(crate) &'c mut Claims<'a>);

/// Gives the claims in the place where they lie.
impl<'c, 'de> DeserializeSeed<'de> for Unread<'c, 'de> {
    type Value = &'c Claims<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(Unread(&mut *self.0))?;
        Ok(self.0)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Claims<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut claims = Claims::default();
        Unread(&mut claims).deserialize(deserializer)?;
        Ok(claims)
    }
}

/// Reads the claim that comes next, which must not have come before, whatever the parser thinks of that.
fn once<'de, T: Deserialize<'de>, A: MapAccess<'de>>(
    claim: &mut Claim<T>,
    name: &'static str,
    members: &mut A,
) -> Result<(), A::Error> {
    if !matches!(claim, Claim::Absent) {
        return Err(de::Error::duplicate_field(name));
    }
    *claim = members.next_value()?;
    Ok(())
}

/// A name of the domain, read from what a claim says: never empty, never padded.
pub(crate) fn parsed<'t, N: TryFrom<&'t str>>(
    text: &'t str,
    check: &'static str,
    name: &'static str,
) -> Result<N, Refusal> {
    N::try_from(text).map_err(|_| wrong(check, name))
}

#[cfg(test)]
mod tests;
