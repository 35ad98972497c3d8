//! How the walk looks in a terminal: numbered steps, what each hop saw, and a mark.

use std::io::{self, IsTerminal, Write, stdout};

/// Where the walk is written.
#[derive(Debug)]
pub struct Page<W> {
    out: W,
    colored: bool,
}

impl Page<io::Stdout> {
    /// Standard output: in color on a terminal, unless `NO_COLOR` is set.
    #[must_use]
    pub fn stdout() -> Self {
        let colored = stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        Self { out: stdout(), colored }
    }
}

const BOLD: &str = "1";
const DIM: &str = "2";
const GREEN: &str = "32";
const RED: &str = "31";

impl<W: Write> Page<W> {
    /// A page without color.
    pub fn plain(out: W) -> Self {
        Self { out, colored: false }
    }

    /// What was written to.
    pub fn into_inner(self) -> W {
        self.out
    }

    /// An empty line, and a heading.
    pub(crate) fn heading(&mut self, text: &str) -> io::Result<()> {
        let text = self.styled(BOLD, text);
        writeln!(self.out, "\n{text}")
    }

    /// Something that was seen on the way.
    pub(crate) fn note(&mut self, text: &str) -> io::Result<()> {
        let text = self.styled(DIM, text);
        writeln!(self.out, "   {text}")
    }

    /// A check that held.
    pub(crate) fn held(&mut self, text: &str) -> io::Result<()> {
        let mark = self.styled(GREEN, "✔");
        writeln!(self.out, "   {mark} {text}")
    }

    /// A check that cannot hold here.
    pub(crate) fn otherwise(&mut self, text: &str) -> io::Result<()> {
        let mark = self.styled(BOLD, "≠");
        writeln!(self.out, "   {mark} {text}")
    }

    /// A check that did not hold.
    pub(crate) fn failed(&mut self, text: &str) -> io::Result<()> {
        let mark = self.styled(RED, "✘");
        writeln!(self.out, "   {mark} {text}")
    }

    fn styled(&self, style: &str, text: &str) -> String {
        if self.colored { format!("\u{1b}[{style}m{text}\u{1b}[0m") } else { text.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(colored: bool) -> String {
        let mut page = Page { out: Vec::new(), colored };
        page.heading("1. Alice orders").expect("written");
        page.note("seen").expect("written");
        page.held("201").expect("written");
        page.failed("500").expect("written");
        String::from_utf8(page.into_inner()).expect("text")
    }

    #[test]
    fn color_is_only_added() {
        assert_eq!(written(false), "\n1. Alice orders\n   seen\n   ✔ 201\n   ✘ 500\n");
        let colored = written(true);
        assert!(colored.contains("\u{1b}[32m✔\u{1b}[0m 201"), "{colored:?}");
        let bare = ["1", "2", "31", "32", "0"]
            .iter()
            .fold(colored, |text, style| text.replace(&format!("\u{1b}[{style}m"), ""));
        assert_eq!(bare, written(false));
    }
}
