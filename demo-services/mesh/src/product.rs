//! Whose shape the authority answers in: each product as data, which is what the services' files say then, how its tokens look to
//! them, and which steps of the story cannot hold because of it.

use clap::ValueEnum;

use crate::{Part, mesh::Change, mode::Exception};

/// A product in whose shape the authority answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[non_exhaustive]
pub enum AuthorityAs {
    /// Keycloak, with its standard token exchange
    Keycloak,
    /// Microsoft Entra ID, with its on-behalf-of flow
    Entra,
}

/// What is otherwise where the authority is that of a product.
#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) changes: &'static [Change<'static>],
    pub(crate) shape: Shape,
    /// What cannot hold.
    pub(crate) exceptions: &'static [Exception],
}

/// How an issuer's tokens look to the services, and how they are asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape {
    /// What the issuer's identifier has after its origin.
    pub(crate) issuer: &'static str,
    /// The tenant that its users are of.
    pub(crate) tenant: Option<&'static str>,
    /// The scopes that everybody has, unasked.
    pub(crate) unasked: &'static [&'static str],
    /// Whether they say who acts for their user. Where they do not, whom they were issued to is taken for who sends them.
    pub(crate) names_actors: bool,
    pub(crate) asked: Asked,
    /// The error code for a user's token that is not taken any more.
    pub(crate) not_taken: &'static str,
}

/// How a token for a user is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asked {
    /// By token exchange (RFC 8693), as Keycloak has it where so.
    Exchange { at_keycloak: bool },
    /// By Entra ID's flow: scopes name the service that they are of, and nothing else does.
    OnBehalfOf,
}

impl Shape {
    /// As the files of the repository have it.
    pub(crate) const OURS: Self = Self {
        issuer: "",
        tenant: None,
        unasked: &[],
        names_actors: true,
        asked: Asked::Exchange { at_keycloak: false },
        not_taken: "invalid_request",
    };

    /// Scopes at a service, as it is asked for them.
    pub(crate) fn scopes(&self, service: &str, scopes: &str) -> String {
        match self.asked {
            Asked::Exchange { .. } => scopes.to_owned(),
            Asked::OnBehalfOf => {
                let named: Vec<_> = scopes.split(' ').map(|scope| format!("api://{service}/{scope}")).collect();
                named.join(" ")
            }
        }
    }

    /// The same of a client's own token.
    pub(crate) fn own_scopes(&self, service: &str, scopes: &str) -> String {
        match self.asked {
            Asked::Exchange { .. } => scopes.to_owned(),
            Asked::OnBehalfOf => self.scopes(service, ".default"),
        }
    }

    /// What a file says of a target for it to be another service.
    pub(crate) fn target(&self, service: &str) -> String {
        match self.asked {
            Asked::Exchange { .. } => format!("audience = \"{service}\""),
            Asked::OnBehalfOf => format!("scope = \"{}\"", self.scopes(service, ".default")),
        }
    }
}

impl AuthorityAs {
    pub(crate) const fn table(self) -> &'static Table {
        match self {
            Self::Keycloak => &KEYCLOAK,
            Self::Entra => &ENTRA,
        }
    }
}

/// Users' tokens are exchanged as Keycloak does it. What it issues is read by its profile; who sends it is `azp`, since it names
/// no actor; and the scopes that it grants unasked are tolerated. The storefront asks what its users' tokens are, and needs no
/// profile for the answers.
static KEYCLOAK: Table = Table {
    changes: &[
        (Part::Authority, ("[authority]\n", "[authority]\nanswers_as = \"keycloak\"\n")),
        (Part::Storefront, ("strategy = \"token_exchange\"", "strategy = \"keycloak_exchange\"")),
        (Part::Storefront, ("audience = \"orders\"\n", "audience = \"orders\"\ntolerate_scope = \"email profile\"\n")),
        // The same of what it issues for the partner's grants.
        (
            Part::Storefront,
            ("server = \"authority\"\n", "server = \"authority\"\ntolerate_scope = \"email profile\"\n"),
        ),
        (
            Part::Orders,
            ("audience = \"orders\"\n", "audience = \"orders\"\nprofile = \"keycloak\"\nissued_to_is_sender = true\n"),
        ),
        (Part::Orders, ("strategy = \"token_exchange\"", "strategy = \"keycloak_exchange\"")),
        // Both of its rows: the user's, and its own.
        (Part::Orders, ("audience = \"payments\"\n", "audience = \"payments\"\ntolerate_scope = \"email profile\"\n")),
        (
            Part::Payments,
            (
                "audience = \"payments\"\n",
                "audience = \"payments\"\nprofile = \"keycloak\"\nissued_to_is_sender = true\n",
            ),
        ),
    ],
    shape: Shape {
        unasked: &["email", "profile"],
        names_actors: false,
        asked: Asked::Exchange { at_keycloak: true },
        ..Shape::OURS
    },
    exceptions: &[NO_GRANTS_FOR_OTHERS],
};

macro_rules! tenant {
    () => {
        "4e1c6a52-9b0d-4f3e-8a77-2d5b90c1f684"
    };
}

/// The issuer's identifier, in the place of the authority's origin.
const TENANTS_ISSUER: (&str, &str) =
    ("issuer = \"http://127.0.0.1:7000\"\n", concat!("issuer = \"http://127.0.0.1:7000/", tenant!(), "/v2.0\"\n"));

/// The issuer is a tenant's. Its tokens are JWTs, and nobody is asked what they are, so the storefront verifies its users' by
/// itself; all of them are read by their profile, and who sends them is `azp`, since they name no actor. A scope says of which
/// service it is. What orders may do by itself are its roles.
static ENTRA: Table = Table {
    changes: &[
        (Part::Authority, ("[authority]\n", "[authority]\nanswers_as = \"entra\"\n")),
        (Part::Authority, TENANTS_ISSUER),
        (Part::Authority, ("cookie = \"session\"\n", "")),
        (Part::Storefront, TENANTS_ISSUER),
        (Part::Storefront, ("audience = \"storefront\"\n", "audience = \"storefront\"\nprofile = \"entra_v2\"\n")),
        (
            Part::Storefront,
            (
                "\n[inbound.issuer.introspection]\nclient_id = \"storefront\"\n\
                 client_secret = \"storefront: demo only, 100% public\"\nremember_seconds = 3\n",
                "",
            ),
        ),
        (
            Part::Storefront,
            (
                "strategy = \"token_exchange\"\naudience = \"orders\"\nscope = \"prices:read orders:read orders:write\"",
                "strategy = \"entra_on_behalf_of\"\nscope = \"api://orders/.default\"",
            ),
        ),
        (
            Part::Storefront,
            (
                "subjects_of = [\"http://127.0.0.1:7000\"]",
                concat!("subjects_of = [\"http://127.0.0.1:7000/", tenant!(), "/v2.0\"]"),
            ),
        ),
        (Part::Orders, TENANTS_ISSUER),
        (
            Part::Orders,
            ("audience = \"orders\"\n", "audience = \"orders\"\nprofile = \"entra_v2\"\nissued_to_is_sender = true\n"),
        ),
        // Its assertions are for the endpoint that they go to, and not for the issuer.
        (
            Part::Orders,
            (
                "private_key_file = \"keys/orders.pem\"\n",
                concat!(
                    "private_key_file = \"keys/orders.pem\"\n",
                    "assertion = { audience = \"token_endpoint\", typ = \"JWT\" }\n",
                    "token_endpoint = \"http://127.0.0.1:7000/",
                    tenant!(),
                    "/oauth2/v2.0/token\"\n",
                ),
            ),
        ),
        (
            Part::Orders,
            (
                "strategy = \"token_exchange\"\naudience = \"payments\"\nscope = \"payments:charge payments:read\"",
                "strategy = \"entra_on_behalf_of\"\n\
                 scope = \"api://payments/payments:charge api://payments/payments:read\"",
            ),
        ),
        (Part::Orders, ("audience = \"payments\"\nscope = \"payments:settle\"", "scope = \"api://payments/.default\"")),
        (Part::Payments, TENANTS_ISSUER),
        (
            Part::Payments,
            (
                "audience = \"payments\"\n",
                "audience = \"payments\"\nprofile = \"entra_v2\"\nissued_to_is_sender = true\n",
            ),
        ),
        (Part::Partner, TENANTS_ISSUER),
        (
            Part::Partner,
            ("to = \"http://127.0.0.1:7000\"", concat!("to = \"http://127.0.0.1:7000/", tenant!(), "/v2.0\"")),
        ),
    ],
    shape: Shape {
        issuer: concat!("/", tenant!(), "/v2.0"),
        tenant: Some(tenant!()),
        names_actors: false,
        asked: Asked::OnBehalfOf,
        not_taken: "invalid_grant",
        ..Shape::OURS
    },
    exceptions: &[
        Exception {
            at: ("Alice signs out at the authority", "it is over: 204"),
            found: Some("404"),
            why: "no session stands behind a JWT that every service verifies by itself",
        },
        NO_GRANTS_FOR_OTHERS,
        Exception {
            at: ("Alice of the partner's signs in there, and comes to the storefront", "and the partner's Alice none"),
            found: None,
            why: NO_GRANTS_OF_OTHERS,
        },
        Exception {
            at: ("Paul of the partner's looks around in the shop, and buys nothing", "he looks at the prices: 200"),
            found: Some("403"),
            why: NO_GRANTS_OF_OTHERS,
        },
    ],
};

/// A `jwt-bearer` of Entra ID's is its on-behalf-of.
const NO_GRANTS_OF_OTHERS: &str = "the authority takes no grants of other authorization servers";

/// Keycloak's standard exchange gives access tokens, ID tokens and refresh tokens, and Entra ID's flow access tokens.
const NO_GRANTS_FOR_OTHERS: Exception = Exception {
    at: (
        "Alice orders for so much that a partner is asked, in another trust domain",
        "the partner vouches for her, and the order is placed: 201",
    ),
    found: Some("502"),
    why: "the authority gives no grants for other authorization servers",
};
