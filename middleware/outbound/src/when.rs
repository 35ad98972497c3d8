//! For which of the requests to its origin and path a row is.

use std::{fmt, sync::Arc};

use http::Method;
use tower_identity_core::{Issuer, Tenant, VerifiedToken};

/// For whom a request is made, where that decides which row it gets.
#[derive(Debug, Clone)]
pub(crate) enum Whose {
    /// For whom this token is of.
    Subject(Arc<VerifiedToken>),
    /// This service itself: it says so.
    Service,
    /// Nobody is known.
    Nobody,
}

/// What a row says of its requests. What it does not say, any request fulfils.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct When {
    pub(crate) methods: Vec<Method>,
    pub(crate) subjects_of: Vec<Issuer>,
    /// Of one of these issuers.
    pub(crate) tenant: Option<Tenant>,
}

impl When {
    pub(crate) fn is_of_method(&self, method: &Method) -> bool {
        self.methods.is_empty() || self.methods.contains(method)
    }

    /// Whether any request fulfils it.
    pub(crate) fn is_for_all(&self) -> bool {
        self.methods.is_empty() && self.is_for_anybody()
    }

    /// Whether it is for any caller, or none.
    pub(crate) fn is_for_anybody(&self) -> bool {
        self.subjects_of.is_empty()
    }

    pub(crate) fn is_for(&self, subject: &VerifiedToken) -> bool {
        let tenant = || subject.identity().user.as_ref().and_then(|user| user.tenant.as_ref());
        self.is_for_anybody()
            || (self.subjects_of.contains(subject.issuer())
                && self.tenant.as_ref().is_none_or(|own| tenant() == Some(own)))
    }

    /// Whether every request of this row is one of the other: then this one is the more exact, unless both are alike.
    pub(crate) fn is_within(&self, other: &Self) -> bool {
        is_subset(&self.methods, &other.methods)
            && is_subset(&self.subjects_of, &other.subjects_of)
            && (other.tenant.is_none() || self.tenant == other.tenant)
    }

    /// Whether some request may be of both rows.
    pub(crate) fn meets(&self, other: &Self) -> bool {
        let same_tenant = self.tenant.is_none() || other.tenant.is_none() || self.tenant == other.tenant;
        have_one_in_common(&self.methods, &other.methods)
            && have_one_in_common(&self.subjects_of, &other.subjects_of)
            && same_tenant
    }
}

/// Of lists that mean everything where they are empty.
fn is_subset<T: PartialEq>(own: &[T], other: &[T]) -> bool {
    other.is_empty() || (!own.is_empty() && own.iter().all(|one| other.contains(one)))
}

/// Of lists that mean everything where they are empty.
fn have_one_in_common<T: PartialEq>(own: &[T], other: &[T]) -> bool {
    own.is_empty() || other.is_empty() || own.iter().any(|one| other.contains(one))
}

/// What comes after origin and path in the row's name: nothing, where it says nothing.
impl fmt::Display for When {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let methods = self.methods.iter().map(Method::as_str).collect::<Vec<_>>().join(" ");
        let subjects = self.subjects_of.iter().map(Issuer::as_str).collect::<Vec<_>>().join(" ");
        if !methods.is_empty() {
            write!(f, " [{methods}]")?;
        }
        if !subjects.is_empty() {
            write!(f, " [subjects of {subjects}]")?;
        }
        match &self.tenant {
            Some(tenant) => write!(f, " [tenant {tenant}]"),
            None => Ok(()),
        }
    }
}
