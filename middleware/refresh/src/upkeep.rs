//! A task that is begun when it is needed.

use std::fmt;

use arc_swap::ArcSwapOption;
use tower_identity_core::BoxFuture;

use crate::Background;

/// Work beside the requests that is begun at its first use, where there is a runtime, and begun again should that runtime
/// have ended. It ends with this.
///
/// What the work owns must not own this, or neither ends.
///
/// ```
/// use tower_identity_refresh::Upkeep;
///
/// let upkeep = Upkeep::new(std::future::pending);
/// upkeep.keep();
/// assert!(!upkeep.is_kept(), "there is no runtime");
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// upkeep.keep();
/// assert!(upkeep.is_kept());
/// # });
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct Upkeep {
    work: Box<dyn Fn() -> BoxFuture<'static, ()> + Send + Sync>,
    task: ArcSwapOption<Background>,
}

impl Upkeep {
    /// Not begun yet.
    pub fn new<F>(work: impl Fn() -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        Self { work: Box::new(move || Box::pin(work())), task: ArcSwapOption::empty() }
    }

    /// Begins the work, unless it is under way. Takes no lock: of two that are begun at one time the latter stays.
    pub fn keep(&self) {
        if self.is_kept() {
            return;
        }
        if let Some(task) = Background::spawn((self.work)()) {
            self.task.store(Some(task.into()));
        }
    }

    /// Whether the work is under way.
    #[must_use]
    pub fn is_kept(&self) -> bool {
        self.task.load().as_ref().is_some_and(|task| !task.is_over())
    }
}

impl fmt::Debug for Upkeep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upkeep").field("is_kept", &self.is_kept()).finish_non_exhaustive()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[tokio::test]
    async fn work_is_begun_once_and_ends_with_its_owner() {
        let (begun, mut told) = tokio::sync::mpsc::unbounded_channel();
        let upkeep = Upkeep::new(move || {
            let begun = begun.clone();
            async move {
                begun.send(()).expect("the test waits");
                std::future::pending::<()>().await;
            }
        });
        upkeep.keep();
        upkeep.keep();
        assert_eq!(told.recv().await, Some(()));
        assert!(upkeep.is_kept() && told.is_empty());
        drop(upkeep);
        assert_eq!(told.recv().await, None, "what the work held is gone");
    }

    #[test]
    fn work_is_begun_again_where_its_runtime_ended() {
        let upkeep = Upkeep::new(std::future::pending);
        for _ in 0..2 {
            let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
            runtime.block_on(async { upkeep.keep() });
            assert!(upkeep.is_kept());
            drop(runtime);
            assert!(!upkeep.is_kept());
        }
    }
}
