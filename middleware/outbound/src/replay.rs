//! A body that can be sent a second time, if it is short and at hand.

use std::{
    collections::VecDeque,
    fmt,
    pin::Pin,
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

/// How many bytes are kept by default.
const LENGTH: usize = 64 * 1024;

/// How many frames are read ahead at most: a body may be made of empty ones.
const FRAMES: usize = 64;

/// A request's body that can be sent a second time, if the whole of it is at hand when the request is made, and no
/// longer than is kept. Any other body is sent as it comes, once.
///
/// It is read ahead until it ends, or has nothing at hand, or is too long; what was read is sent first. Nothing waits.
///
/// ```
/// use bytes::Bytes;
/// use http_body::Frame;
/// use http_body_util::{BodyExt, Full, StreamBody};
/// use tower_identity_outbound::Replay;
///
/// let order = Replay::new(Full::from("an order").boxed_unsync());
/// assert!(order.is_whole());
///
/// let to_come = futures_util::stream::pending::<Result<Frame<Bytes>, std::io::Error>>();
/// assert!(!Replay::new(StreamBody::new(to_come)).is_whole());
/// ```
pub struct Replay<B: Body<Data = Bytes>> {
    /// What was read ahead, and is still to be sent.
    ahead: VecDeque<Bytes>,
    /// What was read last, where that is no data.
    last: Option<Result<Frame<Bytes>, B::Error>>,
    /// What is still to be read; nothing of a body that is at hand as a whole.
    rest: Option<B>,
    begun: bool,
    /// Whether the body tells its length, which then is told here.
    is_sized: bool,
}

impl<B: Body<Data = Bytes> + Unpin> Replay<B> {
    /// Keeps up to 64 KiB.
    pub fn new(body: B) -> Self {
        Self::up_to(LENGTH, body)
    }

    /// Keeps up to so many bytes.
    pub fn up_to(length: usize, mut body: B) -> Self {
        let mut left = length;
        let is_sized = body.size_hint().exact().is_some();
        let mut replay = Self { ahead: VecDeque::new(), last: None, rest: None, begun: false, is_sized };
        // Whoever sends what is left polls it again, with a waker of its own.
        let mut cx = Context::from_waker(Waker::noop());
        while !body.is_end_stream() {
            if replay.ahead.len() == FRAMES {
                replay.rest = Some(body);
                break;
            }
            match Pin::new(&mut body).poll_frame(&mut cx) {
                Poll::Ready(None) => break,
                Poll::Ready(Some(Ok(frame))) if frame.is_data() => {
                    let data = frame.into_data().unwrap_or_default();
                    let fits = data.len() <= left;
                    left = left.saturating_sub(data.len());
                    replay.ahead.push_back(data);
                    if fits {
                        continue;
                    }
                }
                Poll::Ready(last) => replay.last = last,
                Poll::Pending => {}
            }
            replay.rest = Some(body);
            break;
        }
        replay
    }

    /// Whether it can be sent a second time.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        !self.begun && self.rest.is_none()
    }

    /// The same once more, if it can be.
    pub(crate) fn again(&self) -> Option<Self> {
        let copy = || Self { ahead: self.ahead.clone(), last: None, rest: None, begun: false, is_sized: self.is_sized };
        self.is_whole().then(copy)
    }
}

/// Of what it holds, only the rest is ever pinned.
impl<B: Body<Data = Bytes> + Unpin> Unpin for Replay<B> {}

impl<B: Body<Data = Bytes> + Unpin> Body for Replay<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let this = self.get_mut();
        this.begun = true;
        if let Some(data) = this.ahead.pop_front() {
            return Poll::Ready(Some(Ok(Frame::data(data))));
        }
        match (this.last.take(), &mut this.rest) {
            (Some(last), _) => Poll::Ready(Some(last)),
            (None, Some(rest)) => Pin::new(rest).poll_frame(cx),
            (None, None) => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.ahead.is_empty() && self.last.is_none() && self.rest.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        let ahead = self.ahead.iter().map(|data| data.len() as u64).sum::<u64>();
        let rest = match &self.rest {
            Some(rest) => rest.size_hint(),
            None if self.is_sized => SizeHint::with_exact(0),
            None => SizeHint::default(),
        };
        let mut hint = SizeHint::new();
        hint.set_lower(rest.lower().saturating_add(ahead));
        if let Some(upper) = rest.upper().and_then(|upper| upper.checked_add(ahead)) {
            hint.set_upper(upper);
        }
        hint
    }
}

/// How much of it there is, and nothing of what it says.
impl<B: Body<Data = Bytes>> fmt::Debug for Replay<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = self.ahead.iter().map(Bytes::len).sum::<usize>();
        f.debug_struct("Replay").field("bytes_ahead", &bytes).field("is_whole", &self.rest.is_none()).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use futures_util::{
        StreamExt,
        future::FutureExt,
        stream::{self, BoxStream},
    };
    use http::HeaderMap;
    use http_body_util::{BodyExt, Empty, Full, StreamBody};

    use super::*;

    type Part = Result<Frame<Bytes>, io::Error>;

    fn data(text: &'static str) -> Part {
        Ok(Frame::data(Bytes::from_static(text.as_bytes())))
    }

    fn trailers() -> Part {
        Ok(Frame::trailers(HeaderMap::from_iter([("x".parse().expect("a name"), "y".parse().expect("a value"))])))
    }

    fn body(parts: Vec<Part>) -> StreamBody<BoxStream<'static, Part>> {
        StreamBody::new(stream::iter(parts).boxed())
    }

    /// What comes out of it until it ends, fails or waits.
    fn sent<B: Body<Data = Bytes, Error = io::Error> + Unpin>(mut body: B) -> String {
        let mut sent = String::new();
        loop {
            match body.frame().now_or_never() {
                None => return sent + "..",
                Some(None) => return sent + ".",
                Some(Some(Err(error))) => return format!("{sent}!{error}"),
                Some(Some(Ok(frame))) => match frame.into_data() {
                    Ok(data) => sent.push_str(std::str::from_utf8(&data).expect("text")),
                    Err(_) => sent.push('#'),
                },
            }
        }
    }

    #[test]
    fn a_body_is_sent_whole_once_and_twice_if_it_is_short_and_at_hand() {
        let late = |parts: Vec<Part>| StreamBody::new(stream::iter(parts).chain(stream::pending()).boxed());
        let cases = [
            (Replay::up_to(6, body(vec![])), true, "."),
            (Replay::up_to(6, body(vec![data("abc"), data("def")])), true, "abcdef."),
            (Replay::up_to(0, body(vec![data("")])), true, "."),
            (Replay::up_to(5, body(vec![data("abc"), data("def")])), false, "abcdef."),
            (Replay::up_to(5, body(vec![data("abcdef"), data("g")])), false, "abcdefg."),
            (Replay::up_to(6, late(vec![data("abc")])), false, "abc.."),
            (Replay::up_to(6, body(vec![data("abc"), trailers()])), false, "abc#."),
            (
                Replay::up_to(6, body(vec![data("abc"), Err(io::Error::other("broken")), data("d")])),
                false,
                "abc!broken",
            ),
        ];
        for (body, whole, expected) in cases {
            assert_eq!(body.is_whole(), whole, "{expected}");
            assert_eq!(body.again().map(sent), whole.then(|| expected.to_owned()), "{expected}");
            assert_eq!(sent(body), expected);
        }
        // A body of nothing but empty frames ends, too, or is not read to its end.
        let empty = |count: usize| Replay::up_to(6, body((0..count).map(|_| data("")).collect()));
        assert!(empty(FRAMES - 1).is_whole());
        assert!(!empty(FRAMES + 1).is_whole());
        assert_eq!(sent(empty(1000)), ".");
    }

    #[test]
    fn what_has_begun_to_be_sent_is_not_sent_again() {
        let mut replay = Replay::up_to(6, body(vec![data("abc"), data("def")]));
        assert!(replay.is_whole());
        assert!(replay.frame().now_or_never().is_some());
        assert!(!replay.is_whole() && replay.again().is_none());
        assert_eq!(sent(replay), "def.");
    }

    #[test]
    fn a_length_is_told_where_the_body_tells_it() {
        let hint = |body: SizeHint| (body.lower(), body.upper());
        assert_eq!(hint(Replay::new(Full::from("abc")).size_hint()), (3, Some(3)));
        assert_eq!(hint(Replay::up_to(1, Full::from("abc")).size_hint()), (3, Some(3)));
        assert_eq!(hint(Replay::new(Empty::new()).size_hint()), (0, Some(0)));
        assert!(Replay::new(Empty::new()).is_end_stream());
        let unsized_body = Replay::new(body(vec![data("abc")]));
        assert_eq!(hint(unsized_body.size_hint()), (3, None));
        assert!(!unsized_body.is_end_stream());
        assert_eq!(hint(unsized_body.again().expect("whole").size_hint()), (3, None));
    }

    #[test]
    fn nothing_of_a_body_is_printed() {
        let printed = format!("{:?}", Replay::new(Full::from("s3cret")));
        assert_eq!(printed, "Replay { bytes_ahead: 6, is_whole: true }");
    }
}
