//! Which callers get the candidate.

use tower_identity_core::{CallerContext, Fingerprint, Tenant, User, Workload};

/// Whom a request is for, as far as that decides whether it gets the candidate.
#[derive(Debug, Clone, Copy)]
enum Who<'c> {
    User(&'c User),
    Workload(&'c Workload),
    /// This service.
    Service,
}

/// Whether a caller is among the first `percent` of a hundred, as a digest puts callers in order: one and the same order
/// for a row, on every replica and after every restart, and another one for each row.
pub(super) fn is_picked(row: &str, caller: Option<&CallerContext>, percent: u8) -> bool {
    let who = match caller.map(CallerContext::principal) {
        None => Who::Service,
        Some(principal) => principal.user().map_or_else(|| Who::Workload(principal.workload()), Who::User),
    };
    hundredth(row, who) < percent
}

/// From 0 to 99, each alike.
fn hundredth(row: &str, who: Who<'_>) -> u8 {
    let digest = Fingerprint::of("outbound-candidate").field(row);
    let digest = match who {
        Who::User(user) => digest
            .field("user")
            .field(user.issuer.as_str())
            .optional(user.tenant.as_ref().map(Tenant::as_str))
            .field(user.id.as_str()),
        Who::Workload(workload) => digest.field("workload").field(workload.issuer.as_str()).field(workload.id.as_str()),
        Who::Service => digest.field("service"),
    };
    let digest = digest.finish();
    let first: [u8; 8] = digest.as_bytes()[..8].try_into().expect("a digest has 32 bytes");
    // The high half of the product is less than 100.
    ((u128::from(u64::from_be_bytes(first)) * 100) >> 64) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(issuer: &str, tenant: Option<&str>, id: &str) -> User {
        User {
            id: id.parse().expect("id"),
            issuer: issuer.parse().expect("issuer"),
            tenant: tenant.map(|tenant| tenant.parse().expect("tenant")),
        }
    }

    fn of_users(row: &str) -> Vec<u8> {
        (0..50_000)
            .map(|n| hundredth(row, Who::User(&user("https://as.example", None, &format!("user-{n}")))))
            .collect()
    }

    #[test]
    fn cand_a2_each_hundredth_of_the_callers_is_as_large_as_the_others() {
        let mut sizes = [0_u32; 100];
        for hundredth in of_users("https://payments.internal/") {
            sizes[usize::from(hundredth)] += 1;
        }
        // 500 each, give or take five standard deviations.
        assert!(sizes.iter().all(|size| (388..=612).contains(size)), "{sizes:?}");
    }

    #[test]
    fn cand_a2_rows_pick_independently_of_each_other() {
        let (one, other) = (of_users("https://payments.internal/"), of_users("https://ledger.internal/"));
        let both = one.iter().zip(&other).filter(|(one, other)| **one < 10 && **other < 10).count();
        // A tenth of a tenth is 500.
        assert!((388..=612).contains(&both), "{both}");
    }

    #[test]
    fn cand_a2_the_order_is_the_same_everywhere_and_always() {
        let alice = user("https://as.example", None, "alice");
        let orders =
            Workload { id: "orders".parse().expect("id"), issuer: "https://as.example".parse().expect("issuer") };
        let row = "https://payments.internal/";
        let all = [Who::User(&alice), Who::Workload(&orders), Who::Service].map(|who| hundredth(row, who));
        assert_eq!(all, [54, 37, 72]);
        assert!(!is_picked(row, None, 72) && is_picked(row, None, 73));
    }

    #[test]
    fn cand_a2_a_user_is_an_issuer_a_tenant_and_a_subject() {
        let row = "https://payments.internal/";
        let order = |make: fn(u32) -> User| (0..64).map(|n| hundredth(row, Who::User(&make(n)))).collect::<Vec<_>>();
        let all = [
            order(|n| user("https://as.example", None, &format!("user-{n}"))),
            order(|n| user("https://b.example", None, &format!("user-{n}"))),
            order(|n| user("https://as.example", Some("t"), &format!("user-{n}"))),
            order(|n| user("https://as.example", Some("u"), &format!("user-{n}"))),
        ];
        for (at, one) in all.iter().enumerate() {
            assert!(all[at + 1..].iter().all(|other| one != other), "{at}");
        }
    }
}
