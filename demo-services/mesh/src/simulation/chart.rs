//! The figures as a picture: a column for each thing that differs, a line for each figure.

use std::fmt;

use super::{
    Fleet, Sweep,
    table::{grouped, shown},
};

/// A picture of sweeps, in SVG.
#[derive(Debug)]
pub struct Chart<'a> {
    /// What the fleets have in common.
    pub fleet: &'a Fleet,
    /// The fleets, and what they come to.
    pub sweeps: &'a [Sweep],
}

const WIDTH: f64 = 1000.0;
const LEFT: f64 = 24.0;
const GAP: f64 = 22.0;
/// Where the first line of panels begins, how high one is, and how far it is to the next.
const TOP: f64 = 132.0;
const PANEL: f64 = 92.0;
const LINE: f64 = 178.0;
/// The room of the labels at the sides of a panel.
const SIDE: f64 = 20.0;

/// A figure: what it is, its color, and whether ten times as much is as far as ten times that.
struct Figure {
    name: &'static str,
    color: &'static str,
    logarithmic: bool,
}

/// In the order of [`shown`].
const FIGURES: [Figure; 3] = [
    Figure { name: "requests that find their token there, %", color: "#0f766e", logarithmic: false },
    Figure { name: "requests to the authorization server, a second", color: "#3b82f6", logarithmic: true },
    Figure { name: "memory that usable tokens take in a replica, MB", color: "#ca8a04", logarithmic: true },
];

impl Figure {
    /// How high a value stands, from 0 to 1, among all that are shown of it.
    fn height(&self, value: f64, all: &[f64]) -> f64 {
        if !self.logarithmic {
            return value / 100.0;
        }
        // Half of the smallest step below a value that is 0, which no chart of this kind can show.
        let log = |value: f64| value.max(0.005).log10();
        let (low, high) =
            all.iter().fold((f64::MAX, f64::MIN), |(low, high), it| (low.min(log(*it)), high.max(log(*it))));
        if high > low { (log(value) - low) / (high - low) } else { 0.5 }
    }
}

/// A number below an axis.
fn short(number: u32) -> String {
    if number >= 1000 && number.is_multiple_of(1000) { format!("{}k", number / 1000) } else { grouped(number.into()) }
}

/// The text of a cell of the table, as the number that it says.
fn number(cell: &str) -> f64 {
    cell.replace(',', "").parse().expect("a cell of the table is a number")
}

impl fmt::Display for Chart<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Fleet {
            users,
            targets,
            replicas,
            token_seconds,
            user_token_seconds,
            calls_per_minute,
            cache_mebibytes,
            ..
        } = self.fleet;
        let bottom = TOP + LINE * FIGURES.len() as f64 - 30.0;
        writeln!(
            f,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {bottom}\" font-family=\"system-ui, \
             -apple-system, 'Segoe UI', Helvetica, Arial, sans-serif\" role=\"img\" aria-labelledby=\"title\">\n  \
             <title id=\"title\">How often a fleet asks its authorization server, and how much it remembers</title>\n  \
             <rect width=\"{WIDTH}\" height=\"{bottom}\" rx=\"14\" fill=\"#ffffff\"/>\n  \
             <text x=\"{LEFT}\" y=\"38\" font-size=\"17\" font-weight=\"600\" fill=\"#0f172a\">How often a fleet asks its \
             authorization server, and how much it remembers</text>\n  \
             <text x=\"{LEFT}\" y=\"60\" font-size=\"13\" fill=\"#334155\">{} users, each with {calls_per_minute} calls a \
             minute to {targets} targets, by {replicas} replicas with {cache_mebibytes} MiB of room each; tokens live {token_seconds} s, users' own \
             {user_token_seconds} s.</text>\n  \
             <text x=\"{LEFT}\" y=\"78\" font-size=\"13\" fill=\"#334155\">In each column one thing differs; ● is this fleet.</text>",
            grouped((*users).into()),
        )?;
        let width =
            (WIDTH - 2.0 * LEFT - GAP * (self.sweeps.len().max(1) - 1) as f64) / self.sweeps.len().max(1) as f64;
        for (line, figure) in FIGURES.iter().enumerate() {
            let top = TOP + LINE * line as f64;
            writeln!(
                f,
                "  <text x=\"{LEFT}\" y=\"{}\" font-size=\"13\" font-weight=\"600\" fill=\"{}\">{}</text>",
                top - 12.0,
                figure.color,
                figure.name
            )?;
            let cells =
                |sweep: &Sweep| sweep.rows.iter().map(|row| shown(&row.figures)[line].clone()).collect::<Vec<_>>();
            let all: Vec<_> = self.sweeps.iter().flat_map(cells).map(|cell| number(&cell)).collect();
            for (column, sweep) in self.sweeps.iter().enumerate() {
                let panel = Panel { left: LEFT + (width + GAP) * column as f64, top, width, figure, all: &all };
                panel.draw(f, self.fleet, sweep, &cells(sweep))?;
            }
        }
        writeln!(f, "</svg>")
    }
}

/// One figure over one thing that differs.
struct Panel<'a> {
    left: f64,
    top: f64,
    width: f64,
    figure: &'a Figure,
    all: &'a [f64],
}

impl Panel<'_> {
    fn draw(
        &self,
        f: &mut fmt::Formatter<'_>,
        common: &Fleet,
        Sweep { axis, rows }: &Sweep,
        cells: &[String],
    ) -> fmt::Result {
        let Self { left, top, width, figure, all } = *self;
        let right = left + width;
        let bottom = top + PANEL;
        let step = (width - 2.0 * SIDE) / (rows.len().max(2) - 1) as f64;
        let place = |at: usize, cell: &str| {
            let room = PANEL - 24.0;
            (left + SIDE + step * at as f64, bottom - 6.0 - room * figure.height(number(cell), all))
        };
        let points: Vec<_> = cells.iter().enumerate().map(|(at, cell)| place(at, cell)).collect();
        let line: Vec<_> = points.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        writeln!(f, "  <g fill=\"none\">")?;
        writeln!(
            f,
            "    <rect x=\"{left:.1}\" y=\"{top:.1}\" width=\"{width:.1}\" height=\"{PANEL}\" rx=\"8\" fill=\"#f8fafc\"/>"
        )?;
        writeln!(f, "    <path d=\"M{left:.1} {bottom:.1} H{right:.1}\" stroke=\"#94a3b8\"/>")?;
        writeln!(f, "    <polyline points=\"{}\" stroke=\"{}\" stroke-width=\"2\"/>", line.join(" "), figure.color)?;
        for (((x, y), cell), row) in points.iter().zip(cells).zip(rows) {
            let fill = if row.fleet == *common { figure.color } else { "#ffffff" };
            let value = grouped(axis.of(&row.fleet).into());
            writeln!(
                f,
                "    <circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"4\" fill=\"{fill}\" stroke=\"{}\" stroke-width=\"1.5\">\
                 <title>{} {value}: {cell}</title></circle>",
                figure.color,
                axis.name()
            )?;
            let text = "text-anchor=\"middle\" font-size=\"11\"";
            writeln!(f, "    <text x=\"{x:.1}\" y=\"{:.1}\" {text} fill=\"#0f172a\">{cell}</text>", y - 9.0)?;
            writeln!(
                f,
                "    <text x=\"{x:.1}\" y=\"{:.1}\" {text} fill=\"#64748b\">{}</text>",
                bottom + 15.0,
                short(axis.of(&row.fleet))
            )?;
        }
        let middle = f64::midpoint(left, right);
        let name = axis.name();
        writeln!(
            f,
            "    <text x=\"{middle:.1}\" y=\"{:.1}\" text-anchor=\"middle\" font-size=\"12\" fill=\"#334155\">{name}</text>",
            bottom + 31.0
        )?;
        writeln!(f, "  </g>")
    }
}
