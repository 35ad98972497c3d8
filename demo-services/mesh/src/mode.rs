//! How the services come by tokens for each other: each way as data, which is what their files say, what each of them sees,
//! and which steps of the story cannot hold because of it.

use std::fmt;

use clap::ValueEnum;
use serde_json::Value;

use crate::{Part, mesh::Change};

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
}

/// What is otherwise in a mode.
#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) changes: &'static [Change<'static>],
    /// What a user's own token says, where it goes all the way.
    pub(crate) relayed: Option<&'static Relayed>,
    /// Whether payments gets two credentials, the caller's own and its user's.
    pub(crate) beside: bool,
    /// What is said at each service, where services say themselves for whom they call.
    pub(crate) said: Option<&'static Said>,
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
            Self::Exchange => &Table { changes: &[], relayed: None, beside: false, said: None, exceptions: &[] },
            Self::Relay => &RELAY,
            Self::Embedded => &EMBEDDED,
            Self::TwoCredentials => &TWO_CREDENTIALS,
            Self::Signed => &SIGNED,
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

/// A user's first token is a JWT that is for every service, with the scopes of all of them, so that each can pass it on.
static RELAY: Table = Table {
    changes: &[
        (
            Part::Authority,
            (
                "audience = \"storefront\"\nscopes = [\"catalog:read\", \"orders:read\", \"orders:write\"]\ncookie = \"session\"\n",
                "audience = [\"storefront\", \"orders\", \"payments\"]\nscopes = [\"catalog:read\", \"prices:read\", \
                 \"orders:read\", \"orders:write\", \"payments:charge\", \"payments:read\"]\n",
            ),
        ),
        (
            Part::Storefront,
            (
                "\n[inbound.issuer.introspection]\nclient_id = \"storefront\"\n\
                 client_secret = \"storefront: demo only, 100% public\"\nremember_seconds = 3\n",
                "",
            ),
        ),
        (Part::Storefront, ("strategy = \"token_exchange\"", "strategy = \"relay\"")),
        (Part::Orders, ("strategy = \"token_exchange\"", "strategy = \"relay\"")),
        // The token names nobody who passed it on. So whom it was issued to is let in, whoever that is who sends it.
        (Part::Payments, ("callers = [\"orders\"]", "callers = [\"orders\", \"storefront-web\"]")),
        (Part::Payments, ("audience = \"payments\"\n", "audience = \"payments\"\nissued_to_is_sender = true\n")),
    ],
    relayed: Some(&Relayed {
        audience: &["storefront", "orders", "payments"],
        scopes: &["catalog:read", "orders:read", "orders:write", "payments:charge", "payments:read", "prices:read"],
    }),
    beside: false,
    said: None,
    exceptions: &[
        Exception {
            at: (
                "Alice asks what she was charged; orders asks payments, over gRPC",
                "one charge of hers: 28.80, at the word of orders",
            ),
            found: None,
            why: "payments sees whom her token was issued to, and nobody who passed it on",
        },
        Exception {
            at: (
                "Alice's token for the storefront is tried at payments",
                "payments refuses the same token: 401 invalid_token",
            ),
            found: Some("201"),
            why: "it is for every service, and so is whatever is stolen from one of them",
        },
        Exception {
            at: ("Her token for orders is tried there too", "payments refuses the same token: 401 invalid_token"),
            found: Some("201"),
            why: "it is the same token",
        },
        Exception {
            at: ("Alice signs out at the authority", "it is over: 204"),
            found: Some("404"),
            why: "no session stands behind a JWT that every service verifies by itself",
        },
        Exception {
            at: ("Orders is given another file while it runs: first a wrong one, then a good one", "whom payments saw"),
            found: None,
            why: "less was asked for, and what is passed on is what it is",
        },
        NOBODY_WAITS,
        Exception {
            at: (GUESTS, GUESTS_GO_ON),
            found: Some("502"),
            why: "what is issued for him is for orders, which has no way to another",
        },
        Exception {
            at: ("The authority is stopped", "Carol is new, and is told to come back: 503"),
            found: Some("201"),
            why: "nobody asks the authority for a token",
        },
    ],
};

/// Whatever the authority issues for orders holds what orders would get for payments in exchange for it.
static EMBEDDED: Table = Table {
    changes: &[
        (
            Part::Authority,
            (
                "from = \"storefront\"\nto = \"orders\"\n",
                "from = \"storefront\"\nto = \"orders\"\nembeds = [\"payments\"]\n",
            ),
        ),
        (Part::Orders, ("strategy = \"token_exchange\"", "strategy = { embedded = { claim = \"tokens.payments\" } }")),
    ],
    relayed: None,
    beside: false,
    said: None,
    exceptions: &[
        Exception {
            at: ("Orders is given another file while it runs: first a wrong one, then a good one", "whom payments saw"),
            found: None,
            why: "less was asked for, and what lies in her token is what it is",
        },
        Exception {
            at: (GUESTS, GUESTS_GO_ON),
            found: Some("502"),
            why: "no token for payments lies in what is issued for a grant",
        },
    ],
};

/// What orders has for itself has to allow what it asks for its users, too: it is asked for the same.
static TWO_CREDENTIALS: Table = Table {
    changes: &[
        (
            Part::Authority,
            (
                "scopes = [\"payments:settle\"]",
                "scopes = [\"payments:settle\", \"payments:charge\", \"payments:read\"]",
            ),
        ),
        (
            Part::Orders,
            ("strategy = \"token_exchange\"", "strategy = \"token_exchange\"\nuser_header = \"x-user-token\""),
        ),
    ],
    relayed: None,
    beside: true,
    said: None,
    exceptions: &[Exception {
        at: ("Orders tries another way to tokens for payments, in shadow", "another does not start"),
        found: None,
        why: "its file would have it try a token of its own in the user's place, and one of its own goes there already",
    }],
};

/// The storefront signs for orders, and orders signs on for payments what the storefront has told it. Nobody is asked, so nobody
/// gives a user more than the first token allows: it allows all.
static SIGNED: Table = Table {
    changes: &[
        (
            Part::Authority,
            (
                "scopes = [\"catalog:read\", \"orders:read\", \"orders:write\"]\ncookie",
                "scopes = [\"catalog:read\", \"prices:read\", \"orders:read\", \"orders:write\", \"payments:charge\", \
                 \"payments:read\"]\ncookie",
            ),
        ),
        (
            Part::Storefront,
            (
                "strategy = \"token_exchange\"\naudience = \"orders\"\nscope = \"",
                "strategy = { signed = { issuer = \"http://127.0.0.1:7001\", key_file = \"keys/storefront.signs.pem\" } }\n\
                 audience = \"orders\"\nscope = \"payments:charge payments:read ",
            ),
        ),
        (
            Part::Orders,
            ("payments = \"http://127.0.0.1:7003\"\n", "payments = \"http://127.0.0.1:7003\"\nat_their_word = true\n"),
        ),
        (
            Part::Orders,
            (
                "audience = \"orders\"\n",
                "audience = \"orders\"\n\n\
                 [[inbound.self_asserted]]\nissuer = \"http://127.0.0.1:7001\"\naudience = \"orders\"\n\
                 users_of = [\"http://127.0.0.1:7000\"]\nkeys = { url = \"http://127.0.0.1:7001/keys\" }\n\n\
                 [[inbound.workload]]\n\
                 is = [\"storefront\", { issuer = \"http://127.0.0.1:7001\", id = \"http://127.0.0.1:7001\" }]\n",
            ),
        ),
        (
            Part::Orders,
            (
                "strategy = \"token_exchange\"",
                "strategy = { signed = { issuer = \"http://127.0.0.1:7002\", key_file = \"keys/orders.signs.pem\", \
                 pass_on = true } }",
            ),
        ),
        (Part::Payments, ("callers = [\"orders\"]\n", "callers = [\"orders\"]\nat_their_word = true\n")),
        (
            Part::Payments,
            (
                "audience = \"payments\"\n",
                "audience = \"payments\"\n\n\
                 [[inbound.self_asserted]]\nissuer = \"http://127.0.0.1:7002\"\naudience = \"payments\"\n\
                 users_of = [\"http://127.0.0.1:7000\"]\nkeys = { url = \"http://127.0.0.1:7002/keys\" }\n\n\
                 [[inbound.workload]]\n\
                 is = [\"orders\", { issuer = \"http://127.0.0.1:7002\", id = \"http://127.0.0.1:7002\" }]\n",
            ),
        ),
    ],
    relayed: None,
    beside: false,
    said: Some(&Said {
        at_storefront: &[
            "catalog:read",
            "orders:read",
            "orders:write",
            "payments:charge",
            "payments:read",
            "prices:read",
        ],
        at_orders: &["orders:read", "orders:write", "payments:charge", "payments:read", "prices:read"],
    }),
    exceptions: &[
        Exception {
            at: ("Orders tries another way to tokens for payments, in shadow", "that one could not, by the count"),
            found: None,
            why: "who signs itself knows no audience that is not known",
        },
        NOBODY_WAITS,
        Exception {
            at: (
                "Alice orders for so much that a partner is asked, in another trust domain",
                "the partner vouches for her, and the order is placed: 201",
            ),
            found: Some("502"),
            why: "the storefront's word for her goes to no authority, and so there is no grant for the partner's",
        },
        Exception {
            at: (GUESTS, GUESTS_GO_ON),
            found: Some("502"),
            why: "ours lets him look only, and orders signs for payments what a user's own token allows",
        },
    ],
};
