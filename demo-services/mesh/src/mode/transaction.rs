//! The authority is the transaction token service of a trust domain. The storefront asks it for one, for what the user is about
//! to do at all services, and sends it beside a token of its own; orders sends the same one on beside a token of *its* own.

use super::{
    Table, TrustDomain,
    trust_domain::{OWN_TOKENS, SENDS, SHOP, revoked, takes},
};
use crate::Part;

pub(super) static TABLE: Table = Table {
    changes: &[
        OWN_TOKENS[0],
        OWN_TOKENS[1],
        (
            Part::Authority,
            (
                "\n# What a client may get for itself",
                "\n[authority.transactions]\ntrust_domain = \"shop.internal\"\nseconds = 60\ncontext = [\"channel\"]\n\n\
                 [[authority.transactions.policy]]\nclient = \"storefront\"\nfrom = \"storefront\"\n\
                 scopes = { \"catalog:read\" = [\"prices:read\"], \"orders:read\" = [\"orders:read\", \"payments:read\"], \
                 \"orders:write\" = [\"orders:write\", \"payments:charge\"] }\n\n\
                 # Guests come to orders with a token of another kind: their transactions begin there.\n\
                 [[authority.transactions.policy]]\nclient = \"orders\"\nfrom = \"orders\"\n\
                 scopes = { \"orders:read\" = [\"payments:read\"] }\n\n\
                 # In the place of another, for less.\n\
                 [[authority.transactions.policy]]\nclient = \"orders\"\nfrom = \"shop.internal\"\n\
                 scopes = { \"payments:charge\" = [\"payments:charge\"], \"payments:read\" = [\"payments:read\"] }\n\n\
                 # What a client may get for itself",
            ),
        ),
        (
            Part::Storefront,
            (
                "strategy = \"token_exchange\"\naudience = \"orders\"\nscope = \"prices:read orders:read orders:write\"\n",
                "strategy = { transaction_token = { trust_domain = \"shop.internal\", scope = \"prices:read orders:read \
                 orders:write payments:charge payments:read\", context = { channel = \"shop\" } } }\n\
                 audience = \"orders\"\nscope = \"transactions:carry\"\n",
            ),
        ),
        // Its users' tokens become grants for the partner's, as their access tokens do elsewhere.
        (
            Part::Authority,
            (
                "from = \"orders\"\nto = \"http://127.0.0.1:7004\"\n",
                "from = \"shop.internal\"\nto = \"http://127.0.0.1:7004\"\n",
            ),
        ),
        (
            Part::Orders,
            (
                "private_key_file = \"keys/orders.pem\"\n",
                "private_key_file = \"keys/orders.pem\"\naccepts_issuers = [\"shop.internal\"]\n",
            ),
        ),
        // Whoever asked for one may carry it, and at orders that is the storefront.
        (Part::Orders, takes!("orders", "http://127.0.0.1:7000/jwks", "workloads_of = \"http://127.0.0.1:7000\"\n")),
        (
            Part::Orders,
            (
                "strategy = \"token_exchange\"\naudience = \"payments\"\nscope = \"payments:charge payments:read\"\n",
                "strategy = { transaction_token = { trust_domain = \"shop.internal\" } }\n\
                 audience = \"payments\"\nscope = \"transactions:carry\"\n\n\
                 # For guests, with whose tokens a transaction begins here.\n\
                 [[outbound.target]]\norigin = \"http://127.0.0.1:7003\"\n\
                 strategy = { transaction_token = { trust_domain = \"shop.internal\", scope = \"payments:read\" } }\n\
                 audience = \"payments\"\nscope = \"transactions:carry\"\nsubjects_of = [\"http://127.0.0.1:7000\"]\n",
            ),
        ),
        (
            Part::Payments,
            takes!(
                "payments",
                "http://127.0.0.1:7000/jwks",
                "workloads_of = \"http://127.0.0.1:7000\"\ncarriers = [\"orders\"]\n"
            ),
        ),
        revoked!(Part::Orders, "http://127.0.0.1:7002/security-events", "http://127.0.0.1:7000"),
        revoked!(Part::Payments, "http://127.0.0.1:7003/security-events", "http://127.0.0.1:7000"),
    ],
    relayed: None,
    beside: false,
    named: false,
    said: None,
    trust_domain: Some(&TrustDomain {
        name: SHOP,
        scopes: &["orders:read", "orders:write", "payments:charge", "payments:read", "prices:read"],
        guests_at: &["payments"],
        sends: SENDS,
        replaces: Some(|scopes| {
            format!(
                "strategy = {{ transaction_token = {{ trust_domain = \"{SHOP}\", scope = \"{scopes}\", replace = true }} }}"
            )
        }),
        minted: None,
    }),
    exceptions: &[],
};
