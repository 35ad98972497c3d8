//! Split tokens: the client has the signature of a JWT, and a store has the rest.

use std::{error::Error, fmt, sync::Arc};

use quick_cache::sync::Cache;
use serde::Deserialize;
use tower_identity_core::{BoxFuture, Clock, Fingerprint, SecretToken, Timestamp};
use tower_identity_jose::{Compact, Limits, NumericDate, ParseError};

/// A store of the headers and payloads of split tokens, by the hash of their signatures. Who has a signature has the token:
/// the store knows none.
///
/// Whatever it finds is joined to the signature that was presented, and verified like any other JWT: a store that is wrong,
/// or written to by others, makes no token good.
pub trait SplitTokens: fmt::Debug + Send + Sync + 'static {
    /// The header and the payload as the token has them, `header.payload`, of the token whose signature has this
    /// [hash](SplitToken::hash); `None` where there is none.
    ///
    /// It is dropped where its caller goes away, and after [five seconds](tower_identity_oauth::DEADLINE): the request is
    /// then answered with 503. There are never more than 64 of them at one time for tokens that are not known, and as many
    /// for those that were good when they were judged last. Whoever comes beyond that is told to come back: a store that
    /// is slow is easily kept busy by made-up tokens, and lets in no one who is new meanwhile. Keep it near.
    ///
    /// # Errors
    ///
    /// When that cannot be said now: the request is answered with 503.
    fn find(&self, signature: Fingerprint) -> BoxFuture<'_, Result<Option<SecretToken>, StoreError>>;
}

/// A store cannot say what it has.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the store fails")]
pub struct StoreError(#[source] Arc<dyn Error + Send + Sync>);

impl StoreError {
    /// Says why.
    #[must_use]
    pub fn new(cause: impl Error + Send + Sync + 'static) -> Self {
        Self(Arc::new(cause))
    }
}

/// A JWT, split: what the client gets, and what the store keeps.
///
/// ```
/// use tower_identity_verify::SplitToken;
///
/// let token = "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJhbGljZSJ9.c2ln";
/// let split = SplitToken::of(token).expect("three parts");
/// assert_eq!(split.signature().expose(), "c2ln");
/// assert_eq!(split.rest().expose(), "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJhbGljZSJ9");
/// assert_eq!(split.hash(), SplitToken::hash_of("c2ln"));
/// ```
#[derive(Debug, Clone)]
pub struct SplitToken {
    rest: SecretToken,
    signature: SecretToken,
}

impl SplitToken {
    /// Splits a signed JWT in its compact form; `None` for what has not three parts.
    #[must_use]
    pub fn of(token: &str) -> Option<Self> {
        let (rest, signature) = token.rsplit_once('.')?;
        let is_whole = rest.bytes().filter(|byte| *byte == b'.').count() == 1 && !signature.is_empty();
        is_whole.then(|| Self { rest: rest.into(), signature: signature.into() })
    }

    /// What the client gets in the token's place.
    #[must_use]
    pub fn signature(&self) -> &SecretToken {
        &self.signature
    }

    /// What the store keeps: `header.payload`.
    #[must_use]
    pub fn rest(&self) -> &SecretToken {
        &self.rest
    }

    /// What the store keeps it under.
    #[must_use]
    pub fn hash(&self) -> Fingerprint {
        Self::hash_of(self.signature.expose())
    }

    /// The hash of a signature, as a token has it.
    #[must_use]
    pub fn hash_of(signature: &str) -> Fingerprint {
        Fingerprint::of("split-token").field(signature).finish()
    }
}

/// A store in this process: for one replica, and for tests. Cheap to clone; the clones share what is in it.
///
/// Bounded: the least used make room. What has ended is found no more.
///
/// ```
/// use tower_identity_refresh::system_clock;
/// use tower_identity_verify::MemorySplitTokens;
///
/// let store = MemorySplitTokens::new(10_000, system_clock());
/// // {"alg":"ES256"}.{"exp":4102444800}
/// let for_the_client = store.put("eyJhbGciOiJFUzI1NiJ9.eyJleHAiOjQxMDI0NDQ4MDB9.c2ln")?;
/// assert_eq!(for_the_client.expose(), "c2ln");
/// # Ok::<(), tower_identity_verify::Unsplittable>(())
/// ```
#[derive(Debug, Clone)]
pub struct MemorySplitTokens(Arc<Memory>);

#[derive(Debug)]
struct Memory {
    rests: Cache<Fingerprint, Rest>,
    clock: Clock,
}

#[derive(Debug, Clone)]
struct Rest {
    text: SecretToken,
    ends: Timestamp,
}

/// Why a token cannot be split.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the token is no signed JWT that says when it ends")]
pub struct Unsplittable(#[source] ParseError);

#[derive(Deserialize)]
struct Ends {
    exp: NumericDate,
}

impl MemorySplitTokens {
    /// A store for so many tokens.
    #[must_use]
    pub fn new(capacity: usize, clock: Clock) -> Self {
        Self(Arc::new(Memory { rests: Cache::new(capacity), clock }))
    }

    /// Keeps the token's header and payload until it ends, and returns its signature: what the client gets. The token is
    /// not verified here.
    ///
    /// # Errors
    ///
    /// [`Unsplittable`] when it is no signed JWT, or does not say when it ends.
    pub fn put(&self, token: &str) -> Result<SecretToken, Unsplittable> {
        let compact = Compact::parse(token, &Limits::default()).map_err(Unsplittable)?;
        let ends = compact.claims::<Ends>().map_err(Unsplittable)?.claims_unverified().exp.timestamp();
        let split = SplitToken::of(token).expect("a compact token has three parts");
        self.0.rests.insert(split.hash(), Rest { text: split.rest, ends });
        Ok(split.signature)
    }

    /// Forgets the token of this signature: it is refused from now on.
    pub fn remove(&self, signature: &str) {
        self.0.rests.remove(&SplitToken::hash_of(signature));
    }
}

impl SplitTokens for MemorySplitTokens {
    fn find(&self, signature: Fingerprint) -> BoxFuture<'_, Result<Option<SecretToken>, StoreError>> {
        let rest = self.0.rests.get(&signature);
        let now = self.0.clock.wall();
        if rest.as_ref().is_some_and(|rest| rest.ends <= now) {
            self.0.rests.remove(&signature);
        }
        let found = rest.filter(|rest| now < rest.ends).map(|rest| rest.text);
        Box::pin(std::future::ready(Ok(found)))
    }
}
