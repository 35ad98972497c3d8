//! What orders' handlers, and its night, work with.

use std::sync::Arc;

use serde::Deserialize;
use tower_identity::{
    HttpClient, Rule,
    rule::{self_asserted_user, user},
};

use crate::{basket::Price, book::Book, statements::Statements};

/// What orders' handlers work with.
#[derive(Debug, Clone)]
pub struct Orders {
    pub(crate) http: HttpClient,
    pub(crate) payments: Arc<str>,
    pub(crate) statements: Statements,
    pub(crate) prices: Arc<[Price]>,
    pub(crate) book: Arc<Book>,
    pub(crate) credit: Option<Arc<CreditSettings>>,
    pub(crate) at_their_word: bool,
}

/// Who is asked whether users are good for what they order.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CreditSettings {
    /// Where the partner is, as an origin.
    pub partner: String,
    /// From which sum on it is asked.
    pub from_cents: u64,
}

/// What the partner says.
#[derive(Debug, Deserialize)]
pub(crate) struct Vouched {
    pub(crate) approved: bool,
    /// What it calls the user.
    pub(crate) customer: String,
}

impl Orders {
    /// Orders at these prices, charged at payments, with an empty book.
    #[must_use]
    pub fn new(
        http: HttpClient,
        payments: impl Into<Arc<str>>,
        statements: Statements,
        prices: impl Into<Arc<[Price]>>,
    ) -> Self {
        Self {
            http,
            payments: payments.into(),
            statements,
            prices: prices.into(),
            book: Arc::default(),
            credit: None,
            at_their_word: false,
        }
    }

    /// The same, where a partner is asked about large orders.
    #[must_use]
    pub fn credit(mut self, credit: CreditSettings) -> Self {
        self.credit = Some(Arc::new(credit));
        self
    }

    /// The same, where callers are taken at their word for whom they call.
    #[must_use]
    pub fn at_their_word(mut self) -> Self {
        self.at_their_word = true;
        self
    }

    /// That there is a user.
    pub(crate) fn users(&self) -> Rule {
        if self.at_their_word { self_asserted_user() } else { user() }
    }
}
