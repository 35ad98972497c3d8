//! Transaction tokens, which travel inside one trust domain.

use serde::Deserialize;
use serde_json::{Map, Value};
use tower_identity_core::{Audience, InvalidSetting, Scopes, transaction_tokens::FIELD};
use tower_identity_oauth::{TargetService, Transaction};

use crate::Target;

/// The transaction token of the caller's user (draft-ietf-oauth-transaction-tokens-11), in the field `Txn-Token`, and this
/// service's own token in `Authorization`: both go, or nothing does.
///
/// - Where the user came with a transaction token of the same trust domain, that one goes on, byte for byte, and nobody is
///   asked (§5.1 there).
/// - Where the user came with another token, this service is the edge: one is obtained for it at the row's server, if
///   [scopes](Self::scope) are named. Else nothing is sent.
/// - A transaction token of another trust domain is never sent, whatever else the row says.
///
/// The row's `audience`, `resource` and `scope` are those of this service's own token.
///
/// ```
/// use tower_identity_core::Scopes;
/// use tower_identity_outbound::{Target, TransactionToken};
///
/// // Inside: what came goes on.
/// let ledger = Target::origin("https://ledger.internal")?
///     .audience("ledger")
///     .strategy(TransactionToken::of("shop.internal"));
///
/// // At the edge: one is obtained.
/// let scope = Scopes::parse("orders:write payments:charge")?;
/// let orders = Target::origin("https://orders.internal")?
///     .audience("orders")
///     .strategy(TransactionToken::of("shop.internal").scope(scope));
/// # let _ = (ledger, orders);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Fields")]
#[must_use = "it does nothing until a target has it"]
pub struct TransactionToken {
    trust_domain: String,
    scope: Scopes,
    replace: bool,
    own_token: bool,
    transaction: Transaction,
}

impl TransactionToken {
    /// Of this trust domain, which is the `aud` of its tokens: the target is one of its services.
    pub fn of(trust_domain: impl Into<String>) -> Self {
        let (scope, transaction) = (Scopes::default(), Transaction::default());
        Self { trust_domain: trust_domain.into(), scope, replace: false, own_token: true, transaction }
    }

    /// What transactions are for that begin here: what is asked of the row's server for a user who came with another token.
    /// Default: nothing, so that none begins here.
    pub fn scope(mut self, scope: Scopes) -> Self {
        self.scope = scope;
        self
    }

    /// A transaction token that was received does not go on, but is exchanged at the row's server for one that allows these
    /// [scopes](Self::scope): of the same transaction, for the same user. Default: it goes on as it is.
    pub fn replace(mut self) -> Self {
        self.replace = true;
        self
    }

    /// What is said of each transaction that begins here. Default: nothing.
    pub fn transaction(mut self, transaction: Transaction) -> Self {
        self.transaction = transaction;
        self
    }

    /// No token of this service's own goes beside it: the certificate of the connection says who this service is. The origin is
    /// `https`, or the row says `plaintext = "sidecar-mtls"`. A request [as this service](crate::RequestExt::as_service) goes
    /// with its own token still. Default: one goes.
    pub fn without_own_token(mut self) -> Self {
        self.own_token = false;
        self
    }

    pub(crate) fn trust_domain(&self) -> Result<Audience, InvalidSetting> {
        self.trust_domain
            .parse()
            .map_err(|wrong: tower_identity_core::InvalidName| InvalidSetting::new("trust_domain", wrong.to_string()))
    }

    /// What its tokens are asked for.
    pub(crate) fn terms(&self, row: &TargetService) -> Result<TargetService, InvalidSetting> {
        Ok(TargetService {
            audience: Some(self.trust_domain()?),
            scopes: self.scope.clone(),
            parameters: row.parameters.clone(),
            ..TargetService::default()
        })
    }

    pub(crate) fn begins_here(&self) -> bool {
        !self.scope.is_empty()
    }

    pub(crate) fn replaces(&self) -> bool {
        self.replace
    }

    pub(crate) const fn sends_own_token(&self) -> bool {
        self.own_token
    }

    pub(crate) fn said(&self) -> &Transaction {
        &self.transaction
    }

    pub(crate) fn check(&self, row: &Target) -> Result<(), InvalidSetting> {
        let within = |wrong: InvalidSetting| wrong.within("transaction_token").within("strategy");
        let refused = |field: &str, rule: &str| Err(within(InvalidSetting::new(field, rule)));
        self.trust_domain().map_err(within)?;
        if row.user_header.is_some() {
            let rule = format!("has no place beside transaction_token, whose token goes in {FIELD} and nowhere else");
            return Err(InvalidSetting::new("user_header", rule));
        }
        if self.scope.is_empty() && self.replace {
            return refused("replace", "needs scope: what the token in its place is to allow");
        }
        if self.scope.is_empty() && self.transaction != Transaction::default() {
            return refused(
                "scope",
                "is missing: without it no transaction begins here, of which something could be said",
            );
        }
        if self.own_token { Ok(()) } else { row.certified_alone().map_err(within) }
    }
}

/// As a file has it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Fields {
    trust_domain: String,
    #[serde(default)]
    scope: Scopes,
    #[serde(default)]
    replace: bool,
    #[serde(default = "yes")]
    own_token: bool,
    context: Option<Map<String, Value>>,
    details: Option<Map<String, Value>>,
}

const fn yes() -> bool {
    true
}

impl TryFrom<Fields> for TransactionToken {
    type Error = InvalidSetting;

    fn try_from(fields: Fields) -> Result<Self, InvalidSetting> {
        let mut transaction = Transaction::new();
        if let Some(context) = fields.context {
            transaction = transaction.context(context)?;
        }
        if let Some(details) = fields.details {
            transaction = transaction.details(details)?;
        }
        let Fields { trust_domain, scope, replace, own_token, .. } = fields;
        Ok(Self { trust_domain, scope, replace, own_token, transaction })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{Candidate, Embedded, Plaintext, Strategies, Strategy};

    fn scope() -> Scopes {
        Scopes::parse("payments:charge").expect("scopes")
    }

    fn edge() -> TransactionToken {
        TransactionToken::of("shop.internal").scope(scope())
    }

    fn row() -> Target {
        Target::origin("https://payments.internal").expect("origin").audience("payments")
    }

    fn checked(strategies: impl Into<Strategies>, change: impl FnOnce(Target) -> Target) -> Result<(), String> {
        change(row()).strategy(strategies).check().map(drop).map_err(|wrong| wrong.to_string())
    }

    #[test]
    fn a_file_says_what_code_says() {
        let read = |text: &str| toml::from_str::<TransactionToken>(text).map_err(|error| error.message().to_owned());
        assert_eq!(read("trust_domain = 'shop.internal'"), Ok(TransactionToken::of("shop.internal")));
        let every = "trust_domain = 'shop.internal'\nscope = 'payments:charge'\nreplace = true\nown_token = false\n\
                     context = { channel = 'web' }\ndetails = { kind = 'order' }";
        let said = Transaction::new().context(json!({"channel": "web"})).expect("an object");
        let said = said.details(json!({"kind": "order"})).expect("an object");
        assert_eq!(read(every), Ok(edge().replace().without_own_token().transaction(said)));
        assert_eq!(read(""), Err("missing field `trust_domain`".to_owned()));
        let large = format!("trust_domain = 'a'\ndetails = {{ a = '{}' }}", "x".repeat(4096));
        assert_eq!(read(&large), Err("request_details: has more than 4096 bytes".to_owned()));
    }

    #[test]
    fn tx_b1_a_row_sends_transaction_tokens_and_nothing_else_in_their_field() {
        let same = |row| row;
        assert_eq!(checked(TransactionToken::of("shop.internal"), same), Ok(()));
        assert_eq!(checked(edge().replace(), same), Ok(()));
        let refused = |strategies: Strategies| checked(strategies, same).expect_err("refused");
        let at = "strategy.transaction_token";
        assert_eq!(refused(TransactionToken::of("").into()), format!("{at}.trust_domain: audience is empty"));
        assert_eq!(
            refused(TransactionToken::of("a").replace().into()),
            format!("{at}.replace: needs scope: what the token in its place is to allow")
        );
        let said = Transaction::new().details(json!({})).expect("an object");
        assert_eq!(
            refused(TransactionToken::of("a").transaction(said).into()),
            format!("{at}.scope: is missing: without it no transaction begins here, of which something could be said")
        );
        assert_eq!(
            refused([Embedded::at("a").into(), Strategy::from(edge())].into()),
            "strategy: has transaction_token in a list, which goes in a field of its own; make it the row's only strategy"
        );
        assert_eq!(
            checked(edge(), |row| row.user_token_in("x-user-token")),
            Err("user_header: has no place beside transaction_token, whose token goes in txn-token and nowhere else"
                .to_owned())
        );
        for field in ["txn-token", "Txn-Token"] {
            let rule = "user_header: is the field of transaction tokens; make the strategy transaction_token";
            assert_eq!(checked(Strategy::KeycloakExchange, |row| row.user_token_in(field)), Err(rule.to_owned()));
        }
    }

    #[test]
    fn tx_b1_a_candidate_sends_its_token_in_the_rows_field() {
        let rule = "candidate.strategy: goes in another field than the row's; make it a row, with methods or a path";
        let over = |row: Strategy, candidate: Strategy| {
            checked(row, |row| row.candidate(Candidate::percent(10).strategy(candidate)))
        };
        assert_eq!(over(edge().into(), Strategy::KeycloakExchange), Err(rule.to_owned()));
        assert_eq!(over(Strategy::KeycloakExchange, edge().into()), Err(rule.to_owned()));
        assert_eq!(over(edge().into(), edge().replace().into()), Ok(()));
        assert_eq!(over(edge().into(), edge().without_own_token().into()), Err(rule.to_owned()));
    }

    #[test]
    fn tx_b4_who_sends_no_token_of_its_own_is_known_by_a_certificate() {
        let rule = "strategy.transaction_token.own_token: is left out where a certificate says who this service is, so it \
                    needs https";
        let at = |origin: &str| Target::origin(origin).expect("origin").audience("payments");
        let checked = |row: Target| row.strategy(edge().without_own_token()).check().map(drop);
        assert_eq!(checked(at("https://payments.internal")), Ok(()));
        assert_eq!(checked(at("http://payments.internal").plaintext(Plaintext::SidecarMtls)), Ok(()));
        for row in [at("http://127.0.0.1:1"), at("http://127.0.0.1:1").plaintext(Plaintext::Loopback)] {
            assert_eq!(checked(row).expect_err("refused").to_string(), rule);
        }
    }
}
