//! Names of workloads, as a configuration writes them.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{CallerContext, InvalidName, Issuer, Subject, Workload};

/// A workload by name: by its name at the home issuer, or by another issuer and its name there. Compared whole, byte for
/// byte; there are no patterns.
///
/// In a configuration: `"orders"`, or `{ issuer = "https://partner.example", id = "audit" }`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Form", into = "Form")]
pub struct CallerName {
    /// None is the verifier's home issuer, whichever that is.
    issuer: Option<Issuer>,
    id: Subject,
}

impl CallerName {
    /// A workload of this issuer, home or not.
    ///
    /// # Errors
    ///
    /// [`InvalidName`] when one of the two is not a usable name.
    pub fn of_issuer(issuer: impl AsRef<str>, id: impl AsRef<str>) -> Result<Self, InvalidName> {
        Ok(Self { issuer: Some(Issuer::parse(issuer)?), id: Subject::parse(id)? })
    }

    /// Whether this may name a workload of the issuer, which may be home or not.
    #[must_use]
    pub fn may_be_of(&self, issuer: &Issuer) -> bool {
        self.issuer.as_ref().is_none_or(|own| own == issuer)
    }

    /// The workload that both may name, as narrowly as either does.
    #[must_use]
    pub fn meet(&self, other: &Self) -> Option<Self> {
        match (&self.issuer, &other.issuer) {
            _ if self.id != other.id => None,
            (None, _) => Some(other.clone()),
            (_, None) => Some(self.clone()),
            (one, issuer) => (one == issuer).then(|| self.clone()),
        }
    }

    /// Whether this workload is the [sender](CallerContext::sender) of the request, under any of its names.
    #[must_use]
    pub fn is(&self, context: &CallerContext) -> bool {
        let is = |name: &Workload| {
            name.id == self.id
                && match (&self.issuer, context.standing().aliases()) {
                    (Some(issuer), _) => *issuer == name.issuer,
                    (None, Some(aliases)) => aliases.home() == Some(&name.issuer),
                    (None, None) => context.caller_token().is_of_home(),
                }
        };
        context.sender().is_some() && context.names().iter().any(is)
    }

    /// The workload that this is, where plain names are workloads of this issuer. None for a plain name where there is
    /// no such issuer.
    #[must_use]
    pub fn workload(&self, home: Option<&Issuer>) -> Option<Workload> {
        let issuer = self.issuer.as_ref().or(home)?;
        Some(Workload { id: self.id.clone(), issuer: issuer.clone() })
    }
}

/// A workload of the home issuer.
impl TryFrom<&str> for CallerName {
    type Error = InvalidName;

    fn try_from(id: &str) -> Result<Self, InvalidName> {
        Ok(Self { issuer: None, id: Subject::parse(id)? })
    }
}

/// A workload of the home issuer.
impl TryFrom<String> for CallerName {
    type Error = InvalidName;

    fn try_from(id: String) -> Result<Self, InvalidName> {
        Self::try_from(id.as_str())
    }
}

impl fmt::Display for CallerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.issuer {
            None => write!(f, "{}", self.id),
            Some(issuer) => write!(f, "{} of {issuer}", self.id),
        }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(untagged, expecting = "the name of a workload, or a table of its issuer and its id there")]
enum Form {
    OfHome(Subject),
    OfIssuer(OfIssuer),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct OfIssuer {
    issuer: Issuer,
    id: Subject,
}

impl From<Form> for CallerName {
    fn from(form: Form) -> Self {
        match form {
            Form::OfHome(id) => Self { issuer: None, id },
            Form::OfIssuer(OfIssuer { issuer, id }) => Self { issuer: Some(issuer), id },
        }
    }
}

impl From<CallerName> for Form {
    fn from(name: CallerName) -> Self {
        match name {
            CallerName { issuer: None, id } => Self::OfHome(id),
            CallerName { issuer: Some(issuer), id } => Self::OfIssuer(OfIssuer { issuer, id }),
        }
    }
}
