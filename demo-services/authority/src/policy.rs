//! Who gets which scopes where: rows of data, and the decision over them. No row, no token.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use serde::Deserialize;
use tower_identity::{Audience, ClientId, Scope, Scopes};

use crate::error::{ErrorCode, TokenError};

/// One client may exchange users' tokens for one audience into tokens for another.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExchangeRow {
    /// Who may exchange.
    pub client: ClientId,
    /// An audience of the subject token.
    pub from: Audience,
    /// The audience of the issued token; of a grant, the other authorization server, by its issuer.
    pub to: Audience,
    /// What each scope of the subject token becomes. A scope that is not listed becomes nothing.
    pub scopes: BTreeMap<Scope, Scopes>,
    /// How long the issued token lives at most, in seconds, where that is less than tokens live otherwise.
    pub access_token_seconds: Option<u64>,
    /// Further audiences: for each a token lies in the issued one, in its claim `tokens`, which is what the service that the
    /// issued one is for would get in exchange for it.
    #[serde(default)]
    pub embeds: Vec<Audience>,
}

impl ExchangeRow {
    pub(crate) fn is_from(&self, audience: &[Audience], target: &Audience) -> bool {
        self.to == *target && audience.contains(&self.from)
    }
}

/// One client may have tokens of its own for an audience.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClientCredentialsRow {
    /// Who may ask.
    pub client: ClientId,
    /// The audience of the issued token.
    pub to: Audience,
    /// What it may have there.
    pub scopes: Scopes,
}

/// All rows.
#[derive(Debug)]
pub(crate) struct Policy {
    pub(crate) exchange: Vec<ExchangeRow>,
    /// To other authorization servers.
    pub(crate) grants: Vec<ExchangeRow>,
    pub(crate) client_credentials: Vec<ClientCredentialsRow>,
}

impl Policy {
    /// The scopes of a token for `target` that `client` gets for a token with this audience and these scopes: what was
    /// requested, of what the rows make of the subject's scopes.
    pub(crate) fn exchange(
        &self,
        client: &ClientId,
        (audience, scopes): (&[Audience], &Scopes),
        target: &Audience,
        requested: Option<&Scopes>,
    ) -> Result<Scopes, TokenError> {
        granted_of(&self.exchange, client, (audience, scopes), target, requested)
    }

    /// How long such a token lives at most, where a row says so.
    pub(crate) fn lifetime(&self, client: &ClientId, audience: &[Audience], target: &Audience) -> Option<Duration> {
        let rows = self.exchange.iter().filter(|row| row.client == *client && row.is_from(audience, target));
        rows.filter_map(|row| row.access_token_seconds).min().map(Duration::from_secs)
    }

    /// The audiences for which a token lies in such a token.
    pub(crate) fn embedded<'a>(
        &'a self,
        client: &ClientId,
        audience: &[Audience],
        target: &Audience,
    ) -> impl Iterator<Item = &'a Audience> {
        let rows = self.exchange.iter().filter(|row| row.client == *client && row.is_from(audience, target));
        rows.flat_map(|row| &row.embeds)
    }

    /// The audience and scopes of a token that `client` gets for itself. Without a target, the scopes say which
    /// audience is meant, and must agree on one (RFC 9068 §3).
    pub(crate) fn client_credentials(
        &self,
        client: &ClientId,
        target: Option<&Audience>,
        requested: Option<&Scopes>,
    ) -> Result<(Audience, Scopes), TokenError> {
        let rows: Vec<_> = self.client_credentials.iter().filter(|row| row.client == *client).collect();
        if rows.is_empty() {
            return Err(NO_CLIENT_CREDENTIALS);
        }
        let named = |row: &&&ClientCredentialsRow| match (target, requested) {
            (Some(target), _) => row.to == *target,
            (None, Some(requested)) => !row.scopes.intersection(requested).is_empty(),
            (None, None) => true,
        };
        let rows: Vec<_> = rows.iter().filter(named).collect();
        let audiences: BTreeSet<_> = rows.iter().map(|row| &row.to).collect();
        let audience = match (audiences.first(), audiences.len(), target, requested) {
            (Some(only), 1, ..) => (*only).clone(),
            (None, _, Some(_), _) => return Err(NO_TARGET),
            (None, ..) => return Err(NO_SCOPE),
            (_, _, _, Some(_)) => return Err(AMBIGUOUS_SCOPE),
            (_, _, _, None) => return Err(AMBIGUOUS_TARGET),
        };
        let ceiling = rows.iter().fold(Scopes::default(), |all, row| all.union(&row.scopes));
        Ok((audience, granted(&ceiling, requested)?))
    }
}

/// The same by these rows.
pub(crate) fn granted_of(
    rows: &[ExchangeRow],
    client: &ClientId,
    (audience, scopes): (&[Audience], &Scopes),
    target: &Audience,
    requested: Option<&Scopes>,
) -> Result<Scopes, TokenError> {
    let mut rows = rows.iter().filter(|row| row.client == *client).peekable();
    if rows.peek().is_none() {
        return Err(NO_EXCHANGE);
    }
    let mut rows = rows.filter(|row| row.is_from(audience, target)).peekable();
    if rows.peek().is_none() {
        return Err(NO_TARGET);
    }
    let translated = rows
        .flat_map(|row| row.scopes.iter())
        .filter(|(from, _)| scopes.contains(from.as_str()))
        .fold(Scopes::default(), |all, (_, to)| all.union(to));
    // Within one audience there is nothing to translate: rights only shrink.
    let ceiling = if audience.contains(target) { translated.intersection(scopes) } else { translated };
    granted(&ceiling, requested)
}

/// What was requested, as far as it may be had; all of it where nothing was requested (RFC 6749 §3.3).
pub(crate) fn granted(ceiling: &Scopes, requested: Option<&Scopes>) -> Result<Scopes, TokenError> {
    let granted = requested.map_or_else(|| ceiling.clone(), |requested| requested.intersection(ceiling));
    if granted.is_empty() { Err(NO_SCOPE) } else { Ok(granted) }
}

pub(crate) const NO_EXCHANGE: TokenError =
    TokenError::new(ErrorCode::UnauthorizedClient, "this client may not exchange tokens");
const NO_CLIENT_CREDENTIALS: TokenError =
    TokenError::new(ErrorCode::UnauthorizedClient, "this client may not have tokens of its own");
pub(crate) const NO_TARGET: TokenError =
    TokenError::new(ErrorCode::InvalidTarget, "no policy allows this client that target");
const AMBIGUOUS_TARGET: TokenError = TokenError::new(ErrorCode::InvalidTarget, "name an audience or a scope");
pub(crate) const NO_SCOPE: TokenError = TokenError::new(ErrorCode::InvalidScope, "no policy grants any of the scopes");
const AMBIGUOUS_SCOPE: TokenError =
    TokenError::new(ErrorCode::InvalidScope, "the scopes belong to different audiences");

#[cfg(test)]
mod tests {
    use super::*;

    fn policy() -> Policy {
        let row = |client: &str, from: &str, to: &str, scopes: &[(&str, &str)]| ExchangeRow {
            client: client.parse().expect("client"),
            from: from.parse().expect("audience"),
            to: to.parse().expect("audience"),
            scopes: scopes
                .iter()
                .map(|(from, to)| (Scope::parse(from).expect("scope"), Scopes::parse(to).expect("scopes")))
                .collect(),
            access_token_seconds: None,
            embeds: Vec::new(),
        };
        let own = |client: &str, to: &str, scopes: &str| ClientCredentialsRow {
            client: client.parse().expect("client"),
            to: to.parse().expect("audience"),
            scopes: Scopes::parse(scopes).expect("scopes"),
        };
        Policy {
            exchange: vec![
                row("orders", "orders", "payments", &[("orders:write", "payments:charge payments:read"), ("a", "b")]),
                row("orders", "orders", "orders", &[("orders:read", "orders:read orders:write")]),
            ],
            grants: Vec::new(),
            client_credentials: vec![
                own("orders", "payments", "payments:settle payments:read"),
                own("orders", "ledger", "ledger:write payments:read"),
                own("storefront", "orders", "prices:read"),
            ],
        }
    }

    #[test]
    fn te_c10_what_is_granted_is_what_was_asked_of_what_the_rows_make_of_the_subjects_scopes() {
        let cases = [
            ("orders", "orders", "orders:write", "payments", Some("payments:charge"), Ok("payments:charge")),
            ("orders", "orders", "orders:write", "payments", None, Ok("payments:charge payments:read")),
            ("orders", "orders", "orders:write", "payments", Some("payments:charge b admin"), Ok("payments:charge")),
            ("orders", "orders", "orders:write", "payments", Some("admin"), Err(NO_SCOPE)),
            ("orders", "orders", "unknown", "payments", None, Err(NO_SCOPE)),
            ("orders", "orders", "", "payments", None, Err(NO_SCOPE)),
            ("orders", "storefront", "orders:write", "payments", None, Err(NO_TARGET)),
            ("orders", "orders", "orders:write", "ledger", None, Err(NO_TARGET)),
            ("storefront", "orders", "orders:write", "payments", None, Err(NO_EXCHANGE)),
            ("orders", "orders", "orders:read", "orders", None, Ok("orders:read")),
        ];
        for (client, from, held, to, asked, expected) in cases {
            let audience = [from.parse().expect("audience")];
            let held = Scopes::parse(held).expect("scopes");
            let asked = asked.map(|asked| Scopes::parse(asked).expect("scopes"));
            let target = to.parse().expect("audience");
            let client = client.parse().expect("client");
            let granted = policy().exchange(&client, (&audience, &held), &target, asked.as_ref());
            assert_eq!(granted, expected.map(|scopes| Scopes::parse(scopes).expect("scopes")), "{held} to {to}");
        }
    }

    #[test]
    fn rfc9068_c1_scopes_say_the_audience_and_must_agree_on_one() {
        let cases = [
            ("orders", Some("payments"), None, Ok(("payments", "payments:settle payments:read"))),
            ("orders", Some("payments"), Some("payments:settle"), Ok(("payments", "payments:settle"))),
            ("orders", None, Some("payments:settle"), Ok(("payments", "payments:settle"))),
            ("storefront", None, None, Ok(("orders", "prices:read"))),
            ("orders", None, Some("payments:settle ledger:write"), Err(AMBIGUOUS_SCOPE)),
            ("orders", None, Some("payments:read"), Err(AMBIGUOUS_SCOPE)),
            ("orders", None, None, Err(AMBIGUOUS_TARGET)),
            ("orders", None, Some("admin"), Err(NO_SCOPE)),
            ("orders", Some("payments"), Some("admin"), Err(NO_SCOPE)),
            ("orders", Some("orders"), None, Err(NO_TARGET)),
            ("payments", Some("orders"), None, Err(NO_CLIENT_CREDENTIALS)),
        ];
        for (client, target, asked, expected) in cases {
            let target = target.map(|target: &str| target.parse().expect("audience"));
            let asked = asked.map(|asked| Scopes::parse(asked).expect("scopes"));
            let client = client.parse().expect("client");
            let granted = policy().client_credentials(&client, target.as_ref(), asked.as_ref());
            let expected = expected.map(|(audience, scopes)| {
                (audience.parse().expect("audience"), Scopes::parse(scopes).expect("scopes"))
            });
            assert_eq!(granted, expected, "{client} {target:?} {asked:?}");
        }
    }
}
