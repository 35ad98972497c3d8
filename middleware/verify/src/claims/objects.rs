//! The claims that are objects, as far as they are read.

use serde::{Deserialize, de::IgnoredAny};
#[cfg(feature = "transaction-tokens")]
use tower_identity_jose::NumericDate;

use crate::{
    claim::{Claim, Object},
    text::{Entry, List, Text},
};

/// One level of `act` (RFC 8693 §4.1); an earlier actor is nested in the later one.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct ActorClaim<'a> {
    #[serde(borrow)]
    pub(crate) iss: Claim<Text<'a>>,
    pub(crate) sub: Claim<Text<'a>>,
    pub(crate) act: Claim<Box<Object<ActorClaim<'a>>>>,
}

/// `kubernetes.io`: the objects that a service account's token is bound to.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct KubernetesClaim<'a> {
    #[serde(borrow)]
    pub(crate) namespace: Claim<Text<'a>>,
    pub(crate) serviceaccount: Claim<Object<KubernetesObject<'a>>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct KubernetesObject<'a> {
    #[serde(borrow)]
    pub(crate) name: Claim<Text<'a>>,
}

/// A subject by its issuer, whoever writes it (RFC 9493 §3.2.4).
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct SubjectId<'a> {
    #[serde(borrow)]
    pub(crate) format: Claim<Text<'a>>,
    pub(crate) iss: Claim<Text<'a>>,
    pub(crate) sub: Claim<Text<'a>>,
}

/// The roles at a realm, or at one of its clients.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Access<'a> {
    #[serde(borrow)]
    pub(crate) roles: Claim<List<Entry<'a>>>,
}

/// The claims that are to be had elsewhere (OpenID Connect Core §5.6.2).
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Elsewhere {
    pub(crate) groups: Claim<IgnoredAny>,
}

/// The environment in which a transaction was begun, as far as it is read: how its user had signed in.
#[cfg(feature = "transaction-tokens")]
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct RequesterContext<'a> {
    #[serde(borrow)]
    pub(crate) acr: Claim<Text<'a>>,
    pub(crate) amr: Claim<List<Text<'a>>>,
    pub(crate) auth_time: Claim<NumericDate>,
}
