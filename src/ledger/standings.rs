//! How each job stands, in one look: its pause, its schedule, and the run that says most.

use sqlx::FromRow;

use super::{Ledger, Result};
use crate::model::RunId;

/// One job with its run that is asked or waits for it, else its newest one. Instants in milliseconds.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub struct JobStanding {
    /// Its name.
    pub job: String,
    /// Since when it is paused.
    pub paused_at: Option<i64>,
    /// When the pause ends; None while paused: not before it is resumed.
    pub paused_until: Option<i64>,
    /// Its schedule and zone as text.
    pub schedule: Option<String>,
    /// The run; None, and nothing of a run below: there was none yet.
    pub run_id: Option<RunId>,
    /// Its nominal instant, or a range's first one.
    pub scheduled_at: Option<i64>,
    /// `schedule` or `manual`.
    pub trigger: Option<String>,
    /// Where it stands.
    pub state: Option<String>,
    /// Why, where the state has a reason.
    pub reason: Option<String>,
    /// How many occurrences the row stands for.
    pub instants: Option<i64>,
    /// How long the AI took.
    pub asked_ms: Option<i64>,
    /// When it is tried again, or could begin.
    pub next_attempt_at: Option<i64>,
    /// Attempts that count, of a run that is not over.
    pub tries: i64,
    /// Since when the AI is asked just now.
    pub asking_since: Option<i64>,
    /// Messages of the answer that are pushed, of a run that is not over.
    pub pushed: i64,
    /// And those that are to be.
    pub parts: i64,
}

/// A run that is under way hides behind a later one that was skipped because of it.
const STANDINGS: &str = "
    select job.job, job.paused_at, job.paused_until, revision.schedule,
        run.run_id, run.scheduled_at, run.trigger, run.state, run.reason, run.instants,
        run.asked_ms, run.next_attempt_at,
        case when run.finished_at is null then (select count(*) from attempt a
            where a.run_id = run.run_id and a.outcome <> 'interrupted') else 0 end as tries,
        case when run.finished_at is null then (select max(a.started_at) from attempt a
            where a.run_id = run.run_id and a.outcome = 'asking') end as asking_since,
        case when run.finished_at is null then (select count(*) from delivery d
            where d.run_id = run.run_id and d.kind = 'answer' and d.state = 'delivered') else 0
            end as pushed,
        case when run.finished_at is null then (select count(*) from delivery d
            where d.run_id = run.run_id and d.kind = 'answer' and d.state <> 'moved') else 0
            end as parts
    from job
    left join revision on revision.job = job.job and revision.until_at is null
    left join run on run.run_id = coalesce(
        (select max(live.run_id) from run live where live.job = job.job
             and live.state in ('planned', 'claimed', 'asking')),
        (select newest.run_id from run newest where newest.job = job.job
             order by newest.scheduled_at desc, newest.run_id desc limit 1))
    where job.removed_at is null
    order by job.job";

impl Ledger {
    /// Every job that is due by itself, by its name.
    ///
    /// # Errors
    /// The ledger could not be read.
    pub async fn standings(&self) -> Result<Vec<JobStanding>> {
        sqlx::query_as(STANDINGS)
            .fetch_all(&self.pool)
            .await
            .map_err(|error| self.error(error))
    }
}
