//! The house's own rules: which room may name which, and that every requirement a test is named after is on the list.

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
const TESTKIT: &str = "tower-identity-testkit";
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
    (INBOUND, &[VERIFY, CORE]),
    (OUTBOUND, &[OAUTH, JOSE, REFRESH, CORE]),
    (EXTRACTORS, &[INBOUND, CORE]),
    (FACADE, &[EXTRACTORS, OUTBOUND, INBOUND, VERIFY, OAUTH, JOSE, REFRESH, CORE]),
    (TESTKIT, &[OUTBOUND, INBOUND, VERIFY, OAUTH, JOSE, REFRESH, CORE]),
    (API, &[]),
    (KIT, &[FACADE, EXTRACTORS]),
    ("demo-authority", &[FACADE, EXTRACTORS, KIT, JOSE, OAUTH]),
    ("demo-storefront", &[FACADE, EXTRACTORS, KIT]),
    ("demo-orders", &[FACADE, EXTRACTORS, KIT, API]),
    ("demo-payments", &[FACADE, EXTRACTORS, KIT, API]),
    ("demo-mesh", &[FACADE, EXTRACTORS, KIT, API, "demo-authority", "demo-storefront", "demo-orders", "demo-payments"]),
    ("mesh-tests", &[]),
];

/// Crates of others that only these rooms may name, and why.
const GUARDED: &[(&str, &[&str], &str)] = &[
    ("jsonwebtoken", &[JOSE], "one room reads and writes JOSE"),
    ("aws-lc-rs", &[JOSE], "one room does cryptography"),
    ("tokio", &[REFRESH, TESTKIT], "libraries run on whatever runtime their user has; one room drives ours"),
    ("reqwest", &[OAUTH, OUTBOUND], "one room talks to authorization servers, one adapts the user's client"),
    ("hyper", &[TESTKIT], "libraries do not choose an HTTP server"),
    ("hyper-util", &[TESTKIT], "libraries do not choose an HTTP server"),
    ("axum", &[], "libraries stand on axum-core, http and tower, not on a framework"),
    ("axum-core", &[EXTRACTORS], "the layers fit every framework"),
    ("tonic", &[EXTRACTORS], "the layers fit every gRPC server; one room writes a refusal as a status of this one"),
    ("loom", &[REFRESH], "one room has a state machine to explore"),
];

/// What the innermost room may name at all: no HTTP, no runtime, no I/O.
const CORE_NAMES: &[&str] =
    &["futures-core", "pin-project-lite", "serde", "serde_json", "sha2", "subtle", "thiserror", "zeroize"];

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

/// The id at the front of a test's name, listed or not; `None` when the name is not after a requirement.
fn claimed(test: &str, families: &BTreeSet<&str>) -> Option<String> {
    let numbered = |part: &str, letters: &str| {
        part.strip_prefix(|c| letters.contains(c))
            .is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()))
    };
    let (family, rest) = test.split_once('_').unwrap_or((test, ""));
    let number = rest.split('_').next().unwrap_or_default();
    if numbered(family, "eg") {
        return Some(family.to_owned());
    }
    let is_rfc = family.strip_prefix("rfc").is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()));
    let is_word = WORDS.contains(&family) && !numbered(number, "abcp");
    ((is_rfc || families.contains(family)) && !is_word).then(|| format!("{family}_{number}"))
}

fn is_named_after(test: &str, id: &str) -> bool {
    test.strip_prefix(id).is_some_and(|rest| rest.is_empty() || rest.starts_with('_'))
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
        if path.is_dir() && name != "target" && !name.as_encoded_bytes().starts_with(b".") {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn requirement_ids_in_test_names_are_listed() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("this package is in the workspace");
    let document = fs::read_to_string(root.join("docs/requirements.md")).expect("the list");
    let listed = listed(&document);
    let ids: BTreeSet<_> = listed.iter().copied().collect();
    assert_eq!(ids.len(), listed.len(), "an id is listed once");
    let families: BTreeSet<_> = ids.iter().filter_map(|id| id.split_once('_')).map(|(family, _)| family).collect();

    let (mut files, mut unknown, mut known) = (Vec::new(), Vec::new(), 0);
    sources(root, &mut files);
    for file in files {
        let source = fs::read_to_string(&file).expect("a source");
        for test in tests_in(&source) {
            match claimed(test, &families) {
                Some(_) if ids.iter().any(|id| is_named_after(test, id)) => known += 1,
                Some(id) => unknown.push(format!("{}: {test} ({id})", file.display())),
                None => {}
            }
        }
    }
    assert!(unknown.is_empty(), "not listed in docs/requirements.md: {unknown:#?}");
    assert!(known > 0, "no test is named after a requirement, which cannot be");
}

#[test]
fn the_check_of_names_knows_what_it_looks_for() {
    let families = BTreeSet::from(["jwt", "te", "out", "k8s", "e"]);
    let cases = [
        ("jwt_a8_unknown_crit_is_refused", Some("jwt_a8")),
        ("jwt_parsing_works", Some("jwt_parsing")),
        ("rfc9999_a1_is_news", Some("rfc9999_a1")),
        ("out_b4_one_flight", Some("out_b4")),
        ("out_of_order_answers", None),
        ("e12_is_500", Some("e12")),
        ("e_p2_nothing_is_echoed", Some("e_p2")),
        ("everything_is_fine", None),
        ("g1_trailers_only", Some("g1")),
        ("k8s_b1_reads_again", Some("k8s_b1")),
    ];
    for (test, expected) in cases {
        assert_eq!(claimed(test, &families).as_deref(), expected, "{test}");
    }
    let cases = [("jwt_a1_x", true), ("jwt_a1", true), ("jwt_a12_x", false), ("jwt_a", false)];
    for (test, expected) in cases {
        assert_eq!(is_named_after(test, "jwt_a1"), expected, "{test}");
    }
    let source = "#[test]\nfn one() {}\nfn helper() {}\n#[tokio::test(flavor = \"x\")]\nasync fn two() {}\n";
    assert_eq!(tests_in(source).collect::<Vec<_>>(), ["one", "two"]);
    assert_eq!(listed("| id | k |\n| `jwt_a1` | 7519 |\n|---|"), ["jwt_a1"]);
}
