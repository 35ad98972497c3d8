//! SPIFFE IDs and trust domains (SPIFFE-ID §2).

/// The name of a trust domain, as it is written in a SPIFFE ID: lower case, digits, `.`, `-` and `_`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TrustDomain(Box<str>);

/// The longest name of a trust domain, in bytes.
const MAX_DOMAIN_BYTES: usize = 255;
/// The longest SPIFFE ID, in bytes.
const MAX_ID_BYTES: usize = 2048;

impl TrustDomain {
    pub(crate) fn parse(name: &str) -> Option<Self> {
        is_domain(name).then(|| Self(name.into()))
    }

    /// The identifier that stands for the domain as a whole.
    pub(crate) fn id(&self) -> String {
        format!("spiffe://{}", self.0)
    }

    /// Whether the text is the SPIFFE ID of a workload of this domain. No other spelling of one is: what differs in case
    /// or escapes is another text, and a rule that compares texts must not be asked about it.
    pub(crate) fn has_workload(&self, id: &str) -> bool {
        workload_id(id).is_some_and(|(domain, _)| *domain == *self.0)
    }
}

/// The trust domain and the path of a workload's SPIFFE ID. The domain's own ID, without a path, is no workload's.
fn workload_id(id: &str) -> Option<(&str, &str)> {
    let (domain, path) = id.strip_prefix("spiffe://")?.split_once('/')?;
    let sound = id.len() <= MAX_ID_BYTES && is_domain(domain) && path.split('/').all(is_segment);
    sound.then_some((domain, path))
}

fn is_domain(name: &str) -> bool {
    let allowed = |b: u8| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'-' | b'_');
    !name.is_empty() && name.len() <= MAX_DOMAIN_BYTES && name.bytes().all(allowed)
}

fn is_segment(segment: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_');
    !segment.is_empty() && segment != "." && segment != ".." && segment.bytes().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn svid_a2_a_workload_is_of_the_domain_that_its_id_names() {
        let domain = TrustDomain::parse("example.org").expect("a domain");
        assert_eq!(domain.id(), "spiffe://example.org");
        for id in
            ["spiffe://example.org/orders", "spiffe://example.org/ns/shop/sa/Orders_1.v-2", "spiffe://example.org/..."]
        {
            assert!(domain.has_workload(id), "{id}");
        }
        for id in [
            "spiffe://example.org",
            "spiffe://example.org/",
            "spiffe://example.org/orders/",
            "spiffe://example.org//orders",
            "spiffe://example.org/./orders",
            "spiffe://example.org/a/../orders",
            "spiffe://example.org/orders?x",
            "spiffe://example.org/orders#x",
            "spiffe://example.org/%6frders",
            "spiffe://example.org:443/orders",
            "spiffe://orders@example.org/orders",
            "spiffe://EXAMPLE.org/orders",
            "SPIFFE://example.org/orders",
            "https://example.org/orders",
            "spiffe://a.example.org/orders",
            "spiffe://example.org.evil/orders",
            "spiffe://example.orgs/orders",
            "spiffe:///orders",
            "example.org/orders",
            "",
        ] {
            assert!(!domain.has_workload(id), "{id}");
        }
        let long = format!("spiffe://example.org/{}", "a".repeat(2048 - 21));
        assert!(domain.has_workload(&long) && !domain.has_workload(&format!("{long}a")));
    }

    #[test]
    fn a_trust_domain_is_a_name_in_lower_case() {
        for name in ["example.org", "1", "a_b-c.d", &"a".repeat(255)] {
            assert!(TrustDomain::parse(name).is_some(), "{name}");
        }
        for name in ["", "Example.org", "example.org/", "spiffe://example.org", "a b", "é", "a:1", &"a".repeat(256)] {
            assert_eq!(TrustDomain::parse(name), None, "{name}");
        }
    }
}
