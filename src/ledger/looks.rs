//! What the page looks at: the last runs of a job, what came of each, what has gone wrong.

use sqlx::FromRow;

use super::{Ledger, Result};
use crate::model::{RunId, Timestamp, to_ms};

/// One run of a job, as its strip shows it. Instants in milliseconds.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub struct Glimpse {
    /// The run.
    pub run_id: RunId,
    /// Its nominal instant, or a range's first one.
    pub scheduled_at: i64,
    /// `schedule` or `manual`.
    pub trigger: String,
    /// Where it stands.
    pub state: String,
    /// Why, where the state has a reason.
    pub reason: Option<String>,
    /// How many occurrences the row stands for.
    pub instants: i64,
    /// When it began.
    pub started_at: Option<i64>,
    /// When it ended.
    pub finished_at: Option<i64>,
    /// How long the AI took.
    pub asked_ms: Option<i64>,
}

/// The last answer of a job, or its beginning.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub struct LastAnswer {
    /// Its run.
    pub run_id: RunId,
    /// When it came, in milliseconds.
    pub answered_at: i64,
    /// Markdown, cut off where it is long.
    pub answer: String,
}

/// A job whose last run has failed. Instants in milliseconds.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub struct Trouble {
    /// The run.
    pub run_id: RunId,
    /// Its job.
    pub job: String,
    /// Why it failed.
    pub reason: Option<String>,
    /// When.
    pub finished_at: i64,
}

/// How the runs of one target's deliveries went. Instants in milliseconds.
#[derive(Clone, Debug, Default, PartialEq, Eq, FromRow)]
pub struct TakenBy {
    /// When the target last took a message.
    pub last_at: Option<i64>,
    /// How many it took since the instant that was asked for.
    pub recent: i64,
}

/// Of an answer, what its first lines are made from.
const BEGINNING: i64 = 2_000;

impl Ledger {
    /// The newest runs of a job, the newest first.
    ///
    /// # Errors
    /// The ledger could not be read.
    pub async fn glimpses(&self, job: &str, most: u32) -> Result<Vec<Glimpse>> {
        sqlx::query_as(
            "select run_id, scheduled_at, trigger, state, reason, instants, started_at,
                 finished_at, asked_ms
             from run where job = $1 order by scheduled_at desc, run_id desc limit $2",
        )
        .bind(job)
        .bind(most)
        .fetch_all(&self.pool)
        .await
        .map_err(|error| self.error(error))
    }

    /// The beginning of one of these runs' newest answer; None: none has one that is kept.
    ///
    /// # Errors
    /// The ledger could not be read.
    pub async fn beginning(&self, run_id: RunId) -> Result<Option<LastAnswer>> {
        sqlx::query_as(
            "select run.run_id, coalesce(answered_at, finished_at, started_at, 0) as answered_at,
                 substr(answer, 1, $2) as answer
             from content join run on run.run_id = content.run_id where content.run_id = $1",
        )
        .bind(run_id)
        .bind(BEGINNING)
        .fetch_optional(&self.pool)
        .await
        .map_err(|error| self.error(error))
    }

    /// The newest answers of a job, whole, the newest first.
    ///
    /// # Errors
    /// The ledger could not be read.
    pub async fn answers(&self, job: &str, most: u32) -> Result<Vec<LastAnswer>> {
        sqlx::query_as(
            "select run.run_id, coalesce(answered_at, finished_at, started_at, 0) as answered_at,
                 answer
             from run join content on content.run_id = run.run_id
             where job = $1 order by scheduled_at desc, run.run_id desc limit $2",
        )
        .bind(job)
        .bind(most)
        .fetch_all(&self.pool)
        .await
        .map_err(|error| self.error(error))
    }

    /// Runs that failed since an instant, each the last word on its job; the newest first.
    ///
    /// # Errors
    /// The ledger could not be read.
    pub async fn troubles(&self, since: Timestamp, most: u32) -> Result<Vec<Trouble>> {
        sqlx::query_as(
            "select run_id, job, reason, finished_at from run
             where state = 'failed' and finished_at >= $1 and not exists (
                 select 1 from run later
                 where later.job = run.job and later.scheduled_at > run.scheduled_at
                     and later.state in ('delivered', 'silent', 'failed'))
             order by finished_at desc limit $2",
        )
        .bind(to_ms(since))
        .bind(most)
        .fetch_all(&self.pool)
        .await
        .map_err(|error| self.error(error))
    }

    /// The job of a run; None: no such run.
    ///
    /// # Errors
    /// The ledger could not be read.
    pub async fn job_of(&self, run_id: RunId) -> Result<Option<String>> {
        sqlx::query_scalar("select job from run where run_id = $1")
            .bind(run_id)
            .fetch_optional(&self.pool)
            .await
            .map_err(|error| self.error(error))
    }

    /// Whether a run of a job is asked or waits for it.
    ///
    /// # Errors
    /// The ledger could not be read.
    pub async fn is_under_way(&self, job: &str) -> Result<bool> {
        sqlx::query_scalar(
            "select exists (select 1 from run where job = $1
                 and state in ('planned', 'claimed', 'asking'))",
        )
        .bind(job)
        .fetch_one(&self.pool)
        .await
        .map_err(|error| self.error(error))
    }

    /// How many occurrences ended in each state since an instant.
    ///
    /// # Errors
    /// The ledger could not be read.
    pub async fn ended_counts(&self, since: Timestamp) -> Result<Vec<(String, i64)>> {
        sqlx::query_as(
            "select state, cast(sum(instants) as bigint) from run where finished_at >= $1
             group by state",
        )
        .bind(to_ms(since))
        .fetch_all(&self.pool)
        .await
        .map_err(|error| self.error(error))
    }

    /// What a target has taken.
    ///
    /// # Errors
    /// The ledger could not be read.
    pub async fn taken(&self, target: &str, since: Timestamp) -> Result<TakenBy> {
        sqlx::query_as(
            "select (select max(delivered_at) from delivery
                         where target = $1 and state = 'delivered') as last_at,
                 (select count(*) from delivery
                      where target = $1 and state = 'delivered' and delivered_at >= $2) as recent",
        )
        .bind(target)
        .bind(to_ms(since))
        .fetch_one(&self.pool)
        .await
        .map_err(|error| self.error(error))
    }
}
