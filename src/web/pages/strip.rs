//! The last runs of a job in a row, the oldest first: each a bar whose colour and form say how it
//! ended. Pure.

use super::super::{say, say::Zoned};
use crate::ledger::Glimpse;

/// How many runs a strip shows.
pub(super) const RUNS: u32 = 30;

const STEP: i64 = 10;
const HEIGHT: i64 = 24;

/// One run of a strip.
pub(super) struct Bar {
    pub(super) run_id: i64,
    pub(super) class: &'static str,
    /// A path in the strip's own coordinates.
    pub(super) path: String,
    /// What a pointer or a screen reader is told.
    pub(super) title: String,
}

/// The bars of a job's newest runs; `runs` begin with the newest.
pub(super) fn bars(runs: &[Glimpse], zoned: &Zoned) -> Vec<Bar> {
    let oldest_first = runs.iter().take(RUNS as usize).rev();
    oldest_first
        .enumerate()
        .map(|(index, run)| bar(index, run, zoned))
        .collect()
}

fn bar(index: usize, run: &Glimpse, zoned: &Zoned) -> Bar {
    let (class, _) = say::look(&run.state);
    let x = STEP * i64::try_from(index).unwrap_or_default() + 1;
    let state = say::state(&run.state, zoned.language);
    let many = match run.instants {
        1 => String::new(),
        many => format!(" × {many}"),
    };
    Bar {
        run_id: run.run_id,
        class,
        path: form(class, x),
        title: format!("{}: {state}{many}", zoned.exact_ms(run.scheduled_at)),
    }
}

/// Told apart without colour: a full bar, a wedge, a diamond, a half bar, a dot.
fn form(class: &str, x: i64) -> String {
    match class {
        "good" => format!("M{x} 2h8v{}h-8z", HEIGHT - 4),
        "bad" => format!("M{} 2l4 {h}h-8z", x + 4, h = HEIGHT - 4),
        "warn" => format!("M{} 7l4 5l-4 5l-4 -5z", x + 4),
        "live" => format!("M{x} 12h8v10h-8z"),
        _ => format!("M{} 10h4v4h-4z", x + 2),
    }
}
