//! Which of several credentials is presented, and whether a credential is still ours.

use std::{
    fmt,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use http::StatusCode;

use super::telemetry;
use crate::ConfigurationProblem;

/// Whether the secret or key by which a token was obtained is still one of ours: once it is gone from its file, so are the
/// tokens. Cheap to clone; asked at the cost of one load.
#[derive(Clone, Default)]
pub struct Standing(Arc<AtomicBool>);

impl Standing {
    /// Whether it is gone. What is gone does not come back.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    pub(super) fn withdraw(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Of the same credential.
impl PartialEq for Standing {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Standing {}

impl fmt::Debug for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Standing").field("is_gone", &self.is_gone()).finish()
    }
}

/// The credentials of one reading of their files, and which of them is presented: the first, until the server does not
/// know us by it. Then the next is tried, once; and where that is no better, none is until the files change.
#[derive(Debug)]
pub(super) struct Turns {
    /// Where each is.
    files: Box<[Arc<Path>]>,
    chosen: AtomicUsize,
    spent: AtomicBool,
}

impl Turns {
    pub(super) fn new(files: impl IntoIterator<Item = Arc<Path>>) -> Self {
        Self { files: files.into_iter().collect(), chosen: AtomicUsize::new(0), spent: AtomicBool::new(false) }
    }

    fn chosen(&self) -> usize {
        self.chosen.load(Ordering::Relaxed)
    }
}

/// The credential that was presented.
#[derive(Debug)]
pub(crate) struct Used {
    pub(super) at: usize,
    pub(super) turns: Arc<Turns>,
    pub(super) standing: Standing,
}

impl Used {
    /// The one whose turn it is, after another was refused perhaps, which may have been of another reading.
    pub(super) fn turn(turns: &Arc<Turns>, refused: Option<&Self>) -> usize {
        let chosen = turns.chosen();
        match refused {
            Some(refused) if Arc::ptr_eq(&refused.turns, turns) => {
                chosen.max(refused.at + 1).min(turns.files.len() - 1)
            }
            _ => chosen,
        }
    }

    pub(crate) fn standing(&self) -> &Standing {
        &self.standing
    }

    /// The server does not know us by it: whether another is to be tried. `is_last` where this was the other.
    pub(crate) fn refused(&self, is_last: bool) -> bool {
        let Self { at, turns, .. } = self;
        if is_last {
            turns.spent.store(true, Ordering::Relaxed);
            return false;
        }
        // Of those that are under way at one time, some learn that another is in use already.
        turns.chosen() > *at || (at + 1 < turns.files.len() && !turns.spent.load(Ordering::Relaxed))
    }

    /// The server does not know us by it, if that is what this problem is.
    pub(crate) fn unknown(self, problem: Option<&ConfigurationProblem>, status: StatusCode) -> Option<Self> {
        let is_unknown = match problem {
            // The standard's word, whatever the status (RFC 6749 §5.2).
            Some(ConfigurationProblem::Code(code)) if code.as_str() == "invalid_client" => true,
            // The same by the status, whatever the word (RFC 9110 §15.5.2).
            Some(ConfigurationProblem::Code(_) | ConfigurationProblem::Status(_)) => status == StatusCode::UNAUTHORIZED,
            _ => false,
        };
        is_unknown.then_some(self)
    }

    /// The server knows us by it: it is presented from now on.
    pub(crate) fn accepted(&self) {
        let Self { at, turns, .. } = self;
        let before = turns.chosen.fetch_max(*at, Ordering::Relaxed);
        if before < *at {
            telemetry::passed_over(&turns.files[before], &turns.files[*at]);
        }
    }
}
