//! The demo mesh in one process: the authority, the three services of the shop and its partner, from the same files that start each
//! of them as its own program, and a walk through what they refuse and what they allow.
//!
//! | module | what it holds |
//! |---|---|
//! | `mesh` | starting and stopping them |
//! | `files` | their settings, moved to other addresses where asked |
//! | `mode` | how the services come by tokens for each other |
//! | `mtls` | every hop over mutual TLS: certificates of the run |
//! | `product` | whose shape the authority answers in |
//! | `variation` | what a mesh does otherwise than they say |
//! | `rollout` | a file that one of them follows while it runs |
//! | `invitation` | what is printed once they are up |
//! | [`story`] | the walk: what is done, and what each hop must have seen |
//! | `page` | how the walk looks in a terminal |
//! | `inspect` | what a service makes of a token: `mesh token inspect` |
//! | [`blast_radius`] | how far a thief gets with what one service has seen: `mesh blast-radius` |
//! | [`simulation`] | how often a fleet asks its authorization server: `mesh simulate` |

pub mod blast_radius;
mod files;
mod inspect;
mod invitation;
mod mesh;
mod mode;
mod mtls;
mod page;
mod product;
mod rollout;
pub mod simulation;
pub mod story;
mod variation;

pub use self::{
    files::{Addresses, Part},
    inspect::{Inspect, InspectError},
    invitation::Invitation,
    mesh::Mesh,
    mode::Mode,
    page::Page,
    product::AuthorityAs,
    variation::Variation,
};
