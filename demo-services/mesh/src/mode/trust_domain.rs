//! A trust domain whose transaction tokens travel beside the services' own tokens: what is said of it, and what the files say
//! in it whoever issues them.

use crate::{Part, mesh::Change};

/// The trust domain of the shop.
pub(super) const SHOP: &str = "shop.internal";

/// What is said beside each other in a trust domain.
#[derive(Debug)]
pub(crate) struct TrustDomain {
    /// What its users' issuer is.
    pub(crate) name: &'static str,
    /// What a transaction of a user of ours is for: all that is asked for further on, at every service alike.
    pub(crate) scopes: &'static [&'static str],
    /// Which services a partner's user comes to within a transaction.
    pub(crate) guests_at: &'static [&'static str],
    /// What orders' file says of whom it calls payments for; there is nothing else where it says this.
    pub(crate) sends: &'static str,
    /// How it asks for another transaction token in the place of the one that came, where somebody gives it one.
    pub(crate) replaces: Option<fn(&str) -> String>,
    /// What is otherwise where the storefront makes them, and is within its trust domain itself.
    pub(crate) minted: Option<&'static Minted>,
}

/// What the edge says of users.
#[derive(Debug)]
pub(crate) struct Minted {
    /// What a transaction of a partner's user is for, at every service alike.
    pub(crate) for_guests: &'static [&'static str],
}

/// What orders' file says of payments: what came goes on, beside a token of orders' own, which allows nothing by itself.
pub(super) const SENDS: &str = "strategy = { transaction_token = { trust_domain = \"shop.internal\" } }\n";

/// What the authority lets storefront and orders have of their own, to send beside a transaction token.
pub(super) const OWN_TOKENS: [Change<'_>; 2] = [
    (Part::Authority, ("scopes = [\"payments:settle\"]\n", "scopes = [\"payments:settle\", \"transactions:carry\"]\n")),
    (
        Part::Authority,
        (
            "\n[[authority.client_credentials]]\n",
            "\n[[authority.client_credentials]]\nclient = \"storefront\"\nto = \"orders\"\n\
             scopes = [\"transactions:carry\"]\n\n[[authority.client_credentials]]\n",
        ),
    ),
];

/// What a service takes, in its file: transaction tokens of the shop by these keys, and what more is said of them.
macro_rules! takes {
    ($service:literal, $keys:literal, $more:literal) => {
        (
            concat!("audience = \"", $service, "\"\n"),
            concat!(
                "audience = \"",
                $service,
                "\"\n\n[[inbound.transaction_tokens]]\ntrust_domain = \"shop.internal\"\nkeys = { url = \"",
                $keys,
                "\" }\n",
                $more,
            ),
        )
    };
}

/// Whose events end the tokens of the trust domain's users, too, in a service's file: those of the issuer that they have signed in at.
macro_rules! revoked {
    ($part:expr, $receiver:literal, $issuer:literal) => {
        (
            $part,
            (
                concat!("audience = \"", $receiver, "\"\n"),
                concat!(
                    "audience = \"",
                    $receiver,
                    "\"\n\n[[inbound.events.transmitter]]\nrevokes = [\"",
                    $issuer,
                    "\", \"shop.internal\"]\n\n[inbound.events.transmitter.issuer]\nissuer = \"",
                    $issuer,
                    "\"\naudience = \"",
                    $receiver,
                    "\"\nleeway_seconds = 0\n",
                ),
            ),
        )
    };
}
pub(super) use {revoked, takes};
