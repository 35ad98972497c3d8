//! Work beside the requests: a task that ends with its owner, and work that blocks.

use std::sync::Arc;

use tokio::{runtime::Handle, sync::Semaphore, task::AbortHandle};

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

/// [`blocking`] work of which there is never more than one piece under way, however long it takes and whoever still waits
/// for it: what hangs takes one thread, and not one for each attempt. Clones take turns with each other.
#[derive(Debug, Clone)]
pub struct OneAtATime(Arc<Semaphore>);

impl OneAtATime {
    /// Nothing is under way.
    #[must_use]
    pub fn new() -> Self {
        Self(Arc::new(Semaphore::new(1)))
    }

    /// Waits until what is under way has ended, and does this then, as [`blocking`] does. Whoever gives up waiting leaves
    /// the work undone.
    pub async fn blocking<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
        let turn = Arc::clone(&self.0).acquire_owned().await.ok()?;
        // The turn ends with the work, and not with whoever waits for it.
        let in_turn = move || {
            let _turn = turn;
            work()
        };
        blocking(in_turn).await
    }
}

impl Default for OneAtATime {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::{
        sync::{Mutex, mpsc},
        task::{Context, Waker},
    };

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
    fn work_that_hangs_takes_one_thread_however_many_give_up_on_it() {
        let runtime = tokio::runtime::Builder::new_current_thread().max_blocking_threads(2).build().expect("a runtime");
        runtime.block_on(async {
            let (turns, done) = (OneAtATime::new(), Arc::new(Mutex::new(Vec::new())));
            let note = |what: &'static str| {
                let done = Arc::clone(&done);
                move || done.lock().expect("no panic").push(what)
            };
            let ((begun, has_begun), (let_go, held)) = (mpsc::channel(), mpsc::channel::<()>());
            let mut hangs = Box::pin(turns.blocking({
                let note = note("what hung");
                move || {
                    begun.send(()).expect("somebody waits");
                    held.recv().expect("it is let go");
                    note();
                }
            }));
            let mut cx = Context::from_waker(Waker::noop());
            assert!(hangs.as_mut().poll(&mut cx).is_pending());
            blocking(move || has_begun.recv()).await.expect("no panic").expect("it has begun");
            // Nobody waits for it any more, and it hangs on.
            drop(hangs);

            let mut gives_up = Box::pin(turns.blocking(note("what was given up")));
            let clone = turns.clone();
            let mut waits = Box::pin(clone.blocking(note("what waited")));
            assert!(gives_up.as_mut().poll(&mut cx).is_pending() && waits.as_mut().poll(&mut cx).is_pending());
            drop(gives_up);
            // Of two threads one hangs. Had another piece begun, the other would have done it before this.
            blocking(note("what takes no turns")).await.expect("no panic");
            assert_eq!(*done.lock().expect("no panic"), ["what takes no turns"]);
            let_go.send(()).expect("it hangs");
            assert_eq!(waits.await, Some(()));
            assert_eq!(*done.lock().expect("no panic"), ["what takes no turns", "what hung", "what waited"]);
        });
    }

    #[tokio::test]
    async fn a_turn_ends_with_a_panic_too() {
        let turns = OneAtATime::new();
        assert_eq!(turns.blocking(|| -> u32 { panic!("on purpose") }).await, None);
        assert_eq!(turns.blocking(|| 7).await, Some(7));
    }

    #[test]
    fn without_a_runtime_work_is_done_at_once() {
        let mut future = Box::pin(blocking(|| std::thread::current().id()));
        let polled = future.as_mut().poll(&mut std::task::Context::from_waker(std::task::Waker::noop()));
        assert_eq!(polled, std::task::Poll::Ready(Some(std::thread::current().id())));
    }
}
