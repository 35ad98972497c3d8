//! What a token says, in the words of a refusal.

use std::fmt::{self, Write};

/// How much is shown, in characters.
const SHOWN: usize = 256;

/// A value whose length somebody else chose, in quotes as `Debug` has it, cut off where more is of no use to whoever reads
/// the log.
pub(crate) struct Shown<T>(pub(crate) T);

impl<T: fmt::Debug> fmt::Display for Shown<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut beginning = Beginning { of: f, left: SHOWN, is_cut: false };
        match write!(beginning, "{:?}", self.0) {
            Err(fmt::Error) if beginning.is_cut => f.write_str("…"),
            written => written,
        }
    }
}

/// Takes so many characters, and then no more.
struct Beginning<'a, 'f> {
    of: &'a mut fmt::Formatter<'f>,
    left: usize,
    is_cut: bool,
}

impl Write for Beginning<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let Some((end, _)) = text.char_indices().nth(self.left) else {
            self.left -= text.chars().count();
            return self.of.write_str(text);
        };
        self.left = 0;
        self.is_cut = true;
        self.of.write_str(&text[..end])?;
        Err(fmt::Error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn e_p1_what_a_token_says_is_shown_up_to_256_characters() {
        let shown = |text: &str| Shown(text).to_string();
        assert_eq!(shown("orders"), r#""orders""#);
        let (fits, long) = ("é".repeat(254), "é".repeat(255));
        assert_eq!(shown(&fits), format!("\"{fits}\""), "and two quotes");
        assert_eq!(shown(&long), format!("\"{long}…"));
        assert_eq!(shown(&"é".repeat(100_000)), format!("\"{long}…"));
        // What is cut was escaped before: no line ends in a log.
        assert_eq!(shown(&"\n".repeat(1_000)), format!("\"{}\\…", "\\n".repeat(127)));
        assert_eq!(Shown(["a"; 1_000]).to_string().chars().count(), 257);
    }
}
