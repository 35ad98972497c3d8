//! Names of issuers and tenants in a rule.

use std::fmt;

use serde::{Deserialize, Serialize};
use tower_identity_core::{InvalidName, Issuer, Tenant, User};

/// An issuer in a list of [those whose users](super::users_of) may come in, or one tenant of an issuer. Compared whole,
/// byte for byte; there are no patterns.
///
/// In a configuration: `"https://login.example.com"`, or `{ issuer = "https://login.example.com", tenant = "acme" }`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Form", into = "Form")]
pub struct IssuerName {
    issuer: Issuer,
    /// None is every tenant, and whoever is of none.
    tenant: Option<Tenant>,
}

impl IssuerName {
    /// One tenant of an issuer.
    ///
    /// # Errors
    ///
    /// [`InvalidName`] when one of the two is not a usable name.
    pub fn tenant_of(issuer: impl AsRef<str>, tenant: impl AsRef<str>) -> Result<Self, InvalidName> {
        Ok(Self { issuer: Issuer::parse(issuer)?, tenant: Some(Tenant::parse(tenant)?) })
    }

    pub(super) fn is_of(&self, user: &User) -> bool {
        self.issuer == user.issuer && (self.tenant.is_none() || self.tenant == user.tenant)
    }

    /// Whose users are of this and of the other, if anybody's.
    pub(super) fn meet(&self, other: &Self) -> Option<Self> {
        match (&self.tenant, &other.tenant) {
            _ if self.issuer != other.issuer => None,
            (None, _) => Some(other.clone()),
            (_, None) => Some(self.clone()),
            (one, tenant) => (one == tenant).then(|| self.clone()),
        }
    }
}

/// All users of an issuer.
impl TryFrom<&str> for IssuerName {
    type Error = InvalidName;

    fn try_from(issuer: &str) -> Result<Self, InvalidName> {
        Ok(Self { issuer: Issuer::parse(issuer)?, tenant: None })
    }
}

impl fmt::Display for IssuerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.tenant {
            None => write!(f, "{}", self.issuer),
            Some(tenant) => write!(f, "{tenant} at {}", self.issuer),
        }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(untagged, expecting = "an issuer, or a table of an issuer and a tenant there")]
enum Form {
    Issuer(Issuer),
    Tenant(OfTenant),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct OfTenant {
    issuer: Issuer,
    tenant: Tenant,
}

impl From<Form> for IssuerName {
    fn from(form: Form) -> Self {
        match form {
            Form::Issuer(issuer) => Self { issuer, tenant: None },
            Form::Tenant(OfTenant { issuer, tenant }) => Self { issuer, tenant: Some(tenant) },
        }
    }
}

impl From<IssuerName> for Form {
    fn from(name: IssuerName) -> Self {
        match name {
            IssuerName { issuer, tenant: None } => Self::Issuer(issuer),
            IssuerName { issuer, tenant: Some(tenant) } => Self::Tenant(OfTenant { issuer, tenant }),
        }
    }
}
