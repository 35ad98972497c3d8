//! The end of a caller's credential: by its own time, or because it was revoked.

use std::{
    fmt,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, ready},
    time::Duration,
};

use crate::{BoxFuture, CallerContext, Clock, Revocations, Timestamp, revocation::Changed};

/// For how long wall time goes unlooked at, because it may be set: what has expired by that ends this much later.
const STEP: Duration = Duration::from_secs(60);

/// For how long nothing is looked at after a revocation: however many there are, whoever waits is woken for them once in this
/// time.
const PAUSE: Duration = Duration::from_secs(1);

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
        Ended { watch: Watch { context: self.clone(), only_if_revoked: false }, wait: None }
    }
}

/// The end of a caller's credential, to be awaited: see [`CallerContext::ended`].
///
/// Time is that of the [list](crate::Revocations::clock) of what is revoked, which the verifier's clock is. A revocation
/// is seen at once, or within a second of one before it. So is an expiry, unless the wall clock is set forward beyond it:
/// then within a minute. Whoever waits is woken once a minute, and once a second while there are revocations.
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
    /// From the first poll on.
    wait: Option<Box<Wait>>,
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
        let Self { watch, wait } = self.get_mut();
        loop {
            let wait = wait.get_or_insert_with(|| Box::new(Wait::listening(watch)));
            if wait.has_changed(cx) {
                **wait = Wait::pausing(watch);
            }
            // It listens by now, or looks again after its pause: what is revoked after this look is not missed.
            if let Some(reason) = watch.look() {
                return Poll::Ready(reason);
            }
            ready!(wait.poll_asleep(watch, cx));
            match **wait {
                // The clock is to be looked at.
                Wait::Listening { .. } => {}
                Wait::Pausing { epochs, .. } if epochs != watch.epochs() => **wait = Wait::pausing(watch),
                Wait::Pausing { .. } => **wait = Wait::listening(watch),
            }
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

    /// The time to look at the clock, this much later at the latest; none where no time ends it.
    fn sleep(&self, at_most: Duration) -> Option<Asleep> {
        let clock = self.clock();
        self.until().map(|until| Asleep::new(clock.sleep(until.since(clock.wall()).min(at_most))))
    }

    /// The clock of the list that the caller's token asks: the verifier's.
    fn clock(&self) -> &Clock {
        self.lists()[0].clock()
    }

    /// What is revoked, of the caller's token and of the one beside it, which may ask another list.
    fn lists(&self) -> [&Revocations; 2] {
        [self.context.caller_token().revocations(), self.context.token().revocations()]
    }

    fn epochs(&self) -> [u64; 2] {
        self.lists().map(Revocations::epoch)
    }
}

/// What is waited for.
enum Wait {
    /// The next revocation, and the time to look at the clock.
    Listening { of_caller: Changed, beside: Option<Changed>, asleep: Option<Asleep> },
    /// The end of a pause: what is revoked meanwhile is looked for then, all at once.
    Pausing { epochs: [u64; 2], asleep: Asleep },
}

impl Wait {
    fn listening(watch: &Watch) -> Self {
        let [of_caller, beside] = watch.lists();
        let is_another = !Arc::ptr_eq(watch.context.caller_token(), watch.context.token());
        let beside = is_another.then(|| beside.changed());
        Self::Listening { of_caller: of_caller.changed(), beside, asleep: None }
    }

    fn pausing(watch: &Watch) -> Self {
        let asleep = watch.sleep(PAUSE).unwrap_or_else(|| Asleep::new(watch.clock().sleep(PAUSE)));
        Self::Pausing { epochs: watch.epochs(), asleep }
    }

    fn has_changed(&mut self, cx: &mut Context<'_>) -> bool {
        let Self::Listening { of_caller, beside, .. } = self else { return false };
        let mut is_ready = |changed: &mut Changed| Pin::new(changed).poll(cx).is_ready();
        is_ready(of_caller) || beside.as_mut().is_some_and(is_ready)
    }

    /// Sleeps until it is time to look again; for ever where nothing but a revocation is waited for.
    fn poll_asleep(&mut self, watch: &Watch, cx: &mut Context<'_>) -> Poll<()> {
        match self {
            Self::Pausing { asleep, .. } => asleep.poll(cx),
            Self::Listening { asleep, .. } => {
                if asleep.is_none() {
                    *asleep = watch.sleep(STEP);
                }
                let Some(sleeping) = asleep else { return Poll::Pending };
                ready!(sleeping.poll(cx));
                *asleep = None;
                Poll::Ready(())
            }
        }
    }
}

/// Never locked: the mutex makes this `Sync`, which the body of a response may have to be.
struct Asleep(Mutex<BoxFuture<'static, ()>>);

impl Asleep {
    fn new(sleep: BoxFuture<'static, ()>) -> Self {
        Self(Mutex::new(sleep))
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.0.get_mut().unwrap_or_else(PoisonError::into_inner).as_mut().poll(cx)
    }
}
