//! What was charged to whom, and what of it is settled. In memory: a restart forgets it.

use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use tower_identity::{User, Workload};

/// The most charges that are kept. Beyond it none is taken.
const MAX_CHARGES: usize = 100_000;

/// The most that one charge may be: ten thousand, in cents.
const MAX_CENTS: u64 = 1_000_000;

/// A charge that is asked for.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ChargeRequest {
    /// What it is for: the order, as the caller calls it.
    pub(crate) order: String,
    pub(crate) cents: u64,
}

/// A charge that was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Charge {
    pub(crate) id: String,
    pub(crate) order: String,
    pub(crate) cents: u64,
    /// Whose money it is: issuer and subject, never the subject alone.
    pub(crate) user: User,
    /// Who asked for it.
    pub(crate) requested_by: Workload,
}

/// Charges that were settled together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Settlement {
    pub(crate) charges: usize,
    pub(crate) cents: u64,
}

/// Why a charge is not made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NotCharged {
    #[error("a charge is from 1 cent to {MAX_CENTS} cents")]
    Amount,
    #[error("the ledger is full")]
    Full,
}

/// The charges of all users.
#[derive(Debug, Default)]
pub struct Ledger(Mutex<Book>);

#[derive(Debug, Default)]
struct Book {
    charges: Vec<Charge>,
    /// How many of the charges, from the first, are settled.
    settled: usize,
}

impl Ledger {
    pub(crate) fn charge(&self, request: ChargeRequest, user: User, by: Workload) -> Result<Charge, NotCharged> {
        if !(1..=MAX_CENTS).contains(&request.cents) {
            return Err(NotCharged::Amount);
        }
        let mut book = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if book.charges.len() >= MAX_CHARGES {
            return Err(NotCharged::Full);
        }
        let id = format!("charge-{}", book.charges.len() + 1);
        let charge = Charge { id, order: request.order, cents: request.cents, user, requested_by: by };
        book.charges.push(charge.clone());
        Ok(charge)
    }

    /// What this user was charged, the oldest first.
    pub(crate) fn of(&self, user: &User) -> Vec<Charge> {
        let book = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        book.charges.iter().filter(|charge| charge.user == *user).cloned().collect()
    }

    /// Settles what is not settled yet.
    pub(crate) fn settle(&self) -> Settlement {
        let mut book = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let open = &book.charges[book.settled..];
        let settlement = Settlement { charges: open.len(), cents: open.iter().map(|charge| charge.cents).sum() };
        book.settled = book.charges.len();
        settlement
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn charge(ledger: &Ledger, cents: u64) -> Result<Charge, NotCharged> {
        let issuer = "https://as.example".parse::<tower_identity::Issuer>().expect("issuer");
        let user = User { id: "alice".parse().expect("subject"), issuer: issuer.clone(), tenant: None };
        let orders = Workload { id: "orders".parse().expect("subject"), issuer };
        ledger.charge(ChargeRequest { order: "order-1".to_owned(), cents }, user, orders)
    }

    #[test]
    fn what_is_charged_is_settled_once() {
        let ledger = Ledger::default();
        assert_eq!(charge(&ledger, 1250).map(|charge| charge.id), Ok("charge-1".to_owned()));
        assert_eq!(charge(&ledger, 380).map(|charge| charge.id), Ok("charge-2".to_owned()));
        assert_eq!(ledger.settle(), Settlement { charges: 2, cents: 1630 });
        assert_eq!(ledger.settle(), Settlement { charges: 0, cents: 0 });
        assert_eq!(charge(&ledger, 1).map(|charge| charge.cents), Ok(1));
        assert_eq!(ledger.settle(), Settlement { charges: 1, cents: 1 });
    }

    #[test]
    fn one_name_at_two_issuers_is_two_users() {
        let user = |issuer: &str| User {
            id: "alice".parse().expect("subject"),
            issuer: issuer.parse().expect("issuer"),
            tenant: None,
        };
        let ledger = Ledger::default();
        assert_eq!(charge(&ledger, 1250).map(|charge| charge.id), Ok("charge-1".to_owned()));
        let of = |issuer| ledger.of(&user(issuer)).into_iter().map(|charge| charge.cents).collect::<Vec<_>>();
        assert_eq!((of("https://as.example"), of("https://b.example")), (vec![1250], vec![]));
    }

    #[test]
    fn an_amount_out_of_bounds_is_not_charged() {
        let ledger = Ledger::default();
        for (cents, expected) in [(0, Err(NotCharged::Amount)), (1, Ok(1)), (MAX_CENTS, Ok(MAX_CENTS))] {
            assert_eq!(charge(&ledger, cents).map(|charge| charge.cents), expected);
        }
        assert_eq!(charge(&ledger, MAX_CENTS + 1), Err(NotCharged::Amount));
    }
}
