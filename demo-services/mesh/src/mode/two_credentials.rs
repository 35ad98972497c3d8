//! What orders has for itself has to allow what it asks for its users, too: it is asked for the same.

use super::{Exception, Table};
use crate::Part;

pub(super) static TABLE: Table = Table {
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
    named: false,
    said: None,
    trust_domain: None,
    exceptions: &[Exception {
        at: ("Orders tries another way to tokens for payments, in shadow", "another does not start"),
        found: None,
        why: "its file would have it try a token of its own in the user's place, and one of its own goes there already",
    }],
};
