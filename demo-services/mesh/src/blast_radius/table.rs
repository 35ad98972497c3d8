//! The matrix as it is printed: how far a thief gets, mode beside mode, and then mode by mode what every credential opens.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use super::{
    ACTIONS, Action, Matrix, Outcome, Row, SERVICES,
    matrix::{genitive, name_of},
};
use crate::Part;

/// What came of everything that was tried, in each mode.
#[derive(Debug)]
pub struct Table<'a>(pub &'a [Matrix]);

const REACHABLE: char = '●';

type Sum = fn(&Matrix) -> usize;

const SUMS: [(&str, Sum); 4] = [
    ("credentials that were stolen", |matrix| matrix.rows.len()),
    ("requests that were sent and logged", Matrix::requests),
    ("of these reachable", |matrix| matrix.rows.iter().map(|row| row.reached().count()).sum()),
    ("services that one opens, at most", |matrix| {
        matrix.rows.iter().map(|row| row.opens().len()).max().unwrap_or_default()
    }),
];

impl fmt::Display for Table<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.side_by_side(f)?;
        let letters = self.letters();
        let lines: Vec<_> = self.0.iter().map(|matrix| lines(matrix, &letters)).collect();
        let widest = lines.iter().flatten().map(|line| line.credential.chars().count()).max().unwrap_or_default();
        for (matrix, lines) in self.0.iter().zip(&lines) {
            in_detail(f, matrix, lines, widest)?;
        }
        legend(f, &letters)
    }
}

impl Table<'_> {
    /// How much there is to be had at each service with whatever was stolen at one, in each mode.
    fn side_by_side(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:<12}{:<14}{:>8}", "a thief at", "reaches at", "of all")?;
        for matrix in self.0 {
            write!(f, "{:>width$}", name_of(matrix.mode), width = width_of(matrix))?;
        }
        writeln!(f)?;
        for stolen_at in SERVICES {
            for (nth, at) in SERVICES.into_iter().enumerate() {
                let first = if nth == 0 { stolen_at.name() } else { "" };
                let all = ACTIONS.iter().filter(|action| action.at == at).count();
                write!(f, "{first:<12}{:<14}{all:>8}", at.name())?;
                for matrix in self.0 {
                    let reached = match reached(matrix, stolen_at, at) {
                        0 => "-".to_owned(),
                        reached => reached.to_string(),
                    };
                    write!(f, "{reached:>width$}", width = width_of(matrix))?;
                }
                writeln!(f)?;
            }
        }
        writeln!(f)?;
        for (what, sum) in SUMS {
            write!(f, "{what:<34}")?;
            for matrix in self.0 {
                write!(f, "{:>width$}", sum(matrix), width = width_of(matrix))?;
            }
            writeln!(f)?;
        }
        Ok(())
    }

    /// A letter for each check that refused something.
    fn letters(&self) -> BTreeMap<&str, char> {
        let outcomes = self.0.iter().flat_map(|matrix| &matrix.rows).flat_map(|row| &row.outcomes);
        let checks: BTreeSet<&str> = outcomes
            .filter_map(|outcome| match outcome {
                Outcome::Reachable => None,
                Outcome::Refused { check } => Some(check.as_str()),
            })
            .collect();
        let mut letters = BTreeMap::new();
        for check in checks {
            let free = |letter: &char| letter.is_ascii_alphabetic() && !letters.values().any(|taken| taken == letter);
            let letter = check.chars().chain('A'..='Z').find(free).unwrap_or('?');
            letters.insert(check, letter);
        }
        letters
    }
}

/// What each credential opens, and by which check it is refused elsewhere.
fn in_detail(f: &mut fmt::Formatter<'_>, matrix: &Matrix, lines: &[Line], widest: usize) -> fmt::Result {
    let mut line = |credential: &str, columns: &dyn Fn(Part) -> String| {
        let columns: String =
            SERVICES.iter().map(|at| format!("{:<width$}", columns(*at), width = column(*at))).collect();
        let line = format!("{credential:<width$}{columns}", width = widest + 4);
        writeln!(f, "{}", line.trim_end())
    };
    line("", &|_| String::new())?;
    line(&name_of(matrix.mode), &|at| at.name().to_owned())?;
    line("", &|at| (1..=actions_of(at)).map(|number| number.to_string()).collect())?;
    let mut stolen_at = None;
    for one in lines {
        if stolen_at.replace(one.stolen_at) != Some(one.stolen_at) {
            line(&format!("stolen at {}", one.stolen_at.name()), &|_| String::new())?;
        }
        let marks = |at| ACTIONS.iter().zip(one.marks.chars()).filter(move |(action, _)| action.at == at);
        line(&format!("  {}", one.credential), &|at| marks(at).map(|(_, mark)| mark).collect())?;
    }
    Ok(())
}

/// Credentials that are alike but for whose they are, and that open the same.
struct Line {
    stolen_at: Part,
    credential: String,
    /// One for each action.
    marks: String,
}

fn lines(matrix: &Matrix, letters: &BTreeMap<&str, char>) -> Vec<Line> {
    let mut alike: Vec<(&Row, Vec<&str>)> = Vec::new();
    for row in &matrix.rows {
        let same = |one: &Row| (one.stolen_at, &one.what, &one.outcomes) == (row.stolen_at, &row.what, &row.outcomes);
        match alike.iter_mut().find(|(one, _)| same(one)) {
            Some((_, whose)) => whose.push(&row.whose),
            None => alike.push((row, vec![&row.whose])),
        }
    }
    let mark = |outcome: &Outcome| match outcome {
        Outcome::Reachable => REACHABLE,
        Outcome::Refused { check } => letters[check.as_str()],
    };
    let line = |(row, whose): (&Row, Vec<&str>)| Line {
        stolen_at: row.stolen_at,
        credential: format!("{} {}", of_whom(&whose), row.what),
        marks: row.outcomes.iter().map(mark).collect(),
    };
    alike.into_iter().map(line).collect()
}

/// As wide as a mode's name, apart from the one before it.
fn width_of(matrix: &Matrix) -> usize {
    name_of(matrix.mode).len() + 2
}

/// `alice's`, `alice's, bob's`, and beyond two their number.
fn of_whom(whose: &[&str]) -> String {
    match whose {
        [_, _, _, ..] => format!("{} users'", whose.len()),
        few => few.iter().map(|name| genitive(name)).collect::<Vec<_>>().join(", "),
    }
}

/// How many of the actions at one service are had with what was stolen at another.
fn reached(matrix: &Matrix, stolen_at: Part, at: Part) -> usize {
    let rows = matrix.rows.iter().filter(|row| row.stolen_at == stolen_at);
    let there = rows.flat_map(Row::reached).filter(|action| action.at == at);
    there.map(Action::name).collect::<BTreeSet<_>>().len()
}

fn actions_of(at: Part) -> usize {
    ACTIONS.iter().filter(|action| action.at == at).count()
}

/// As wide as a service's name, or as its actions.
fn column(at: Part) -> usize {
    at.name().len().max(actions_of(at)) + 1
}

/// What the numbers and the letters mean.
fn legend(f: &mut fmt::Formatter<'_>, letters: &BTreeMap<&str, char>) -> fmt::Result {
    writeln!(f)?;
    for at in SERVICES {
        let names = ACTIONS.iter().filter(|action| action.at == at).enumerate();
        filled(f, at.name(), names.map(|(nth, action)| format!("{} {}", nth + 1, action.name())))?;
    }
    writeln!(f, "\n{REACHABLE:<INDENT$}the action is done")?;
    filled(f, "refused by", letters.iter().map(|(check, letter)| format!("{letter} {check}")))
}

const INDENT: usize = 12;
const WIDTH: usize = 100;

/// Items after a heading, on as many lines as they need.
fn filled(f: &mut fmt::Formatter<'_>, heading: &str, items: impl Iterator<Item = String>) -> fmt::Result {
    write!(f, "{heading:<INDENT$}")?;
    let mut at = INDENT;
    for item in items {
        let gap = if at == INDENT { "" } else { "  " };
        if at + gap.len() + item.len() > WIDTH {
            write!(f, "\n{:INDENT$}{item}", "")?;
            at = INDENT + item.len();
        } else {
            write!(f, "{gap}{item}")?;
            at += gap.len() + item.len();
        }
    }
    writeln!(f)
}
