//! One value with an expiry: one flight, refresh ahead, last good kept.
//!
//! A [`Slot`] holds one value that somebody else can replace: a key set, an authorization server's metadata, a token.
//! Its life has two ends, a [`Lifetime`]: until the first it is fresh; until the second it is still handed out, and
//! the next ask has another fetched in the background. Every fetch is a *flight*:
//!
//! - at most one flight of a slot is in the air; equal asks share its result and its failure;
//! - it flies in a task of its own: an ask that is dropped harms no other, nor the flight;
//! - when it fails, the last good value stays until its second end, and nobody tries again before the failure's own
//!   [`retry_after`](Failed::retry_after);
//! - when it dies, by a panic or with its runtime, the next who waits for it begins another.
//!
//! | module | what it holds |
//! |---|---|
//! | `state` | the rules above, as a state machine without I/O and without a clock |
//! | `flight` | one load under way, and who waits for it |
//! | `pilot` | the task that flies it |
//! | `slot`, `get` | the machine behind a lock: [`Slot`] and its future, [`Get`] |
//! | `slots` | [`Slots`], many of them by key, and not more than so many |
//! | `lifetime` | what a loader answers: [`Loaded`] or [`Failed`], and [`Lifetime`] |
//! | `background` | [`Background`], a task that ends with its owner; [`blocking`] work, and [`OneAtATime`] |
//! | `budget` | [`Budget`], how much may be under way at one time |
//! | `upkeep` | [`Upkeep`], one that is begun at its first use |
//! | `file` | [`open_regular`], for files that are read while a service runs |
//! | `watched_file` | [`WatchedFile`], read again while it is in use |
//! | `posted` | [`Posted`], a text in the place of a file |
//! | `clock`, `tick` | [`system_clock`], time for production, and what of it costs little |
//! | `jitter` | [`jitter()`], chance, so that what began together does not come back together |

mod background;
mod budget;
mod clock;
mod file;
mod flight;
mod get;
mod jitter;
mod lifetime;
mod pilot;
mod posted;
mod slot;
#[cfg(not(loom))]
mod slots;
mod state;
mod sync;
mod tick;
mod upkeep;
mod watched_file;

#[cfg(not(loom))]
pub use self::slots::Slots;
pub use self::{
    background::{Background, OneAtATime, blocking},
    budget::{Budget, Permit},
    clock::system_clock,
    file::open_regular,
    get::Get,
    jitter::jitter,
    lifetime::{Failed, Lifetime, Loaded},
    posted::Posted,
    slot::Slot,
    upkeep::Upkeep,
    watched_file::{FileText, WatchedFile},
};
