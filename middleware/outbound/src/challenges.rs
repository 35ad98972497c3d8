//! What a target demands in place of the credential that it refused: its challenges, read (RFC 9110 §11.6.1).

use std::{borrow::Cow, time::Duration};

use http::{
    HeaderMap, HeaderName,
    header::{GetAll, WWW_AUTHENTICATE},
};
use http_auth::{ChallengeRef, parser::ChallengeParser};
use tower_identity_core::{DemandedClaims, Scopes};

const DPOP_NONCE: HeaderName = HeaderName::from_static("dpop-nonce");

/// How many bytes of challenges are read, over all lines. Of a target that sends more, no further line is.
const LONGEST: usize = 4096;

/// How many challenges of one line are read.
const MOST: usize = 16;

/// How many characters a nonce has at most: it goes into each proof.
const LONGEST_NONCE: usize = 512;

/// What a target that refused a credential wants in its place.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Demand {
    /// Another token: `invalid_token` (RFC 6750 §3.1).
    Token,
    /// A proof that holds this nonce: `use_dpop_nonce`, with the field `DPoP-Nonce` (RFC 9449 §9).
    Nonce(Box<str>),
    /// That the user signs in again, or by stronger means: `insufficient_user_authentication` (RFC 9470 §3), or
    /// `insufficient_claims`. Another
    /// token from the same sign-in is no better.
    SignIn {
        /// What else is missing; most often nothing.
        scope: Scopes,
        /// The acceptable authentication context classes, preferred first.
        acr_values: Vec<String>,
        /// The oldest acceptable sign-in.
        max_age: Option<Duration>,
        /// The claims that its token has to have, in the words of the server that demands them: of `insufficient_claims`,
        /// as Entra ID has it.
        claims: Option<DemandedClaims>,
    },
    /// It does not say, or not so that it can be understood.
    Unsaid,
}

impl Demand {
    /// Reads the challenges of an answer: the first of a scheme that tokens are sent by, with an error code that is
    /// known, decides. A line that is outside the grammar ends where it leaves it; what came before counts.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let mut left = LONGEST;
        let lines = headers.get_all(WWW_AUTHENTICATE).iter().filter_map(|line| line.to_str().ok());
        lines
            .take_while(|line| {
                let fits = line.len() <= left;
                left = left.saturating_sub(line.len());
                fits
            })
            .flat_map(|line| ChallengeParser::new(line).map_while(Result::ok).take(MOST))
            .find_map(|challenge| Self::said(&challenge, headers))
            .unwrap_or(Self::Unsaid)
    }

    fn said(challenge: &ChallengeRef<'_>, headers: &HeaderMap) -> Option<Self> {
        let is_dpop = challenge.scheme.eq_ignore_ascii_case("DPoP");
        if !is_dpop && !challenge.scheme.eq_ignore_ascii_case("Bearer") {
            return None;
        }
        match &*parameter(challenge, "error")? {
            "invalid_token" => Some(Self::Token),
            "use_dpop_nonce" if is_dpop => nonce(&headers.get_all(DPOP_NONCE)).map(Self::Nonce),
            error @ ("insufficient_user_authentication" | "insufficient_claims") => {
                let claims = parameter(challenge, "claims").and_then(|claims| DemandedClaims::from_base64(&claims));
                // Where that cannot be read, the code alone says that another sign-in would do, and not which.
                let claims = claims.filter(|_| error == "insufficient_claims");
                let scope = parameter(challenge, "scope").and_then(|scope| Scopes::parse(&scope).ok());
                let classes = parameter(challenge, "acr_values").unwrap_or_default();
                let max_age = parameter(challenge, "max_age").and_then(|seconds| seconds.parse().ok());
                Some(Self::SignIn {
                    scope: scope.unwrap_or_default(),
                    acr_values: classes.split_ascii_whitespace().take(MOST).map(str::to_owned).collect(),
                    max_age: max_age.map(Duration::from_secs),
                    claims,
                })
            }
            _ => None,
        }
    }
}

/// A parameter that is there exactly once (RFC 9110 §11.2): of two, nobody knows which is meant.
fn parameter<'c>(challenge: &'c ChallengeRef<'_>, name: &str) -> Option<Cow<'c, str>> {
    let mut values = challenge.params.iter().filter(|(other, _)| other.eq_ignore_ascii_case(name));
    match (values.next(), values.next()) {
        (Some((_, value)), None) => Some(match value.as_escaped() {
            plain if !plain.contains('\\') => Cow::Borrowed(plain),
            _ => Cow::Owned(value.to_unescaped()),
        }),
        _ => None,
    }
}

/// A nonce, which is there once (RFC 9449 §8.2) and of the characters of its grammar (§8.1).
fn nonce(fields: &GetAll<'_, http::HeaderValue>) -> Option<Box<str>> {
    let mut fields = fields.iter();
    let (Some(nonce), None) = (fields.next(), fields.next()) else { return None };
    let is_plain = |byte: &u8| matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e);
    let nonce = nonce.to_str().ok().filter(|nonce| !nonce.is_empty() && nonce.len() <= LONGEST_NONCE)?;
    nonce.as_bytes().iter().all(is_plain).then(|| nonce.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn demanded(lines: &[&str], nonces: &[&str]) -> Demand {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(WWW_AUTHENTICATE, http::HeaderValue::from_bytes(line.as_bytes()).expect("a value"));
        }
        for nonce in nonces {
            headers.append(DPOP_NONCE, nonce.parse().expect("a value"));
        }
        Demand::of(&headers)
    }

    #[test]
    fn rfc6750_b2_another_token_is_wanted_where_a_challenge_says_so_and_nowhere_else() {
        let wanted: [&[&str]; 13] = [
            &[r#"Bearer error="invalid_token""#],
            &["Bearer error=invalid_token"],
            &[r#"bEARER realm="x", ERROR="invalid_token", error_description="the token, it \"expired\"""#],
            &[r#"Bearer realm="error=\"insufficient_scope\"", error="invalid_token""#],
            &[r#"Bearer error="invalid\_token""#],
            &[r#"DPoP algs="ES256", error="invalid_token""#],
            &[r#"Basic realm="x", Bearer realm="y", error="invalid_token""#],
            &[r#"DPoP algs="ES256", Bearer error="invalid_token""#],
            &["Negotiate", r#"Bearer error="invalid_token""#],
            &["Negotiate YII=", r#"Bearer error="invalid_token""#],
            &[r#"Bearer error="unheard_of""#, r#"Bearer error="invalid_token""#],
            &[r#"Bearer error="invalid_token", Basic realm="x" y"#],
            &["Bearer \u{e9}", r#"Bearer error="invalid_token""#],
        ];
        for lines in wanted {
            assert_eq!(demanded(lines, &[]), Demand::Token, "{lines:?}");
        }
        let unsaid: [&[&str]; 14] = [
            &[],
            &[""],
            &["Bearer"],
            &[r#"Bearer realm="x""#],
            &[r#"Bearer error="insufficient_scope""#],
            &[r#"Bearer error="Invalid_Token""#],
            &[r#"Bearer error="invalid_token "#],
            &[r#"Bearer error=" invalid_token""#],
            &[r#"Bearer error_description="error=invalid_token""#],
            &[r#"Basic error="invalid_token""#],
            &[r#"Bearer realm="Bearer error=\"invalid_token\"""#],
            &[r#"Bearer error="invalid_token", error="invalid_token""#],
            &[r#"Bearer error="invalid_token", ERROR="insufficient_scope""#],
            &[r#"error="invalid_token""#],
        ];
        for lines in unsaid {
            assert_eq!(demanded(lines, &[]), Demand::Unsaid, "{lines:?}");
        }
    }

    #[test]
    fn a_nonce_is_wanted_where_there_is_one() {
        let demand = r#"DPoP error="use_dpop_nonce", algs="ES256""#;
        let longest = "n".repeat(LONGEST_NONCE);
        for nonce in ["eyJ7S_zG.eyJH0-Z.HX4w-7v", "!#[]~", &longest] {
            assert_eq!(demanded(&[demand], &[nonce]), Demand::Nonce(nonce.into()), "{nonce}");
        }
        let longer = "n".repeat(LONGEST_NONCE + 1);
        let none: [&[&str]; 7] = [&[], &[""], &["a", "b"], &["a", "a"], &["a b"], &["a\"b"], &[&longer]];
        for nonces in none {
            assert_eq!(demanded(&[demand], nonces), Demand::Unsaid, "{nonces:?}");
        }
        assert_eq!(demanded(&[r#"Bearer error="use_dpop_nonce""#], &["a"]), Demand::Unsaid);
        assert_eq!(demanded(&[r#"DPoP error="invalid_token""#], &["a"]), Demand::Token);
    }

    #[test]
    fn rfc9470_b1_a_sign_in_is_wanted_with_what_would_do() {
        let sign_in = |scope: &str, acr_values: &[&str], max_age: Option<u64>| Demand::SignIn {
            scope: Scopes::parse(scope).expect("scopes"),
            acr_values: acr_values.iter().map(|&class| class.to_owned()).collect(),
            max_age: max_age.map(Duration::from_secs),
            claims: None,
        };
        let cases = [
            ("", sign_in("", &[], None)),
            (r#", acr_values="urn:mfa urn:hw", max_age="300""#, sign_in("", &["urn:mfa", "urn:hw"], Some(300))),
            (r#", scope="a b", max_age=0"#, sign_in("a b", &[], Some(0))),
            (r#", max_age="-1", scope="a\"b", acr_values="""#, sign_in("", &[], None)),
            (r#", max_age=1, max_age=2"#, sign_in("", &[], None)),
        ];
        for (parameters, expected) in cases {
            let challenge = format!(r#"Bearer error="insufficient_user_authentication"{parameters}"#);
            assert_eq!(demanded(&[&challenge], &[]), expected, "{parameters}");
        }
    }

    #[test]
    fn obo_b3_demanded_claims_are_read_where_they_are_an_object() {
        let read = |parameters: &str| match demanded(&[&format!("Bearer {parameters}")], &[]) {
            Demand::SignIn { claims, acr_values, .. } => Some((claims, acr_values)),
            _ => None,
        };
        let none = || Some((None, Vec::new()));
        let some = |claims: &str| DemandedClaims::parse(claims);
        let of = |claims: &str| format!(r#"error="insufficient_claims", claims="{claims}""#);
        assert_eq!(read(&of("eyJhIjoxfQ==")), Some((some(r#"{"a":1}"#), Vec::new())));
        let both = r#", acr_values="c1""#;
        assert_eq!(read(&(of("e30=") + both)), Some((some("{}"), vec!["c1".to_owned()])));
        // No object, no base64, twice, too long; and of another code.
        for unusable in ["W10=", "e30", "", r#"e30=", claims="e30="#, &"e30=".repeat(700)] {
            assert_eq!(read(&of(unusable)), none(), "{unusable}");
        }
        assert_eq!(read(r#"error="insufficient_user_authentication", claims="e30=""#), none());
        assert_eq!(read(r#"error="insufficient_scope", claims="e30=""#), None);
    }

    #[test]
    fn no_more_is_read_than_a_target_has_to_say() {
        let wanted = r#"Bearer error="invalid_token""#;
        let filler = |length: usize| format!("Basic realm=\"{}\"", "x".repeat(length - 14));
        let fits = filler(LONGEST - wanted.len());
        assert_eq!(demanded(&[&fits, wanted], &[]), Demand::Token);
        let too_much = filler(LONGEST - wanted.len() + 1);
        assert_eq!(demanded(&[&too_much, wanted], &[]), Demand::Unsaid);

        let with_before = |count: usize| format!("{}{wanted}", "Basic realm=x, ".repeat(count));
        assert_eq!(demanded(&[&with_before(MOST - 1)], &[]), Demand::Token);
        assert_eq!(demanded(&[&with_before(MOST)], &[]), Demand::Unsaid);
    }
}
