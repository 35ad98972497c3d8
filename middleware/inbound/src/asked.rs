//! How a request came, as far as the rendering of its refusal depends on it.

use http::{Extensions, HeaderMap, HeaderValue, Method, header::CONTENT_TYPE};

use crate::challenge::Names;

/// How a request came: over HTTP or gRPC, and what its challenges name. Together with a refusal it determines the whole
/// [response](crate::render::response).
///
/// The default is a plain HTTP request, whose challenges name nothing in particular.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Asked {
    pub(crate) protocol: Protocol,
    pub(crate) names: Option<Names>,
}

impl Asked {
    /// Reads how the request of this method and these headers and extensions came.
    ///
    /// The method and the content type decide, never the path. gRPC knows `POST` only, and its refusals have status
    /// 200: a content type alone must not make one of what a cache keeps, or a gateway asks by `GET` whether to let
    /// somebody in.
    #[must_use]
    pub fn of(method: &Method, headers: &HeaderMap, extensions: &Extensions) -> Self {
        let content_type = headers.get(CONTENT_TYPE).filter(|_| *method == Method::POST);
        Self { protocol: content_type.map(Protocol::of).unwrap_or_default(), ..Self::within(extensions) }
    }

    /// Where only a request's extensions are at hand: as a plain HTTP request, with the names that were left in them.
    #[must_use]
    pub fn within(extensions: &Extensions) -> Self {
        Self { protocol: Protocol::Http, names: extensions.get().cloned() }
    }

    /// The same, over gRPC: for code that knows that it answers a gRPC call, whatever it has left of the request.
    #[must_use]
    pub fn over_grpc(self) -> Self {
        Self { protocol: Protocol::Grpc, ..self }
    }

    /// Which language the answer has to speak.
    #[must_use]
    pub fn protocol(&self) -> Protocol {
        self.protocol
    }
}

/// Which language an answer has to speak.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Protocol {
    /// A status, a challenge and a problem body (RFC 9457).
    #[default]
    Http,
    /// A `grpc-status` in trailers-only form: `content-type: application/grpc*`.
    Grpc,
    /// The same for `application/grpc-web*`.
    GrpcWeb,
}

impl Protocol {
    pub(crate) fn of(content_type: &HeaderValue) -> Self {
        let starts_with = |prefix: &str| {
            content_type.as_bytes().get(..prefix.len()).is_some_and(|it| it.eq_ignore_ascii_case(prefix.as_bytes()))
        };
        if starts_with("application/grpc-web") {
            Self::GrpcWeb
        } else if starts_with("application/grpc") {
            Self::Grpc
        } else {
            Self::Http
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(method: &Method, content_type: &'static [u8]) -> Protocol {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_bytes(content_type).expect("header value"));
        Asked::of(method, &headers, &Extensions::new()).protocol()
    }

    #[test]
    fn g8_the_content_type_decides() {
        let cases: [(&[u8], Protocol); 10] = [
            (b"application/grpc", Protocol::Grpc),
            (b"application/grpc+proto", Protocol::Grpc),
            (b"Application/GRPC;charset=x", Protocol::Grpc),
            (b"application/grpc-web", Protocol::GrpcWeb),
            (b"application/grpc-web-text+proto", Protocol::GrpcWeb),
            (b"application/json", Protocol::Http),
            (b"application/grp", Protocol::Http),
            (b"text/plain; application/grpc", Protocol::Http),
            (b"\xff\xfe", Protocol::Http),
            (b"", Protocol::Http),
        ];
        for (content_type, expected) in cases {
            assert_eq!(asked(&Method::POST, content_type), expected, "{}", content_type.escape_ascii());
        }
        assert_eq!(Asked::of(&Method::POST, &HeaderMap::new(), &Extensions::new()), Asked::default());
    }

    #[test]
    fn g8_only_a_post_is_grpc_whatever_its_content_type() {
        for method in [Method::GET, Method::HEAD, Method::OPTIONS, Method::PUT, Method::DELETE] {
            for content_type in [b"application/grpc".as_slice(), b"application/grpc-web"] {
                assert_eq!(asked(&method, content_type), Protocol::Http, "{method}");
            }
        }
        assert_eq!(asked(&Method::POST, b"application/grpc"), Protocol::Grpc);
        assert_eq!(asked(&Method::POST, b"application/grpc-web"), Protocol::GrpcWeb);
    }

    #[test]
    fn g8_whoever_knows_that_a_call_is_grpc_says_so_and_keeps_its_names() {
        let names = Names::of(Some("orders"), None);
        let mut extensions = Extensions::new();
        extensions.insert(names.clone().expect("a realm"));
        let within = Asked::within(&extensions);
        assert_eq!(within, Asked { protocol: Protocol::Http, names: names.clone() });
        assert_eq!(within.over_grpc(), Asked { protocol: Protocol::Grpc, names });
        assert_eq!(Asked::within(&Extensions::new()), Asked::default());
    }
}
