//! Whether it is an access token at all.

use tower_identity_core::Refusal;

use super::Rules;
use crate::{
    check,
    claim::refuse,
    claims::{Claims, Found},
    profile::Guard,
};

/// The profile's guards against the other tokens of the same issuer (RFC 8725 §3.12).
pub(crate) fn kind(claims: &Claims<'_>, rules: &Rules) -> Result<(), Refusal> {
    rules.table.guards.iter().try_for_each(|guard| holds(*guard, claims))
}

fn holds(guard: Guard, claims: &Claims<'_>) -> Result<(), Refusal> {
    match guard {
        Guard::Is(name, expected) => match claims.found(name) {
            Found::Text(text) if text == expected => Ok(()),
            found => Err(refuse(check::KIND, format!("expected {} {expected:?}, found {found}", name.as_str()))),
        },
        Guard::IsNumber(name, expected) => match claims.found(name) {
            Found::Number(number) if number == expected => Ok(()),
            found => Err(refuse(check::KIND, format!("expected {} {expected}, found {found}", name.as_str()))),
        },
        Guard::AbsentOr(name, expected) => match claims.found(name) {
            Found::Absent => Ok(()),
            Found::Text(text) if expected.contains(&text) => Ok(()),
            found => Err(refuse(check::KIND, format!("expected {} one of {expected:?}, found {found}", name.as_str()))),
        },
        Guard::AbsentOrWord(name, expected) => match claims.found(name) {
            Found::Absent => Ok(()),
            Found::Text(text) if expected.iter().any(|word| text.eq_ignore_ascii_case(word)) => Ok(()),
            found => Err(refuse(check::KIND, format!("expected {} one of {expected:?}, found {found}", name.as_str()))),
        },
        Guard::Present(name) => match claims.found(name) {
            Found::Absent => Err(refuse(check::KIND, format!("{} is missing", name.as_str()))),
            _ => Ok(()),
        },
        Guard::AnyOf(names) if names.iter().any(|name| claims.found(*name) != Found::Absent) => Ok(()),
        Guard::AnyOf(names) => {
            let names: Vec<_> = names.iter().map(|name| name.as_str()).collect();
            Err(refuse(check::KIND, format!("expected one of the claims {names:?}")))
        }
        Guard::NoneOf(names) => match names.iter().find(|name| claims.found(**name) != Found::Absent) {
            None => Ok(()),
            Some(name) => Err(refuse(check::KIND, format!("{} is there, as in tokens of other kinds", name.as_str()))),
        },
    }
}
