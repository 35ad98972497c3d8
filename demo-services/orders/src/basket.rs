//! What a user wants, and what it costs. Prices are ours, never the request's.

use serde::{Deserialize, Serialize};

/// A line of the price list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Price {
    /// What it is ordered by.
    pub sku: String,
    /// What it is called.
    pub name: String,
    /// What one costs, in cents.
    pub cents: u64,
}

/// A line of a basket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Line {
    pub(crate) sku: String,
    pub(crate) quantity: u64,
}

/// What a user wants.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Basket {
    pub(crate) lines: Vec<Line>,
}

/// The most lines of a basket, and the most of one thing.
const MAX_LINES: usize = 20;
const MAX_QUANTITY: u64 = 99;

/// Why a basket is not ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BasketError {
    #[error("a basket has from 1 to {MAX_LINES} lines")]
    Lines,
    #[error("a line is for 1 to {MAX_QUANTITY} pieces")]
    Quantity,
    #[error("there is no such thing in the price list")]
    Unknown,
    #[error("nobody can pay that much")]
    TooMuch,
}

impl Basket {
    /// What the basket costs, in cents.
    pub(crate) fn price(&self, prices: &[Price]) -> Result<u64, BasketError> {
        if !(1..=MAX_LINES).contains(&self.lines.len()) {
            return Err(BasketError::Lines);
        }
        self.lines.iter().try_fold(0_u64, |total, line| {
            if !(1..=MAX_QUANTITY).contains(&line.quantity) {
                return Err(BasketError::Quantity);
            }
            let price = prices.iter().find(|price| price.sku == line.sku).ok_or(BasketError::Unknown)?;
            let cents = price.cents.checked_mul(line.quantity).ok_or(BasketError::TooMuch)?;
            total.checked_add(cents).ok_or(BasketError::TooMuch)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_basket_costs_what_the_price_list_says_or_is_refused() {
        let price = |sku: &str, cents| Price { sku: sku.to_owned(), name: sku.to_owned(), cents };
        let prices = [price("tea", 1250), price("cup", 380), price("moon", u64::MAX)];
        let cases: [(&[(&str, u64)], _); 8] = [
            (&[("tea", 2), ("cup", 1)], Ok(2880)),
            (&[("tea", 1), ("tea", 1)], Ok(2500)),
            (&[], Err(BasketError::Lines)),
            (&[("tea", 1); 21], Err(BasketError::Lines)),
            (&[("tea", 0)], Err(BasketError::Quantity)),
            (&[("tea", 100)], Err(BasketError::Quantity)),
            (&[("kettle", 1)], Err(BasketError::Unknown)),
            (&[("moon", 1), ("moon", 1)], Err(BasketError::TooMuch)),
        ];
        for (lines, expected) in cases {
            let lines = lines.iter().map(|(sku, quantity)| Line { sku: (*sku).to_owned(), quantity: *quantity });
            assert_eq!(Basket { lines: lines.collect() }.price(&prices), expected);
        }
    }
}
