//! What is taken away from a request before its own credential is put on it.

use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue, header};
use tower_identity_core::{
    InvalidSetting,
    fields::{Pattern, is_credential, is_identity},
};

/// The fields that speak of an identity: those that are [listed](tower_identity_core::fields), those that credentials
/// come in, and what the configuration names besides.
///
/// A handler that passes on what it was sent would hand its caller's credential to the target, and whatever a gateway
/// wrote of the user to whoever believes it there. A cookie goes with them: at an edge it is the user's session. One that
/// is the target's own is put on below the layer.
#[derive(Debug, Clone, Default)]
pub(crate) struct Strip {
    also: Arc<[Pattern]>,
}

/// What there is among a request's fields that has to be dealt with: of most requests, nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Noticed {
    /// One that says to which host it goes.
    pub(crate) host: bool,
    /// One that may have to be [taken out](Strip::remove_from).
    pub(crate) to_strip: bool,
}

impl Strip {
    /// These names too.
    pub(crate) fn parse(also: &[String]) -> Result<Self, InvalidSetting> {
        let wrong = |at| InvalidSetting::new(at, "is no name of header fields, nor the beginning of some");
        let parse = |(at, text): (usize, &String)| Pattern::parse(text).ok_or_else(|| wrong(at).within("strip_also"));
        let also = also.iter().enumerate().map(parse).collect::<Result<Vec<_>, _>>()?;
        Ok(Self { also: also.into() })
    }

    /// Looks at all fields, once for each request.
    #[inline]
    pub(crate) fn notice(&self, headers: &HeaderMap) -> Noticed {
        headers.keys().fold(Noticed::default(), |noticed, name| Noticed {
            host: noticed.host | (*name == header::HOST),
            to_strip: noticed.to_strip | (*name == header::CONNECTION) | self.takes(name),
        })
    }

    /// Takes all of them out, and what would have a hop on the way take out the credential that comes in their place
    /// (RFC 9110 §7.6.1).
    pub(crate) fn remove_from(&self, headers: &mut HeaderMap) {
        let gone: Vec<_> = headers.keys().filter(|name| self.takes(name)).cloned().collect();
        for name in gone {
            headers.remove(name);
        }
        if headers.get_all(header::CONNECTION).iter().any(names_authorization) {
            headers.remove(header::CONNECTION);
        }
    }

    #[inline]
    fn takes(&self, name: &HeaderName) -> bool {
        let name = name.as_str();
        is_identity(name) || is_credential(name) || self.also.iter().any(|pattern| pattern.matches(name))
    }
}

fn names_authorization(connection: &HeaderValue) -> bool {
    let mut options = connection.as_bytes().split(|byte| *byte == b',');
    options.any(|option| option.trim_ascii().eq_ignore_ascii_case(b"authorization"))
}

#[cfg(test)]
mod tests {
    use tower_identity_core::fields::{CREDENTIALS, IDENTITY};

    use super::*;

    fn left(strip: &Strip, names: &[&str]) -> Vec<String> {
        let mut headers = HeaderMap::new();
        for name in names {
            let name = HeaderName::from_bytes(name.as_bytes()).expect("a name");
            headers.append(name.clone(), HeaderValue::from_static("alice"));
            headers.append(name, HeaderValue::from_static("bob"));
        }
        if strip.notice(&headers).to_strip {
            strip.remove_from(&mut headers);
        }
        let mut names: Vec<_> = headers.keys().map(ToString::to_string).collect();
        names.sort();
        names
    }

    #[test]
    fn rfc6750_b1_no_identity_goes_on_in_any_spelling() {
        let strip = Strip::default();
        let listed = IDENTITY.iter().flat_map(|row| row.names).chain(CREDENTIALS);
        for name in listed.map(|pattern| pattern.to_string().replace('*', "id")) {
            for spelling in [name.clone(), name.replace('-', "_"), name.replace('-', "."), name.to_uppercase()] {
                let kept = ["accept", "content-type", "traceparent", "x-request-id"];
                let sent = [&kept[..2], &[&*spelling], &kept[2..]].concat();
                assert_eq!(left(&strip, &sent), kept, "{spelling}");
            }
        }
    }

    #[test]
    fn rfc6750_b1_what_is_no_identity_goes_on() {
        let kept = ["baggage", "forwarded", "grpc-timeout", "host", "idempotency-key", "x-api-key", "x-forwarded-for"];
        assert_eq!(left(&Strip::default(), &kept), kept);
        let strip = Strip::parse(&["x-api-*".to_owned(), "x_legacy".to_owned()]).expect("names");
        assert_eq!(left(&strip, &["x-api-key", "x-legacy", "X_API_version", "host", "x-user"]), ["host"]);
    }

    #[test]
    fn what_is_no_name_is_refused() {
        let refused = Strip::parse(&["x-a".to_owned(), "x a".to_owned()]).expect_err("no name");
        assert_eq!(refused.to_string(), "strip_also[1]: is no name of header fields, nor the beginning of some");
    }

    #[test]
    fn no_hop_is_told_to_take_the_token_out() {
        for (connection, kept) in
            [("keep-alive, Authorization", false), ("keep-alive", true), ("x-authorization", true)]
        {
            let mut headers = HeaderMap::new();
            headers.insert("connection", HeaderValue::from_static(connection));
            assert_eq!(Strip::default().notice(&headers), Noticed { host: false, to_strip: true });
            Strip::default().remove_from(&mut headers);
            assert_eq!(headers.contains_key("connection"), kept, "{connection}");
        }
    }

    #[test]
    fn what_has_to_be_dealt_with_is_noticed_wherever_it_stands() {
        let strip = Strip::parse(&["x-legacy".to_owned()]).expect("a name");
        let noticed = |names: [&'static str; 3]| {
            let named = |name| (HeaderName::from_static(name), HeaderValue::from_static("alice"));
            strip.notice(&names.map(named).into_iter().collect())
        };
        for name in ["host", "cookie", "connection", "x-user", "x-legacy", "x-request-id"] {
            let (host, to_strip) = (name == "host", !["host", "x-request-id"].contains(&name));
            for names in [[name, "accept", "te"], ["accept", name, "te"], ["accept", "te", name]] {
                assert_eq!(noticed(names), Noticed { host, to_strip }, "{names:?}");
            }
        }
        assert_eq!(noticed(["host", "accept", "cookie"]), Noticed { host: true, to_strip: true });
    }
}
