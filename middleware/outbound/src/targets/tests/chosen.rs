//! Which of several rows of one origin a request gets: compared with a model that looks at every row.

use std::sync::Arc;

use proptest::prelude::*;
use tower_identity_core::{
    ActorChain, Attributes, AuthenticationContext, Credential, Evidence, Identity, Revocations, Scopes, SecretToken,
    Tenant, Timestamp, User, VerifiedToken, VerifiedTokenParts, Workload,
};
use tower_identity_refresh::system_clock;

use super::*;

const METHODS: [Method; 3] = [Method::GET, Method::HEAD, Method::POST];
const ISSUERS: [&str; 2] = ["https://a.example", "https://b.example"];
const TENANTS: [&str; 2] = ["acme", "umbrella"];
const PREFIXES: [&str; 3] = ["/", "/v1", "/v1/x"];
const PATHS: [&str; 4] = ["/v1/x/y", "/v1/y", "/v1x", "/"];

#[expect(clippy::disallowed_methods, reason = "this test stands where verification stands")]
fn of(issuer: &str, tenant: Option<&str>) -> Whose {
    let issuer = Issuer::parse(issuer).expect("issuer");
    let tenant = tenant.map(|tenant| Tenant::parse(tenant).expect("tenant"));
    Whose::Subject(Arc::new(VerifiedToken::assertion(VerifiedTokenParts {
        credential: Credential::Token { token: SecretToken::new("token"), payload: Arc::from(*b"{}") },
        issuer: issuer.clone(),
        home: true,
        identity: Identity {
            workload: Workload { id: "web".parse().expect("id"), issuer: issuer.clone() },
            evidence: Evidence::IssuedTo,
            user: Some(User { id: "alice".parse().expect("id"), issuer, tenant }),
        },
        actors: ActorChain::default(),
        scopes: Scopes::default(),
        audience: Vec::new(),
        token_id: None,
        transaction: None,
        trust_domain: None,
        authentication: AuthenticationContext::default(),
        attributes: Attributes::default(),
        issued_at: None,
        expires_at: Timestamp::from_secs(u64::MAX),
        certificate: None,
        revocations: Revocations::new(system_clock()),
    })))
}

fn when(methods: &[usize], subjects_of: &[usize], tenant: Option<usize>) -> When {
    When {
        methods: methods.iter().map(|&at| METHODS[at].clone()).collect(),
        subjects_of: subjects_of.iter().map(|&at| Issuer::parse(ISSUERS[at]).expect("issuer")).collect(),
        tenant: tenant.map(|at| Tenant::parse(TENANTS[at]).expect("tenant")),
    }
}

/// A row, as indices into the lists above.
#[derive(Debug, Clone)]
struct Row {
    prefix: usize,
    methods: Vec<usize>,
    subjects_of: Vec<usize>,
    tenant: Option<usize>,
}

impl Row {
    fn when(&self) -> When {
        when(&self.methods, &self.subjects_of, self.tenant)
    }

    /// Every request that there is, and whether it is this row's.
    fn requests(&self) -> Vec<bool> {
        requests().map(|(path, method, subject)| self.is_of(path, method, subject)).collect()
    }

    fn is_of(&self, path: usize, method: usize, subject: Option<(usize, Option<usize>)>) -> bool {
        let covers = match PREFIXES[self.prefix] {
            "/" => true,
            "/v1" => path < 2,
            _ => path == 0,
        };
        let is_for = match subject {
            _ if self.subjects_of.is_empty() => true,
            None => false,
            Some((issuer, tenant)) => {
                self.subjects_of.contains(&issuer) && (self.tenant.is_none() || self.tenant == tenant)
            }
        };
        covers && (self.methods.is_empty() || self.methods.contains(&method)) && is_for
    }
}

fn requests() -> impl Iterator<Item = (usize, usize, Option<(usize, Option<usize>)>)> {
    let of = |issuer| [None, Some(0), Some(1)].map(|tenant| Some((issuer, tenant)));
    let [[a, b, c], [d, e, f]] = [of(0), of(1)];
    let subjects = [None, a, b, c, d, e, f];
    (0..PATHS.len()).flat_map(move |path| {
        (0..METHODS.len()).flat_map(move |method| subjects.into_iter().map(move |subject| (path, method, subject)))
    })
}

fn rows() -> impl Strategy<Value = Vec<Row>> {
    // Never all methods: a row that names each is no other than one that names none.
    let methods = prop::sample::subsequence(vec![0, 1, 2], 0..3);
    let issuers = prop::sample::subsequence(vec![0, 1], 0..=2);
    let row = (0..PREFIXES.len(), methods, issuers, prop::option::of(0..TENANTS.len()));
    let row = row.prop_map(|(prefix, methods, subjects_of, tenant)| {
        // A tenant is one of an issuer.
        let tenant = tenant.filter(|_| !subjects_of.is_empty());
        Row { prefix, methods, subjects_of, tenant }
    });
    prop::collection::vec(row, 1..8)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4096, failure_persistence: None, ..ProptestConfig::default() })]

    /// Of the rows that a request is of, the model takes the longest prefix, and there the row of the fewest requests.
    #[test]
    fn out_t1_a_request_gets_the_most_exact_row_in_whatever_order_they_are_listed(rows in rows()) {
        let origin = Origin::parse("https://s.internal").expect("origin");
        let mut targets = Targets::new();
        let mut listed = Vec::<(usize, &Row)>::new();
        for (at, row) in rows.iter().enumerate() {
            let own = row.requests();
            // What the model says of a row beside those that are listed.
            let clash = listed.iter().filter(|(_, other)| other.prefix == row.prefix).find_map(|(_, other)| {
                let its = other.requests();
                let every = |one: &[bool], two: &[bool]| one.iter().zip(two).all(|(one, two)| !one || *two);
                let both = own.iter().zip(&its).any(|(own, its)| *own && *its);
                match (every(&own, &its), every(&its, &own)) {
                    (true, true) => Some(Clash::Same),
                    (false, false) if both => Some(Clash::Overlap),
                    _ => None,
                }
            });
            let prefix = PathPrefix::parse(PREFIXES[row.prefix]).expect("prefix");
            let inserted = targets.insert(&origin, prefix, row.when(), at);
            prop_assert_eq!(inserted, clash.map_or(Ok(()), Err), "{:?} beside {:?}", row, listed);
            if inserted.is_ok() {
                listed.push((at, row));
            }
        }
        for (path, method, subject) in requests() {
            let uri: Uri = format!("https://s.internal{}", PATHS[path]).parse().expect("uri");
            let whose = || match subject {
                None => Whose::Nobody,
                Some((issuer, tenant)) => of(ISSUERS[issuer], tenant.map(|tenant| TENANTS[tenant])),
            };
            let expected = listed
                .iter()
                .filter(|(_, row)| row.is_of(path, method, subject))
                .min_by_key(|(_, row)| (usize::MAX - row.prefix, row.requests().iter().filter(|own| **own).count()))
                .map(|(at, _)| *at);
            let got = targets.resolve(&METHODS[method], &uri, whose).ok().copied();
            prop_assert_eq!(got, expected, "{} {} {:?} of {:?}", METHODS[method], uri, subject, listed);
        }
    }
}

fn listed(rows: &[(&str, When, &'static str)]) -> Targets<&'static str> {
    let mut targets = Targets::new();
    for (prefix, when, name) in rows {
        let origin = Origin::parse("https://s.internal").expect("origin");
        let prefix = PathPrefix::parse(prefix).expect("prefix");
        assert_eq!(targets.insert(&origin, prefix, when.clone(), *name), Ok(()));
    }
    targets
}

#[test]
fn out_t1_a_request_that_no_row_is_for_is_told_what_to_add() {
    let targets = listed(&[
        ("/v1", when(&[0], &[0], None), "reads of a"),
        ("/v1", when(&[0], &[0], Some(0)), "reads of acme at a"),
        ("/v1/x", when(&[2], &[], None), "writes"),
        ("/free", When::default(), "free"),
    ]);
    let ask = |method: Method, path: &str, whose: Whose| {
        let uri = format!("https://s.internal{path}").parse().expect("uri");
        targets.resolve(&method, &uri, || whose).copied()
    };
    let origin = || "https://s.internal".to_owned();
    let foreign =
        |issuer: &str| NoTarget::Subject { origin: origin(), subject: Issuer::parse(issuer).expect("issuer") };
    let cases = [
        (Method::GET, "/v1", of(ISSUERS[0], None), Ok("reads of a")),
        (Method::GET, "/v1", of(ISSUERS[0], Some("umbrella")), Ok("reads of a")),
        (Method::GET, "/v1", of(ISSUERS[0], Some("acme")), Ok("reads of acme at a")),
        (Method::GET, "/v1", of(ISSUERS[1], Some("acme")), Err(foreign(ISSUERS[1]))),
        (Method::GET, "/v1/x", of(ISSUERS[0], None), Ok("reads of a")),
        (Method::POST, "/v1/x", of(ISSUERS[1], None), Ok("writes")),
        (Method::POST, "/v1/x", Whose::Service, Ok("writes")),
        (Method::POST, "/v1", of(ISSUERS[0], None), Err(NoTarget::Method { origin: origin(), method: Method::POST })),
        (Method::GET, "/v1", Whose::Service, Err(NoTarget::Service { origin: origin() })),
        (Method::GET, "/v1", Whose::Nobody, Err(NoTarget::Nobody { origin: origin() })),
        (Method::GET, "/v2", Whose::Nobody, Err(NoTarget::Path { origin: origin() })),
    ];
    for (method, path, whose, expected) in cases {
        assert_eq!(ask(method.clone(), path, whose.clone()), expected, "{method} {path} {whose:?}");
    }
    let told = foreign("https://b.example").to_string();
    assert!(told.contains("add a row with subjects_of = [\"https://b.example\"]"), "{told}");

    // For whom is not asked where it decides nothing.
    let uri = "https://s.internal/free".parse().expect("uri");
    assert_eq!(targets.resolve(&Method::GET, &uri, || unreachable!("nobody asks")).copied(), Ok("free"));
}

#[test]
fn rows_that_one_request_may_be_of_are_told_apart_or_refused() {
    let origin = Origin::parse("https://s.internal").expect("origin");
    let beside = |first: When, second: When| {
        let mut targets = Targets::new();
        let prefix = || PathPrefix::parse("/v1").expect("prefix");
        assert_eq!(targets.insert(&origin, prefix(), first, "first"), Ok(()));
        let same = Origin::parse("https://S.internal:443").expect("origin");
        assert_eq!(targets.insert(&same, PathPrefix::default(), When::default(), "another path"), Ok(()));
        targets.insert(&same, PathPrefix::parse("/v1/").expect("prefix"), second, "second")
    };
    let cases = [
        (When::default(), When::default(), Err(Clash::Same)),
        (when(&[0, 1], &[0], Some(0)), when(&[1, 0], &[0], Some(0)), Err(Clash::Same)),
        (when(&[0], &[], None), when(&[], &[0], None), Err(Clash::Overlap)),
        (when(&[0, 1], &[], None), when(&[1, 2], &[], None), Err(Clash::Overlap)),
        (when(&[], &[0, 1], Some(0)), when(&[], &[0], None), Err(Clash::Overlap)),
        (when(&[0], &[], None), when(&[0], &[0], None), Ok(())),
        (when(&[0], &[], None), when(&[1], &[0], None), Ok(())),
        (when(&[], &[0], Some(0)), when(&[], &[0], Some(1)), Ok(())),
        (when(&[], &[0], None), when(&[], &[0], Some(1)), Ok(())),
    ];
    for (first, second, expected) in cases {
        assert_eq!(beside(first.clone(), second.clone()), expected, "{first} and {second}");
        assert_eq!(beside(second.clone(), first.clone()), expected, "{second} and {first}");
    }
}
