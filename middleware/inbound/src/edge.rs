//! Where requests from outside arrive: what they say of an identity, and nobody there may say, is taken away.
//!
//! Gateways, proxies and meshes tell the services behind them who is calling by header fields. A service that believes
//! such a field believes whoever can set it, so the first service that external requests reach takes all of them away:
//! those of the list below, in every spelling, from the headers and from the trailers. Fields that say where a request
//! came from, such as `Forwarded`, are not among them: they are no identity, and a load balancer may have set them.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use http::{
    HeaderMap, HeaderName,
    header::{AUTHORIZATION, COOKIE},
};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use tower_identity_core::{
    InvalidSetting,
    fields::{IDENTITY, Pattern, is_identity, same},
};

use crate::{
    fields::{self, OF_THE_MESSAGE},
    source::{Source, Sources},
};

/// Of an [`AuthLayer`](crate::AuthLayer) that stands further in: bodies of requests pass as they are.
#[derive(Debug, Clone)]
pub enum Inside {}

/// Of an [`AuthLayer`](crate::AuthLayer) that may stand at the [edge](crate::AuthLayer::edge): bodies of requests are
/// [`EdgeBody`].
#[derive(Debug, Clone)]
pub enum AtEdge {}

/// What is taken away at every edge: names of header fields, each with who writes it or what a service behind would
/// believe. A `*` at the end of a name stands for all that begin so.
///
/// ```
/// use tower_identity_inbound::edge::stripped;
///
/// let (_, why) = stripped().find(|(name, _)| name == "x-forwarded-client-cert").expect("listed");
/// assert!(why.contains("Envoy"));
/// ```
pub fn stripped() -> impl Iterator<Item = (String, &'static str)> {
    IDENTITY.iter().flat_map(|row| row.names.iter().map(|pattern| (pattern.to_string(), row.why)))
}

/// What is taken away.
#[derive(Debug, Clone, Default)]
pub(crate) struct Edge {
    also: Vec<Pattern>,
    /// Where credentials are read from: nobody behind may find one there that was not read.
    credentials: Vec<HeaderName>,
}

impl Edge {
    /// Beside what is listed, these names too; one with a `*` at its end stands for all that begin so.
    pub(crate) fn and<I>(mut self, also: I) -> Result<Self, InvalidSetting>
    where
        I: IntoIterator<Item: AsRef<str>>,
    {
        for (at, text) in also.into_iter().enumerate() {
            let wrong = |rule| InvalidSetting::new(at, rule).within("edge_also");
            let pattern = Pattern::parse(text.as_ref());
            let pattern = pattern.ok_or_else(|| wrong("is no name of header fields, nor the beginning of some"))?;
            if OF_THE_MESSAGE.iter().any(|own| own.meets(&pattern)) {
                return Err(wrong("would take away what belongs to the message itself"));
            }
            self.also.push(pattern);
        }
        Ok(self)
    }

    /// With the fields of these sources.
    pub(crate) fn around(self, sources: &Sources) -> Self {
        Self { credentials: sources.all().filter_map(Source::field).cloned().collect(), ..self }
    }

    /// Takes away what speaks of an identity. To be called after the credentials have been read.
    pub(crate) fn strip(&self, headers: &mut HeaderMap) {
        fields::remove(headers, |name| self.takes(name));
    }

    fn takes(&self, name: &HeaderName) -> bool {
        is_identity(name.as_str())
            || self.also.iter().any(|pattern| pattern.matches(name.as_str()))
            || self.credentials.iter().any(|own| same(own.as_str(), name.as_str()))
    }

    /// Trailers bring no credential at all (RFC 9110 §6.5.1).
    fn strip_trailers(&self, trailers: &mut HeaderMap) {
        self.strip(trailers);
        trailers.remove(AUTHORIZATION);
        trailers.remove(COOKIE);
    }
}

pin_project! {
    /// The body of a request through an [`AuthLayer`](crate::AuthLayer) that may stand at the edge: the same frames, and
    /// no trailers that speak of an identity.
    #[derive(Debug)]
    pub struct EdgeBody<B> {
        #[pin]
        inner: B,
        edge: Option<Arc<Edge>>,
    }
}

impl<B> EdgeBody<B> {
    pub(crate) fn new(inner: B, edge: Option<Arc<Edge>>) -> Self {
        Self { inner, edge }
    }
}

impl<B: Body> Body for EdgeBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let mut this = self.project();
        loop {
            let frame = match ready!(this.inner.as_mut().poll_frame(cx)) {
                Some(Ok(frame)) => frame,
                end => return Poll::Ready(end),
            };
            let Some(edge) = this.edge else { return Poll::Ready(Some(Ok(frame))) };
            match frame.into_trailers() {
                Err(data) => return Poll::Ready(Some(Ok(data))),
                Ok(mut trailers) => {
                    edge.strip_trailers(&mut trailers);
                    if !trailers.is_empty() {
                        return Poll::Ready(Some(Ok(Frame::trailers(trailers))));
                    }
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc6750_a9_every_row_says_why_and_takes_nothing_of_the_message() {
        for row in IDENTITY {
            assert!(row.why.len() > 20 && !row.names.is_empty(), "{}", row.why);
            for pattern in row.names {
                assert!(!OF_THE_MESSAGE.iter().any(|own| own.meets(pattern)), "{pattern:?}");
            }
        }
    }
}
