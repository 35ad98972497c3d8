//! The names of one object so far.

use std::{borrow::Cow, collections::HashSet};

/// As many names lie in place: more than most tokens have claims.
const FEW: usize = 24;

/// The names of one object so far. The first few are compared one by one, without an allocation; a wide object, and
/// names with escapes, go on in a hash table, so that the cost of an object stays linear.
pub(super) struct Names<'de> {
    few: [&'de str; FEW],
    count: usize,
    /// The [marks](mark) of the few: where a name's mark is not set, it is none of them.
    marks: u64,
    more: Option<HashSet<Cow<'de, str>>>,
}

/// Inline, because the code that calls is generic, and so compiled where the types are that are read.
impl<'de> Names<'de> {
    #[inline]
    pub(super) fn new() -> Self {
        Self { few: [""; FEW], count: 0, marks: 0, more: None }
    }

    /// Adds a name. Says whether it was not there yet.
    #[inline]
    pub(super) fn insert(&mut self, name: Cow<'de, str>) -> bool {
        let mark = mark(&name);
        let among_few = self.marks & mark != 0 && self.few[..self.count].contains(&&*name);
        if among_few || self.more.as_ref().is_some_and(|more| more.contains(&name)) {
            return false;
        }
        match (name, self.few.get_mut(self.count)) {
            (Cow::Borrowed(name), Some(free)) => {
                *free = name;
                self.count += 1;
                self.marks |= mark;
            }
            (name, _) => {
                self.more.get_or_insert_default().insert(name);
            }
        }
        true
    }
}

/// One of 64 bits, by length and outer letters: the claims of a token mostly differ in it.
#[inline]
fn mark(name: &str) -> u64 {
    let bytes = name.as_bytes();
    let letter = |letter: Option<&u8>| letter.copied().map_or(0, usize::from);
    1 << ((bytes.len() + 5 * letter(bytes.first()) + 3 * letter(bytes.last())) % 64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_found_wherever_it_lies() {
        // Every third is as if it had been written with an escape.
        let names: Vec<_> = (0..3 * FEW).map(|n| n.to_string()).collect();
        let mut seen = Names::new();
        for (at, name) in names.iter().enumerate() {
            let name = if at % 3 == 0 { Cow::Owned(name.clone()) } else { Cow::Borrowed(&**name) };
            assert!(seen.insert(name.clone()), "{name}");
            assert!(!seen.insert(name.clone()), "{name}");
        }
        for name in &names {
            assert!(!seen.insert(Cow::Borrowed(name)) && !seen.insert(Cow::Owned(name.clone())), "{name}");
        }
        assert!(seen.insert(Cow::Borrowed("")));
    }

    #[test]
    fn names_of_one_mark_are_told_apart() {
        let mut seen = Names::new();
        assert_eq!(mark("axb"), mark("ayb"));
        assert_eq!(["axb", "ayb", "axb"].map(|name| seen.insert(name.into())), [true, true, false]);
    }
}
