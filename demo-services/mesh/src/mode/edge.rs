//! The storefront is the edge of a trust domain: what users come with stops there. It signs who they are inside, and what they may
//! there, and sends that beside a token of its own; orders sends the same one on.

use super::{
    Exception, NOBODY_WAITS, Table, TrustDomain,
    trust_domain::{Minted, OWN_TOKENS, SENDS, SHOP, takes},
};
use crate::Part;

/// What the storefront's file says of a partner's users, who come to orders by a grant of their own authority's.
const GUESTS_BY_GRANT: &str = "\n# For the partner's users: their authorization server gives a grant about them, and ours makes a token of it. Their \
     own tokens go\n# to nobody else, and without this row nothing would be sent for them.\n\
     [[outbound.target]]\norigin = \"http://127.0.0.1:7002\"\n\
     strategy = { chaining = { through = \"partner\", scope = \"prices:read orders:read orders:write\" } }\n\
     server = \"authority\"\nscope = \"prices:read orders:read orders:write\"\n\
     subjects_of = [\"http://127.0.0.1:7004\"]\n";

pub(super) static TABLE: Table = Table {
    changes: &[
        OWN_TOKENS[0],
        OWN_TOKENS[1],
        (
            Part::Storefront,
            (
                "\n# All of the demo listens on this machine, without TLS.\n",
                "\n[edge]\ntrust_domain = \"shop.internal\"\nrequesting_workload = \"storefront\"\n\
                 secret_file = \"keys/storefront.edge.secret\"\nkey_files = [\"keys/storefront.edge.pem\"]\n\
                 users = [\n\
                 { issuer = \"http://127.0.0.1:7000\", subject = \"alice\", name = \"alice\" },\n\
                 { issuer = \"http://127.0.0.1:7000\", subject = \"bob\", name = \"bob\" },\n\
                 { issuer = \"http://127.0.0.1:7000\", subject = \"carol\", name = \"carol\" },\n\
                 { issuer = \"http://127.0.0.1:7004\", subject = \"alice\", name = \"guest-alice\" },\n\
                 { issuer = \"http://127.0.0.1:7004\", subject = \"paul\", name = \"guest-paul\" },\n]\n\
                 scope = [\n\
                 { outside = \"catalog:read\", inside = \"catalog:read\" },\n\
                 { outside = \"catalog:read\", inside = \"prices:read\" },\n\
                 { outside = \"orders:read\", inside = \"orders:read\" },\n\
                 { outside = \"orders:read\", inside = \"payments:read\" },\n\
                 # Guests may look only, whatever their own authority lets them do.\n\
                 { issuer = \"http://127.0.0.1:7000\", outside = \"orders:write\", inside = \"orders:write\" },\n\
                 { issuer = \"http://127.0.0.1:7000\", outside = \"orders:write\", inside = \"payments:charge\" },\n]\n\
                 \n# All of the demo listens on this machine, without TLS.\n",
            ),
        ),
        (
            Part::Storefront,
            (
                "strategy = \"token_exchange\"\naudience = \"orders\"\nscope = \"prices:read orders:read orders:write\"\n\
                 subjects_of = [\"http://127.0.0.1:7000\"]\n",
                "strategy = { transaction_token = { trust_domain = \"shop.internal\" } }\n\
                 audience = \"orders\"\nscope = \"transactions:carry\"\n",
            ),
        ),
        // Nobody has a token of the partner's behind the edge.
        (Part::Storefront, (GUESTS_BY_GRANT, "")),
        // Whoever made one may carry it, and at orders that is the storefront.
        (
            Part::Orders,
            takes!(
                "orders",
                "http://127.0.0.1:7001/.well-known/jwks.json",
                "workloads_of = \"http://127.0.0.1:7000\"\n"
            ),
        ),
        (
            Part::Orders,
            (
                "strategy = \"token_exchange\"\naudience = \"payments\"\nscope = \"payments:charge payments:read\"\n",
                "strategy = { transaction_token = { trust_domain = \"shop.internal\" } }\n\
                 audience = \"payments\"\nscope = \"transactions:carry\"\n",
            ),
        ),
        (
            Part::Payments,
            takes!(
                "payments",
                "http://127.0.0.1:7001/.well-known/jwks.json",
                "workloads_of = \"http://127.0.0.1:7000\"\ncarriers = [\"orders\"]\n"
            ),
        ),
    ],
    relayed: None,
    beside: false,
    named: false,
    said: None,
    trust_domain: Some(&TrustDomain {
        name: SHOP,
        scopes: &["catalog:read", "orders:read", "orders:write", "payments:charge", "payments:read", "prices:read"],
        guests_at: &["orders", "payments"],
        sends: SENDS,
        replaces: None,
        minted: Some(&Minted { for_guests: &["catalog:read", "orders:read", "payments:read", "prices:read"] }),
    }),
    exceptions: &[
        Exception {
            at: (
                "Alice is revoked, while she and Bob each listen for news of their orders",
                "orders refuses her token: 400 invalid_transaction_token",
            ),
            found: Some("201 none"),
            why: "the authority does not know who she is inside, and what the edge has made of her is good for its minute",
        },
        Exception {
            at: ("Orders is given another file while it runs: first a wrong one, then a good one", "whom payments saw"),
            found: None,
            why: "less was asked for, and what the edge has made is what it is",
        },
        NOBODY_WAITS,
        Exception {
            at: (
                "Alice orders for so much that a partner is asked, in another trust domain",
                "the partner vouches for her, and the order is placed: 201",
            ),
            found: Some("502"),
            why: "a transaction token goes to no authority for a grant, and so there is none for the partner's",
        },
    ],
};
