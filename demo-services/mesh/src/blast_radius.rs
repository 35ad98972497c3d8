//! The blast radius: how far a thief gets with whatever one service has seen, in each [mode](crate::Mode).
//!
//! The shop does its work, as it does in the story. Each service sees credentials then: those that it is presented with, and
//! those that it presents to others. A thief at a service takes what that service has seen, and presents it, over HTTP and
//! gRPC, for every [action](ACTIONS) of every service. Nothing is derived: each cell of the [matrix](Matrix) is a request that
//! was answered, and the services' own access logs have to count as many.
//!
//! | file | what it holds |
//! |---|---|
//! | `actions` | what there is to be had at the services |
//! | `tap` | what one service sees: its access log, and the credentials that come with requests |
//! | `token` | what is read off a token, in words |
//! | `credential` | what is presented: a token at its place, or two |
//! | `thief` | presenting it elsewhere |
//! | `matrix` | what came of it, and its JSON |
//! | `table` | the same for a terminal |
//! | `command` | `mesh blast-radius` |

mod actions;
mod command;
mod credential;
mod matrix;
mod table;
mod tap;
mod thief;
mod token;

use std::{io, path::Path};

use demo_kit::StartError;

pub(crate) use self::token::claims;
pub use self::{
    actions::{ACTIONS, Action},
    command::BlastRadius,
    matrix::{Cell, Matrix, Outcome, Row, json},
    table::Table,
};
use self::{
    tap::Taps,
    thief::{NoAnswer, Thief},
};
use crate::{Addresses, Mesh, Page, Part, Variation, story};

/// Why there is no matrix.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BlastRadiusError {
    /// The mesh does not start, or nothing can be written.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The shop did not do its work as it has to, so that a thief finds less than there is.
    #[error("the shop does not work as it has to: {page}")]
    NotAtWork {
        /// What became of each step.
        page: String,
    },
    /// A service did not answer.
    #[error("no answer")]
    NoAnswer(#[from] NoAnswer),
    /// A token has ended before it was tried everywhere.
    #[error("a token ended before it was tried everywhere: this machine is too slow")]
    Ended,
    /// What the thief has asked for is not what the services have logged.
    #[error("{sent} requests were sent, and the services' access logs have {logged}, or have them elsewhere")]
    Uncounted {
        /// How many requests were sent.
        sent: usize,
        /// How many of the thief's are in the access logs.
        logged: usize,
    },
}

impl From<io::Error> for BlastRadiusError {
    fn from(error: io::Error) -> Self {
        Self::Start(error.into())
    }
}

/// Starts the mesh so varied, has the shop do its work, and tries everything that a service has seen everywhere.
///
/// # Errors
///
/// [`BlastRadiusError`].
pub async fn blast_radius(
    directory: &Path,
    variation: Variation,
    addresses: Addresses,
    option: &'static str,
) -> Result<Matrix, BlastRadiusError> {
    let taps = Taps::default();
    let watching = |part| taps.watch(part);
    let mut mesh = Mesh::start_watched(directory, variation, addresses, option, &watching).await?;
    let tried = everything_everywhere(&mut mesh, &taps).await;
    mesh.stop().await?;
    Ok(Matrix { mode: variation.mode, rows: tried? })
}

async fn everything_everywhere(mesh: &mut Mesh, taps: &Taps) -> Result<Vec<Row>, BlastRadiusError> {
    let mut page = Page::plain(Vec::new());
    let told = story::work(mesh, &mut page).await?;
    if !told.is_as_it_has_to_be() {
        let page = String::from_utf8_lossy(&page.into_inner()).into_owned();
        return Err(BlastRadiusError::NotAtWork { page });
    }
    let thief = Thief::of(mesh, taps)?;
    // All of it first: what is tried at one service has that one call others.
    let mut loot = Vec::new();
    for stolen_at in SERVICES {
        loot.push((stolen_at, thief.steals_at(stolen_at).await?));
    }
    let mut rows = Vec::new();
    for (stolen_at, credentials) in loot {
        for credential in credentials {
            let mut outcomes = Vec::new();
            for action in &ACTIONS {
                outcomes.push(thief.tries(&credential, action).await?);
            }
            rows.push(Row { stolen_at, whose: credential.whose, what: credential.what, outcomes });
        }
    }
    thief.is_all_logged(rows.len())?;
    Ok(rows)
}

/// Where credentials are presented.
const SERVICES: [Part; 4] = [Part::Storefront, Part::Orders, Part::Payments, Part::Partner];
