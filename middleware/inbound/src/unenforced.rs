//! How many layers judge and do not enforce.

use std::sync::{Mutex, Once, PoisonError};

use metrics::Unit;

use crate::stage::Stage;

/// The gauge of layers of this process that [observe](crate::AuthLayer::observe) and refuse nothing, by `stage`. A layer
/// is counted once, with all its clones, from when it is told to observe until the last of them is gone. A clone of one
/// that enforces, told to observe for itself, is another layer.
pub const UNENFORCED: &str = "tower_identity_unenforced_layers";

/// Of the layers at the door, and of rules. Locked while the gauge is set, so that it never keeps an older number.
static COUNTS: Mutex<[u32; 2]> = Mutex::new([0; 2]);

/// One layer that does not enforce, counted until it is dropped.
#[derive(Debug)]
pub(crate) struct Unenforced {
    stage: Stage,
    told: Once,
}

impl Unenforced {
    pub(crate) fn new(stage: Stage) -> Self {
        change(stage, |count| count.saturating_add(1));
        Self { stage, told: Once::new() }
    }

    /// Tells the number again at the first decision: a recorder may have been installed since the layer was made.
    pub(crate) fn decided(&self) {
        self.told.call_once(|| change(self.stage, |count| count));
    }
}

impl Drop for Unenforced {
    fn drop(&mut self) {
        change(self.stage, |count| count.saturating_sub(1));
    }
}

fn change(stage: Stage, next: impl FnOnce(u32) -> u32) {
    let mut counts = COUNTS.lock().unwrap_or_else(PoisonError::into_inner);
    let count = &mut counts[usize::from(stage == Stage::Rule)];
    *count = next(*count);
    metrics::describe_gauge!(UNENFORCED, Unit::Count, "layers that judge and do not enforce");
    metrics::gauge!(UNENFORCED, "stage" => stage.as_str()).set(f64::from(*count));
}
