//! How the services come by tokens for each other: each way as data, which is what their files say, what each of them sees,
//! and which steps of the story cannot hold because of it.

mod edge;
mod embedded;
mod plain_headers;
mod relay;
mod signed;
mod transaction;
mod trust_domain;
mod two_credentials;

use std::fmt;

use clap::ValueEnum;
use serde_json::Value;

pub(crate) use self::trust_domain::TrustDomain;
use crate::mesh::Change;

/// How the services come by tokens for each other.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
#[non_exhaustive]
pub enum Mode {
    /// Each exchanges its caller's token for one to whom it calls; as the files say
    #[default]
    Exchange,
    /// One token, for all services, which each of them passes on
    Relay,
    /// The token for orders holds the one for payments
    Embedded,
    /// Orders presents a token of its own to payments, and the user's beside it
    TwoCredentials,
    /// Each signs a token about its caller's user itself, and is taken at its word
    Signed,
    /// One transaction token says for whom, all the way, beside whichever service's own token sends it
    Transaction,
    /// The storefront makes a transaction token itself of whoever comes from outside, and nothing else of them goes on
    Edge,
    /// Each presents a token of its own, and says in a header for whom; what there is before any of the others
    PlainHeaders,
}

/// What is otherwise in a mode.
#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) changes: &'static [Change<'static>],
    /// What a user's own token says, where it goes all the way.
    pub(crate) relayed: Option<&'static Relayed>,
    /// Whether payments gets two credentials, the caller's own and its user's.
    pub(crate) beside: bool,
    /// Whether orders and payments are told for whom in plain text, beside the caller's own credential.
    pub(crate) named: bool,
    /// What is said at each service, where services say themselves for whom they call.
    pub(crate) said: Option<&'static Said>,
    /// Whose transaction tokens say for whom a service calls, where they do.
    pub(crate) trust_domain: Option<&'static TrustDomain>,
    /// What cannot hold.
    pub(crate) exceptions: &'static [Exception],
}

/// What a token says that is for every service.
#[derive(Debug)]
pub(crate) struct Relayed {
    pub(crate) audience: &'static [&'static str],
    pub(crate) scopes: &'static [&'static str],
}

/// What tokens allow, where nobody but who signs them decides that: from the first one on, all that is asked for further on.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) at_storefront: &'static [&'static str],
    pub(crate) at_orders: &'static [&'static str],
}

/// A check that cannot hold, and by which its step ends.
#[derive(Debug)]
pub(crate) struct Exception {
    /// The step, and its check, as the story words them.
    pub(crate) at: (&'static str, &'static str),
    /// What is found instead, where that is a word.
    pub(crate) found: Option<&'static str>,
    pub(crate) why: &'static str,
}

impl Exception {
    /// Whether this is what was found, and where.
    pub(crate) fn is(&self, step: &str, check: &str, found: &Value) -> bool {
        self.at == (step, check) && self.found.is_none_or(|expected| found == expected)
    }
}

impl fmt::Display for Exception {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.at.1)?;
        if let Some(found) = self.found {
            write!(f, ": {found} instead")?;
        }
        write!(f, ": {}", self.why)
    }
}

impl Mode {
    pub(crate) const fn table(self) -> &'static Table {
        match self {
            Self::Exchange => &Table {
                changes: &[],
                relayed: None,
                beside: false,
                named: false,
                said: None,
                trust_domain: None,
                exceptions: &[],
            },
            Self::Relay => &relay::TABLE,
            Self::Embedded => &embedded::TABLE,
            Self::TwoCredentials => &two_credentials::TABLE,
            Self::Signed => &signed::TABLE,
            Self::Transaction => &transaction::TABLE,
            Self::Edge => &edge::TABLE,
            Self::PlainHeaders => &plain_headers::TABLE,
        }
    }
}

/// Where services get along without the authority, its slowness is nobody's.
const NOBODY_WAITS: Exception = Exception {
    at: (
        "In another shop tokens for payments live for 20 seconds, and the authority is slow",
        "Carol is new, and waits for it",
    ),
    found: None,
    why: "nobody asks the authority for a token",
};

/// Where tokens for orders are got otherwise for a partner's users than for our own, and orders has but one way to go on.
const GUESTS: &str = "Paul of the partner's looks around in the shop, and buys nothing";
const GUESTS_GO_ON: &str = "orders and payments know him as a guest: 200";
