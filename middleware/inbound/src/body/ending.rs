//! A stream that ends with its caller's credential.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame};
use metrics::Unit;
use tower_identity_core::{CallerContext, EndReason, Ended};

use crate::{
    correlation::CorrelationId,
    render,
    streams::{STREAMS_ENDED, Stream, Streams},
};

/// How one stream ends.
#[derive(Debug)]
pub(super) struct Ending {
    ended: Ended,
    stream: Stream,
    /// Whether a call that was answered after the end still has its first message to come: it was judged at its start.
    is_owed: bool,
}

/// What comes next of a stream.
pub(super) enum Next<E> {
    /// What the service's body says.
    Of(Option<Result<Frame<Bytes>, E>>),
    /// The end, and what is said with it.
    End(Option<Frame<Bytes>>),
}

impl Ending {
    /// Of a response with these headers to this caller, if it is to end.
    pub(super) fn of(headers: &HeaderMap, caller: Option<&CallerContext>, streams: Streams) -> Option<Self> {
        let (caller, stream) = (caller?, Stream::of(headers)?);
        let ended = streams.end_of(caller)?;
        let is_owed = stream != Stream::Events && ended.try_now().is_some();
        Some(Self { ended, stream, is_owed })
    }

    /// Looks for the end first, so that a body which is always ready ends too. It waits for it only where the body waits:
    /// a call of one message asks for no memory here.
    pub(super) fn poll_next<B>(&mut self, mut body: Pin<&mut B>, cx: &mut Context<'_>) -> Poll<Next<B::Error>>
    where
        B: Body<Data = Bytes>,
    {
        if let Some(reason) = self.ended.try_now() {
            return Poll::Ready(self.at_end(reason, body, cx));
        }
        match body.as_mut().poll_frame(cx) {
            Poll::Ready(frame) => Poll::Ready(Next::Of(frame)),
            Poll::Pending => Pin::new(&mut self.ended).poll(cx).map(|reason| self.end(reason)),
        }
    }

    /// Leaves the service an end that it has come to itself, and a call its status.
    fn at_end<B>(&mut self, reason: EndReason, body: Pin<&mut B>, cx: &mut Context<'_>) -> Next<B::Error>
    where
        B: Body<Data = Bytes>,
    {
        match body.poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) if !self.stream.is_status(&frame) => {
                if std::mem::take(&mut self.is_owed) {
                    Next::Of(Some(Ok(frame)))
                } else {
                    self.end(reason)
                }
            }
            Poll::Ready(own) => Next::Of(own),
            Poll::Pending => self.end(reason),
        }
    }

    /// Tells of it, and says it in the stream's own way.
    fn end<E>(&self, reason: EndReason) -> Next<E> {
        let correlation = (self.stream == Stream::Grpc).then(CorrelationId::random);
        let issuer = self.ended.context().caller_token().issuer().as_str();
        let (stream, reason) = (self.stream.as_str(), reason.as_str());
        metrics::describe_counter!(STREAMS_ENDED, Unit::Count, "streams ended because their caller's credential had");
        metrics::counter!(STREAMS_ENDED, "stream" => stream, "reason" => reason, "issuer" => issuer.to_owned())
            .increment(1);
        tracing::info!(
            target: "tower_identity::stream",
            stream,
            reason,
            issuer,
            correlation_id = correlation.map(tracing::field::display),
            "stream ended"
        );
        Next::End(correlation.map(|correlation| Frame::trailers(render::ended(correlation))))
    }
}
