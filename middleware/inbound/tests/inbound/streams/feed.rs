//! A body that says what the test tells it to, when it tells it to; and who reads what the layer makes of it.

use std::{
    collections::VecDeque,
    convert::Infallible,
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use tower_identity_core::ambient;

/// The service's hand.
pub(super) struct Feed(Arc<Mutex<State>>);

/// The service's body.
pub(super) struct Fed(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    frames: VecDeque<Frame<Bytes>>,
    is_over: bool,
    is_dropped: bool,
    size: SizeHint,
    waker: Option<Waker>,
    scopes: Vec<&'static str>,
}

impl Feed {
    pub(super) fn new() -> (Self, Fed) {
        let state = Arc::<Mutex<State>>::default();
        (Self(Arc::clone(&state)), Fed(state))
    }

    pub(super) fn push<const N: usize>(&self, data: [&'static str; N]) {
        data.into_iter().for_each(|data| self.push_frame(Frame::data(Bytes::from_static(data.as_bytes()))));
    }

    pub(super) fn push_frame(&self, frame: Frame<Bytes>) {
        self.change(|state| state.frames.push_back(frame));
    }

    /// No more is to come.
    pub(super) fn end(&self) {
        self.change(|state| state.is_over = true);
    }

    pub(super) fn promise(&self, size: SizeHint) {
        self.change(|state| state.size = size);
    }

    pub(super) fn is_dropped(&self) -> bool {
        self.state().is_dropped
    }

    /// For whom the body ran.
    pub(super) fn scopes(&self) -> Vec<&'static str> {
        self.state().scopes.clone()
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.state();
        change(&mut state);
        state.waker.take().into_iter().for_each(Waker::wake);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("not poisoned")
    }
}

impl Body for Fed {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let mut state = self.0.lock().expect("not poisoned");
        state.scopes.push(if ambient::current().is_none() { "polled for nobody" } else { "polled for somebody" });
        match state.frames.pop_front() {
            Some(frame) => Poll::Ready(Some(Ok(frame))),
            None if state.is_over => Poll::Ready(None),
            None => {
                state.waker = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }

    fn size_hint(&self) -> SizeHint {
        self.0.lock().expect("not poisoned").size
    }
}

impl Drop for Fed {
    fn drop(&mut self) {
        let mut state = self.0.lock().expect("not poisoned");
        state.is_dropped = true;
        state.scopes.push(if ambient::current().is_none() { "dropped for nobody" } else { "dropped for somebody" });
    }
}

/// What a body said.
#[derive(Debug, PartialEq)]
pub(super) enum Said {
    Data(Vec<u8>),
    Trailers(HeaderMap),
    End,
    Pending,
}

impl Said {
    pub(super) fn data(data: &str) -> Self {
        Self::Data(data.as_bytes().to_vec())
    }
}

/// Reads a body by hand.
pub(super) struct Reader<B> {
    pub(super) body: Pin<Box<B>>,
    woken: Arc<Woken>,
}

#[derive(Default)]
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl<B: Body<Data = Bytes, Error = Infallible>> Reader<B> {
    pub(super) fn new(body: B) -> Self {
        Self { body: Box::pin(body), woken: Arc::default() }
    }

    pub(super) fn next(&mut self) -> Said {
        let waker = Waker::from(Arc::clone(&self.woken));
        match self.body.as_mut().poll_frame(&mut Context::from_waker(&waker)) {
            Poll::Pending => Said::Pending,
            Poll::Ready(None) => Said::End,
            Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                Ok(data) => Said::Data(data.into()),
                Err(frame) => Said::Trailers(frame.into_trailers().expect("data or trailers")),
            },
        }
    }

    /// Whether the reader was woken since it was last asked.
    pub(super) fn was_woken(&self) -> bool {
        self.woken.0.swap(false, Ordering::Relaxed)
    }
}
