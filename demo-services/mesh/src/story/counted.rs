//! What the services have counted, as an operator's dashboard has it.

use std::{sync::OnceLock, time::Duration};

use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use tower_identity::system_clock;

/// How long the walk waits for what is counted behind its back.
const PATIENCE: Duration = Duration::from_secs(15);
const PAUSE: Duration = Duration::from_millis(20);

/// Begins to count, if that was not begun: what is counted before is counted nowhere.
pub(super) fn recorded() -> &'static PrometheusHandle {
    static RECORDED: OnceLock<PrometheusHandle> = OnceLock::new();
    RECORDED.get_or_init(|| {
        PrometheusBuilder::new().install_recorder().expect("no other recorder is installed in this process")
    })
}

/// The sum of a counter over all that have these labels.
pub(super) fn counted(metric: &str, labels: &[(&str, &str)]) -> u64 {
    let page = recorded().render();
    let labels: Vec<_> = labels.iter().map(|(name, value)| format!("{name}=\"{value}\"")).collect();
    let of_these = |line: &&str| {
        let rest = line.strip_prefix(metric).filter(|rest| rest.starts_with('{'));
        rest.is_some_and(|rest| labels.iter().all(|label| rest.contains(label)))
    };
    page.lines().filter(of_these).filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum()
}

/// The same once it is more than that, or has been waited for in vain.
pub(super) async fn counted_more(metric: &str, labels: &[(&str, &str)], than: u64) -> u64 {
    let clock = system_clock();
    let began = clock.monotonic();
    loop {
        let count = counted(metric, labels);
        if count > than || clock.monotonic().since(began) > PATIENCE {
            return count;
        }
        clock.sleep(PAUSE).await;
    }
}
