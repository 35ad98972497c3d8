//! The figures of the simulation, and that its picture says what its table says.

use std::{
    fs,
    path::{Path, PathBuf},
};

use demo_mesh::simulation::{Axis, Chart, Figures, Fleet, Sweep, Table, simulate, sweeps};

fn picture() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/outbound-cache.svg")
}

/// What is between these marks, each time.
fn between<'a>(text: &'a str, (before, after): (&str, &str)) -> Vec<&'a str> {
    text.split(before).skip(1).map(|rest| rest.split(after).next().expect("the rest begins with it")).collect()
}

/// The cells of the table's lines that the picture shows, in its order: figure by figure, and axis by axis.
fn cells_of(table: &str, sweeps: &[Sweep]) -> Vec<String> {
    let sections: Vec<_> = table.split("\n\n").skip(1).collect();
    assert_eq!(sections.len(), sweeps.len());
    let cells = |column: usize| {
        let of_axis = move |(section, Sweep { axis, .. }): (&&str, &Sweep)| {
            let (name, rows) = section.split_once('\n').expect("a heading and rows");
            assert_eq!(name, axis.name());
            let cell = |row: &str| {
                let cells: Vec<_> = row.split_whitespace().collect();
                format!("{} {}: {}", axis.name(), cells[0], cells[column])
            };
            rows.lines().map(cell).collect::<Vec<_>>()
        };
        sections.iter().zip(sweeps).flat_map(of_axis).collect::<Vec<_>>()
    };
    // The columns "at once, %", "asked/s" and "MB", after those of the axis itself and of the requests.
    [2, 3, 6].into_iter().flat_map(cells).collect()
}

#[test]
fn the_picture_in_the_documentation_is_of_these_figures_and_its_numbers_are_the_tables() {
    let fleet = Fleet::default();
    let sweeps = sweeps(&fleet);
    let drawn = Chart { fleet: &fleet, sweeps: &sweeps }.to_string();
    let points = between(&drawn, ("<circle", "</circle>"));
    let told: Vec<_> = points.iter().flat_map(|point| between(point, ("<title>", "</title>"))).collect();
    assert_eq!(told, cells_of(&Table(&sweeps).to_string(), &sweeps));
    assert_eq!(told.len(), 3 * 5 * Axis::ALL.len());
    assert!(
        fs::read_to_string(picture()).expect("the picture") == drawn,
        "draw it anew: cargo run -p demo-mesh -- simulate --svg docs/outbound-cache.svg"
    );
}

/// The figures that the documentation names: they change with the rules, and with nothing else.
#[test]
fn the_documentation_names_these_figures() {
    let told = |fleet: &Fleet| {
        let Figures { hit_percent, calls_per_second, ahead_percent, megabytes, .. } = simulate(fleet);
        [
            format!("{hit_percent:.1} %"),
            format!("{calls_per_second:.0}/s"),
            format!("{ahead_percent:.0} %"),
            format!("{megabytes:.0} MB"),
        ]
    };
    assert_eq!(told(&Fleet::default()), ["74.9 %", "371/s", "32 %", "33 MB"]);
    let more = Fleet { users: 30_000, ..Fleet::default() };
    assert_eq!(told(&more)[0], "47.6 %");
    assert_eq!(told(&Fleet { cache_mebibytes: 128, ..more })[0], "74.8 %");
}

#[test]
fn the_same_seed_gives_the_same_figures() {
    let fleet = Fleet { users: 100, ..Fleet::default() };
    assert_eq!(simulate(&fleet), simulate(&fleet));
    assert_ne!(simulate(&fleet), simulate(&Fleet { seed: 2, ..fleet }));
}
