//! A cold verification: the keys are at hand, and the token was never seen.

use std::hint::black_box;

use criterion::Criterion;
use serde::de::IgnoredAny;
use tower_identity_jose::{Accept, KeySet, Limits, MediaType, Unverified};
use tower_identity_testkit::TestIssuer;

use crate::sample::{ALGORITHMS, Sample};

pub(crate) fn verification(c: &mut Criterion) {
    let issuer = TestIssuer::start();
    let mut group = c.benchmark_group("cold verification");
    for algorithm in ALGORITHMS {
        let sample = Sample::new(&issuer, algorithm);
        group.bench_function(format!("{algorithm}: inner service alone"), |b| b.iter(|| sample.call_inner()));
        group.bench_function(format!("{algorithm}: bare check of the signature"), |b| b.iter(|| sample.verify_bare()));

        let keys = KeySet::from_keys([sample.verifying_key()]).expect("a key");
        let accept = Accept::new([MediaType::ACCESS_TOKEN], [algorithm]);
        let limits = Limits::default();
        group.bench_function(format!("{algorithm}: the token opened, nothing else"), |b| {
            b.iter(|| {
                let parsed = Unverified::<IgnoredAny>::parse(black_box(sample.token()), &limits);
                parsed.expect("well formed").open(&keys, &accept).expect("genuine")
            });
        });

        let mut service = sample.service(&issuer);
        group.bench_function(format!("{algorithm}: through AuthLayer"), |b| b.iter(|| sample.call(&mut service)));
    }
    group.finish();
}
