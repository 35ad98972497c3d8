//! What a token says of its subject beside who it is: for display, and for rules on groups and roles.

use std::fmt;

/// What an issuer says of a token's subject beside its identity. Every issuer's profile fills the same fields.
///
/// Nothing here identifies anybody: names and addresses change hands, so an account is found by
/// [`User`](crate::User) only. Personal data, of which `Debug` shows none.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Attributes {
    /// The name to show (OpenID Connect Core §5.1 `name`, or what the issuer has in its place).
    pub display_name: Option<Box<str>>,
    /// The e-mail address.
    pub email: Option<Email>,
    /// The groups that the subject belongs to (RFC 9068 §2.2.3.1).
    pub groups: Groups,
    /// The roles that the subject has (RFC 9068 §2.2.3.1).
    pub roles: Vec<Box<str>>,
}

/// An e-mail address, and whether the issuer says that it is the subject's.
#[derive(Clone, PartialEq, Eq)]
pub struct Email {
    /// The address.
    pub address: Box<str>,
    /// Whether the issuer says that it has verified it (OpenID Connect Core §5.1 `email_verified`). False where it
    /// says nothing: an address that anybody can enter is no evidence.
    pub verified: bool,
}

/// The groups of a subject, as far as its token says.
#[derive(Clone, PartialEq, Eq)]
pub enum Groups {
    /// These and no others.
    Known(Vec<Box<str>>),
    /// There are more than the issuer puts into a token (a *group overage*): not the same as none. Nothing that
    /// depends on a group can be decided.
    Unknown,
}

impl Default for Groups {
    /// None.
    fn default() -> Self {
        Self::Known(Vec::new())
    }
}

impl Groups {
    /// Whether the group is among them, compared byte for byte; `None` when that is not known.
    #[must_use]
    pub fn contain(&self, group: &str) -> Option<bool> {
        match self {
            Self::Known(groups) => Some(groups.iter().any(|one| **one == *group)),
            Self::Unknown => None,
        }
    }
}

impl fmt::Debug for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Email").field("verified", &self.verified).finish_non_exhaustive()
    }
}

impl fmt::Debug for Groups {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Known(groups) => write!(f, "Known({})", groups.len()),
            Self::Unknown => f.write_str("Unknown"),
        }
    }
}

impl fmt::Debug for Attributes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Attributes").field("groups", &self.groups).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_groups_are_not_no_groups() {
        let staff = Groups::Known(vec!["staff".into()]);
        assert_eq!((staff.contain("staff"), staff.contain("Staff")), (Some(true), Some(false)));
        assert_eq!(Groups::default().contain("staff"), Some(false));
        assert_eq!(Groups::Unknown.contain("staff"), None);
    }

    #[test]
    fn personal_data_does_not_print() {
        let email = Email { address: "alice@example.com".into(), verified: true };
        let alice = Attributes { display_name: Some("Alice".into()), email: Some(email), ..Attributes::default() };
        assert_eq!(format!("{alice:?}"), "Attributes { groups: Known(0), .. }");
    }
}
