//! Whether a rule asks for what no caller can be.

use tower_identity_core::{InvalidSetting, Issuer};

use super::{CallerName, IssuerName, node::Node};

/// How many parts are looked at before a rule is taken at its word. A rule by hand has a dozen.
const MAX_STEPS: usize = 1000;

/// The first of these parts that no caller can satisfy together with those before it.
pub(super) fn find(parts: &[Node]) -> Option<InvalidSetting> {
    let at = (1..parts.len()).find(|at| {
        let mut together: Vec<_> = parts[..=*at].iter().collect();
        // Alternatives last, when all is known that they have to go with.
        together.sort_by_key(|part| !matches!(part, Node::Any(_)));
        !may_hold(&Demands::default(), &together, &mut MAX_STEPS.clone())
    })?;
    let before = parts[..at].iter().try_fold(Demands::default(), Demands::and);
    let rule = before.and_then(|demands| demands.and(&parts[at])).err();
    let rule = rule.unwrap_or("cannot hold together with the parts before it");
    Some(InvalidSetting::new(parts[at].word(), rule).within(at).within("all"))
}

/// Whether some caller may satisfy these demands and all of these parts, the last of which is looked at first.
fn may_hold(demands: &Demands, parts: &[&Node], steps: &mut usize) -> bool {
    let Some((next, rest)) = parts.split_last() else { return true };
    let Some(left) = steps.checked_sub(1) else { return true };
    *steps = left;
    match next {
        Node::All(nodes) => may_hold(demands, &[rest, &nodes.iter().rev().collect::<Vec<_>>()].concat(), steps),
        Node::Any(nodes) => nodes.iter().any(|node| may_hold(demands, &[rest, &[node]].concat(), steps)),
        leaf => demands.clone().and(leaf).is_ok_and(|demands| may_hold(&demands, rest, steps)),
    }
}

/// What parts of a rule demand of one caller, as far as one may exclude another. `None` is whatever.
#[derive(Debug, Clone, Default)]
struct Demands {
    user: Option<bool>,
    callers: Option<Vec<CallerName>>,
    callers_of: Option<Vec<Issuer>>,
    users_of: Option<Vec<IssuerName>>,
    classes: Option<Vec<String>>,
}

impl Demands {
    /// These and a leaf's.
    fn and(mut self, leaf: &Node) -> Result<Self, &'static str> {
        if let Some(user) = leaf.needs_user() {
            if self.user.is_some_and(|needed| needed != user) {
                return Err("a request is for a user, or for none");
            }
            self.user = Some(user);
        }
        match leaf {
            Node::Callers(names) => meet(&mut self.callers, names, CallerName::meet),
            Node::CallersOf(issuers) => meet(&mut self.callers_of, issuers, same),
            Node::UsersOf(names) => meet(&mut self.users_of, names, IssuerName::meet),
            Node::Acr(classes) => meet(&mut self.classes, classes, same),
            _ => {}
        }
        if let (Some(callers), Some(issuers)) = (&mut self.callers, &self.callers_of) {
            callers.retain(|name| issuers.iter().any(|issuer| name.may_be_of(issuer)));
        }
        let nobody = |list: Option<usize>| list == Some(0);
        if nobody(self.callers.as_ref().map(Vec::len)) || nobody(self.callers_of.as_ref().map(Vec::len)) {
            Err("leaves nobody of the callers that are named before it")
        } else if nobody(self.users_of.as_ref().map(Vec::len)) {
            Err("leaves nobody of the users that are named before it")
        } else if nobody(self.classes.as_ref().map(Vec::len)) {
            Err("leaves none of the classes that are named before it")
        } else {
            Ok(self)
        }
    }
}

/// Leaves in a list what is in the other list too.
fn meet<T: Clone>(list: &mut Option<Vec<T>>, other: &[T], both: impl Fn(&T, &T) -> Option<T>) {
    *list = Some(match list {
        None => other.to_vec(),
        Some(list) => list.iter().flat_map(|one| other.iter().filter_map(|other| both(one, other))).collect(),
    });
}

fn same<T: Clone + PartialEq>(one: &T, other: &T) -> Option<T> {
    (one == other).then(|| one.clone())
}
