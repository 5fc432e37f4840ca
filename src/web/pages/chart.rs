//! How long the AI took for the last runs of a job, as bars of an inline SVG. Pure.

use super::super::say::{self, Zoned};
use crate::ledger::Glimpse;

/// How many runs the chart shows.
pub(super) const RUNS: u32 = 60;

/// The drawing's own coordinates.
const WIDTH: f64 = 600.0;
const HEIGHT: f64 = 120.0;

/// A chart; None of runs that were never asked.
pub(super) struct Chart {
    pub(super) bars: Vec<Column>,
    /// What the top line stands for.
    pub(super) top: String,
    /// What the middle line stands for.
    pub(super) middle: String,
    /// Of those that ended with or without an answer, how many were delivered, in per cent.
    pub(super) success: Option<i64>,
}

/// One run.
pub(super) struct Column {
    pub(super) run_id: i64,
    pub(super) class: &'static str,
    pub(super) x: String,
    pub(super) y: String,
    pub(super) width: String,
    pub(super) height: String,
    pub(super) title: String,
}

/// The chart of a job's newest runs; `runs` begin with the newest.
pub(super) fn chart(runs: &[Glimpse], zoned: &Zoned) -> Option<Chart> {
    let asked: Vec<&Glimpse> = runs
        .iter()
        .take(RUNS as usize)
        .filter(|run| run.asked_ms.is_some())
        .rev()
        .collect();
    let longest = asked.iter().filter_map(|run| run.asked_ms).max()?;
    let top = round_up(longest);
    let step = WIDTH / f64::from(u32::try_from(asked.len()).unwrap_or(RUNS).max(20));
    let columns = asked.iter().enumerate();
    Some(Chart {
        bars: columns
            .map(|(index, run)| column(index, run, step, top, zoned))
            .collect(),
        top: say::took(top, zoned.language),
        middle: say::took(top / 2, zoned.language),
        success: success(runs),
    })
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a drawing needs no more than three digits"
)]
fn column(index: usize, run: &Glimpse, step: f64, top: i64, zoned: &Zoned) -> Column {
    let asked = run.asked_ms.unwrap_or_default();
    let height = (asked as f64 / top as f64 * HEIGHT).max(2.0);
    let (class, _) = say::look(&run.state);
    Column {
        run_id: run.run_id,
        class,
        x: format!("{:.1}", step * index as f64 + 1.0),
        y: format!("{:.1}", HEIGHT - height),
        width: format!("{:.1}", (step - 2.0).max(1.0)),
        height: format!("{height:.1}"),
        title: format!(
            "{}: {}, {}",
            zoned.exact_ms(run.scheduled_at),
            say::took(asked, zoned.language),
            say::state(&run.state, zoned.language)
        ),
    }
}

/// The next 1, 2 or 5 with noughts behind it.
fn round_up(ms: i64) -> i64 {
    let mut unit = 100;
    loop {
        for times in [1, 2, 5] {
            if times * unit >= ms {
                return times * unit;
            }
        }
        unit *= 10;
    }
}

fn success(runs: &[Glimpse]) -> Option<i64> {
    let count = |states: &[&str]| {
        runs.iter()
            .filter(|run| states.contains(&run.state.as_str()))
            .count()
    };
    let good = count(&["delivered", "silent"]);
    let all = good + count(&["failed"]);
    let per_cent = (good * 100).checked_div(all)?;
    i64::try_from(per_cent).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_top_line_is_a_round_number_above_every_bar() {
        for (longest, top) in [
            (1, 100),
            (100, 100),
            (101, 200),
            (14_200, 20_000),
            (60_001, 100_000),
        ] {
            assert_eq!(round_up(longest), top);
        }
    }
}
