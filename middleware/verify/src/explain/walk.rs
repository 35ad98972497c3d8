//! The walk: every check that means something, made whatever came of those before it.

use std::{collections::BTreeMap, error::Error, sync::Arc};

use tower_identity_core::{Issuer, Refusal, Timestamp, WithCauses};
use tower_identity_jose::{Accept, Compact, KeySet, Limits, OpenError, ParseError};

use super::{
    claims::Faults,
    said::{Names, Said},
};
use crate::{
    anchor::Named,
    check,
    claims::{Claims, Unread},
    judge,
    keys::NoKeys,
    shown::Shown,
    trusted::{Token, Trusted, issuer_among},
};

/// Stands in for a header that cannot be read, so that the claims behind it can: `{"alg":"none"}`.
const NO_HEADER: &str = "eyJhbGciOiJub25lIn0";

const HEADERLESS: &str = "the header cannot be read";

/// How many keys of a set, or issuers of a verifier, are named.
const NAMED: usize = 8;

/// What was found on the way.
#[derive(Debug, Default)]
pub(crate) struct Walk {
    pub(super) issuer: Option<Issuer>,
    pub(super) genuine: bool,
    pub(super) said: Option<Said>,
    /// What is wrong, each with its check.
    pub(super) faults: Vec<(&'static str, String)>,
    /// Why there is no key to look for the token's among.
    pub(super) undecided: Option<String>,
    /// Whether the checks are those of a token that is no JWT.
    pub(super) is_opaque: bool,
    /// Why a check was not made.
    pub(super) unreached: BTreeMap<&'static str, &'static str>,
}

/// Walks, with the keys that are at hand, or the reason why none are. The token is of one of these issuers; one that an opaque
/// one `stands_for` is of the issuer that was asked, whatever it says.
pub(crate) fn walk(
    token: &str,
    (limits, among): (&Limits, &[Arc<Trusted>]),
    stands_for: Option<&Trusted>,
    now: Timestamp,
    no_keys: Option<&NoKeys>,
) -> Walk {
    let mut walk = Walk::default();
    let Some((compact, has_header)) = walk.take_apart(token, limits) else { return walk };
    let header = has_header.then(|| compact.header());
    let mut claims = Claims::default();
    let claims = match compact.claims_by(Unread(&mut claims)) {
        Ok(claims) => claims,
        Err(error) => {
            walk.said = Some(Said::new(header));
            walk.fault(error.check(), WithCauses(&error).to_string());
            walk.skip(behind(check::HEADER), "the payload cannot be read");
            return walk;
        }
    };
    let names = Names::of(&compact);
    walk.said = Some(Said::new(header).claims(claims.claims_unverified(), &names));

    let found = match stands_for {
        Some(trusted) => Ok(trusted),
        None => issuer_among(among, claims.claims_unverified()).map(|trusted| &**trusted),
    };
    let found = found
        .and_then(|trusted| judge::issuer(claims.claims_unverified(), &trusted.rules).map(|named| (trusted, named)));
    let (trusted, named) = match found {
        Ok(found) => found,
        Err(refusal) => {
            let trusted: Vec<_> = among.iter().map(|trusted| trusted.rules.anchor.name()).take(NAMED).collect();
            walk.fault(refusal.check(), format!("{}; trusted are {trusted:?}", told(&refusal)));
            walk.skip(behind(check::HEADER), "no trusted issuer's rules apply");
            return walk;
        }
    };
    walk.issuer = Some(trusted.rules.anchor.name().clone());
    let faults = Faults::of(claims.claims_unverified(), named, &trusted.rules, now);
    if has_header {
        walk.undecided = no_keys.map(|none| WithCauses(none).to_string());
        walk.open(claims, &names, trusted, named);
    } else {
        let of_header = [check::CRIT, check::TYP, check::ALG, check::KEY, check::SIGNATURE];
        walk.skip(of_header, HEADERLESS);
    }
    walk.refused(faults.refusals);
    walk.skip(faults.unreached, "it is not known whose token it is");
    walk
}

impl Walk {
    /// Everything that is wrong at one check.
    pub(super) fn failed(&self, check: &str) -> Option<String> {
        let details: Vec<&str> =
            self.faults.iter().filter(|(at, _)| *at == check).map(|(_, detail)| detail.as_str()).collect();
        (!details.is_empty()).then(|| details.join("; "))
    }

    /// The checks that there are for such a token, in order.
    pub(super) fn checks(&self) -> &'static [&'static str] {
        if self.is_opaque { &check::OPAQUE } else { &check::ALL }
    }

    pub(super) fn refused(&mut self, refusals: impl IntoIterator<Item = Refusal>) {
        self.faults.extend(refusals.into_iter().map(|refusal| (refusal.check(), told(&refusal))));
    }

    pub(super) fn fault(&mut self, check: &'static str, detail: String) {
        self.faults.push((check, detail));
    }

    pub(super) fn skip(&mut self, checks: impl IntoIterator<Item = &'static str>, why: &'static str) {
        self.unreached.extend(checks.into_iter().map(|check| (check, why)));
    }

    /// The parts of the token, and whether the first is a header: one that cannot be read is replaced.
    fn take_apart(&mut self, token: &str, limits: &Limits) -> Option<(Compact, bool)> {
        let error = match Compact::parse(token, limits) {
            Ok(compact) => return Some((compact, true)),
            Err(error) => error,
        };
        self.fault(error.check(), WithCauses(&error).to_string());
        if !matches!(error, ParseError::Header(_)) {
            self.skip(behind(check::FORMAT), "this is no signed token");
            return None;
        }
        let (_, rest) = token.split_once('.')?;
        let replaced = Compact::parse(&format!("{NO_HEADER}.{rest}"), limits).ok();
        if replaced.is_none() {
            self.skip(behind(check::HEADER), HEADERLESS);
        }
        replaced.map(|compact| (compact, false))
    }

    /// The header, the key and the signature.
    fn open(&mut self, token: Token<'_>, names: &Names, trusted: &Trusted, named: &Named) {
        let at_hand = trusted.keys.at_hand(trusted.clock.monotonic());
        let keys = at_hand.as_deref().map(|snapshot| &snapshot.keys);
        let faults = token.faults(keys, &trusted.accept);
        let no_key = |fault: &OpenError| matches!(fault, OpenError::UnknownKey { .. } | OpenError::KeyAlgorithm);
        if token.header().algorithm().is_none() {
            self.undecided = None;
            self.skip([check::KEY, check::SIGNATURE], "no key is for such an algorithm");
        } else if keys.is_none() {
            self.skip([check::KEY, check::SIGNATURE], "there are no keys");
        } else if faults.iter().any(no_key) {
            self.skip([check::SIGNATURE], "there is no key to try");
        } else {
            self.genuine = !faults.contains(&OpenError::Signature);
        }
        // Which key verified it, a token tells that opens.
        if let Some(Ok(opened)) = keys.map(|keys| token.open(keys, &trusted.accept)) {
            let key = judge::key(opened.key().issuer(), named, &trusted.rules);
            self.refused(key.err());
        }
        for fault in faults {
            self.fault(fault.check(), explained(&fault, names, &trusted.accept, keys));
        }
    }
}

/// What was expected, too, where the error knows only what was found.
fn explained(fault: &OpenError, names: &Names, accept: &Accept, keys: Option<&KeySet>) -> String {
    match fault {
        OpenError::Type { found } => {
            let mut expected: Vec<_> = accept.types().iter().map(|typ| format!("{:?}", typ.as_str())).collect();
            expected.extend(accept.accepts_untyped().then(|| "none".to_owned()));
            let found = found.as_deref().map_or_else(|| "none".to_owned(), |typ| Shown(typ).to_string());
            let telling: Vec<_> = names.of_id_tokens().collect();
            let kind = if telling.is_empty() {
                String::new()
            } else {
                format!("; by its claims ({}) an ID token: the client has to send its access token", telling.join(", "))
            };
            format!("expected {}, found {found}{kind}", expected.join(" or "))
        }
        OpenError::Algorithm { found } => {
            let expected: Vec<_> = accept.algorithms().iter().map(|algorithm| algorithm.as_str()).collect();
            format!("expected one of {}, found {}", expected.join(", "), Shown(found))
        }
        OpenError::UnknownKey { .. } => {
            let keys = keys.into_iter().flat_map(KeySet::keys);
            let names: Vec<_> = keys.filter_map(|key| key.key_id()).take(NAMED).collect();
            format!("{fault}; its issuer has {names:?}")
        }
        _ => fault.to_string(),
    }
}

/// The checks that come after one.
fn behind(check: &'static str) -> impl Iterator<Item = &'static str> {
    check::ALL.into_iter().skip_while(move |one| *one != check).skip(1)
}

/// What a refusal says to the operator, without its kind and its check.
pub(super) fn told(refusal: &Refusal) -> String {
    match (refusal.explanation(), refusal.source()) {
        (Some(detail), _) => detail.to_owned(),
        (None, Some(cause)) => WithCauses(cause).to_string(),
        (None, None) => refusal.kind().as_str().to_owned(),
    }
}
