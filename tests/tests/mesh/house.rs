//! The house's own rules: which room may name which, and that tests and the list of requirements name each other.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use cargo_metadata::{DependencyKind, MetadataCommand, Package};

const CORE: &str = "tower-identity-core";
const REFRESH: &str = "tower-identity-refresh";
const JOSE: &str = "tower-identity-jose";
const OAUTH: &str = "tower-identity-oauth";
const VERIFY: &str = "tower-identity-verify";
const INBOUND: &str = "tower-identity-inbound";
const OUTBOUND: &str = "tower-identity-outbound";
const SPIFFE: &str = "tower-identity-spiffe";
const TESTKIT: &str = "tower-identity-testkit";
const TLS: &str = "tower-identity-tls";
const EDGE: &str = "tower-identity-edge";
const FACADE: &str = "tower-identity";
const EXTRACTORS: &str = "axum-identity";
const KIT: &str = "demo-kit";
const API: &str = "demo-api";

/// Each room, and the rooms that it may name. A room that is not here may not be in the workspace.
const ARROWS: &[(&str, &[&str])] = &[
    (CORE, &[]),
    (REFRESH, &[CORE]),
    (JOSE, &[CORE]),
    (OAUTH, &[JOSE, REFRESH, CORE]),
    (VERIFY, &[OAUTH, JOSE, REFRESH, CORE]),
    (INBOUND, &[VERIFY, REFRESH, CORE]),
    (OUTBOUND, &[OAUTH, JOSE, REFRESH, CORE]),
    (EXTRACTORS, &[INBOUND, CORE]),
    (SPIFFE, &[REFRESH, CORE]),
    (TLS, &[INBOUND, REFRESH, CORE]),
    (EDGE, &[OUTBOUND, INBOUND, VERIFY, OAUTH, JOSE, REFRESH, CORE]),
    (FACADE, &[EXTRACTORS, SPIFFE, TLS, EDGE, OUTBOUND, INBOUND, VERIFY, OAUTH, JOSE, REFRESH, CORE]),
    (TESTKIT, &[OUTBOUND, INBOUND, VERIFY, OAUTH, JOSE, REFRESH, CORE]),
    (API, &[]),
    (KIT, &[FACADE, EXTRACTORS]),
    ("demo-authority", &[FACADE, EXTRACTORS, KIT, JOSE, OAUTH]),
    ("demo-storefront", &[FACADE, EXTRACTORS, KIT]),
    ("demo-orders", &[FACADE, EXTRACTORS, KIT, API]),
    ("demo-payments", &[FACADE, EXTRACTORS, KIT, API]),
    ("demo-partner", &[FACADE, EXTRACTORS, KIT, "demo-authority"]),
    (
        "demo-mesh",
        &[
            FACADE,
            EXTRACTORS,
            KIT,
            API,
            OAUTH,
            "demo-authority",
            "demo-storefront",
            "demo-orders",
            "demo-payments",
            "demo-partner",
        ],
    ),
    ("mesh-tests", &[]),
];

/// Crates of others that only these rooms may name, and why.
const GUARDED: &[(&str, &[&str], &str)] = &[
    ("jsonwebtoken", &[JOSE], "one room reads and writes JOSE"),
    ("aws-lc-rs", &[JOSE], "one room does cryptography"),
    (
        "tokio",
        &[REFRESH, TESTKIT, TLS],
        "libraries run on whatever runtime their user has; one room drives ours, and one is a listener of this one",
    ),
    ("reqwest", &[OAUTH, OUTBOUND], "one room talks to authorization servers, one adapts the user's client"),
    ("hyper", &[TESTKIT], "libraries do not choose an HTTP server"),
    (
        "hyper-util",
        &[TESTKIT, TLS],
        "libraries do not choose an HTTP server; one room makes connections, in the form that hyper's clients take",
    ),
    (
        "axum",
        &[TLS],
        "libraries stand on axum-core, http and tower, not on a framework; one room is a listener for this one",
    ),
    ("axum-core", &[EXTRACTORS], "the layers fit every framework"),
    (
        "tonic",
        &[EXTRACTORS, OUTBOUND],
        "the layers fit every gRPC server; one room writes a refusal as a status of this one, one adapts its channel",
    ),
    ("loom", &[REFRESH], "one room has a state machine to explore"),
];

/// What the innermost room may name at all: no HTTP, no runtime, no I/O.
const CORE_NAMES: &[&str] = &[
    "base64-simd",
    "event-listener",
    "futures-core",
    "pin-project-lite",
    "serde",
    "serde_json",
    "sha2",
    "smol_str",
    "subtle",
    "thiserror",
    "zeroize",
];

/// What ships with a package: everything but what its own tests use.
fn names(package: &Package) -> BTreeSet<&str> {
    let shipped = package.dependencies.iter().filter(|dependency| dependency.kind != DependencyKind::Development);
    shipped.map(|dependency| dependency.name.as_str()).collect()
}

fn is_program(package: &str) -> bool {
    package.starts_with("demo-")
}

#[test]
fn arrows_point_down_only() {
    let metadata = MetadataCommand::new().no_deps().exec().expect("cargo describes the workspace");
    let arrows: BTreeMap<_, _> = ARROWS.iter().copied().collect();
    let mut wrong = Vec::new();
    for package in &metadata.packages {
        let (room, names) = (package.name.as_str(), names(package));
        let Some(&allowed) = arrows.get(room) else {
            wrong.push(format!("{room} is not among the rooms"));
            continue;
        };
        let refused = names.iter().filter(|name| arrows.contains_key(*name) && !allowed.contains(name));
        wrong.extend(refused.map(|name| format!("{room} may not name {name}")));
        for (name, may, why) in GUARDED {
            if names.contains(name) && !may.contains(&room) && !is_program(room) {
                wrong.push(format!("{room} may not name {name}: {why}"));
            }
        }
        if room == CORE {
            let refused = names.iter().filter(|name| !CORE_NAMES.contains(name));
            wrong.extend(refused.map(|name| format!("{CORE} may not name {name}: it has no HTTP, no runtime, no I/O")));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    let there: BTreeSet<_> = metadata.packages.iter().map(|package| package.name.as_str()).collect();
    assert_eq!(there, arrows.keys().copied().collect(), "every room of the table is in the workspace");
}

/// Families whose name is an ordinary word too: a test is named after them only where a number follows.
const WORDS: [&str; 4] = ["out", "two", "split", "phantom"];

/// The ids in the first column of the tables.
fn listed(document: &str) -> Vec<&str> {
    document.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` |")).map(|(id, _)| id).collect()
}

/// The ids of the last section, which no test shows yet.
fn later(document: &str) -> Vec<&str> {
    let section = document.split_once("\n## Later\n").map_or("", |(_, section)| section);
    section.split('`').skip(1).step_by(2).collect()
}

/// The ids at the front of a test's name, listed or not, which are none when it is not after a requirement.
fn claimed(test: &str, families: &BTreeSet<&str>) -> Vec<String> {
    let mut ids = Vec::new();
    let mut rest = test;
    while let Some(id) = first_claimed(rest, families) {
        rest = rest[id.len()..].trim_start_matches('_');
        ids.push(id);
    }
    ids
}

fn first_claimed(name: &str, families: &BTreeSet<&str>) -> Option<String> {
    let numbered = |part: &str, letters: &str| {
        part.strip_prefix(|c| letters.contains(c))
            .is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()))
    };
    let (family, rest) = name.split_once('_').unwrap_or((name, ""));
    let number = rest.split('_').next().unwrap_or_default();
    if numbered(family, "eg") {
        return Some(family.to_owned());
    }
    // The one family without numbers: what an RFC prints as an example.
    if family == "rfc7638" {
        return Some(family.to_owned());
    }
    let is_rfc = family.strip_prefix("rfc").is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()));
    let is_word = WORDS.contains(&family) && !numbered(number, "abcdpt");
    ((is_rfc || families.contains(family)) && !is_word).then(|| format!("{family}_{number}"))
}

/// The names of the functions under a test attribute.
fn tests_in(source: &str) -> impl Iterator<Item = &str> {
    let mut is_test = false;
    source.lines().map(str::trim_start).filter_map(move |line| {
        is_test |= line.starts_with("#[test]") || (line.starts_with("#[") && line.contains("::test"));
        let signature = line.split_once("fn ").filter(|(before, _)| matches!(*before, "" | "async " | "pub "));
        let name = signature?.1.split(['(', '<']).next()?;
        std::mem::take(&mut is_test).then_some(name)
    })
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder of the workspace") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().unwrap_or_default();
        let is_built = path.join("CACHEDIR.TAG").exists();
        if path.is_dir() && !is_built && !name.as_encoded_bytes().starts_with(b".") {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// The names of all tests of the workspace, each with its file.
fn all_tests(root: &Path) -> Vec<(String, PathBuf)> {
    let mut files = Vec::new();
    sources(root, &mut files);
    let tests = files.into_iter().flat_map(|file| {
        let source = fs::read_to_string(&file).expect("a source");
        tests_in(&source).map(|test| (test.to_owned(), file.clone())).collect::<Vec<_>>()
    });
    tests.collect()
}

/// What is wrong between a list of requirements and the names of tests.
fn mismatches<'a>(document: &'a str, tests: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let (rows, later) = (listed(document), later(document));
    let ids: BTreeSet<_> = rows.iter().copied().collect();
    let families: BTreeSet<_> = ids.iter().filter_map(|id| id.split_once('_')).map(|(family, _)| family).collect();
    let mut wrong = Vec::new();
    if ids.len() != rows.len() {
        wrong.push("an id is listed twice".to_owned());
    }
    let mut shown = BTreeSet::new();
    for test in tests {
        let claimed = claimed(test, &families);
        wrong.extend(claimed.iter().filter(|id| !ids.contains(id.as_str())).map(|id| format!("{test}: no row {id}")));
        // By its first id a test is run, and found: that one it shows.
        shown.extend(claimed.into_iter().next());
    }
    wrong.extend(later.iter().filter(|id| !ids.contains(**id)).map(|id| format!("later, without a row: {id}")));
    wrong.extend(ids.into_iter().filter_map(|id| match (shown.contains(id), later.contains(&id)) {
        (false, false) => Some(format!("no test, and not listed as later: {id}")),
        (true, true) => Some(format!("listed as later, and there is a test: {id}")),
        _ => None,
    }));
    wrong
}

#[test]
fn every_requirement_is_shown_by_a_test_or_listed_as_later() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("this package is in the workspace");
    let document = fs::read_to_string(root.join("docs/requirements.md")).expect("the list");
    let tests = all_tests(root);
    let wrong = mismatches(&document, tests.iter().map(|(test, _)| test.as_str()));
    let of_files = wrong.iter().map(|fault| {
        let test = fault.split(':').next().unwrap_or_default();
        let file = tests.iter().find(|(name, _)| name == test).map(|(_, file)| file.display().to_string());
        format!("{fault} {}", file.unwrap_or_default())
    });
    assert!(wrong.is_empty(), "docs/requirements.md: {:#?}", of_files.collect::<Vec<_>>());
}

#[test]
fn a_requirement_is_shown_or_later_and_a_test_shows_nothing_else() {
    let document =
        "| id |\n|---|\n| `jwt_a1` | x |\n| `jwt_a12` | x |\n| `e2` | x |\n\n## Later\n\n- soon: `jwt_a12`\n";
    let tests = ["jwt_a1_parts", "e2_jwt_a1_both", "jwt_parses_it", "everything_else", "out_of_order"];
    let with = |document: &str, change: &dyn Fn(&mut Vec<&'static str>)| {
        let mut names = tests.to_vec();
        names.remove(2);
        change(&mut names);
        mismatches(document, names)
    };
    assert_eq!(with(document, &|_| {}), [""; 0]);
    assert_eq!(with(document, &|names| names.push(tests[2])), ["jwt_parses_it: no row jwt_parses"]);
    assert_eq!(with(document, &|names| names.push("jwt_a1_jwt_a2_x")), ["jwt_a1_jwt_a2_x: no row jwt_a2"]);
    assert_eq!(
        with(document, &|names| names.retain(|name| *name != tests[0])),
        ["no test, and not listed as later: jwt_a1"]
    );
    assert_eq!(with(document, &|names| names.push("jwt_a12_x")), ["listed as later, and there is a test: jwt_a12"]);
    let unknown = document.replace("soon: `jwt_a12`", "soon: `jwt_a12`, `jwt_a13`");
    assert_eq!(with(&unknown, &|_| {}), ["later, without a row: jwt_a13"]);
    let twice = document.replacen("| `e2` | x |", "| `e2` | x |\n| `e2` | y |", 1);
    assert_eq!(with(&twice, &|_| {}), ["an id is listed twice"]);
}

#[test]
fn the_check_of_names_knows_what_it_looks_for() {
    let families = BTreeSet::from(["jwt", "te", "out", "k8s", "e"]);
    let cases: [(&str, &[&str]); 12] = [
        ("jwt_a8_unknown_crit_is_refused", &["jwt_a8"]),
        ("jwt_a12", &["jwt_a12"]),
        ("jwt_parsing_works", &["jwt_parsing"]),
        ("rfc9999_a1_is_news", &["rfc9999_a1"]),
        ("rfc7638_known_answers", &["rfc7638"]),
        ("out_b4_one_flight", &["out_b4"]),
        ("out_of_order_answers", &[]),
        ("e12_e13_is_500_or_502", &["e12", "e13"]),
        ("e_p2_nothing_is_echoed", &["e_p2"]),
        ("everything_is_fine", &[]),
        ("g1_te_c1_trailers_only", &["g1", "te_c1"]),
        ("k8s_b1_reads_again", &["k8s_b1"]),
    ];
    for (test, expected) in cases {
        assert_eq!(claimed(test, &families), expected, "{test}");
    }
    let source = "#[test]\nfn one() {}\nfn helper() {}\n#[tokio::test(flavor = \"x\")]\nasync fn two() {}\n";
    assert_eq!(tests_in(source).collect::<Vec<_>>(), ["one", "two"]);
    assert_eq!(listed("| id | k |\n| `jwt_a1` | 7519 |\n|---|"), ["jwt_a1"]);
    assert_eq!(later("| `jwt_a1` |\n\n## Later\n\n- `jwt_a2`, `jwt_a3`\n- x: `e1`\n"), ["jwt_a2", "jwt_a3", "e1"]);
}
