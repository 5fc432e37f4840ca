//! What becomes of every instant between a job's cursor and now.
//!
//! A decision and nothing else: the ledger writes it down, so that each instant is in
//! exactly one place.

use std::time::Duration;

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};

use super::Schedule;
use crate::model::{JobName, Timestamp};

/// How late an occurrence may be planned and still be on time: longer than a busy
/// machine or a slow disk delays the planner, shorter than a restart that people notice.
pub const GRACE: TimeDelta = TimeDelta::seconds(10);

/// The most occurrences that `catch_up = "all"` runs after one outage.
pub const MOST_CAUGHT_UP: u64 = 100;

/// What becomes of missed occurrences.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CatchUp {
    /// The newest one inside the window runs, the others are superseded.
    #[default]
    Latest,
    /// None runs.
    Skip,
    /// Every one inside the window runs, the newest 100 at most.
    All,
}

/// A job's misfire policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Misfires {
    /// Which of the missed ones run.
    pub catch_up: CatchUp,
    /// How old an occurrence may be and still be caught up.
    pub window: Duration,
}

/// Why an occurrence was not started.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Missed {
    /// Older than the catch-up window, or the job catches up on nothing.
    Window,
    /// A newer one of the same job runs instead.
    Superseded,
}

/// An occurrence that runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Planned {
    /// The nominal instant: the occurrence's key.
    pub scheduled_at: Timestamp,
    /// When it starts: the nominal instant and its jitter.
    pub due_at: Timestamp,
    /// It is caught up: it was due longer ago than [`GRACE`].
    pub late: bool,
}

/// One or more nominal instants that follow each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// The first of them.
    pub from: Timestamp,
    /// The last of them.
    pub until: Timestamp,
    /// How many they are; at least 1.
    pub count: u64,
}

/// Instants that were missed for one reason: one record, not `count` rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// Why.
    pub reason: Missed,
    /// Which.
    pub span: Span,
}

/// What becomes of every instant after the cursor, up to now: each is in one of `runs`
/// or one of `ranges`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// What runs, oldest first; bounded by [`MOST_CAUGHT_UP`] and [`GRACE`].
    pub runs: Vec<Planned>,
    /// What was missed, oldest first; at most one range for each reason.
    pub ranges: Vec<Range>,
    /// The job's new cursor: now.
    pub cursor: Timestamp,
    /// The next nominal instant; None for a one-shot that has passed.
    pub next: Option<Timestamp>,
}

/// Decides what is due for a job that was planned up to `cursor`.
///
/// A new job's cursor is the instant it first appears: it never runs back. A cursor ahead
/// of `now`, left by a clock that stepped back, is pulled back to now, so that no job stays
/// silent until the clock has caught up; the ledger's unique key keeps what is then planned
/// a second time from running twice.
#[must_use]
pub fn plan(
    job: &JobName,
    schedule: &Schedule,
    misfires: &Misfires,
    cursor: Timestamp,
    now: Timestamp,
) -> Plan {
    let cursor = cursor.min(now);
    let punctual = punctual_edge(job, schedule, cursor, now);
    let window = window_edge(misfires, cursor, punctual, now);
    let late = late_edge(schedule, misfires.catch_up, window, punctual, now);
    let planned = |after, until, late| {
        within(schedule, after, until).map(move |scheduled_at| Planned {
            scheduled_at,
            due_at: schedule.due_at(job, scheduled_at),
            late,
        })
    };
    let range =
        |reason, after, until| pass_over(schedule, after, until).map(|span| Range { reason, span });
    Plan {
        runs: planned(late, punctual, true)
            .chain(planned(punctual, now, false))
            .collect(),
        ranges: range(Missed::Window, cursor, window)
            .into_iter()
            .chain(range(Missed::Superseded, window, late))
            .collect(),
        cursor: now,
        next: schedule.next_after(now),
    }
}

/// The instants after `after`, up to and with `until`, that a pause passed over.
#[must_use]
pub fn pass_over(schedule: &Schedule, after: Timestamp, until: Timestamp) -> Option<Span> {
    let from = schedule.next_after(after).filter(|from| *from <= until)?;
    Some(Span {
        from,
        until: schedule.newest(after, until)?,
        count: schedule.count(after, until),
    })
}

/// What comes after this edge is on time.
///
/// Besides the instants of the last seconds that is the one before them, if its jitter
/// still delays it: jitter never passes the next instant, so there is no second such one.
fn punctual_edge(
    job: &JobName,
    schedule: &Schedule,
    cursor: Timestamp,
    now: Timestamp,
) -> Timestamp {
    let edge = (now - GRACE).max(cursor);
    match schedule.newest(cursor, edge) {
        Some(newest) if schedule.due_at(job, newest) >= now - GRACE => {
            (newest - TimeDelta::seconds(1)).max(cursor)
        }
        _ => edge,
    }
}

/// What comes after this edge, up to the punctual one, is young enough to be caught up.
fn window_edge(
    misfires: &Misfires,
    cursor: Timestamp,
    punctual: Timestamp,
    now: Timestamp,
) -> Timestamp {
    if misfires.catch_up == CatchUp::Skip {
        return punctual;
    }
    TimeDelta::from_std(misfires.window)
        .ok()
        .and_then(|window| now.checked_sub_signed(window))
        .map_or(cursor, |edge| edge.clamp(cursor, punctual))
}

/// What comes after this edge, up to the punctual one, runs late.
fn late_edge(
    schedule: &Schedule,
    catch_up: CatchUp,
    window: Timestamp,
    punctual: Timestamp,
    now: Timestamp,
) -> Timestamp {
    match catch_up {
        CatchUp::Skip => punctual,
        CatchUp::Latest if within(schedule, punctual, now).next().is_some() => punctual,
        CatchUp::Latest => schedule.edge_of_newest(window, punctual, 1),
        CatchUp::All => schedule.edge_of_newest(window, punctual, MOST_CAUGHT_UP),
    }
}

fn within(
    schedule: &Schedule,
    after: Timestamp,
    until: Timestamp,
) -> impl Iterator<Item = Timestamp> {
    schedule.upcoming(after).take_while(move |s| *s <= until)
}
