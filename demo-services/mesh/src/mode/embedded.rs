//! Whatever the authority issues for orders holds what orders would get for payments in exchange for it.

use super::{Exception, GUESTS, GUESTS_GO_ON, Table};
use crate::Part;

pub(super) static TABLE: Table = Table {
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
    named: false,
    said: None,
    trust_domain: None,
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
