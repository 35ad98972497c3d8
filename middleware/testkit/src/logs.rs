//! Everything that a test logged, as text.

use std::{
    io,
    sync::{Arc, LazyLock, Mutex, PoisonError},
};

use tracing::{
    Dispatch, Subscriber,
    instrument::{WithDispatch, WithSubscriber},
    subscriber::DefaultGuard,
};
use tracing_subscriber::{Layer, Registry, fmt::format::FmtSpan, layer::SubscriberExt, registry::LookupSpan};

use crate::secrecy::assert_text_hides;

/// Collects every event and span of this thread, at every level down to TRACE, from [`start`](Self::start) until it
/// is dropped: to prove that no token is in it, or to read what an operator would.
///
/// A test on tokio's current-thread runtime logs on its own thread, tasks included. Where code runs on other threads,
/// wrap it with [`follow`](Self::follow), or put [`layer`](Self::layer) under a global subscriber.
///
/// ```
/// use tower_identity_testkit::LogCapture;
///
/// let logs = LogCapture::start();
/// tracing::trace!(issuer = "https://as.example", "keys fetched");
/// assert!(logs.text().contains("keys fetched issuer=\"https://as.example\""));
/// logs.assert_hides(["eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJhbGljZSJ9.c2lnbmF0dXJl"]);
/// ```
#[derive(Debug)]
pub struct LogCapture {
    text: Text,
    _until_dropped: DefaultGuard,
}

impl LogCapture {
    /// Starts to collect what this thread logs.
    #[must_use = "collecting ends when the capture is dropped"]
    pub fn start() -> Self {
        // While there is one subscriber only, tracing asks the current thread's about a new callsite: another test's
        // thread has none, and would switch the callsite off for this one. A second subscriber makes it ask all.
        static SECOND: LazyLock<Dispatch> = LazyLock::new(|| Dispatch::new(Registry::default()));
        LazyLock::force(&SECOND);

        let text = Text::default();
        let until_dropped = tracing::subscriber::set_default(Registry::default().with(text.layer()));
        Self { text, _until_dropped: until_dropped }
    }

    /// What was logged so far, one line an event.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.text.0.lock().unwrap_or_else(PoisonError::into_inner)).into_owned()
    }

    /// Asserts that no secret, and no part of a token, was logged: see
    /// [`assert_text_hides`].
    ///
    /// # Panics
    ///
    /// When a secret was logged, or is empty; and when nothing was logged at all, which would prove nothing.
    #[track_caller]
    pub fn assert_hides<S: AsRef<str>>(&self, secrets: impl IntoIterator<Item = S>) {
        let text = self.text();
        assert!(!text.is_empty(), "nothing was logged");
        assert_text_hides(&text, secrets);
    }

    /// Collects what a future logs on whatever thread it is polled. Tasks that it spawns are not followed.
    pub fn follow<F: Future>(&self, future: F) -> WithDispatch<F> {
        future.with_subscriber(Registry::default().with(self.text.layer()))
    }

    /// A layer that collects into this capture, for a subscriber of the test's own.
    pub fn layer<S: Subscriber + for<'a> LookupSpan<'a>>(&self) -> impl Layer<S> + use<S> {
        self.text.layer()
    }
}

/// The bytes that the layers write and the capture reads.
#[derive(Debug, Clone, Default)]
struct Text(Arc<Mutex<Vec<u8>>>);

impl Text {
    fn layer<S: Subscriber + for<'a> LookupSpan<'a>>(&self) -> impl Layer<S> + use<S> {
        let text = self.clone();
        tracing_subscriber::fmt::layer()
            .with_writer(move || text.clone())
            .with_ansi(false)
            .without_time()
            .with_span_events(FmtSpan::FULL)
    }
}

impl io::Write for Text {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_spans_and_their_fields_are_collected() {
        let logs = LogCapture::start();
        let span = tracing::trace_span!("exchange", target = "payments");
        span.in_scope(|| tracing::trace!(status = 200, "answered"));
        drop(span);
        let text = logs.text();
        assert!(text.contains("exchange{target=\"payments\"}"), "{text}");
        assert!(text.contains("answered status=200"), "{text}");
    }

    #[test]
    fn collecting_ends_with_the_capture_and_begins_empty() {
        drop(LogCapture::start());
        tracing::error!("before");
        let logs = LogCapture::start();
        tracing::error!("within");
        assert!(logs.text().contains("within") && !logs.text().contains("before"), "{}", logs.text());
    }

    #[tokio::test]
    async fn a_followed_future_is_collected_on_another_thread() {
        let logs = LogCapture::start();
        let elsewhere = tokio::task::spawn_blocking({
            let followed = logs.follow(async { tracing::info!("from elsewhere") });
            move || tokio::runtime::Handle::current().block_on(followed)
        });
        elsewhere.await.expect("the thread ends");
        assert!(logs.text().contains("from elsewhere"), "{}", logs.text());
    }

    #[test]
    #[should_panic(expected = "a secret shows")]
    fn a_logged_secret_fails_the_test() {
        let logs = LogCapture::start();
        tracing::trace!("sending hunter2");
        logs.assert_hides(["hunter2"]);
    }

    #[test]
    #[should_panic(expected = "nothing was logged")]
    fn an_empty_log_proves_nothing() {
        LogCapture::start().assert_hides(["hunter2"]);
    }
}
