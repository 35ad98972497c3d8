//! What a cold verification costs as a multiple of what nobody can do without: the bare check of the signature.
//!
//! Both are timed in turn, in many short rounds, and the fastest round of each counts: what else the machine does only
//! ever adds. That a ratio is above its limit fails the run.

use std::time::{Duration, Instant};

use metrics_exporter_prometheus::PrometheusBuilder;
use tower_identity::Algorithm;
use tower_identity_testkit::TestIssuer;

use crate::sample::{ALGORITHMS, Authenticated, Sample};

const ROUNDS: u32 = 4000;
const CALLS: u32 = 8;

/// The most that the layer may cost.
fn limit(algorithm: Algorithm) -> f64 {
    match algorithm {
        Algorithm::Rs256 => 1.15,
        Algorithm::Es256 => 1.05,
        _ => 1.08,
    }
}

struct Measured {
    bare: Duration,
    ratio: f64,
}

/// Prints the ratios, without and then with a recorder of metrics: one that is there when a service starts. Gives
/// whether those without are within their limits.
pub(crate) fn hold() -> bool {
    let issuer = TestIssuer::start();
    let samples = ALGORITHMS.map(|algorithm| Sample::new(&issuer, algorithm));
    let measure = |sample: &Sample| against_bare(sample, &mut sample.service(&issuer));

    let alone = samples.each_ref().map(measure);
    let recorder = PrometheusBuilder::new().build_recorder();
    metrics::set_global_recorder(recorder).expect("no recorder was set before");
    let recorded = samples.each_ref().map(measure);

    println!("\ncold verification through AuthLayer, as a multiple of the bare check of the signature");
    for ((sample, alone), recorded) in samples.iter().zip(&alone).zip(recorded) {
        println!(
            "{:<6} {:.3} (at most {:.2}), the bare check taking {:.1?}; with a recorder of metrics {:.3}, {:+.0} ns",
            sample.algorithm.as_str(),
            alone.ratio,
            limit(sample.algorithm),
            alone.bare,
            recorded.ratio,
            (recorded.ratio - alone.ratio) * alone.bare.as_secs_f64() * 1e9,
        );
    }
    samples.iter().zip(&alone).all(|(sample, measured)| measured.ratio <= limit(sample.algorithm))
}

fn against_bare(sample: &Sample, service: &mut Authenticated) -> Measured {
    let (mut bare, mut layer) = (Duration::MAX, Duration::MAX);
    for _ in 0..ROUNDS {
        bare = bare.min(time(|| sample.verify_bare()));
        layer = layer.min(time(|| sample.call(service)));
    }
    Measured { bare: bare / CALLS, ratio: layer.as_secs_f64() / bare.as_secs_f64() }
}

#[expect(clippy::disallowed_methods, reason = "what is measured is real time")]
fn time(mut call: impl FnMut()) -> Duration {
    let start = Instant::now();
    for _ in 0..CALLS {
        call();
    }
    start.elapsed()
}
