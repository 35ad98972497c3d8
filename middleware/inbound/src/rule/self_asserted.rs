//! Callers that say themselves for whom they call: let through where a rule says so, and nowhere else.

use tower_identity_core::{CallerContext, Refusal, RefusalKind};

use super::node::Node;

impl Node {
    /// Whether this holds for a caller whose own word is all that ties it to its user.
    ///
    /// That it will do has to stand beside whatever else is asked, in the same conjunction: an alternative without it is none
    /// for such a caller, and no other part is, whatever it asks.
    pub(super) fn check_self_asserted(&self, context: &CallerContext) -> Result<(), Refusal> {
        if let Self::Any(nodes) = self {
            let mut reason = None;
            for node in nodes.iter().filter(|node| node.says_so()) {
                match node.check_self_asserted(context) {
                    Ok(()) => return Ok(()),
                    Err(refusal) => reason = reason.or(Some(refusal)),
                }
            }
            return Err(reason.unwrap_or_else(refuse));
        }
        if self.says_so() { self.check(context) } else { Err(refuse()) }
    }

    fn says_so(&self) -> bool {
        match self {
            Self::SelfAssertedUser => true,
            Self::All(nodes) => nodes.contains(&Self::SelfAssertedUser),
            Self::Any(nodes) => nodes.iter().any(Self::says_so),
            _ => false,
        }
    }
}

fn refuse() -> Refusal {
    let detail = "the caller says itself for whom it calls; a rule that accepts this has self_asserted_user in it";
    Refusal::new(RefusalKind::UnrelatedCredentials, "binding").detail(detail)
}
