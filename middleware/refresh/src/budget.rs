//! How much may be under way at one time.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

/// So many permits, shared by those who have a clone.
///
/// ```
/// use tower_identity_refresh::Budget;
///
/// let budget = Budget::new(1);
/// let permit = budget.take();
/// assert!(permit.is_some() && budget.take().is_none());
/// drop(permit);
/// assert!(!budget.is_spent());
/// ```
#[derive(Debug, Clone)]
pub struct Budget(Arc<AtomicUsize>);

/// One piece of work under way, over when it is dropped.
#[derive(Debug)]
pub struct Permit(Budget);

impl Budget {
    /// So many of them.
    #[must_use]
    pub fn new(permits: usize) -> Self {
        Self(Arc::new(AtomicUsize::new(permits)))
    }

    /// A permit, unless all are taken. Nobody waits for one: who waits takes memory, and a flood has enough of them.
    #[must_use]
    pub fn take(&self) -> Option<Permit> {
        let one_less = |left: usize| left.checked_sub(1);
        let taken = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_less);
        taken.is_ok().then(|| Permit(self.clone()))
    }

    /// Whether none is left, as of a moment ago.
    #[must_use]
    pub fn is_spent(&self) -> bool {
        self.0.load(Ordering::Relaxed) == 0
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_so_many_permits_and_they_come_back() {
        let budget = Budget::new(2);
        let (one, two) = (budget.take(), budget.take());
        assert_eq!((one.is_some(), two.is_some(), budget.is_spent()), (true, true, true));
        assert!(budget.clone().take().is_none());
        drop(one);
        assert!(!budget.is_spent());
        let again = budget.take();
        assert_eq!((again.is_some(), budget.take().is_some()), (true, false));
    }
}
