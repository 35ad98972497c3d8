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
    more: HashSet<Cow<'de, str>>,
}

impl<'de> Names<'de> {
    pub(super) fn new() -> Self {
        Self { few: [""; FEW], count: 0, marks: 0, more: HashSet::new() }
    }

    pub(super) fn contains(&self, name: &str) -> bool {
        let maybe_few = self.marks & mark(name) != 0;
        (maybe_few && self.few[..self.count].contains(&name)) || self.more.contains(name)
    }

    /// Adds a name that is not there yet.
    pub(super) fn push(&mut self, name: Cow<'de, str>) {
        match (name, self.few.get_mut(self.count)) {
            (Cow::Borrowed(name), Some(free)) => {
                *free = name;
                self.count += 1;
                self.marks |= mark(name);
            }
            (name, _) => {
                self.more.insert(name);
            }
        }
    }
}

/// One of 64 bits, by length and outer letters: the claims of a token mostly differ in it.
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
            assert!(!seen.contains(name), "{name}");
            seen.push(if at % 3 == 0 { Cow::Owned(name.clone()) } else { Cow::Borrowed(name) });
        }
        assert!(names.iter().all(|name| seen.contains(name)));
        assert!(!seen.contains(""));
    }

    #[test]
    fn names_of_one_mark_are_told_apart() {
        let mut seen = Names::new();
        seen.push("axb".into());
        assert_eq!(mark("axb"), mark("ayb"));
        assert_eq!((seen.contains("axb"), seen.contains("ayb")), (true, false));
    }
}
