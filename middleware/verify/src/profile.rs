//! What an issuer's access tokens look like.

mod table;

use serde::Deserialize;

pub(crate) use self::table::Table;

/// The shape of an issuer's access tokens: which kinds of `typ`, which claims, and how whom they name is read.
///
/// Behind each name stands one table of data. Nothing of it is taken from a token or from the issuer's metadata.
///
/// ```
/// use tower_identity_verify::{Profile, TrustedIssuer};
///
/// let issuer = TrustedIssuer::discover("https://as.example").audience("orders").profile(Profile::Plain);
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Profile {
    /// RFC 9068, strictly: `typ` is `at+jwt`, and every claim of §2.2 is there.
    #[default]
    Rfc9068,
    /// The claims of RFC 9068 under `typ: JWT`, or under none, as servers write them that do not know it.
    Plain,
}

impl Profile {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Rfc9068, Self::Plain];

    /// The name in a file.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Rfc9068 => "rfc9068",
            Self::Plain => "plain",
        }
    }

    pub(crate) const fn table(self) -> &'static Table {
        match self {
            Self::Rfc9068 => &table::RFC9068,
            Self::Plain => &table::PLAIN,
        }
    }
}
