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

    /// Adds a name; false when it is there already.
    pub(super) fn insert(&mut self, name: Cow<'de, str>) -> bool {
        if self.few[..self.count].contains(&name) {
            return false;
        }
        match self.few.get_mut(self.count) {
            Some(free) => {
                *free = name;
                self.count += 1;
                true
            }
            None => self.more.insert(name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_found_wherever_it_lies() {
        let names: Vec<_> = (0..3 * FEW).map(|n| n.to_string()).collect();
        for repeated in &names {
            let mut seen = Names::new();
            assert!(names.iter().all(|name| seen.insert(name.as_str().into())));
            assert!(!seen.insert(repeated.clone().into()), "{repeated}");
        }
    }
}
