//! Who ordered what. In memory: a restart forgets it.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use serde::Serialize;
use tower_identity::User;

use crate::basket::Line;

/// The most orders that are kept. Beyond it none is taken.
const MAX_ORDERS: usize = 100_000;

/// An order that was paid for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Order {
    pub(crate) id: String,
    pub(crate) lines: Vec<Line>,
    pub(crate) cents: u64,
    /// What payments calls the charge.
    pub(crate) charge: String,
    /// What the partner calls who ordered, where it was asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) vouched_as: Option<String>,
}

/// The orders of all users, each user's apart: by issuer and subject, never by the subject alone.
#[derive(Debug, Default)]
pub(crate) struct Book(Mutex<Entries>);

#[derive(Debug, Default)]
struct Entries {
    begun: usize,
    orders: HashMap<User, Vec<Order>>,
}

impl Book {
    /// The id of the next order; `None` when the book is full.
    pub(crate) fn begin(&self) -> Option<String> {
        let mut entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if entries.begun >= MAX_ORDERS {
            return None;
        }
        entries.begun += 1;
        Some(format!("order-{}", entries.begun))
    }

    pub(crate) fn keep(&self, user: &User, order: Order) {
        let mut entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        entries.orders.entry(user.clone()).or_default().push(order);
    }

    pub(crate) fn of(&self, user: &User) -> Vec<Order> {
        let entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        entries.orders.get(user).cloned().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(issuer: &str) -> User {
        User { id: "alice".parse().expect("subject"), issuer: issuer.parse().expect("issuer"), tenant: None }
    }

    #[test]
    fn one_name_at_two_issuers_is_two_users() {
        let book = Book::default();
        let id = book.begin().expect("room");
        let order = Order { id, lines: Vec::new(), cents: 1, charge: "charge-1".to_owned(), vouched_as: None };
        book.keep(&user("https://a.example"), order.clone());
        assert_eq!(book.of(&user("https://a.example")), [order]);
        assert_eq!(book.of(&user("https://b.example")), []);
        assert_eq!(book.begin(), Some("order-2".to_owned()));
    }
}
