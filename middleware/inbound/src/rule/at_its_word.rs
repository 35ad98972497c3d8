//! Callers of which nothing but their own word ties them to their user, spoken or written: let through where a rule says so,
//! and nowhere else.

use tower_identity_core::{CallerContext, Refusal, RefusalKind};

use super::node::Node;

impl Node {
    /// Whether this holds for a caller whose own word, of the kind that `accepted` accepts, is all that ties it to its user.
    ///
    /// That it will do has to stand beside whatever else is asked, in the same conjunction: an alternative without it is none
    /// for such a caller, and no other part is, whatever it asks.
    pub(super) fn check_at_its_word(&self, accepted: &Self, context: &CallerContext) -> Result<(), Refusal> {
        if let Self::Any(nodes) = self {
            let mut reason = None;
            for node in nodes.iter().filter(|node| node.says(accepted)) {
                match node.check_at_its_word(accepted, context) {
                    Ok(()) => return Ok(()),
                    Err(refusal) => reason = reason.or(Some(refusal)),
                }
            }
            return Err(reason.unwrap_or_else(|| refuse(accepted)));
        }
        if self.says(accepted) { self.check(context) } else { Err(refuse(accepted)) }
    }

    fn says(&self, accepted: &Self) -> bool {
        match self {
            Self::All(nodes) => nodes.contains(accepted),
            Self::Any(nodes) => nodes.iter().any(|node| node.says(accepted)),
            node => node == accepted,
        }
    }
}

fn refuse(accepted: &Node) -> Refusal {
    let says = match accepted {
        Node::DeferredUser => "the work was handed over, and a record says for whom",
        _ => "the caller says itself for whom it calls",
    };
    let detail = format!("{says}; a rule that accepts this has {} in it", accepted.word());
    Refusal::new(RefusalKind::UnrelatedCredentials, "binding").detail(detail)
}
