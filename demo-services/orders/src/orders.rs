//! What orders' handlers, and its night, work with.

use std::sync::Arc;

use tower_identity::HttpClient;

use crate::{basket::Price, book::Book, statements::Statements};

/// What orders' handlers work with.
#[derive(Debug, Clone)]
pub struct Orders {
    pub(crate) http: HttpClient,
    pub(crate) payments: Arc<str>,
    pub(crate) statements: Statements,
    pub(crate) prices: Arc<[Price]>,
    pub(crate) book: Arc<Book>,
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
        Self { http, payments: payments.into(), statements, prices: prices.into(), book: Arc::default() }
    }
}
