//! What becomes of a response that is still going on when its caller's credential ends.

use bytes::Bytes;
use http::{
    HeaderMap,
    header::{CONTENT_LENGTH, CONTENT_TYPE},
};
use http_body::Frame;
use serde::Deserialize;
use tower_identity_core::{CallerContext, Ended};

use crate::{asked::Protocol, render::GRPC_STATUS};

/// The counter of streams that were ended because their caller's credential had, by `stream` (`events`, `grpc` or
/// `grpc_web`), `reason` (`expired` or `revoked`) and the `issuer` of the caller. One event of target
/// `tower_identity::stream` is told of each.
pub const STREAMS_ENDED: &str = "tower_identity_streams_ended_total";

/// What becomes of a stream whose caller's credential ends: its own time is over, or it is [revoked]. A request is judged
/// once, at its start, and a stream may outlast that judgement by days.
///
/// The default is [`End`](Self::End): **a stream lasts no longer than the token that opened it**, which may be minutes.
/// Clients of event streams connect again by themselves, with the `Last-Event-ID` that they have got to; those of gRPC
/// streams have to.
///
/// | response | how it ends, within a second |
/// |---|---|
/// | server-sent events: `content-type: text/event-stream` | the body ends, as one that has no more events |
/// | gRPC: `content-type: application/grpc*` | no more messages; trailers with `grpc-status: 16` |
/// | gRPC-Web, where this layer is around what translates it | the body ends, without a status |
/// | an upgrade, such as a WebSocket's: 101, or `CONNECT` | not by the layer, which no longer sees its bytes: its handler awaits [`ended()`] |
/// | any other, a slow download too | not: what was granted is carried out |
///
/// The service's body is dropped then, and nothing that it still had is sent; a client that has stopped reading is told when
/// it reads on. A stream that is sent with its length is an ordinary response.
///
/// A call that the service has not answered yet goes on, over gRPC too, where nothing tells a long upload from a short call
/// that is nearly done: a handler that reads for long awaits `ended()` as a WebSocket's does. Of what such a call answers
/// over gRPC once its credential has ended, the first message is sent, and the status if it is there by then.
///
/// A token without an end of its own counts for a minute from its verification, and of one that is accepted by the leeway
/// that its issuer is granted, the end has come already.
///
/// ```
/// use tower_identity_inbound::{AuthLayer, Streams};
/// use tower_identity_verify::{TrustedIssuer, Verifier};
///
/// let home = TrustedIssuer::discover("https://login.example.com").audience("orders");
/// let layer = AuthLayer::new(Verifier::builder(home).build()?).streams(Streams::EndIfRevoked);
/// # Ok::<(), tower_identity_core::InvalidSetting>(())
/// ```
///
/// [revoked]: tower_identity_core::Revocations
/// [`ended()`]: tower_identity_core::CallerContext::ended
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Streams {
    /// It ends. The default.
    #[default]
    End,
    /// It ends if the credential is revoked; one that has merely expired it may outlast.
    EndIfRevoked,
    /// It goes on until one of its two sides ends it, revoked or not.
    Finish,
}

/// A stream that the layer can end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stream {
    Events,
    Grpc,
    GrpcWeb,
}

impl Streams {
    /// The end that this caller's streams wait for.
    pub(crate) fn end_of(self, caller: &CallerContext) -> Option<Ended> {
        match self {
            Self::End => Some(caller.ended()),
            Self::EndIfRevoked => Some(caller.ended().if_revoked()),
            Self::Finish => None,
        }
    }
}

impl Stream {
    /// The stream that a response with these headers is.
    pub(crate) fn of(headers: &HeaderMap) -> Option<Self> {
        let content_type = headers.get(CONTENT_TYPE)?;
        let stream = match Protocol::of(content_type) {
            Protocol::Grpc => Self::Grpc,
            Protocol::GrpcWeb => Self::GrpcWeb,
            Protocol::Http => {
                let media_type = content_type.as_bytes().split(|byte| *byte == b';').next()?;
                media_type.trim_ascii().eq_ignore_ascii_case(b"text/event-stream").then_some(Self::Events)?
            }
        };
        // A length was promised, or the status of the call is in its headers: nothing goes on.
        let is_over = headers.contains_key(CONTENT_LENGTH) || headers.contains_key(GRPC_STATUS);
        (!is_over).then_some(stream)
    }

    /// Whether with this frame of it a call comes to its status.
    pub(crate) fn is_status(self, frame: &Frame<Bytes>) -> bool {
        // Over gRPC-Web the status is a message of its own kind: one whose first bit is set, in base64 a `g`.
        let is_marked = |data: &Bytes| matches!(data.first(), Some(0x80 | 0x81 | b'g'));
        frame.is_trailers() || (self == Self::GrpcWeb && frame.data_ref().is_some_and(is_marked))
    }

    /// A stable word for logs and metrics.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Events => "events",
            Self::Grpc => "grpc",
            Self::GrpcWeb => "grpc_web",
        }
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn long_a2_the_content_type_makes_it_a_stream() {
        let cases: [(&[u8], Option<Stream>); 11] = [
            (b"text/event-stream", Some(Stream::Events)),
            (b"Text/Event-Stream ; charset=utf-8", Some(Stream::Events)),
            (b"text/event-streams", None),
            (b"text/event", None),
            (b"text/plain; text/event-stream", None),
            (b"application/grpc", Some(Stream::Grpc)),
            (b"application/grpc+proto", Some(Stream::Grpc)),
            (b"application/grpc-web+proto", Some(Stream::GrpcWeb)),
            (b"application/octet-stream", None),
            (b"\xff", None),
            (b"", None),
        ];
        for (content_type, expected) in cases {
            let mut headers = HeaderMap::new();
            headers.insert(CONTENT_TYPE, HeaderValue::from_bytes(content_type).expect("header value"));
            assert_eq!(Stream::of(&headers), expected, "{}", content_type.escape_ascii());
        }
        assert_eq!(Stream::of(&HeaderMap::new()), None);
    }

    #[test]
    fn long_a2_what_has_a_length_or_is_over_with_its_headers_is_no_stream() {
        for (content_type, name) in [("text/event-stream", "content-length"), ("application/grpc", "grpc-status")] {
            let mut headers = HeaderMap::new();
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
            assert!(Stream::of(&headers).is_some(), "the control");
            headers.insert(name, HeaderValue::from_static("0"));
            assert_eq!(Stream::of(&headers), None, "{name}");
        }
    }
}
