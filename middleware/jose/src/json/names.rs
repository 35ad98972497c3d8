//! The names of one object so far.

use std::{borrow::Cow, collections::HashSet};

/// As many names are compared one by one, without an allocation: more than the claims of most tokens.
const FEW: usize = 16;

/// The names of one object so far. The first few lie in place; a wide object goes on in a hash table, so that its cost
/// stays linear.
pub(super) struct Names<'de> {
    few: [Cow<'de, str>; FEW],
    count: usize,
    more: HashSet<Cow<'de, str>>,
}

impl<'de> Names<'de> {
    pub(super) fn new() -> Self {
        Self { few: [const { Cow::Borrowed("") }; FEW], count: 0, more: HashSet::new() }
    }

    pub(super) fn contains(&self, name: &str) -> bool {
        self.few[..self.count].iter().any(|seen| seen == name) || self.more.contains(name)
    }

    /// Adds a name that is not there yet.
    pub(super) fn push(&mut self, name: Cow<'de, str>) {
        match self.few.get_mut(self.count) {
            Some(free) => {
                *free = name;
                self.count += 1;
            }
            None => {
                self.more.insert(name);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_found_wherever_it_lies() {
        let names: Vec<_> = (0..3 * FEW).map(|n| n.to_string()).collect();
        let mut seen = Names::new();
        for name in &names {
            assert!(!seen.contains(name), "{name}");
            seen.push(name.into());
        }
        assert!(names.iter().all(|name| seen.contains(name)));
        assert!(!seen.contains(""));
    }
}
