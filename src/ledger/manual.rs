//! Runs that a person asks for and the daemon carries out.

use sqlx::SqliteConnection;

use super::{Ledger, Result};
use crate::model::{RunId, Timestamp, to_ms};

impl Ledger {
    /// Writes a manual occurrence that the running daemon claims, and returns its run. One that
    /// still waits to be claimed is that run: two taps are one wish.
    ///
    /// # Errors
    /// The ledger could not be written.
    pub async fn plan_manual(&self, job: &str, now: Timestamp) -> Result<RunId> {
        let mut tx = self.write().await?;
        let done = plan_manual(&mut tx, job, to_ms(now)).await;
        self.finish(tx, done).await
    }
}

/// Two manual runs of a job in one millisecond are two runs: the later one's instant gives way.
async fn plan_manual(tx: &mut SqliteConnection, job: &str, now: i64) -> sqlx::Result<RunId> {
    let waiting: Option<RunId> = sqlx::query_scalar(
        "select run_id from run where job = $1 and state = 'planned' and trigger = 'manual'
             and first_claimed_at is null order by run_id limit 1",
    )
    .bind(job)
    .fetch_optional(&mut *tx)
    .await?;
    if let Some(run_id) = waiting {
        return Ok(run_id);
    }
    sqlx::query_scalar(
        "insert into run (job, scheduled_at, trigger, state, due_at, planned_at, next_attempt_at)
         select $1, at.ms, 'manual', 'planned', $2, $2, $2
         from (select coalesce(max(scheduled_at) + 1, $2) as ms from run
               where job = $1 and trigger = 'manual' and scheduled_at >= $2) at
         where true
         returning run_id",
    )
    .bind(job)
    .bind(now)
    .fetch_one(&mut *tx)
    .await
}
