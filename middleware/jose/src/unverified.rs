//! Claims that nobody has vouched for yet.

use std::{borrow::Borrow, fmt};

use serde::de::DeserializeOwned;

use crate::{Compact, Header, Limits, ParseError};

/// A token that was parsed, once and strictly, and that nobody has vouched for yet.
///
/// It holds the token, or, where its claims borrow from one, borrows the [`Compact`] that does.
pub struct Unverified<C, T = Compact> {
    pub(crate) compact: T,
    pub(crate) claims: C,
}

impl<C: DeserializeOwned> Unverified<C> {
    /// Parses a compact token, reading its payload as claims of type `C`.
    ///
    /// # Errors
    ///
    /// [`ParseError`].
    pub fn parse(token: &str, limits: &Limits) -> Result<Self, ParseError> {
        let compact = Compact::parse(token, limits)?;
        Ok(Self { claims: compact.read()?, compact })
    }
}

impl<C, T: Borrow<Compact>> Unverified<C, T> {
    /// The header: for choosing a key, and for nothing else.
    #[must_use]
    pub fn header(&self) -> &Header {
        self.compact.borrow().header()
    }

    /// The claims, as anybody may have written them: for choosing whose keys to try, and for nothing else.
    #[must_use]
    pub fn claims_unverified(&self) -> &C {
        &self.claims
    }
}

impl<C, T: Borrow<Compact>> fmt::Debug for Unverified<C, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Unverified").field("header", self.header()).finish_non_exhaustive()
    }
}
