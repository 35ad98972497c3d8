//! Which target a request goes to: pure, exact, and never a guess.
//!
//! Of the rows of the address's origin, those that the request fulfils: the row's path is a prefix of the address's, by
//! whole segments, and the request is of its methods and for its subjects. Of these, the one with the longest prefix; of
//! several with the same one, the one whose requests are all requests of the others, too. There is always one, or none:
//! two rows of which neither is the more exact, and that one request may fulfil, cannot be listed together.

use std::cell::LazyCell;

use http::{Method, Uri};
use tower_identity_core::Issuer;

use crate::{
    origin::{self, NoOrigin, Origin, OriginOf},
    path::{self, PathPrefix},
    when::{When, Whose},
};

/// The listed targets, by origin, and there the one that is to be tried first before the others.
#[derive(Debug)]
pub(crate) struct Targets<T> {
    origins: Vec<(Origin, Vec<Listed<T>>)>,
    /// Of each of the origins, as its addresses most often write it: to find it at once.
    written: Vec<u64>,
}

#[derive(Debug)]
struct Listed<T> {
    prefix: PathPrefix,
    when: When,
    target: T,
}

/// Why a target cannot be listed beside an earlier one of the same origin and path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Clash {
    /// They are for the same requests.
    Same,
    /// Some requests are of both, and each has others of its own.
    Overlap,
}

/// Why an address is no target's. Displays as what to do about it; shows the origin and nothing else of the address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NoTarget {
    #[error("the request's address has no scheme and host, so nobody can say whose it is; send absolute addresses")]
    NotAbsolute,
    #[cfg(feature = "reqwest")]
    #[error("the request's address is not a URI; percent-encode what does not belong in one")]
    NotUri,
    #[error("the request's address holds a user name or password; take it out, the target's token is the credential")]
    Credentials,
    #[error("the port of the request's address is not a port number")]
    Port,
    #[error("no target lists {origin}; add [[outbound.target]] origin = \"{origin}\", or correct the address")]
    Origin { origin: String },
    #[error("no target of {origin} lists the request's path; add a row with a prefix of it, or correct the path")]
    Path { origin: String },
    #[error(
        "no target of {origin} lists {method} for the request's path; add it to the methods of a row, or add a row"
    )]
    Method { origin: String, method: Method },
    #[error(
        "no target of {origin} is for subjects of {subject} at the request's path; add a row with \
         subjects_of = [\"{subject}\"] and the server that takes their tokens"
    )]
    Subject { origin: String, subject: Issuer },
    #[error(
        "every target of {origin} for the request's path is for the subjects of certain issuers, and the request is as \
         this service itself; add a row without subjects_of"
    )]
    Service { origin: String },
    #[error(
        "every target of {origin} for the request's path is for the subjects of certain issuers, and no caller is known \
         here: a spawned task, a response body and spawn_blocking have none; carry it there with caller.scope(..), or \
         say on_behalf_of(&caller)"
    )]
    Nobody { origin: String },
    #[error(
        "the request's path at {origin} holds a dot segment, an encoded dot or slash, or a backslash, and so matches \
         no target; send the path that is meant"
    )]
    HiddenPath { origin: String },
}

impl Clash {
    pub(crate) fn rule(self) -> &'static str {
        match self {
            Self::Same => {
                "is listed by an earlier target, with the same path; tell them apart by methods, subjects_of or tenant"
            }
            Self::Overlap => {
                "is listed by an earlier target, with the same path, and a request may be of both: neither is the more \
                 exact, so make methods, subjects_of and tenant of one a part of the other's, or keep them apart"
            }
        }
    }
}

impl From<NoOrigin> for NoTarget {
    fn from(none: NoOrigin) -> Self {
        match none {
            NoOrigin::NotAbsolute => Self::NotAbsolute,
            NoOrigin::Credentials => Self::Credentials,
            NoOrigin::Port => Self::Port,
        }
    }
}

impl<T> Targets<T> {
    pub(crate) fn new() -> Self {
        Self { origins: Vec::new(), written: Vec::new() }
    }

    /// Lists a target, unless it [clashes](Clash) with one that is listed.
    pub(crate) fn insert(&mut self, origin: &Origin, prefix: PathPrefix, when: When, target: T) -> Result<(), Clash> {
        let at = self.origins.iter().position(|(listed, _)| listed == origin).unwrap_or_else(|| {
            self.origins.push((origin.clone(), Vec::new()));
            self.written.push(origin.bits());
            self.origins.len() - 1
        });
        let rows = &mut self.origins[at].1;
        for other in rows.iter().filter(|other| other.prefix == prefix && other.when.meets(&when)) {
            match (when.is_within(&other.when), other.when.is_within(&when)) {
                (true, true) => return Err(Clash::Same),
                (false, false) => return Err(Clash::Overlap),
                _ => {}
            }
        }
        // Before the first whose requests include its own: whatever its own include stands before that one already.
        let length = prefix.as_str().len();
        let comes_before = |other: &Listed<T>| match other.prefix.as_str().len() {
            its if its == length => other.prefix == prefix && when.is_within(&other.when),
            its => its < length,
        };
        let before = rows.iter().position(comes_before).unwrap_or(rows.len());
        rows.insert(before, Listed { prefix, when, target });
        Ok(())
    }

    /// The target of a request. For whom it is made is asked only where a row is not for everybody.
    #[inline]
    pub(crate) fn resolve(&self, method: &Method, uri: &Uri, whose: impl FnOnce() -> Whose) -> Result<&T, NoTarget> {
        match self.at_once(uri) {
            Some(target) => Ok(target),
            None => self.choose(method, uri, whose),
        }
    }

    /// The same for most requests: their address is written as it is listed, and the first of its rows is for all.
    #[inline]
    fn at_once(&self, uri: &Uri) -> Option<&T> {
        let path = uri.path();
        if !path::is_plain(path) {
            return None;
        }
        let first = self.as_written(uri)?.iter().find(|row| row.prefix.covers(path))?;
        first.when.is_for_all().then_some(&first.target)
    }

    /// The same for all requests.
    #[inline(never)]
    fn choose(&self, method: &Method, uri: &Uri, whose: impl FnOnce() -> Whose) -> Result<&T, NoTarget> {
        let whose = LazyCell::new(whose);
        let mut is_of_method = false;
        for Listed { when, target, .. } in self.at(uri)?.filter(|row| row.when.is_of_method(method)) {
            is_of_method = true;
            if when.is_for_anybody() || matches!(&*whose, Whose::Subject(subject) if when.is_for(subject)) {
                return Ok(target);
            }
        }
        let origin = OriginOf::uri(uri)?.to_string();
        Err(match &*whose {
            _ if !is_of_method => NoTarget::Method { origin, method: method.clone() },
            Whose::Subject(subject) => NoTarget::Subject { origin, subject: subject.issuer().clone() },
            Whose::Service => NoTarget::Service { origin },
            Whose::Nobody => NoTarget::Nobody { origin },
        })
    }

    /// Whether an address is that of some target, whatever the request.
    pub(crate) fn lists(&self, uri: &Uri) -> Result<(), NoTarget> {
        self.at(uri).map(drop)
    }

    /// The rows of an origin that is written as it is listed, which is the same one without being read.
    fn as_written(&self, uri: &Uri) -> Option<&[Listed<T>]> {
        let bits = origin::bits(uri.authority()?.as_str());
        let at = self.written.iter().position(|written| *written == bits)?;
        let (listed, rows) = &self.origins[at];
        listed.is_written(uri).then_some(rows)
    }

    /// The rows of an address, at least one, in the order in which they are tried.
    fn at<'t, 'u>(&'t self, uri: &'u Uri) -> Result<impl Iterator<Item = &'t Listed<T>> + use<'t, 'u, T>, NoTarget> {
        let path = uri.path();
        if !path::is_plain(path) {
            return Err(NoTarget::HiddenPath { origin: OriginOf::uri(uri)?.to_string() });
        }
        let rows = match self.as_written(uri) {
            Some(rows) => rows,
            None => {
                let origin = OriginOf::uri(uri)?;
                let listed = self.origins.iter().find(|(listed, _)| listed.is(&origin));
                &listed.ok_or_else(|| NoTarget::Origin { origin: origin.to_string() })?.1
            }
        };
        let mut rows = rows.iter().filter(|row| row.prefix.covers(path)).peekable();
        if rows.peek().is_none() {
            return Err(NoTarget::Path { origin: OriginOf::uri(uri)?.to_string() });
        }
        Ok(rows)
    }
}

#[cfg(test)]
mod tests;
