//! The figures in columns, as they are printed and as the chart has them.

use std::fmt;

use super::{Figures, Sweep};

/// Sweeps, below each other.
#[derive(Debug)]
pub struct Table<'a>(pub &'a [Sweep]);

/// A number with commas between its thousands.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// To three digits or to the whole, whatever is more.
pub(super) fn rounded(number: f64) -> String {
    match number {
        ..10.0 => format!("{number:.2}"),
        10.0..100.0 => format!("{number:.1}"),
        _ => grouped(number.round() as u64),
    }
}

/// What the chart shows of the figures, in the words of the table.
pub(super) fn shown(figures: &Figures) -> [String; 3] {
    [format!("{:.1}", figures.hit_percent), rounded(figures.calls_per_second), rounded(figures.megabytes)]
}

impl fmt::Display for Table<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{:>17}{:>13}{:>13}{:>12}{:>15}{:>10}{:>10}{:>10}",
            "", "requests/s", "at once, %", "asked/s", "of it ahead, %", "tokens", "MB", "MB held"
        )?;
        for Sweep { axis, rows } in self.0 {
            writeln!(f, "\n{}", axis.name())?;
            for row in rows {
                let [hits, calls, megabytes] = shown(&row.figures);
                writeln!(
                    f,
                    "{:>17}{:>13}{hits:>13}{calls:>12}{:>15.1}{:>10}{megabytes:>10}{:>10}",
                    grouped(axis.of(&row.fleet).into()),
                    rounded(row.figures.requests_per_second),
                    row.figures.ahead_percent,
                    grouped(row.figures.tokens.round() as u64),
                    rounded(row.figures.held_megabytes),
                )?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_told_to_three_digits_or_to_the_whole() {
        let cases = [
            (0.0, "0.00"),
            (3.456, "3.46"),
            (34.56, "34.6"),
            (345.6, "346"),
            (1234.5, "1,235"),
            (1_234_567.0, "1,234,567"),
        ];
        for (number, expected) in cases {
            assert_eq!(rounded(number), expected);
        }
    }
}
