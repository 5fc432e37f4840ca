//! The jobs that were ever seen: their cursors, schedules over time, and pauses.

use std::collections::HashMap;

use futures_util::TryStreamExt as _;
use serde::Serialize;
use sqlx::{FromRow, SqliteConnection};

use super::{Ledger, Result};
use crate::model::{RunId, Timestamp, from_ms, to_ms};

/// A job of the config as the ledger knows it.
#[derive(Clone, Debug)]
pub struct ScheduledJob<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its schedule and zone as text; a changed one counts from now.
    pub schedule: String,
}

/// What a config makes of the ledger's jobs. Those that are not among them go on as they are.
#[derive(Debug, Default)]
pub struct JobChanges<'a> {
    /// New, or back: they count from now.
    pub new: Vec<&'a ScheduledJob<'a>>,
    /// With another schedule, which counts from now.
    pub revised: Vec<&'a ScheduledJob<'a>>,
    /// Gone: their runs that were not begun are cancelled.
    pub removed: Vec<String>,
}

/// Where planning stands for one job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobState {
    /// Every nominal instant up to here is in the ledger.
    pub cursor: Timestamp,
    /// Since when it is paused.
    pub paused_at: Option<Timestamp>,
    /// When the pause ends; None while paused: not before it is resumed.
    pub paused_until: Option<Timestamp>,
}

/// Why a run ends whose job the config has no longer.
pub const OUT_OF_CONFIG: &str = "its job was removed or disabled";

/// A run that was waiting when its job was removed or disabled.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub struct Cancelled {
    /// The run.
    pub run_id: RunId,
    /// Its job.
    pub job: String,
    /// Its nominal instant, in milliseconds.
    pub scheduled_at: i64,
}

#[derive(FromRow)]
struct Row {
    job: String,
    cursor_at: i64,
    paused_at: Option<i64>,
    paused_until: Option<i64>,
    schedule: Option<String>,
}

impl Row {
    fn state(&self) -> JobState {
        JobState {
            cursor: from_ms(self.cursor_at),
            paused_at: self.paused_at.map(from_ms),
            paused_until: self.paused_until.map(from_ms),
        }
    }
}

impl Ledger {
    /// Makes the ledger's jobs those of the config. Tells up to where every instant of each is planned, and which runs are
    /// cancelled because their job is gone.
    ///
    /// # Errors
    /// The ledger could not be read or written.
    pub async fn sync_jobs<'a>(
        &self,
        jobs: &'a [ScheduledJob<'a>],
        now: Timestamp,
    ) -> Result<(HashMap<&'a str, Timestamp>, Vec<Cancelled>)> {
        let mut tx = self.write().await?;
        let done = sync(&mut tx, jobs, to_ms(now)).await;
        self.finish(tx, done).await
    }

    /// Makes the ledger's jobs those of another config than the one that they are of; tells which runs are cancelled.
    ///
    /// # Errors
    /// The ledger could not be written.
    pub async fn change_jobs(
        &self,
        changes: &JobChanges<'_>,
        now: Timestamp,
    ) -> Result<Vec<Cancelled>> {
        let mut tx = self.write().await?;
        let done = change(&mut tx, changes, to_ms(now)).await;
        self.finish(tx, done).await
    }

    /// Of the jobs that the last config had enabled those whose schedule is another one now: each with its schedule as
    /// text, and where planning stands.
    ///
    /// # Errors
    /// The ledger could not be read.
    pub async fn rescheduled(
        &self,
        is_current: impl Fn(&str, &str) -> bool,
    ) -> Result<Vec<(String, String, JobState)>> {
        let mut rows = sqlx::query_as::<_, Row>(
            "select job.job, cursor_at, paused_at, paused_until, revision.schedule
             from job join revision on revision.job = job.job and revision.until_at is null
             where removed_at is null",
        )
        .fetch(&self.pool);
        let mut rescheduled = Vec::new();
        while let Some(row) = rows.try_next().await.map_err(|error| self.error(error))? {
            let state = row.state();
            let schedule = row.schedule.unwrap_or_default();
            if !is_current(&row.job, &schedule) {
                rescheduled.push((row.job, schedule, state));
            }
        }
        Ok(rescheduled)
    }

    /// Pauses a job until an instant, or until it is resumed. What is planned of it by then and was not begun, because its
    /// jitter or another run kept it waiting, is skipped too. False: no such job.
    ///
    /// # Errors
    /// The ledger could not be written.
    pub async fn pause(&self, job: &str, now: Timestamp, until: Option<Timestamp>) -> Result<bool> {
        let mut tx = self.write().await?;
        let done = pause(&mut tx, job, to_ms(now), until.map(to_ms)).await;
        self.finish(tx, done).await
    }

    /// Ends a job's pause. The planner writes what was passed over as skipped. False: it was not
    /// paused.
    ///
    /// # Errors
    /// The ledger could not be written.
    pub async fn resume(&self, job: &str, now: Timestamp) -> Result<bool> {
        let mut tx = self.write().await?;
        let done = sqlx::query(
            "update job set paused_until = $2
             where job = $1 and paused_at is not null and (paused_until is null or paused_until > $2)",
        )
        .bind(job)
        .bind(to_ms(now))
        .execute(&mut *tx)
        .await;
        Ok(self.finish(tx, done).await?.rows_affected() > 0)
    }

    /// The jobs that are paused, or whose pause has ended and is not yet written down.
    ///
    /// # Errors
    /// The ledger could not be read.
    pub async fn pauses(&self) -> Result<HashMap<String, JobState>> {
        let rows: Vec<Row> = sqlx::query_as(
            "select job, cursor_at, paused_at, paused_until, null as schedule
             from job where paused_at is not null and removed_at is null",
        )
        .fetch_all(&self.pool)
        .await
        .map_err(|error| self.error(error))?;
        Ok(rows
            .into_iter()
            .map(|row| (row.job.clone(), row.state()))
            .collect())
    }
}

async fn pause(
    tx: &mut SqliteConnection,
    job: &str,
    now: i64,
    until: Option<i64>,
) -> sqlx::Result<bool> {
    let paused = sqlx::query(
        "update job set paused_at = coalesce(paused_at, $2), paused_until = $3
         where job = $1 and removed_at is null",
    )
    .bind(job)
    .bind(now)
    .bind(until)
    .execute(&mut *tx)
    .await?;
    sqlx::query(
        "update run set state = 'skipped', reason = 'paused', finished_at = $2
         where job = $1 and state = 'planned' and trigger = 'schedule'
             and not exists (select 1 from attempt where attempt.run_id = run.run_id)",
    )
    .bind(job)
    .bind(now)
    .execute(&mut *tx)
    .await?;
    Ok(paused.rows_affected() > 0)
}

async fn sync<'a>(
    tx: &mut SqliteConnection,
    jobs: &'a [ScheduledJob<'a>],
    now: i64,
) -> sqlx::Result<(HashMap<&'a str, Timestamp>, Vec<Cancelled>)> {
    let mut new: HashMap<_, _> = jobs.iter().map(|job| (job.name, job)).collect();
    let mut cursors = HashMap::with_capacity(jobs.len());
    let mut changes = JobChanges::default();
    // One row after the other: thousands at once would stay behind as holes in the process's memory.
    let mut rows = sqlx::query_as::<_, Row>(
        "select job.job, cursor_at, paused_at, paused_until, revision.schedule
         from job left join revision on revision.job = job.job and revision.until_at is null
         where removed_at is null",
    )
    .fetch(&mut *tx);
    while let Some(row) = rows.try_next().await? {
        match new.remove(row.job.as_str()) {
            None => changes.removed.push(row.job),
            Some(job) if row.schedule.as_ref() == Some(&job.schedule) => {
                cursors.insert(job.name, from_ms(row.cursor_at));
            }
            Some(job) => changes.revised.push(job),
        }
    }
    drop(rows);
    changes.new = jobs
        .iter()
        .filter(|job| new.contains_key(job.name))
        .collect();
    let from_now = changes.new.iter().chain(&changes.revised);
    cursors.extend(from_now.map(|job| (job.name, from_ms(now))));
    Ok((cursors, change(tx, &changes, now).await?))
}

async fn change(
    tx: &mut SqliteConnection,
    changes: &JobChanges<'_>,
    now: i64,
) -> sqlx::Result<Vec<Cancelled>> {
    if !changes.new.is_empty() {
        appear(tx, &changes.new, now).await?;
    }
    if !changes.revised.is_empty() {
        revise(tx, &changes.revised, now).await?;
    }
    match changes.removed.as_slice() {
        [] => Ok(Vec::new()),
        removed => remove(tx, &json(removed)?, now).await,
    }
}

async fn appear(
    tx: &mut SqliteConnection,
    jobs: &[&ScheduledJob<'_>],
    now: i64,
) -> sqlx::Result<()> {
    const APPEAR: &str = "insert into job (job, first_seen_at, cursor_at)
         select value, $2, $2 from json_each($1) where true
         on conflict (job) do update set removed_at = null, cursor_at = excluded.cursor_at,
             paused_at = iif(paused_at is null or paused_until <= $2, null, $2),
             paused_until = iif(paused_until <= $2, null, paused_until)";
    each(tx, &[APPEAR], &names(jobs)?, now).await?;
    begin_revisions(tx, jobs, now).await
}

/// Ends the schedules that the jobs had and begins those they have, from now on.
async fn revise(
    tx: &mut SqliteConnection,
    jobs: &[&ScheduledJob<'_>],
    now: i64,
) -> sqlx::Result<()> {
    const MOVE: &str =
        "update job set cursor_at = $2 where job in (select value from json_each($1))";
    let names = names(jobs)?;
    each(tx, &END_REVISIONS, &names, now).await?;
    each(tx, &[MOVE], &names, now).await?;
    begin_revisions(tx, jobs, now).await
}

/// A pause stands until it is resumed or over, also where the file was without the job for a moment.
async fn remove(tx: &mut SqliteConnection, names: &str, now: i64) -> sqlx::Result<Vec<Cancelled>> {
    const REMOVE: &str =
        "update job set removed_at = $2 where job in (select value from json_each($1))";
    each(tx, &END_REVISIONS, names, now).await?;
    each(tx, &[REMOVE], names, now).await?;
    sqlx::query_as(
        "update run set state = 'cancelled', reason = $3, finished_at = $2
         where state = 'planned' and job in (select value from json_each($1))
         returning run_id, job, scheduled_at",
    )
    .bind(names)
    .bind(now)
    .bind(OUT_OF_CONFIG)
    .fetch_all(&mut *tx)
    .await
}

/// Up to each job's cursor. A revision that never covered an instant leaves no row.
const END_REVISIONS: [&str; 2] = [
    "delete from revision where until_at is null and job in (select value from json_each($1))
         and since_at >= min($2, (select cursor_at from job where job.job = revision.job))",
    "update revision set until_at = min($2, (select cursor_at from job where job.job = revision.job))
     where until_at is null and job in (select value from json_each($1))",
];

async fn begin_revisions(
    tx: &mut SqliteConnection,
    jobs: &[&ScheduledJob<'_>],
    now: i64,
) -> sqlx::Result<()> {
    const BEGIN: &str = "insert into revision (job, since_at, schedule)
         select value ->> 0, $2, value ->> 1 from json_each($1) where true
         on conflict (job, since_at) do update set schedule = excluded.schedule, until_at = null";
    let rows = jobs.iter().map(|job| (job.name, &job.schedule));
    each(tx, &[BEGIN], &json(rows.collect::<Vec<_>>())?, now).await
}

/// Runs statements for a list of jobs: thousands go to `SQLite` at once, which is quicker than some hundred a statement.
async fn each(
    tx: &mut SqliteConnection,
    statements: &[&'static str],
    list: &str,
    now: i64,
) -> sqlx::Result<()> {
    for sql in statements {
        sqlx::query(*sql)
            .bind(list)
            .bind(now)
            .execute(&mut *tx)
            .await?;
    }
    Ok(())
}

fn names(jobs: &[&ScheduledJob<'_>]) -> sqlx::Result<String> {
    json(jobs.iter().map(|job| job.name).collect::<Vec<_>>())
}

fn json(list: impl Serialize) -> sqlx::Result<String> {
    serde_json::to_string(&list).map_err(|error| sqlx::Error::Encode(error.into()))
}
