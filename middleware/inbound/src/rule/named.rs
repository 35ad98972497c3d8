//! A condition that only code can state.

use std::{fmt, ptr, sync::Arc};

use tower_identity_core::CallerContext;

/// A closure by name. Two are equal when they are the same closure under the same name.
#[derive(Clone)]
pub(super) struct Named {
    name: Arc<str>,
    holds: Arc<dyn Fn(&CallerContext) -> bool + Send + Sync>,
}

impl Named {
    pub(super) fn new(name: &str, holds: impl Fn(&CallerContext) -> bool + Send + Sync + 'static) -> Self {
        Self { name: name.into(), holds: Arc::new(holds) }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn holds(&self, context: &CallerContext) -> bool {
        (self.holds)(context)
    }
}

impl PartialEq for Named {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name && ptr::addr_eq(Arc::as_ptr(&self.holds), Arc::as_ptr(&other.holds))
    }
}

impl Eq for Named {}

impl fmt::Debug for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Named").field(&self.name).finish()
    }
}
