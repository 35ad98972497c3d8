//! What is accepted: which kinds of token, and which algorithms.

use crate::{Algorithm, Header, MediaType, OpenError};

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
    pub(crate) fn admit(&self, header: &Header) -> Result<Algorithm, OpenError> {
        self.members(header)?;
        understood(header)?;
        self.kind(header)?;
        flat(header)?;
        let algorithm = self.algorithm(header)?;
        self.key_id(header)?;
        Ok(algorithm)
    }

    /// Everything that [`admit`](Self::admit) refuses a header for, in its order.
    pub(crate) fn faults(&self, header: &Header) -> impl Iterator<Item = OpenError> {
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
            return Err(OpenError::Type { found: header.typ().map(OpenError::shown) });
        }
        Ok(())
    }

    fn algorithm(&self, header: &Header) -> Result<Algorithm, OpenError> {
        match header.algorithm() {
            Some(algorithm) if self.algorithms.contains(&algorithm) => Ok(algorithm),
            _ => Err(OpenError::Algorithm { found: OpenError::shown(header.algorithm_name()) }),
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
