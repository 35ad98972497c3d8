//! Headers that need not be read again.

use std::{
    borrow::Borrow,
    fmt,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use arc_swap::ArcSwap;

use crate::{Compact, Header, Opened};

/// How many are kept.
const FEW: usize = 8;

/// The longest that is kept, in bytes of its encoded form.
const LONGEST: usize = 1024;

/// Where as many are kept as may be, one newcomer of so many takes the place of another: keys change now and then, and an
/// issuer that writes something new into every header is to cost nothing.
const ONE_IN: usize = 64;

/// The headers of tokens that verified, by their exact bytes: an issuer writes the same one into all that it signs with
/// one key, and to read it is a tenth of what a token costs beside its signature.
///
/// That a header is known says what stands in it and nothing else: whether it is accepted, and which key it names, is
/// asked of every token. Bounded, and read without a lock.
///
/// ```
/// use serde::de::IgnoredAny;
/// use serde_json::json;
/// use tower_identity_jose::{Accept, Algorithm, Compact, KeySet, KnownHeaders, Limits, MediaType, SigningKey};
///
/// let key = SigningKey::generate(Algorithm::Es256)?;
/// let keys = KeySet::from_keys([key.verifying_key()])?;
/// let accept = Accept::new([MediaType::ACCESS_TOKEN], [Algorithm::Es256]);
///
/// let known = KnownHeaders::default();
/// for subject in ["alice", "bob"] {
///     let token = key.sign(&MediaType::ACCESS_TOKEN, &json!({"sub": subject}))?;
///     let compact = Compact::parse_knowing(token.expose(), &Limits::default(), &known)?;
///     let opened = compact.claims::<IgnoredAny>()?.open(&keys, &accept).map_err(|unopened| unopened.into_error())?;
///     known.learn(&opened);
/// }
/// assert_eq!(known.len(), 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Default)]
pub struct KnownHeaders {
    known: ArcSwap<Vec<Known>>,
    passed_over: AtomicUsize,
}

#[derive(Clone)]
struct Known {
    encoded: Arc<str>,
    /// The limit that it was read under, which another might exceed.
    json_depth: u8,
    header: Arc<Header>,
}

impl KnownHeaders {
    pub(crate) fn get(&self, encoded: &str, json_depth: u8) -> Option<Arc<Header>> {
        let known = self.known.load();
        let same = known.iter().find(|known| known.is(encoded, json_depth))?;
        Some(Arc::clone(&same.header))
    }

    /// Adds the header of a token that verified.
    pub fn learn<C, T: Borrow<Compact>>(&self, opened: &Opened<C, T>) {
        let compact = opened.compact();
        if !compact.is_header_known() {
            self.add(compact);
        }
    }

    #[cold]
    fn add(&self, compact: &Compact) {
        let (encoded, json_depth) = (compact.encoded_header(), compact.json_depth());
        let known = self.known.load();
        if encoded.len() > LONGEST || known.iter().any(|known| known.is(encoded, json_depth)) {
            return;
        }
        let is_full = known.len() == FEW;
        if is_full && self.passed_over.fetch_add(1, Ordering::Relaxed) % ONE_IN != ONE_IN - 1 {
            return;
        }
        let newcomer = Known { encoded: encoded.into(), json_depth, header: Arc::clone(compact.shared_header()) };
        let others = known.iter().skip(usize::from(is_full)).cloned();
        // Whoever was faster has added another: this one's turn comes with the next token.
        self.known.compare_and_swap(&known, Arc::new(others.chain([newcomer]).collect()));
    }

    /// How many there are.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "to watch, and not to iterate")]
    pub fn len(&self) -> usize {
        self.known.load().len()
    }
}

impl Known {
    fn is(&self, encoded: &str, json_depth: u8) -> bool {
        *self.encoded == *encoded && self.json_depth == json_depth
    }
}

impl fmt::Debug for KnownHeaders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KnownHeaders").field("len", &self.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use serde::de::IgnoredAny;
    use serde_json::{Value, json};
    use tower_identity_core::SecretToken;

    use super::*;
    use crate::{
        Accept, Algorithm, KeySet, Limits, MediaType, OpenError, ParseError, Part, SigningKey, Unopened, base64url,
        json::{JsonError, JsonErrorKind},
    };

    /// What becomes of a token, and whether its header was known.
    type Verdict = Result<Result<(), OpenError>, ParseError>;

    struct Issuer {
        key: SigningKey,
        keys: KeySet,
        accept: Accept,
    }

    impl Issuer {
        fn new() -> Self {
            let key = SigningKey::generate(Algorithm::Es256).expect("generated").with_key_id("es");
            let keys = KeySet::from_keys([key.verifying_key()]).expect("a key");
            Self { key, keys, accept: Accept::new([MediaType::ACCESS_TOKEN], [Algorithm::Es256]) }
        }

        /// With this for one more member of the header.
        fn token(&self, more: Value) -> SecretToken {
            let mut header = self.key.header(&MediaType::ACCESS_TOKEN);
            header.insert("x".to_owned(), more);
            self.key.sign_with_header(&header, &json!({"sub": "alice"})).expect("signed")
        }

        fn open(&self, parsed: Result<Compact, ParseError>, known: &KnownHeaders) -> Verdict {
            let compact = parsed?;
            let token = compact.claims::<IgnoredAny>()?;
            Ok(token.open(&self.keys, &self.accept).map(|opened| known.learn(&opened)).map_err(Unopened::into_error))
        }

        /// And whether the header was known.
        fn verdict(&self, token: &str, limits: &Limits, known: &KnownHeaders) -> (Verdict, bool) {
            let parsed = Compact::parse_knowing(token, limits, known);
            let was_known = parsed.as_ref().is_ok_and(Compact::is_header_known);
            (self.open(parsed, known), was_known)
        }
    }

    #[test]
    fn jwt_a26_a_known_header_changes_no_verdict() {
        let (issuer, stranger, limits) = (Issuer::new(), Issuer::new(), Limits::default());
        let known = KnownHeaders::default();
        let good = issuer.token(json!(1));
        let good = good.expose();
        assert_eq!(issuer.verdict(good, &limits, &known), (Ok(Ok(())), false));

        let [header, payload, signature] = *good.split('.').collect::<Vec<_>>() else { panic!("three parts") };
        let forged = stranger.token(json!(1));
        let twice = base64url::encode(br#"{"alg":"ES256","alg":"ES256"}"#);
        let unaccepted = base64url::encode(br#"{"alg":"none","typ":"at+jwt"}"#);
        let cases: [(String, Verdict, bool); 9] = [
            (good.to_owned(), Ok(Ok(())), true),
            // The same header, by another who signs.
            (forged.expose().to_owned(), Ok(Err(OpenError::Signature)), true),
            (format!("{header}.{}.{signature}", base64url::encode(b"{}")), Ok(Err(OpenError::Signature)), true),
            (format!("{header}.{payload}.{signature}="), Err(ParseError::Encoding(Part::Signature)), false),
            (format!("{header}.{payload}=.{signature}"), Err(ParseError::Encoding(Part::Payload)), false),
            (format!("{header}.{payload}"), Err(ParseError::NotCompact), false),
            // Nearly the same header.
            (format!("{header}=.{payload}.{signature}"), Err(ParseError::Encoding(Part::Header)), false),
            (
                format!("{twice}.{payload}.{signature}"),
                Err(ParseError::Header(JsonError::from(JsonErrorKind::DuplicateName).within("alg"))),
                false,
            ),
            (
                format!("{unaccepted}.{payload}.{signature}"),
                Ok(Err(OpenError::Algorithm { found: "none".into() })),
                false,
            ),
        ];
        for (token, expected, expected_known) in cases {
            assert_eq!(issuer.open(Compact::parse(&token, &limits), &KnownHeaders::default()), expected, "{token}");
            assert_eq!(issuer.verdict(&token, &limits, &known), (expected, expected_known), "{token}");
        }
        // Accepted once, the header is not accepted for ever.
        let others = Issuer { accept: Accept::new([MediaType::JWT], [Algorithm::Es256]), ..issuer };
        let refused = Ok(Err(OpenError::Type { found: Some("at+jwt".into()) }));
        assert_eq!(others.verdict(good, &limits, &known), (refused, true));
        assert_eq!(known.len(), 1);
    }

    #[test]
    fn jwt_a26_a_header_is_known_under_the_depth_that_it_was_read_under() {
        let (issuer, known) = (Issuer::new(), KnownHeaders::default());
        let deep = issuer.token(json!([[[]]]));
        let (wide, narrow) = (Limits::default(), Limits::default().with_json_depth(3).expect("within"));
        assert_eq!(issuer.verdict(deep.expose(), &wide, &known), (Ok(Ok(())), false));
        assert_eq!(issuer.verdict(deep.expose(), &wide, &known), (Ok(Ok(())), true));
        let too_deep = JsonError::from(JsonErrorKind::TooDeep { limit: 3 }).within("x");
        assert_eq!(issuer.verdict(deep.expose(), &narrow, &known), (Err(ParseError::Header(too_deep)), false));
    }

    #[test]
    fn jwt_a26_few_are_kept_and_a_new_one_comes_in_among_many() {
        let (issuer, known, limits) = (Issuer::new(), KnownHeaders::default(), Limits::default());
        let tokens: Vec<_> = (0..FEW + ONE_IN).map(|n| issuer.token(json!(n))).collect();
        let all_known = |tokens: &[SecretToken]| {
            let is_known = |token: &SecretToken| {
                Compact::parse_knowing(token.expose(), &limits, &known).is_ok_and(|compact| compact.is_header_known())
            };
            tokens.iter().map(is_known).collect::<Vec<_>>()
        };
        for token in &tokens[..FEW + ONE_IN - 1] {
            assert_eq!(issuer.verdict(token.expose(), &limits, &known), (Ok(Ok(())), false));
        }
        assert_eq!(known.len(), FEW);
        assert_eq!(all_known(&tokens[..FEW + 1]), [[true; FEW].as_slice(), &[false]].concat());

        // In the place of the oldest.
        assert_eq!(issuer.verdict(tokens[FEW + ONE_IN - 1].expose(), &limits, &known), (Ok(Ok(())), false));
        assert_eq!(known.len(), FEW);
        assert_eq!(all_known(&tokens[..2]), [false, true]);
        assert_eq!(all_known(&tokens[FEW + ONE_IN - 1..]), [true]);
    }

    #[test]
    fn jwt_a26_a_long_header_is_read_each_time() {
        let (issuer, known, limits) = (Issuer::new(), KnownHeaders::default(), Limits::default());
        for (bytes, expected) in [(LONGEST, false), (500, true)] {
            let token = issuer.token(json!("x".repeat(bytes)));
            for was_known in [false, expected] {
                assert_eq!(issuer.verdict(token.expose(), &limits, &known), (Ok(Ok(())), was_known), "{bytes}");
            }
        }
    }
}
