//! The storefront signs for orders, and orders signs on for payments what the storefront has told it. Nobody is asked, so nobody
//! gives a user more than the first token allows: it allows all.

use super::{Exception, GUESTS, GUESTS_GO_ON, NOBODY_WAITS, Said, Table};
use crate::Part;

pub(super) static TABLE: Table = Table {
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
    named: false,
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
    trust_domain: None,
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
