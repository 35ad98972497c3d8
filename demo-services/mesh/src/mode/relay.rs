//! A user's first token is a JWT that is for every service, with the scopes of all of them, so that each can pass it on.

use super::{Exception, GUESTS, GUESTS_GO_ON, NOBODY_WAITS, Relayed, Table};
use crate::Part;

pub(super) static TABLE: Table = Table {
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
    named: false,
    said: None,
    trust_domain: None,
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
