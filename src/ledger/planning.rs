//! Writing down what is due: all of one instant in one transaction, ahead of free slots.

use chrono::TimeDelta;
use sqlx::{FromRow, QueryBuilder, SqliteConnection};

use super::{Ledger, Result};
use crate::{
    config::Overlap,
    model::{RunState, Timestamp, from_ms, to_ms},
};

/// Rows in one statement: large enough to be quick; small enough that thousands of rows use one
/// prepared statement again and again, and that it takes little memory while it is kept.
const ROWS: usize = 100;

/// Everything that one look at the clock decided.
#[derive(Clone, Debug, Default)]
pub struct Planning {
    /// Occurrences that will run.
    pub occurrences: Vec<NewOccurrence>,
    /// Occurrences that will not, as ranges.
    pub ranges: Vec<NewRange>,
    /// The jobs whose cursor moves to the planning's instant.
    pub jobs: Vec<String>,
    /// The jobs whose pause is over.
    pub unpaused: Vec<String>,
}

/// An occurrence that will run.
#[derive(Clone, Debug)]
pub struct NewOccurrence {
    /// Its job.
    pub job: String,
    /// Its nominal instant.
    pub scheduled_at: Timestamp,
    /// With its jitter.
    pub due_at: Timestamp,
    /// What becomes of it if the job's last run is not done.
    pub overlap: Overlap,
    /// When it is too late to start it.
    pub start_by: Option<Timestamp>,
}

/// Adjacent occurrences that will not run, for one reason.
#[derive(Clone, Debug)]
pub struct NewRange {
    /// Their job.
    pub job: String,
    /// `Missed` or `Skipped`.
    pub state: RunState,
    /// Why.
    pub reason: &'static str,
    /// The first nominal instant.
    pub from: Timestamp,
    /// The last one.
    pub until: Timestamp,
    /// How many.
    pub instants: u64,
}

/// What is left of a record that reaches past an instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// Nothing.
    Nothing,
    /// So many instants, up to and with this one.
    Left(u64, Timestamp),
    /// All of it: its schedule cannot be read.
    Whole,
}

/// An occurrence that was skipped: its job was not done with an earlier run.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub struct Skipped {
    /// Its job.
    pub job: String,
    /// Its nominal instant, in milliseconds.
    pub scheduled_at: i64,
}

/// A record of passed-over instants that reaches past an instant.
#[derive(FromRow)]
struct RangeAhead {
    run_id: i64,
    scheduled_at: i64,
    schedule: Option<String>,
}

impl Ledger {
    /// Writes a planning down, in one transaction. What is already there stays as it is. Returns
    /// what was skipped because its job was not done with an earlier run.
    ///
    /// # Errors
    /// The ledger could not be written.
    pub async fn plan(&self, planning: &Planning, now: Timestamp) -> Result<Vec<Skipped>> {
        let mut tx = self.write().await?;
        let done = plan(&mut tx, planning, to_ms(now)).await;
        self.finish(tx, done).await
    }

    /// The instants of a job that have a row, between two instants, both inclusive.
    ///
    /// # Errors
    /// The ledger could not be read.
    pub async fn recorded(
        &self,
        job: &str,
        from: Timestamp,
        until: Timestamp,
    ) -> Result<Vec<Timestamp>> {
        let rows: Vec<i64> = sqlx::query_scalar(
            "select scheduled_at from run
             where job = $1 and scheduled_at between $2 and $3 and trigger = 'schedule'
             order by scheduled_at",
        )
        .bind(job)
        .bind(to_ms(from))
        .bind(to_ms(until))
        .fetch_all(&self.pool)
        .await
        .map_err(|error| self.error(error))?;
        Ok(rows.into_iter().map(from_ms).collect())
    }

    /// Pulls every cursor that is ahead of `now` back to it: the clock stepped back, by `step`.
    ///
    /// What was passed over or not begun and lies ahead again will be planned anew when it comes:
    /// such records are removed, those that reach past `now` are cut. What was begun is not repeated.
    /// What waits for an instant waits no longer than it would have.
    /// `cut` tells of a record's schedule, between its first instant and `now`, how many instants are
    /// left and the last of them.
    ///
    /// # Errors
    /// The ledger could not be read or written.
    pub async fn pull_back(
        &self,
        now: Timestamp,
        step: TimeDelta,
        cut: impl Fn(&str, Timestamp, Timestamp) -> Cut,
    ) -> Result<()> {
        let ahead: Vec<RangeAhead> = sqlx::query_as(
            "select run_id, scheduled_at, (
                 select schedule from revision
                 where revision.job = run.job and since_at < scheduled_at
                 order by since_at desc limit 1) as schedule
             from run where trigger = 'schedule' and state in ('missed', 'skipped')
                 and coalesce(until_at, scheduled_at) > $1
                 and not exists (select 1 from attempt where attempt.run_id = run.run_id)",
        )
        .bind(to_ms(now))
        .fetch_all(&self.pool)
        .await
        .map_err(|error| self.error(error))?;
        let cuts: Vec<_> = ahead
            .into_iter()
            .map(|range| {
                let schedule = range.schedule.unwrap_or_default();
                let cut = cut(&schedule, from_ms(range.scheduled_at), now);
                (range.run_id, cut)
            })
            .collect();
        let mut tx = self.write().await?;
        let done = pull_back(&mut tx, to_ms(now), step.num_milliseconds(), &cuts).await;
        self.finish(tx, done).await
    }
}

async fn plan(
    tx: &mut SqliteConnection,
    planning: &Planning,
    now: i64,
) -> sqlx::Result<Vec<Skipped>> {
    let before: i64 = sqlx::query_scalar("select coalesce(max(run_id), 0) from run")
        .fetch_one(&mut *tx)
        .await?;
    for ranges in planning.ranges.chunks(ROWS) {
        insert_ranges(tx, ranges, now).await?;
    }
    for occurrences in planning.occurrences.chunks(ROWS) {
        insert_occurrences(tx, occurrences, now).await?;
    }
    let mut skipped = Vec::new();
    if !planning.occurrences.is_empty() {
        skipped = skip_overlapping(tx, before, now).await?;
    }
    for jobs in planning.jobs.chunks(ROWS) {
        move_cursors(tx, jobs, now).await?;
    }
    for job in &planning.unpaused {
        // A pause asked for since the planner looked stands.
        let over = "update job set paused_at = null, paused_until = null
            where job = $1 and paused_until <= $2";
        sqlx::query(over)
            .bind(job)
            .bind(now)
            .execute(&mut *tx)
            .await?;
    }
    Ok(skipped)
}

async fn insert_occurrences(
    tx: &mut SqliteConnection,
    occurrences: &[NewOccurrence],
    now: i64,
) -> sqlx::Result<()> {
    QueryBuilder::new(
        "insert into run (job, scheduled_at, trigger, state, overlap, due_at, next_attempt_at,
             start_by, planned_at) ",
    )
    .push_values(occurrences, |mut row, new| {
        row.push_bind(&new.job)
            .push_bind(to_ms(new.scheduled_at))
            .push("'schedule', 'planned'")
            .push_bind(overlap_word(new.overlap))
            .push_bind(to_ms(new.due_at))
            .push_bind(to_ms(new.due_at))
            .push_bind(new.start_by.map(to_ms))
            .push_bind(now);
    })
    .push(" on conflict (job, scheduled_at, trigger) do nothing")
    .build()
    .execute(&mut *tx)
    .await?;
    Ok(())
}

async fn insert_ranges(
    tx: &mut SqliteConnection,
    ranges: &[NewRange],
    now: i64,
) -> sqlx::Result<()> {
    QueryBuilder::new(
        "insert into run (job, scheduled_at, trigger, state, reason, instants, until_at, due_at,
             next_attempt_at, planned_at, finished_at) ",
    )
    .push_values(ranges, |mut row, range| {
        let instants = i64::try_from(range.instants).unwrap_or(i64::MAX);
        row.push_bind(&range.job)
            .push_bind(to_ms(range.from))
            .push("'schedule'")
            .push_bind(range.state.as_str())
            .push_bind(range.reason)
            .push_bind(instants)
            .push_bind((instants > 1).then(|| to_ms(range.until)))
            .push_bind(to_ms(range.from))
            .push_bind(to_ms(range.from))
            .push_bind(now)
            .push_bind(now);
    })
    .push(" on conflict (job, scheduled_at, trigger) do nothing")
    .build()
    .execute(&mut *tx)
    .await?;
    Ok(())
}

/// Of the rows just written, those whose job is not done with an earlier one.
async fn skip_overlapping(
    tx: &mut SqliteConnection,
    before: i64,
    now: i64,
) -> sqlx::Result<Vec<Skipped>> {
    sqlx::query_as(
        "update run set state = 'skipped', reason = 'overlap', finished_at = $2
         where run_id > $1 and state = 'planned' and overlap = 'skip' and exists (
             select 1 from run earlier
             where earlier.job = run.job and earlier.run_id < run.run_id
                 and earlier.state in ('planned', 'claimed', 'asking'))
         returning job, scheduled_at",
    )
    .bind(before)
    .bind(now)
    .fetch_all(&mut *tx)
    .await
}

async fn move_cursors(tx: &mut SqliteConnection, jobs: &[String], now: i64) -> sqlx::Result<()> {
    let mut query = QueryBuilder::new("update job set cursor_at = ");
    query.push_bind(now).push(" where job in (");
    let mut names = query.separated(", ");
    for job in jobs {
        names.push_bind(job);
    }
    query.push(")").build().execute(&mut *tx).await?;
    Ok(())
}

/// A schedule that was over by a clock that was ahead has no instants there, and the one that counts begins now.
const REVISIONS_AHEAD: [&str; 3] = [
    "delete from revision where until_at is not null and since_at >= $1",
    "update revision set until_at = $1 where until_at > $1",
    "update revision set since_at = $1 where until_at is null and since_at > $1",
];

/// Occurrences that were never begun and lie ahead again.
const NOT_BEGUN: &str = "
    delete from run where state = 'planned' and trigger = 'schedule' and scheduled_at > $1
        and not exists (select 1 from attempt where attempt.run_id = run.run_id)";

/// Instants that were set by a clock that was ahead: `$1` is now, `$2` how far ahead it was.
const SET_AHEAD: [&str; 7] = [
    "update run set next_attempt_at =
         case when next_attempt_at - $2 > $1 then next_attempt_at - $2 else $1 end
     where state = 'planned' and first_claimed_at is not null and next_attempt_at > $1",
    "update run set first_claimed_at = first_claimed_at - $2
     where state in ('planned', 'claimed', 'asking') and first_claimed_at > $1",
    "update run set lease_until = lease_until - $2
     where state in ('claimed', 'asking') and lease_until > $1",
    "update delivery set next_at = case when next_at - $2 > $1 then next_at - $2 else $1 end
     where state = 'owed' and next_at > $1",
    "update delivery set give_up_at = give_up_at - $2, lease_until = lease_until - $2
     where state in ('owed', 'sending') and exists (
         select 1 from run where run.run_id = delivery.run_id
             and coalesce(answered_at, finished_at) > $1)",
    "update visitor set held_until = held_until - $2, full_at = full_at - $2
     where held_until > $1 or full_at > $1",
    "update target set failed_at = failed_at - $2,
         failing_since = iif(failing_since > $1, failing_since - $2, failing_since)
     where failed_at > $1",
];

async fn pull_back(
    tx: &mut SqliteConnection,
    now: i64,
    step: i64,
    cuts: &[(i64, Cut)],
) -> sqlx::Result<()> {
    sqlx::query("update job set cursor_at = $1 where cursor_at > $1")
        .bind(now)
        .execute(&mut *tx)
        .await?;
    for sql in REVISIONS_AHEAD.into_iter().chain([NOT_BEGUN]) {
        sqlx::query(sql).bind(now).execute(&mut *tx).await?;
    }
    for sql in SET_AHEAD {
        sqlx::query(sql)
            .bind(now)
            .bind(step)
            .execute(&mut *tx)
            .await?;
    }
    for (run_id, cut) in cuts {
        match cut {
            Cut::Whole => continue,
            Cut::Nothing => sqlx::query("delete from run where run_id = $1").bind(run_id),
            Cut::Left(instants, until) => {
                sqlx::query("update run set instants = $2, until_at = $3 where run_id = $1")
                    .bind(run_id)
                    .bind(i64::try_from(*instants).unwrap_or(i64::MAX))
                    .bind((*instants > 1).then(|| to_ms(*until)))
            }
        }
        .execute(&mut *tx)
        .await?;
    }
    Ok(())
}

fn overlap_word(overlap: Overlap) -> &'static str {
    match overlap {
        Overlap::Skip => "skip",
        Overlap::Queue => "queue",
        Overlap::Allow => "allow",
    }
}
