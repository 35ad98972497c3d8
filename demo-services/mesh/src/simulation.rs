//! What a fleet asks of its authorization server, and how much it remembers: for whoever has to say beforehand whether the
//! server will bear it.
//!
//! The replicas of one service call its targets for its users. Time is simulated, and so are the requests, and the rules
//! are those of the outbound cache; that they are is tested against the cache itself. They are written down once more,
//! because the real ones draw when a token is refreshed from chance, and the same seed has to give the same figures.
//!
//! | module | what it holds |
//! |---|---|
//! | `fleet` | [`Fleet`]: how many users, targets and replicas, and how long tokens live |
//! | `arrivals` | [`Arrivals`]: which request is made when, where and for whom |
//! | `remembered` | what one replica remembers, and what becomes of a request that needs a token |
//! | `run` | [`simulate`]: all requests, and the [`Figures`] that come of them |
//! | `sweep` | [`sweeps`]: the same fleet, where one thing of it differs |
//! | `table`, `chart` | the figures in columns, and as a picture |
//! | `command` | [`Simulate`], as `mesh simulate` has it |

mod arrivals;
mod chart;
mod command;
mod fleet;
mod remembered;
mod run;
mod sweep;
mod table;

pub use self::{
    arrivals::{Arrival, Arrivals},
    chart::Chart,
    command::Simulate,
    fleet::Fleet,
    remembered::Outcome,
    run::{Figures, Tally, simulate, tally},
    sweep::{Axis, Row, Sweep, sweeps},
    table::Table,
};
