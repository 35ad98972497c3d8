//! What is counted of tokens that are remembered.

use std::{cell::RefCell, collections::BTreeMap};

use metrics_util::debugging::{DebugValue, DebuggingRecorder, Snapshotter};
use serde_json::json;
use tower_identity_verify::Remember;

use super::Shop;

/// Everything that this thread counts, from now on.
pub(super) struct Told {
    snapshotter: Snapshotter,
    /// What gauges stood at: a look at them, as at counters, gives what was added since the last.
    stood: RefCell<BTreeMap<String, f64>>,
    _installed: metrics::LocalRecorderGuard<'static>,
}

impl Told {
    pub(super) fn listen() -> Self {
        // Of a test there are few, and they live as long as it does.
        let recorder: &'static DebuggingRecorder = Box::leak(Box::default());
        Self {
            snapshotter: recorder.snapshotter(),
            stood: RefCell::default(),
            _installed: metrics::set_default_local_recorder(recorder),
        }
    }

    /// By name and labels: of counters, by how much they grew since the last look.
    pub(super) fn all(&self) -> Vec<(String, f64)> {
        let told = self.snapshotter.snapshot().into_vec().into_iter().filter_map(|(key, _, _, value)| {
            let labels: Vec<_> = key.key().labels().map(|label| format!("{}={}", label.key(), label.value())).collect();
            let name = key.key().name().strip_prefix("tower_identity_remembered_")?;
            let name = format!("{name}{{{}}}", labels.join(","));
            let value = match value {
                DebugValue::Counter(count) => count as f64,
                DebugValue::Gauge(added) => {
                    let mut stood = self.stood.borrow_mut();
                    let stands = stood.entry(name.clone()).or_default();
                    *stands += added.into_inner();
                    *stands
                }
                DebugValue::Histogram(_) => return None,
            };
            Some((name, value))
        });
        let mut told: Vec<_> = told.collect();
        told.sort_by(|(one, _), (other, _)| one.cmp(other));
        told
    }

    /// Hits, misses, and tokens that are there.
    pub(super) fn of_callers(&self) -> (u64, u64, f64) {
        let [callers] = self.of(["callers"]);
        callers
    }

    pub(super) fn of<const N: usize>(&self, whose: [&str; N]) -> [(u64, u64, f64); N] {
        let all = self.all();
        let value = |name: String| all.iter().find(|(found, _)| *found == name).map_or(0.0, |(_, value)| *value);
        whose.map(|whose| {
            let lookups = |outcome: &str| value(format!("lookups_total{{of={whose},outcome={outcome}}}")) as u64;
            (lookups("hit"), lookups("miss"), value(format!("tokens{{of={whose}}}")))
        })
    }
}

#[test]
fn warm_a6_hits_misses_evictions_and_what_is_there_are_told() {
    let told = Told::listen();
    let named =
        |pairs: &[(&str, f64)]| pairs.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect::<Vec<_>>();
    let shop = Shop::with(|issuer| issuer, |builder| builder.remember(Remember::default().tokens(1)));
    assert_eq!(told.all(), []);
    let alice = shop.token();
    shop.accepted(&alice);
    shop.accepted(&alice);
    let (hits, misses) = ("lookups_total{of=callers,outcome=hit}", "lookups_total{of=callers,outcome=miss}");
    assert_eq!(told.all(), named(&[(hits, 1.0), (misses, 1.0), ("tokens{of=callers}", 1.0)]));
    shop.accepted(&shop.token_with("sub", json!("bob")));
    assert_eq!(
        told.all(),
        named(&[("evictions_total{of=callers}", 1.0), (hits, 0.0), (misses, 1.0), ("tokens{of=callers}", 1.0)])
    );
    drop(shop);
    assert_eq!(
        told.all(),
        named(&[("evictions_total{of=callers}", 0.0), (hits, 0.0), (misses, 0.0), ("tokens{of=callers}", 0.0)])
    );
}
