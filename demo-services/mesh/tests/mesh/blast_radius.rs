//! How far a thief gets, in every mode: the table of the documentation, and what of it must never change.

use std::{
    collections::BTreeSet,
    env, fs,
    path::{Path, PathBuf},
};

use clap::ValueEnum;
use demo_mesh::{
    Mode, Part, Variation,
    blast_radius::{ACTIONS, BlastRadiusError, Matrix, Outcome, Row, Table, blast_radius, json},
};
use futures_util::future::join_all;
use serde_json::Value;

use crate::support::{FREE, changed, shipped};

/// Set to 1, the table in the documentation is written anew.
const REWRITE: &str = "MESH_REWRITE_GOLDEN";

fn page() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/blast-radius.md")
}

/// What is before the table of the page, the table, and the rest.
fn parts(page: &str) -> (&str, &str, &str) {
    let (before, rest) = page.split_once("```text\n").expect("a table");
    let (table, after) = rest.split_once("```\n").expect("its end");
    (before, table, after)
}

async fn of_mode(mode: Mode) -> Matrix {
    let variation = Variation { mode, ..Variation::default() };
    blast_radius(&shipped(), variation, FREE, "--port-base").await.expect("a matrix")
}

/// The one service that a credential is for, by its words.
fn is_for(what: &str) -> &'static str {
    let audiences = [
        ("session", "storefront"),
        ("token for shop-front", "storefront"),
        ("token for orders", "orders"),
        ("token for payments", "payments"),
        ("token for credit", "partner"),
    ];
    audiences.into_iter().find(|(words, _)| what.contains(words)).expect("it is for somebody").1
}

/// A transaction token opens nothing, neither in its field nor as a bearer token: what opens is the token of a caller's own
/// beside it, where that one is for, if that caller may carry it.
fn opened_in_a_transaction(mode: Mode, row: &Row) -> Option<&'static str> {
    let Some(beside) = row.what.strip_prefix("transaction token") else { return Some(is_for(&row.what)) };
    match beside.split_once(" + ").map(|(_, own)| own) {
        // Orders asked for a guest's where the storefront did not make it, which carries none but its own.
        Some("storefront's own") => (mode == Mode::Edge || !row.whose.starts_with("guest-")).then_some("orders"),
        Some(own) if own.starts_with("orders' own") => Some("payments"),
        Some(own) => panic!("{own}"),
        None => None,
    }
}

/// A name opens nothing by itself, and anybody's opens whatever the service's own token beside it does.
fn opened_by_name(row: &Row) -> Option<&'static str> {
    let Some(how) = row.what.strip_prefix("name").map(|how| how.strip_prefix(", never seen").unwrap_or(how)) else {
        return Some(is_for(&row.what));
    };
    match how.strip_prefix(" + ") {
        Some("storefront's own") => Some("orders"),
        Some(own) if own.starts_with("orders' own") => Some("payments"),
        Some(own) => panic!("{own}"),
        None => {
            assert_eq!(how, ", as x-user-id");
            None
        }
    }
}

/// What somebody who was never seen can be made to have done, beside whose own token: the same as somebody who was.
fn for_whoever_it_likes(rows: &[Row]) -> Vec<(Part, &str)> {
    let of = |whose: &'static str| rows.iter().filter(move |row| row.whose == whose);
    let never_seen = of("carol").filter_map(|row| Some((row, row.what.strip_prefix("name, never seen")?)));
    let mut found = Vec::new();
    for (row, own) in never_seen {
        let seen = of("alice").find(|seen| seen.stolen_at == row.stolen_at && seen.what == format!("name{own}"));
        assert_eq!(row.outcomes, seen.expect("of alice").outcomes, "{row:?}");
        found.push((row.stolen_at, own));
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn rfc9068_a3_whatever_a_service_has_seen_opens_in_each_mode_what_is_documented() {
    let modes = Mode::value_variants();
    let matrices = join_all(modes.iter().map(|mode| of_mode(*mode))).await;
    let text = fs::read_to_string(page()).expect("the page");
    let (before, documented, after) = parts(&text);
    let table = Table(&matrices).to_string();
    if env::var(REWRITE).is_ok_and(|value| value == "1") {
        fs::write(page(), format!("{before}```text\n{table}```\n{after}")).expect("written");
    } else {
        let differs = table.lines().zip(documented.lines()).find(|(now, documented)| now != documented);
        assert!(table == documented, "{REWRITE}=1 writes it anew; the first line that differs: {differs:?}\n{table}");
    }
    assert!(table.lines().all(|line| line.chars().count() <= 120 && line.trim_end() == line), "{table}");

    // What must hold, whatever is written there.
    let of = |mode: Mode| &matrices[modes.iter().position(|other| *other == mode).expect("a mode")].rows;
    for mode in [Mode::Exchange, Mode::Embedded, Mode::TwoCredentials, Mode::Signed] {
        for row in of(mode) {
            // A user's token counts beside its caller's, and alone only as a bearer token.
            let expected = match row.what.ends_with(", as x-user-token") {
                true => BTreeSet::new(),
                false => BTreeSet::from([is_for(&row.what)]),
            };
            assert_eq!(row.opens(), expected, "{mode:?}: {row:?}");
        }
    }
    for mode in [Mode::Transaction, Mode::Edge] {
        for row in of(mode) {
            assert_eq!(row.opens(), BTreeSet::from_iter(opened_in_a_transaction(mode, row)), "{mode:?}: {row:?}");
        }
    }
    for row in of(Mode::PlainHeaders) {
        assert_eq!(row.opens(), BTreeSet::from_iter(opened_by_name(row)), "{row:?}");
    }
    let (by_day, at_night) = (" + orders' own: payments:charge payments:read", " + orders' own: payments:settle");
    let expected = [
        (Part::Storefront, " + storefront's own"),
        (Part::Orders, by_day),
        (Part::Orders, at_night),
        (Part::Orders, " + storefront's own"),
        (Part::Payments, by_day),
        (Part::Payments, at_night),
    ];
    assert_eq!(for_whoever_it_likes(of(Mode::PlainHeaders)), expected);
    let by_users = |row: &&Row| row.what == "token for storefront, orders, payments";
    let everywhere: BTreeSet<_> = ["storefront", "orders", "payments"].into();
    let relayed: Vec<_> = of(Mode::Relay).iter().filter(by_users).map(|row| (row.stolen_at, row.opens())).collect();
    assert_eq!(relayed.len(), 7);
    assert!(relayed.iter().all(|(_, opens)| *opens == everywhere), "{relayed:?}");
    // Whoever breaks in at the edge has what orders sends to payments only where that lies in what the edge sends to orders.
    let at_the_edge = |mode| of(mode).iter().filter(|row| row.stolen_at == Part::Storefront);
    let reached = |mode| at_the_edge(mode).flat_map(Row::opens).collect::<BTreeSet<_>>();
    let near: BTreeSet<_> = ["storefront", "orders"].into();
    let expected = [
        (Mode::Exchange, &near),
        (Mode::TwoCredentials, &near),
        (Mode::Signed, &near),
        (Mode::Transaction, &near),
        (Mode::Edge, &near),
        (Mode::PlainHeaders, &near),
        (Mode::Embedded, &everywhere),
    ];
    for (mode, expected) in expected {
        assert_eq!(reached(mode), *expected, "{mode:?}");
    }
    told_in_json(&matrices);
}

fn told_in_json(matrices: &[Matrix]) {
    let text = json(matrices);
    assert!(!text.contains("eyJ"), "a token is in the text");
    let cells: Vec<Value> = serde_json::from_str(&text).expect("JSON");
    assert_eq!(cells.len(), matrices.iter().map(Matrix::requests).sum::<usize>());
    let names = ["action", "check", "credential", "mode", "outcome", "replayed_at", "stolen_at"];
    let mut different = BTreeSet::new();
    for cell in &cells {
        let members = cell.as_object().expect("an object");
        assert!(members.keys().eq(names), "{cell}");
        let refused_by = cell["check"].as_str();
        assert_eq!(cell["outcome"], if refused_by.is_some() { "refused" } else { "reachable" });
        different.insert(names.map(|name| members[name].to_string()));
    }
    assert_eq!(different.len(), cells.len(), "two cells are the same");
    let of_alice = "alice's token for orders (storefront acts)";
    let expected = [
        ("storefront", "GET /whoami", Some("iss")),
        ("orders", "GET /whoami", None),
        ("payments", "gRPC Charge", Some("aud")),
    ];
    for (at, action, check) in expected {
        let cell = cells.iter().find(|cell| {
            ["mode", "stolen_at", "credential", "replayed_at", "action"]
                .map(|name| cell[name].as_str().unwrap_or_default())
                == ["exchange", "orders", of_alice, at, action]
        });
        assert_eq!(cell.expect("a cell")["check"].as_str(), check, "{at}");
    }
}

/// The control: where a service takes tokens that are for another, the matrix says so.
#[tokio::test]
async fn a_service_that_accepts_anothers_audience_is_reached() {
    let wide = "audience = [\"payments\", \"orders\"]\n\n";
    let directory = changed("blast-audience", "payments.toml", "audience = \"payments\"\n\n", wide);
    let matrix = blast_radius(&directory, Variation::default(), FREE, "--port-base").await.expect("a matrix");
    let opens: Vec<_> = matrix.rows.iter().filter(|row| is_for(&row.what) == "orders").map(Row::opens).collect();
    // Three users' and a guest's, stolen at two services: whom payments sees is asked by whoever is let in, and not yet by its
    // list alone.
    assert_eq!(opens, vec![BTreeSet::from(["orders", "payments"]); 8]);
    let charged = ACTIONS.iter().position(|action| action.name() == "POST /charges").expect("an action");
    let charges: BTreeSet<_> = matrix
        .rows
        .iter()
        .filter(|row| is_for(&row.what) == "orders")
        .map(|row| format!("{:?}", row.outcomes[charged]))
        .collect();
    let by_callers = Outcome::Refused { check: "callers".to_owned() };
    assert_eq!(charges, BTreeSet::from([format!("{by_callers:?}")]));
}

#[tokio::test]
async fn a_shop_that_does_not_work_has_no_matrix() {
    let directory = changed("blast-callers", "payments.toml", "callers = [\"orders\"]", "callers = [\"ledger\"]");
    match blast_radius(&directory, Variation::default(), FREE, "--port-base").await {
        Err(BlastRadiusError::NotAtWork { page }) => assert!(page.contains("   ✘ the order is placed: 201"), "{page}"),
        other => panic!("{other:?}"),
    }
}
