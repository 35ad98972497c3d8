//! The end of a caller's credential: by its own time, or because it was revoked.

use std::{
    fmt,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, ready},
    time::Duration,
};

use crate::{BoxFuture, CallerContext, Clock, Timestamp, revocation::Changed};

/// For how long wall time goes unlooked at, because it may be set: what has expired by that ends this much later.
const STEP: Duration = Duration::from_secs(1);

/// Why a caller's credential is good no longer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EndReason {
    /// The time of one of its tokens is over.
    Expired,
    /// One of its tokens was revoked.
    Revoked,
}

impl EndReason {
    /// A stable word for logs and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Expired => "expired",
            Self::Revoked => "revoked",
        }
    }
}

impl CallerContext {
    /// Resolves when the credential is good no longer: as soon as one of its tokens [expires](Self::expires_at) or is
    /// revoked. For work that goes on for longer than a request does, such as a WebSocket's.
    pub fn ended(&self) -> Ended {
        Ended { watch: Watch { context: self.clone(), only_if_revoked: false }, wakes: None }
    }
}

/// The end of a caller's credential, to be awaited: see [`CallerContext::ended`].
///
/// Time is that of the [list](crate::Revocations::clock) of what is revoked, which the verifier's clock is. A revocation
/// is seen at once. So is an expiry, unless the wall clock is set forward beyond it: then within a second.
///
/// Costs nothing until it is first polled, needs no runtime but the clock's to be polled in, may be dropped at any time,
/// and after its end says the same again. `tokio::select!` takes it by `&mut ended` in a loop:
///
/// ```
/// use tower_identity_core::{CallerContext, EndReason};
///
/// async fn talk(caller: CallerContext, mut next: impl AsyncFnMut() -> Option<String>) -> Option<EndReason> {
///     let ended = caller.ended();
///     // Between two messages, without waiting; `select!` over both is for what waits.
///     while let Some(message) = next().await {
///         if let Some(reason) = ended.try_now() {
///             return Some(reason);
///         }
///         println!("{message}");
///     }
///     None
/// }
/// ```
#[must_use = "nobody notices the end of a credential unless it is polled"]
pub struct Ended {
    watch: Watch,
    /// From the first wait on.
    wakes: Option<Box<Wakes>>,
}

impl Ended {
    /// The same for a revocation alone, however long ago the tokens have expired.
    pub fn if_revoked(mut self) -> Self {
        self.watch.only_if_revoked = true;
        self
    }

    /// Whose credential it is.
    #[must_use]
    pub fn context(&self) -> &CallerContext {
        &self.watch.context
    }

    /// Why it has ended, if it has by now: without waiting.
    #[must_use]
    pub fn try_now(&self) -> Option<EndReason> {
        self.watch.look()
    }
}

impl Future for Ended {
    type Output = EndReason;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<EndReason> {
        let Self { watch, wakes } = self.get_mut();
        loop {
            let waiting = wakes.get_or_insert_with(|| Box::new(Wakes::of(&watch.context)));
            if waiting.has_changed(cx) {
                *wakes = None;
                continue;
            }
            // It listens by now: what is revoked after this look wakes it.
            if let Some(reason) = watch.look() {
                return Poll::Ready(reason);
            }
            let Some(until) = watch.until() else { return Poll::Pending };
            ready!(waiting.poll_asleep(until, watch.clock(), cx));
        }
    }
}

impl fmt::Debug for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ended").field("until", &self.watch.until()).finish_non_exhaustive()
    }
}

/// What is looked at.
struct Watch {
    context: CallerContext,
    only_if_revoked: bool,
}

impl Watch {
    fn look(&self) -> Option<EndReason> {
        if self.context.is_revoked() {
            return Some(EndReason::Revoked);
        }
        self.until().is_some_and(|until| until <= self.clock().wall()).then_some(EndReason::Expired)
    }

    fn until(&self) -> Option<Timestamp> {
        (!self.only_if_revoked).then(|| self.context.expires_at())
    }

    /// The clock of the list that the caller's token asks: the verifier's.
    fn clock(&self) -> &Clock {
        self.context.caller_token().revocations().clock()
    }
}

/// What wakes.
struct Wakes {
    of_caller: Changed,
    /// Of the token beside the caller's, which may ask another list.
    beside: Option<Changed>,
    /// Never locked: the mutex makes this `Sync`, which the body of a response may have to be.
    asleep: Option<Mutex<BoxFuture<'static, ()>>>,
}

impl Wakes {
    fn of(context: &CallerContext) -> Self {
        let (caller, token) = (context.caller_token(), context.token());
        let beside = (!Arc::ptr_eq(caller, token)).then(|| token.revocations().changed());
        Self { of_caller: caller.revocations().changed(), beside, asleep: None }
    }

    fn has_changed(&mut self, cx: &mut Context<'_>) -> bool {
        let mut is_ready = |changed: &mut Changed| Pin::new(changed).poll(cx).is_ready();
        is_ready(&mut self.of_caller) || self.beside.as_mut().is_some_and(is_ready)
    }

    /// Sleeps until wall time has to be looked at again.
    fn poll_asleep(&mut self, until: Timestamp, clock: &Clock, cx: &mut Context<'_>) -> Poll<()> {
        let asleep = self.asleep.get_or_insert_with(|| Mutex::new(clock.sleep(until.since(clock.wall()).min(STEP))));
        ready!(asleep.get_mut().unwrap_or_else(PoisonError::into_inner).as_mut().poll(cx));
        self.asleep = None;
        Poll::Ready(())
    }
}
