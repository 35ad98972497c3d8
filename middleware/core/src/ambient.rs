//! The context of the code that is running now.
//!
//! The inbound layer opens a scope around the handler; the outbound layer reads it when a call is made. A scope is
//! entered at each poll and left after it, so it follows a future between threads and never shows in another task.
//! It is entered once more when the future is dropped: what a future undoes on its way out, it undoes for its caller.
//! A spawned task, a streaming response body, `spawn_blocking` and a worker behind a channel have no scope unless it
//! is carried there:
//!
//! ```
//! use tower_identity_core::{CallerContext, ambient};
//!
//! fn carry(caller: &CallerContext) -> impl Future<Output = bool> + use<> {
//!     caller.scope(async { ambient::current().is_some() })
//! }
//! assert!(ambient::current().is_none());
//! ```
//!
//! A call belongs to the scope in which it is *made*, whoever polls it later. An `async` block is code that has not run
//! yet: handed from one caller's handler to another's before its first poll, it runs, and calls, for the second. What
//! is to run elsewhere for this caller is carried there by `caller.scope(..)`.

use std::{
    cell::RefCell,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use futures_core::Stream;
use pin_project_lite::pin_project;

use crate::CallerContext;

thread_local! {
    static CURRENT: RefCell<Option<CallerContext>> = const { RefCell::new(None) };
}

/// The context of the code that is running now, if it runs in a scope.
///
/// A thread that is at its end, and drops what it stored, has no scope any more.
#[must_use]
pub fn current() -> Option<CallerContext> {
    CURRENT.try_with(|current| current.borrow().clone()).ok().flatten()
}

/// Looks at the context of the code that is running now, without taking a share in it: for what is done for each call.
///
/// `look` runs while the scope is borrowed: one that enters another scope panics.
#[inline]
pub fn with<R>(look: impl FnOnce(Option<&CallerContext>) -> R) -> R {
    let is_thread_at_its_end = CURRENT.try_with(|_| ()).is_err();
    if is_thread_at_its_end {
        return look(None);
    }
    CURRENT.with(|current| look(current.borrow().as_ref()))
}

/// Runs a closure in a scope. `None` is a scope too: of nobody, whatever surrounds it.
#[inline]
pub fn enter<R>(context: &mut Option<CallerContext>, run: impl FnOnce() -> R) -> R {
    enter_with(context, (), |()| run())
}

/// Runs a function of something that is dear to move, such as a request, in a scope: what a closure captures is moved once
/// more.
#[inline]
pub fn enter_with<A, R>(context: &mut Option<CallerContext>, argument: A, run: impl FnOnce(A) -> R) -> R {
    let entered = Entered::new(context);
    let result = run(argument);
    drop(entered);
    result
}

/// The scope of the context in its slot: swapped in here, and back on drop, also when the code inside panics.
struct Entered<'a>(&'a mut Option<CallerContext>);

impl<'a> Entered<'a> {
    #[inline]
    fn new(context: &'a mut Option<CallerContext>) -> Self {
        swap(context);
        Self(context)
    }
}

impl Drop for Entered<'_> {
    #[inline]
    fn drop(&mut self) {
        swap(self.0);
    }
}

#[inline]
fn swap(context: &mut Option<CallerContext>) {
    // Where the thread is at its end there is nothing to swap with: inside is nobody then, as outside.
    let _ = CURRENT.try_with(|current| std::mem::swap(&mut *current.borrow_mut(), context));
}

pin_project! {
    /// A future or stream that runs in a scope: see [`CallerContext::scope`].
    #[derive(Debug)]
    #[must_use = "a scope does nothing unless it is polled"]
    pub struct Scoped<F> {
        // `None` once it has ended, and while it is dropped.
        #[pin]
        inner: Option<F>,
        context: Option<CallerContext>,
    }

    impl<F> PinnedDrop for Scoped<F> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            if this.inner.is_some() {
                enter(this.context, || this.inner.set(None));
            }
        }
    }
}

/// The invariant of [`Scoped::inner`].
const NOT_ENDED: &str = "a scope is not polled after its end";

impl<F> Scoped<F> {
    /// Puts a future or stream into a scope; `None` is the scope of nobody.
    pub fn new(context: Option<CallerContext>, inner: F) -> Self {
        Self { inner: Some(inner), context }
    }

    /// Whose scope it is.
    pub fn context(&self) -> Option<&CallerContext> {
        self.context.as_ref()
    }
}

impl<F: Future> Future for Scoped<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let mut this = self.project();
        enter(this.context, || {
            let output = this.inner.as_mut().as_pin_mut().expect(NOT_ENDED).poll(cx);
            if output.is_ready() {
                // What it undoes at its end it undoes here, where it is in its scope already.
                this.inner.set(None);
            }
            output
        })
    }
}

impl<S: Stream> Stream for Scoped<S> {
    type Item = S::Item;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<S::Item>> {
        let this = self.project();
        enter(this.context, || this.inner.as_pin_mut().expect(NOT_ENDED).poll_next(cx))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.inner.as_ref().expect(NOT_ENDED).size_hint()
    }
}

impl CallerContext {
    /// Carries this context into a future: most often a spawned task.
    pub fn scope<F: Future>(&self, future: F) -> Scoped<F> {
        Scoped::new(Some(self.clone()), future)
    }

    /// Carries this context into a stream: a response body, which runs after the handler has returned.
    pub fn scope_stream<S: Stream>(&self, stream: S) -> Scoped<S> {
        Scoped::new(Some(self.clone()), stream)
    }
}
