//! Work beside the requests: a task that ends with its owner, and work that blocks.

use tokio::{runtime::Handle, task::AbortHandle};

/// A task that ends when this is dropped, at its next await at the latest.
///
/// ```
/// use tower_identity_refresh::{Background, system_clock};
///
/// assert!(Background::spawn(async {}).is_none(), "there is no runtime");
/// # tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(async {
/// let forever = Background::spawn(std::future::pending()).expect("there is a runtime");
/// assert!(!forever.is_over());
/// # });
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
#[must_use = "the task ends when this is dropped"]
pub struct Background(AbortHandle);

impl Background {
    /// Begins the work on the tokio runtime that this is called in; `None` where there is none.
    pub fn spawn(work: impl Future<Output = ()> + Send + 'static) -> Option<Self> {
        let runtime = Handle::try_current().ok()?;
        Some(Self(runtime.spawn(work).abort_handle()))
    }

    /// Whether the task has ended: by itself, by a panic, or with its runtime.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.0.is_finished()
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Does work that blocks, on a thread where that harms nobody: reading names and files. It begins at once and goes on
/// when nobody waits for it. Outside a tokio runtime it is done here and now.
///
/// `None` when the work panicked, or its runtime ended first.
pub fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> impl Future<Output = Option<T>> + Send + 'static {
    let begun = match Handle::try_current() {
        Ok(runtime) => Err(runtime.spawn_blocking(work)),
        Err(_) => Ok(work()),
    };
    async move {
        match begun {
            Ok(done) => Some(done),
            Err(task) => task.await.ok(),
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[tokio::test]
    async fn a_task_ends_with_its_owner() {
        let (held, mut ended) = tokio::sync::mpsc::channel::<()>(1);
        let task = Background::spawn(async move {
            let _held = held;
            std::future::pending::<()>().await;
        });
        tokio::task::yield_now().await;
        assert!(!task.as_ref().expect("a runtime").is_over());
        drop(task);
        assert_eq!(ended.recv().await, None, "what the task held is gone");
    }

    #[test]
    fn a_task_is_over_when_its_runtime_is() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let task = runtime.block_on(async { Background::spawn(std::future::pending()) }).expect("a runtime");
        assert!(!task.is_over());
        drop(runtime);
        assert!(task.is_over());
    }

    #[tokio::test]
    async fn work_that_blocks_goes_on_without_a_waiter() {
        let (done, told) = mpsc::channel();
        drop(blocking(move || done.send(std::thread::current().id())));
        let elsewhere = blocking(move || told.recv()).await.expect("no panic").expect("it was done");
        assert_ne!(elsewhere, std::thread::current().id());
    }

    #[tokio::test]
    async fn work_that_panics_is_told_from_work_that_is_done() {
        assert_eq!(blocking(|| 7).await, Some(7));
        assert_eq!(blocking(|| -> u32 { panic!("on purpose") }).await, None);
    }

    #[test]
    fn without_a_runtime_work_is_done_at_once() {
        let mut future = Box::pin(blocking(|| std::thread::current().id()));
        let polled = future.as_mut().poll(&mut std::task::Context::from_waker(std::task::Waker::noop()));
        assert_eq!(polled, std::task::Poll::Ready(Some(std::thread::current().id())));
    }
}
