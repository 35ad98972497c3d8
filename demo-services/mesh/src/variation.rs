//! What a mesh does otherwise than its files say: as data, a list of changes of their text, and what the services see of it.

use clap::{Args, ValueEnum};

use crate::{Mode, Part, mesh::Change, mode::Exception};

/// How a mesh differs from what its files say. By default, in nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Args)]
pub struct Variation {
    /// Have the authority issue and answer in the shape of this product
    #[arg(long, value_name = "PRODUCT", global = true, conflicts_with = "mode")]
    pub authority_as: Option<AuthorityAs>,
    /// How the services come by tokens for each other
    #[arg(long, value_enum, value_name = "MODE", global = true, default_value_t)]
    pub mode: Mode,
}

/// A product in whose shape the authority answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[non_exhaustive]
pub enum AuthorityAs {
    /// Keycloak, with its standard token exchange
    Keycloak,
}

/// How an issuer's tokens look to the services.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape {
    /// The scopes that everybody has, unasked.
    pub(crate) unasked: &'static [&'static str],
    /// Whether they say who acts for their user. Where they do not, whom they were issued to is taken for who sends them.
    pub(crate) names_actors: bool,
}

impl Variation {
    /// What the files say instead.
    pub(crate) fn changes(self) -> Vec<Change<'static>> {
        let by_product: &[_] = match self.authority_as {
            None => &[],
            Some(AuthorityAs::Keycloak) => &KEYCLOAK,
        };
        [by_product, self.mode.table().changes].concat()
    }

    /// What cannot hold.
    pub(crate) fn exceptions(self) -> impl Iterator<Item = &'static Exception> {
        let of_product: &[Exception] = match self.authority_as {
            None => &[],
            Some(AuthorityAs::Keycloak) => &KEYCLOAK_CANNOT,
        };
        of_product.iter().chain(self.mode.table().exceptions)
    }

    pub(crate) const fn shape(self) -> Shape {
        match self.authority_as {
            None => Shape { unasked: &[], names_actors: true },
            Some(AuthorityAs::Keycloak) => Shape { unasked: &["email", "profile"], names_actors: false },
        }
    }
}

/// What is asked of Keycloak is asked by token exchange, as before. What it issues is read by its profile; who sends it is
/// `azp`, since it names no actor; and the scopes that it grants unasked are tolerated. The storefront asks what its users'
/// tokens are, and needs no profile for the answers.
const KEYCLOAK: [Change<'static>; 5] = [
    (Part::Authority, ("[authority]\n", "[authority]\nanswers_as = \"keycloak\"\n")),
    (Part::Storefront, ("audience = \"orders\"\n", "audience = \"orders\"\ntolerate_scope = \"email profile\"\n")),
    (
        Part::Orders,
        ("audience = \"orders\"\n", "audience = \"orders\"\nprofile = \"keycloak\"\nissued_to_is_sender = true\n"),
    ),
    // Both of its rows: the user's, and its own.
    (Part::Orders, ("audience = \"payments\"\n", "audience = \"payments\"\ntolerate_scope = \"email profile\"\n")),
    (
        Part::Payments,
        ("audience = \"payments\"\n", "audience = \"payments\"\nprofile = \"keycloak\"\nissued_to_is_sender = true\n"),
    ),
];

/// Its standard token exchange gives access tokens, ID tokens and refresh tokens, and no grants for servers of others.
static KEYCLOAK_CANNOT: [Exception; 1] = [Exception {
    at: (
        "Alice orders for so much that a partner is asked, in another trust domain",
        "the partner vouches for her, and the order is placed: 201",
    ),
    found: Some("502"),
    why: "the authority gives no grants for other authorization servers",
}];
