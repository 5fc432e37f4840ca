//! What is counted: runs that ended, what is owed, the last success of each job.

use sqlx::FromRow;

use super::{Ledger, Result};
use crate::model::{RunId, Timestamp, to_ms};

/// A run, or a range of occurrences that did not run, that has ended. Instants in milliseconds.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub struct EndedRun {
    /// The run.
    pub run_id: RunId,
    /// How it ended.
    pub state: String,
    /// Why, where the state has a reason.
    pub reason: Option<String>,
    /// `schedule` or `manual`.
    pub trigger: String,
    /// How many occurrences the row stands for.
    pub instants: i64,
    /// When it was due.
    pub due_at: i64,
    /// When it began.
    pub started_at: Option<i64>,
    /// Which endpoint answered.
    pub ai: Option<String>,
    /// How long the AI took.
    pub asked_ms: Option<i64>,
    /// From the first POST to the last reply.
    pub pushed_ms: Option<i64>,
}

/// What one target is owed. Instants in milliseconds.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub struct Outbox {
    /// The target's name.
    pub target: String,
    /// Messages that it has not taken yet.
    pub owed: i64,
    /// Since when the oldest of them is owed.
    pub since_at: i64,
    /// Why the last try failed.
    pub error: Option<String>,
}

impl Ledger {
    /// The runs that ended at `since` or later.
    ///
    /// # Errors
    /// The ledger could not be read.
    pub async fn ended_since(&self, since: Timestamp) -> Result<Vec<EndedRun>> {
        sqlx::query_as(
            "select run_id, state, reason, trigger, instants, due_at, started_at, ai, asked_ms,
                 (select max(a.finished_at) - min(a.started_at) from delivery_attempt a
                      join delivery d on d.delivery_id = a.delivery_id
                      where d.run_id = run.run_id and d.kind = 'answer') as pushed_ms
             from run where finished_at >= $1 order by finished_at",
        )
        .bind(to_ms(since))
        .fetch_all(&self.pool)
        .await
        .map_err(|error| self.error(error))
    }

    /// What each target is owed; none is listed that is owed nothing. A notice that belongs to no run is owed since its
    /// first attempt, or since it may be sent.
    ///
    /// # Errors
    /// The ledger could not be read.
    pub async fn outbox(&self) -> Result<Vec<Outbox>> {
        sqlx::query_as(
            "select d.target, count(*) as owed,
                 min(coalesce(r.answered_at, r.finished_at, r.planned_at,
                     (select min(a.started_at) from delivery_attempt a
                          where a.delivery_id = d.delivery_id), d.next_at)) as since_at,
                 max(d.error) as error
             from delivery d left join run r on r.run_id = d.run_id
             where d.state in ('owed', 'sending') group by d.target order by d.target",
        )
        .fetch_all(&self.pool)
        .await
        .map_err(|error| self.error(error))
    }

    /// When each job was last delivered, in milliseconds, by its name.
    ///
    /// # Errors
    /// The ledger could not be read.
    pub async fn last_successes(&self) -> Result<Vec<(String, i64)>> {
        sqlx::query_as(
            "select job.job, (select max(finished_at) from run
                 where run.job = job.job and run.state = 'delivered') as at
             from job where at is not null and removed_at is null",
        )
        .fetch_all(&self.pool)
        .await
        .map_err(|error| self.error(error))
    }

    /// How many runs are in each state that is not the last one.
    ///
    /// # Errors
    /// The ledger could not be read.
    pub async fn live_runs(&self) -> Result<Vec<(String, i64)>> {
        sqlx::query_as("select state, count(*) from run where finished_at is null group by state")
            .fetch_all(&self.pool)
            .await
            .map_err(|error| self.error(error))
    }
}
