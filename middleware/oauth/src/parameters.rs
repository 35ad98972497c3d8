//! What is sent besides what a protocol says.

use std::{collections::BTreeMap, fmt, sync::Arc};

use form_urlencoded::Serializer;
use tower_identity_core::{Fingerprint, InvalidSetting};

/// The most parameters of one list.
const MAX_PARAMETERS: usize = 16;

/// The longest name or value, in bytes.
const MAX_BYTES: usize = 1024;

/// What grants write, who proves which client we are, and introspection: no configuration takes their place. Some of them
/// are not sent by us, and would make another request of what is sent.
const RESERVED: [&str; 30] = [
    "actor_token",
    "actor_token_type",
    "assertion",
    "audience",
    "authorization_details",
    "client_assertion",
    "client_assertion_type",
    "client_id",
    "client_secret",
    "code",
    "code_verifier",
    "device_code",
    "dpop_jkt",
    "grant_type",
    "password",
    "redirect_uri",
    "refresh_token",
    "request",
    "request_context",
    "request_details",
    "request_uri",
    "requested_token_type",
    "requested_token_use",
    "resource",
    "scope",
    "subject_token",
    "subject_token_type",
    "token",
    "token_type_hint",
    "username",
];

/// Parameters of a server's own that go along with each request, by name, each once: of one server, or of one target
/// there. None of them takes the place of one that a protocol writes, and none is a secret; they print by name. Cheap to
/// clone.
///
/// ```
/// use tower_identity_oauth::Parameters;
///
/// let parameters = Parameters::new([("realm", "shop")])?;
/// # let _ = parameters;
///
/// let refused = Parameters::new([("scope", "admin")]).expect_err("a protocol's");
/// assert_eq!(refused.to_string(), "parameters.scope: is written by the protocol; say it where the protocol's settings are");
/// # Ok::<(), tower_identity_core::InvalidSetting>(())
/// ```
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Parameters(Arc<BTreeMap<Box<str>, Box<str>>>);

impl Parameters {
    /// These parameters, by name and value.
    ///
    /// # Errors
    ///
    /// [`InvalidSetting`] of `parameters`, when a name is one that a protocol writes, is given twice, or is empty, as a
    /// value must not be either (RFC 6749 §3.2 takes it for left out); or when there are more than 16.
    pub fn new<N: AsRef<str>, V: AsRef<str>>(
        parameters: impl IntoIterator<Item = (N, V)>,
    ) -> Result<Self, InvalidSetting> {
        const FIELD: &str = "parameters";
        let mut all = BTreeMap::new();
        for (name, value) in parameters {
            let (name, value) = (name.as_ref(), value.as_ref());
            let invalid = |rule: &str| InvalidSetting::new(name, rule).within(FIELD);
            if RESERVED.iter().any(|reserved| name.eq_ignore_ascii_case(reserved)) {
                return Err(invalid("is written by the protocol; say it where the protocol's settings are"));
            }
            check(name).map_err(|rule| invalid(&format!("has a name that {rule}")))?;
            check(value).map_err(|rule| invalid(&format!("has a value that {rule}")))?;
            if all.insert(name.into(), value.into()).is_some() {
                return Err(invalid("is given twice"));
            }
        }
        if all.len() > MAX_PARAMETERS {
            return Err(InvalidSetting::new(FIELD, format!("are more than {MAX_PARAMETERS}")));
        }
        Ok(Self(Arc::new(all)))
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Their names, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(|name| &**name)
    }

    /// Names and values: part of a cache key.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        let all: Vec<_> = self.0.iter().flat_map(|(name, value)| [&**name, &**value]).collect();
        Fingerprint::of("parameters").list(all).finish()
    }

    /// Writes those that are in the form by no other hand: a parameter is sent once (RFC 6749 §3.2).
    pub(crate) fn append_to(&self, form: &mut String) {
        let missing = self
            .0
            .iter()
            .filter(|(name, _)| !form_urlencoded::parse(form.as_bytes()).any(|(written, _)| *written == ***name));
        let missing: Vec<_> = missing.collect();
        // Counted from the beginning, so that what is there ends with a separator.
        Serializer::for_suffix(form, 0).extend_pairs(missing);
    }
}

/// Whether it may be a name or a value, of a parameter or of a grant.
pub(crate) fn check(text: &str) -> Result<(), &'static str> {
    match text {
        "" => Err("is empty"),
        text if text.len() > MAX_BYTES => Err("is longer than 1024 bytes"),
        text if text.trim() != text || text.contains(char::is_control) => {
            Err("has white space around it, or control characters")
        }
        _ => Ok(()),
    }
}

impl fmt::Debug for Parameters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.names()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(parameters: &[(&str, &str)]) -> String {
        Parameters::new(parameters.iter().copied()).expect_err("refused").to_string()
    }

    #[test]
    fn cauth_b1_no_parameter_takes_the_place_of_a_protocols() {
        for name in RESERVED {
            let rule = "is written by the protocol; say it where the protocol's settings are";
            assert_eq!(refused(&[(name, "x")]), format!("parameters.{name}: {rule}"));
            let capital = name.to_ascii_uppercase();
            assert_eq!(refused(&[(&capital, "x")]), format!("parameters.{capital}: {rule}"));
            Parameters::new([(format!("x_{name}"), "x")]).expect("the control");
        }
    }

    #[test]
    fn what_is_no_parameter_is_named() {
        assert_eq!(refused(&[("", "x")]), "parameters.: has a name that is empty");
        assert_eq!(refused(&[("realm", "")]), "parameters.realm: has a value that is empty");
        let padded = "parameters.realm: has a value that has white space around it, or control characters";
        assert_eq!(refused(&[("realm", " x")]), padded);
        assert_eq!(refused(&[("realm", "x\ny")]), padded);
        let long = "x".repeat(1025);
        assert_eq!(refused(&[("realm", &long)]), "parameters.realm: has a value that is longer than 1024 bytes");
        assert_eq!(refused(&[("realm", "a"), ("realm", "b")]), "parameters.realm: is given twice");
        let many = |count: usize| Parameters::new((0..count).map(|at| (format!("p{at}"), "x")));
        assert_eq!(many(17).expect_err("refused").to_string(), "parameters: are more than 16");
        assert_eq!(many(16).expect("the control").names().count(), 16);
    }

    #[test]
    fn cauth_b1_a_parameter_is_written_once_whoever_writes_it() {
        let parameters = Parameters::new([("realm", "a&b"), ("token_format", "jwt")]).expect("usable");
        let mut form = "grant_type=delegation&realm=own".to_owned();
        parameters.append_to(&mut form);
        assert_eq!(form, "grant_type=delegation&realm=own&token_format=jwt");
        let mut form = "grant_type=delegation".to_owned();
        parameters.append_to(&mut form);
        assert_eq!(form, "grant_type=delegation&realm=a%26b&token_format=jwt");
        let before = form.clone();
        Parameters::default().append_to(&mut form);
        assert_eq!(form, before);
    }

    #[test]
    fn values_are_not_printed_and_are_told_apart() {
        let one = Parameters::new([("realm", "hunter2")]).expect("usable");
        let other = Parameters::new([("realm", "hunter3")]).expect("usable");
        assert_eq!(format!("{one:?}"), r#"{"realm"}"#);
        assert_ne!(one.fingerprint(), other.fingerprint());
        assert_ne!(one.fingerprint(), Parameters::default().fingerprint());
        assert_eq!(one.fingerprint(), Parameters::new([("realm", "hunter2")]).expect("usable").fingerprint());
    }
}
