//! Opening: whether a token is of an accepted kind, and genuine.

use std::{fmt, sync::Arc};

use jsonwebtoken::signature::Verifier as _;
use tower_identity_core::SecretToken;

use crate::{Algorithm, Header, KeySet, MediaType, Unverified, VerifyingKey, crypto::PublicKey};

/// How many keys one token may have tried: those of its `kid`, or all of a set, that fit its algorithm.
const MAX_TRIED: usize = 4;

/// What a profile accepts, whatever the token says: kinds and algorithms. Nothing else passes.
///
/// ```
/// use tower_identity_jose::{Accept, Algorithm, MediaType};
///
/// let access_tokens = Accept::new([MediaType::ACCESS_TOKEN], [Algorithm::Es256, Algorithm::Rs256]);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accept {
    types: Vec<MediaType>,
    algorithms: Vec<Algorithm>,
    untyped: bool,
    key_id_required: bool,
    nothing_else: bool,
}

impl Accept {
    /// Accepts these kinds, signed with these algorithms.
    #[must_use]
    pub fn new(types: impl IntoIterator<Item = MediaType>, algorithms: impl IntoIterator<Item = Algorithm>) -> Self {
        Self {
            types: types.into_iter().collect(),
            algorithms: algorithms.into_iter().collect(),
            untyped: false,
            key_id_required: false,
            nothing_else: false,
        }
    }

    /// Accepts tokens without `typ` too. Only for profiles that tell kinds apart in another way.
    #[must_use]
    pub fn or_untyped(mut self) -> Self {
        self.untyped = true;
        self
    }

    /// Refuses tokens without `kid`. Default: the keys of the set that fit the algorithm are tried, up to four.
    #[must_use]
    pub fn require_key_id(mut self) -> Self {
        self.key_id_required = true;
        self
    }

    /// Refuses tokens whose header has members other than `alg`, `kid` and `typ`, known or not, as JWT-SVIDs must not
    /// have (SPIFFE JWT-SVID §2). Default: unknown members are ignored (RFC 7515 §4).
    #[must_use]
    pub fn nothing_else_in_header(mut self) -> Self {
        self.nothing_else = true;
        self
    }

    /// The kinds that are accepted.
    #[must_use]
    pub fn types(&self) -> &[MediaType] {
        &self.types
    }

    /// The algorithms that are accepted.
    #[must_use]
    pub fn algorithms(&self) -> &[Algorithm] {
        &self.algorithms
    }

    /// Whether tokens without `typ` are accepted too.
    #[must_use]
    pub fn accepts_untyped(&self) -> bool {
        self.untyped
    }

    /// What a header alone decides.
    fn admit(&self, header: &Header) -> Result<Algorithm, OpenError> {
        self.members(header)?;
        understood(header)?;
        self.kind(header)?;
        flat(header)?;
        let algorithm = self.algorithm(header)?;
        self.key_id(header)?;
        Ok(algorithm)
    }

    /// Everything that [`admit`](Self::admit) refuses a header for, in its order.
    fn faults(&self, header: &Header) -> impl Iterator<Item = OpenError> {
        let checked = [
            self.members(header),
            understood(header),
            self.kind(header),
            flat(header),
            self.algorithm(header).map(drop),
            self.key_id(header),
        ];
        checked.into_iter().filter_map(Result::err)
    }

    fn members(&self, header: &Header) -> Result<(), OpenError> {
        if self.nothing_else && header.has_other_members() {
            return Err(OpenError::OtherMembers);
        }
        Ok(())
    }

    fn kind(&self, header: &Header) -> Result<(), OpenError> {
        let accepted = match header.typ() {
            Some(typ) => self.types.iter().any(|accepted| accepted.matches(typ)),
            None => self.untyped,
        };
        if !accepted {
            return Err(OpenError::Type { found: header.typ().map(shown) });
        }
        Ok(())
    }

    fn algorithm(&self, header: &Header) -> Result<Algorithm, OpenError> {
        match header.algorithm() {
            Some(algorithm) if self.algorithms.contains(&algorithm) => Ok(algorithm),
            _ => Err(OpenError::Algorithm { found: shown(header.algorithm_name()) }),
        }
    }

    fn key_id(&self, header: &Header) -> Result<(), OpenError> {
        if self.key_id_required && header.key_id().is_none() {
            return Err(OpenError::KeyIdMissing);
        }
        Ok(())
    }
}

/// No extension is, here (RFC 7515 §4.1.11).
fn understood(header: &Header) -> Result<(), OpenError> {
    if header.is_critical() {
        return Err(OpenError::Critical);
    }
    Ok(())
}

fn flat(header: &Header) -> Result<(), OpenError> {
    if header.content_type().is_some_and(|content| MediaType::JWT.matches(content)) {
        return Err(OpenError::Nested);
    }
    Ok(())
}

/// Why a token did not open, in the order in which it is checked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The header has members other than `alg`, `kid` and `typ`, and must not.
    #[error("the header has members other than alg, kid and typ")]
    OtherMembers,
    /// The header names extensions that must be understood (`crit`, or an unencoded payload); none is, here.
    #[error("the header has critical extensions, and none is understood")]
    Critical,
    /// `typ` is not among the accepted kinds.
    #[error("the token is of another kind: typ is {}", quoted(found.as_deref()))]
    Type {
        /// What the token says it is.
        found: Option<Box<str>>,
    },
    /// The payload is itself a token (`cty` is `JWT`).
    #[error("the payload is itself a token")]
    Nested,
    /// `alg` is not among the accepted algorithms.
    #[error("the algorithm is not accepted: alg is {found:?}")]
    Algorithm {
        /// What the token says.
        found: Box<str>,
    },
    /// The token names no key, and must.
    #[error("the token names no key")]
    KeyIdMissing,
    /// The set has no key of this id; or the token names none, and no key of the set verifies it. Perhaps the set is
    /// older than the key.
    #[error("no such key in the key set: kid is {}", quoted(key_id.as_deref()))]
    UnknownKey {
        /// The key that the token names.
        key_id: Option<Box<str>>,
    },
    /// The key that the token names is for another algorithm.
    #[error("the key is not for the algorithm of the token")]
    KeyAlgorithm,
    /// The signature is not of that key over these bytes.
    #[error("the signature does not verify")]
    Signature,
}

impl OpenError {
    /// The check that failed, as a stable word: `header`, `crit`, `typ`, `alg`, `key` or `signature`.
    #[must_use]
    pub const fn check(&self) -> &'static str {
        match self {
            Self::OtherMembers => "header",
            Self::Critical => "crit",
            Self::Type { .. } | Self::Nested => "typ",
            Self::Algorithm { .. } => "alg",
            Self::KeyIdMissing | Self::UnknownKey { .. } | Self::KeyAlgorithm => "key",
            Self::Signature => "signature",
        }
    }
}

/// A token that did not open, and why. The token is given back, so that it can be tried with a newer key set without
/// being parsed again.
pub struct Unopened<C> {
    token: Box<Unverified<C>>,
    error: OpenError,
}

impl<C> Unopened<C> {
    /// Why it did not open.
    #[must_use]
    pub fn error(&self) -> &OpenError {
        &self.error
    }

    /// The token, for another attempt.
    #[must_use]
    pub fn into_token(self) -> Unverified<C> {
        *self.token
    }

    /// Why it did not open, for good.
    #[must_use]
    pub fn into_error(self) -> OpenError {
        self.error
    }
}

/// A token whose signature verified under a key of the set, and whose header is acceptable.
///
/// Its claims are what the signer wrote. Whether they hold (issuer, audience, time) is not checked here.
pub struct Opened<C> {
    token: SecretToken,
    header: Header,
    algorithm: Algorithm,
    key: VerifyingKey,
    claims: C,
    payload: Arc<[u8]>,
}

impl<C> Opened<C> {
    /// The claims.
    #[must_use]
    pub fn claims(&self) -> &C {
        &self.claims
    }

    /// The claims.
    #[must_use]
    pub fn into_claims(self) -> C {
        self.claims
    }

    /// The token as it was presented.
    #[must_use]
    pub fn token(&self) -> &SecretToken {
        &self.token
    }

    /// The payload's JSON.
    #[must_use]
    pub fn payload(&self) -> &Arc<[u8]> {
        &self.payload
    }

    /// The header.
    #[must_use]
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The key that verified it: its thumbprint, its own `kid` (which the token need not have named), and the issuer
    /// that it is for, where it says so.
    #[must_use]
    pub fn key(&self) -> &VerifyingKey {
        &self.key
    }

    /// The `kid` of the token.
    #[must_use]
    pub fn key_id(&self) -> Option<&str> {
        self.header.key_id()
    }

    /// The algorithm of the signature.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }
}

impl<C> fmt::Debug for Unopened<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Unopened").field("error", &self.error).finish_non_exhaustive()
    }
}

impl<C> fmt::Debug for Opened<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opened").field("header", &self.header).finish_non_exhaustive()
    }
}

impl<C> Unverified<C> {
    /// Opens the token: other members of the header, `crit`, `typ`, `cty`, `alg`, key, signature, in this order.
    ///
    /// # Errors
    ///
    /// [`Unopened`], which holds the [`OpenError`] and gives the token back.
    pub fn open(self, keys: &KeySet, accept: &Accept) -> Result<Opened<C>, Unopened<C>> {
        match self.verify(keys, accept) {
            Ok((algorithm, key)) => Ok(Opened {
                token: self.token,
                header: self.header,
                algorithm,
                key: key.clone(),
                claims: self.claims,
                payload: self.payload,
            }),
            Err(error) => Err(Unopened { token: Box::new(self), error }),
        }
    }

    /// Everything for which the token does not open, and not only the first of it: to explain a refusal. Without a key
    /// set, only what the header decides.
    ///
    /// The first is the error of [`open`](Self::open). That there is none proves nothing: only an [`Opened`] is a proof.
    #[must_use]
    pub fn faults(&self, keys: Option<&KeySet>, accept: &Accept) -> Vec<OpenError> {
        let mut faults: Vec<_> = accept.faults(&self.header).collect();
        // By the algorithm of the token, if it is any at all: that it is not accepted was said.
        if let (Some(keys), Some(algorithm)) = (keys, self.header.algorithm()) {
            faults.extend(self.verifying(keys, algorithm).err());
        }
        faults
    }

    fn verify<'k>(&self, keys: &'k KeySet, accept: &Accept) -> Result<(Algorithm, &'k VerifyingKey), OpenError> {
        let algorithm = accept.admit(&self.header)?;
        self.verifying(keys, algorithm).map(|key| (algorithm, key))
    }

    /// The key that verifies the signature, as one of this algorithm.
    fn verifying<'k>(&self, keys: &'k KeySet, algorithm: Algorithm) -> Result<&'k VerifyingKey, OpenError> {
        let key_id = self.header.key_id();
        let named = |key: &&VerifyingKey| key_id.is_none_or(|key_id| key.key_id() == Some(key_id));
        let signed = &self.token.expose().as_bytes()[..self.signed];

        let parsed = |key: &'k VerifyingKey| key.parsed_for(algorithm).map(|parsed| (key, parsed));
        let mut fitting = keys.keys().filter(named).filter_map(parsed).take(MAX_TRIED).peekable();
        let any_fits = fitting.peek().is_some();
        let verifies = |(_, parsed): &(_, &PublicKey)| parsed.verify(signed, &self.signature).is_ok();
        if let Some((key, _)) = fitting.find(verifies) {
            return Ok(key);
        }
        Err(match key_id {
            Some(_) if any_fits => OpenError::Signature,
            Some(key_id) if keys.contains_key_id(key_id) => OpenError::KeyAlgorithm,
            _ => OpenError::UnknownKey { key_id: key_id.map(shown) },
        })
    }
}

fn quoted(text: Option<&str>) -> String {
    text.map_or_else(|| "absent".to_owned(), |text| format!("{text:?}"))
}

/// A header's text as far as an error shows it: the sender chose it, and its length.
fn shown(text: &str) -> Box<str> {
    const SHOWN: usize = 64;
    text.chars().take(SHOWN).collect()
}

#[cfg(test)]
mod tests;
