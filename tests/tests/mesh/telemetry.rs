//! The contract of telemetry: what a real service tells is what docs/telemetry.md says that it tells, and all of it.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use metrics::Unit;
use metrics_util::{
    MetricKind,
    debugging::{DebugValue, DebuggingRecorder},
};
use tower_identity_testkit::{LogCapture, TestIssuer};
use tracing::{
    Event, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::{Layer, Registry, layer::Context, layer::SubscriberExt};

mod driven;

/// What is told where a key set, a key that signs, a list of callers, roots, a certificate or a client's credentials are kept in a file, by
/// threads that nobody listens to here, or once the file has changed; of a key that cannot be generated; and of an agent of
/// SPIFFE. Their rooms test it.
const OF_FILES: [&str; 16] = [
    "keys seeded",
    "seed refused",
    "keys cannot be saved",
    "callers read",
    "callers refused: those before them stay",
    "roots read",
    "roots refused: those before them stay",
    "client credential taken",
    "client credential kept",
    "client credential refused",
    "certificate read",
    "certificate refused: that before it stays",
    "key refused: those before it stay",
    "key not generated: those before it stay",
    "workload updated",
    "workload not updated",
];

const DOCUMENT: &str = include_str!("../../../docs/telemetry.md");

/// The rows of the table below a heading, as their columns.
fn table(heading: &str) -> impl Iterator<Item = Vec<&'static str>> {
    let section = DOCUMENT.split_once(heading).expect("the heading").1;
    let rows = section.lines().skip_while(|line| !line.starts_with('|')).take_while(|line| line.starts_with('|'));
    rows.skip(2).map(|row| row.trim_matches('|').split('|').map(str::trim).collect())
}

/// The words in code quotes.
fn quoted(column: &'static str) -> BTreeSet<&'static str> {
    column.split('`').skip(1).step_by(2).collect()
}

/// What a metric is, apart from its values.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Metric {
    name: String,
    kind: String,
    unit: String,
    labels: BTreeSet<String>,
}

fn documented_metrics() -> BTreeSet<Metric> {
    let own = |text: &str| text.trim_matches('`').to_owned();
    table("\n## Metrics\n")
        .map(|row| Metric {
            name: own(row[0]),
            kind: row[1].to_owned(),
            unit: row[2].to_owned(),
            labels: quoted(row[3]).into_iter().map(str::to_owned).collect(),
        })
        .collect()
}

/// An event, apart from the values of its fields.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Told {
    target: &'static str,
    message: String,
    level: String,
    fields: BTreeSet<&'static str>,
}

#[derive(Debug, Clone, Default)]
struct Listener(Arc<Mutex<BTreeSet<Told>>>);

impl Listener {
    fn has_heard(&self, message: &str) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().any(|told| told.message == message)
    }
}

impl<S: Subscriber> Layer<S> for Listener {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut found = Found::default();
        event.record(&mut found);
        let (target, level) = (event.metadata().target(), event.metadata().level().to_string());
        if target.starts_with("tower_identity") {
            let told = Told { target, message: found.message, level, fields: found.fields };
            self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(told);
        }
    }
}

#[derive(Debug, Default)]
struct Found {
    message: String,
    fields: BTreeSet<&'static str>,
}

impl Visit for Found {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            self.message = format!("{value:?}");
        } else {
            self.fields.insert(field.name());
        }
    }
}

/// Whether an event is one of a row.
fn is_of(told: &Told, row: &[&'static str]) -> bool {
    let all = quoted(row[3]);
    let needed = all.iter().filter(|field| !field.ends_with('?')).copied().collect::<BTreeSet<_>>();
    let allowed = all.iter().map(|field| field.trim_end_matches('?')).collect();
    quoted(row[0]).contains(told.target)
        && told.message == row[1]
        && row[2].split(", ").any(|level| level == told.level)
        && needed.is_subset(&told.fields)
        && told.fields.is_subset(&allowed)
}

#[test]
fn what_a_service_tells_is_what_is_documented_and_all_of_it() {
    let (issuer, stranger) = (TestIssuer::start(), TestIssuer::start());
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    // It has a second subscriber in it, without which the first one on another thread decides about callsites.
    let _logs = LogCapture::start();
    let listener = Listener::default();
    let listening = tracing::subscriber::set_default(Registry::default().with(listener.clone()));
    // One thread, which has the recorder and the subscriber of this test.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let (of_stream, answers) =
        metrics::with_local_recorder(&recorder, || driven::all(&runtime, &issuer, &stranger, &listener));
    drop(listening);
    let statuses: Vec<_> = answers.into_iter().map(|(_, status)| status).collect();
    assert_eq!(statuses, [503, 200, 401, 502, 200, 401, 403, 401, 401, 401, 200, 500, 403, 500]);

    let mut metrics = BTreeSet::new();
    let (mut decisions, mut named) = (BTreeMap::new(), 0);
    for (key, unit, _, value) in snapshotter.snapshot().into_vec() {
        let (kind, key) = key.into_parts();
        let labels: BTreeMap<_, _> =
            key.labels().map(|label| (label.key().to_owned(), label.value().to_owned())).collect();
        metrics.insert(Metric {
            name: key.name().to_owned(),
            kind: match kind {
                MetricKind::Counter => "counter",
                MetricKind::Gauge => "gauge",
                MetricKind::Histogram => "histogram",
            }
            .to_owned(),
            unit: unit.as_ref().map(Unit::as_str).unwrap_or_default().to_owned(),
            labels: labels.keys().cloned().collect(),
        });
        let of_names = labels.get("strategy").is_some_and(|strategy| strategy == "plain_user");
        if let (true, DebugValue::Counter(count)) = (of_names, &value) {
            named += count;
        }
        if let (true, DebugValue::Counter(count)) = (key.name() == "tower_identity_decisions_total", value) {
            let named =
                |label: &str| label.replace(issuer.issuer().as_str(), "home").replace(of_stream.as_str(), "of stream");
            let label = |name: &str| named(&labels[name]);
            decisions.insert(
                [label("stage"), label("outcome"), label("enforced"), label("reason"), label("issuer")].join(" "),
                count,
            );
        }
    }
    assert_eq!(metrics, documented_metrics());
    assert_eq!(named, 2, "requests with a name in them");
    let expected = [
        ("authentication accepted true none home", 8),
        ("authentication accepted true none of stream", 1),
        ("authentication anonymous true none none", 1),
        ("authentication refused true bad_upstream:introspection home", 1),
        ("authentication refused true invalid_token:aud home", 1),
        ("authentication refused true invalid_token:introspection home", 1),
        ("authentication refused true invalid_token:iss none", 1),
        ("authentication refused true invalid_token:signature home", 1),
        ("authentication refused true unavailable:key home", 1),
        ("extractor refused true denied:user home", 1),
        ("handler refused true internal:handler none", 1),
        ("rule accepted true none home", 1),
        ("rule refused false insufficient_scope:scope home", 1),
        ("rule refused true insufficient_scope:scope home", 1),
        ("rule refused true misconfigured:rule none", 1),
        ("rule refused true no_credential:rule none", 1),
    ];
    assert_eq!(decisions, expected.map(|(labels, count)| (labels.to_owned(), count)).into());

    let rows: Vec<_> = table("\n## Events\n").collect();
    let told = listener.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
    for told in &told {
        assert_eq!(rows.iter().filter(|row| is_of(told, row)).count(), 1, "{told:?}");
    }
    for row in rows.iter().filter(|row| !OF_FILES.contains(&row[1])) {
        assert!(told.iter().any(|told| is_of(told, row)), "nothing tells {row:?}");
    }
}

#[test]
fn the_tables_are_read_as_they_are_written() {
    let names: Vec<_> = documented_metrics().into_iter().map(|metric| metric.name).collect();
    assert!(names.contains(&"tower_identity_decisions_total".to_owned()), "{names:?}");
    assert_eq!(quoted("`stage`, `issuer?`"), BTreeSet::from(["stage", "issuer?"]));
    let row = ["`a::b`", "done", "DEBUG, INFO", "`x`, `y?`"];
    let told = |level: &str, fields: &[&'static str]| Told {
        target: "a::b",
        message: "done".to_owned(),
        level: level.to_owned(),
        fields: fields.iter().copied().collect(),
    };
    let cases = [
        (told("INFO", &["x"]), true),
        (told("DEBUG", &["x", "y"]), true),
        (told("WARN", &["x"]), false),
        (told("INFO", &["y"]), false),
        (told("INFO", &["x", "z"]), false),
        (Told { target: "a", ..told("INFO", &["x"]) }, false),
        (Told { message: String::new(), ..told("INFO", &["x"]) }, false),
    ];
    for (told, expected) in cases {
        assert_eq!(is_of(&told, &row), expected, "{told:?}");
    }
}
