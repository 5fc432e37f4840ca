//! Pruning: prompts and answers after `keep`, states after a year; the room goes back to the disk.

use std::time::Duration;

use sqlx::SqliteConnection;

use super::{Ledger, Result};
use crate::model::{Timestamp, to_ms};

/// How long states are kept: a year, so that `audit` and `history` can look back over one.
pub const STATES_KEPT: Duration = Duration::from_secs(366 * 24 * 60 * 60);

/// Rows in one transaction: short enough that no claim waits for it.
const BATCH: i64 = 500;

impl Ledger {
    /// Prunes what is older than `keep` and a year; returns how many rows it touched.
    ///
    /// # Errors
    /// The ledger could not be written.
    pub async fn prune(&self, keep: Duration, now: Timestamp) -> Result<u64> {
        let answers_before = to_ms(now - keep);
        let states_before = to_ms(now - STATES_KEPT.max(keep));
        let mut pruned = 0;
        loop {
            let mut tx = self.write().await?;
            let done = prune(&mut tx, answers_before, states_before).await;
            let rows = self.finish(tx, done).await?;
            if rows == 0 {
                break;
            }
            pruned += rows;
        }
        if pruned > 0 {
            self.give_back_room().await?;
        }
        Ok(pruned)
    }

    async fn give_back_room(&self) -> Result<()> {
        for sql in [
            "pragma incremental_vacuum",
            "pragma wal_checkpoint(truncate)",
        ] {
            sqlx::query(sql)
                .fetch_all(&self.pool)
                .await
                .map_err(|error| self.error(error))?;
        }
        Ok(())
    }
}

const PRUNE_ANSWERS: [&str; 2] = [
    "update delivery set message = '' where delivery_id in (
         select delivery_id from delivery join run on run.run_id = delivery.run_id
         where message <> '' and delivery.state not in ('owed', 'sending') and finished_at < $1
         limit $2)",
    "delete from content where run_id in (
         select content.run_id from content join run on run.run_id = content.run_id
         where finished_at < $1 limit $2)",
];

/// What belongs to no run is as old as its own last instant.
const PRUNE_OTHERS: [&str; 5] = [
    "delete from delivery_attempt where delivery_id in (
         select delivery_id from delivery where run_id is null
             and state not in ('owed', 'sending') and give_up_at < $1 limit $2)",
    "delete from delivery where delivery_id in (
         select delivery_id from delivery where run_id is null
             and state not in ('owed', 'sending') and give_up_at < $1
             and not exists (select 1 from delivery_attempt a
                 where a.delivery_id = delivery.delivery_id) limit $2)",
    "delete from notice where notice_id in (
         select notice_id from notice where state <> 'gathered' and told_at < $1 limit $2)",
    "delete from trouble where subject in (
         select subject from trouble where last_at < $1 limit $2)",
    "delete from conversation where conversation_id in (
         select conversation_id from conversation c where begun_at < $1 and not exists (
             select 1 from turn where turn.conversation_id = c.conversation_id) limit $2)",
];

const OLD_RUNS: &str = "select run_id from run where finished_at < $1 and not exists (
     select 1 from delivery d where d.run_id = run.run_id and d.state in ('owed', 'sending'))
 order by run_id limit $2";

async fn prune(
    tx: &mut SqliteConnection,
    answers_before: i64,
    states_before: i64,
) -> sqlx::Result<u64> {
    let mut rows = 0;
    for sql in PRUNE_ANSWERS {
        rows += sqlx::query(sql)
            .bind(answers_before)
            .bind(BATCH)
            .execute(&mut *tx)
            .await?
            .rows_affected();
    }
    for sql in PRUNE_OTHERS {
        rows += sqlx::query(sql)
            .bind(states_before)
            .bind(BATCH)
            .execute(&mut *tx)
            .await?
            .rows_affected();
    }
    let old: Vec<i64> = sqlx::query_scalar(OLD_RUNS)
        .bind(states_before)
        .bind(BATCH)
        .fetch_all(&mut *tx)
        .await?;
    for run_id in &old {
        rows += delete_run(tx, *run_id).await?;
    }
    if !old.is_empty() {
        sqlx::query(
            "insert into fact (name, value) values ('pruned_until', $1)
             on conflict (name) do update set value = excluded.value",
        )
        .bind(states_before)
        .execute(&mut *tx)
        .await?;
    }
    Ok(rows)
}

async fn delete_run(tx: &mut SqliteConnection, run_id: i64) -> sqlx::Result<u64> {
    let mut rows = 0;
    for sql in [
        "delete from delivery_attempt where delivery_id in (
             select delivery_id from delivery where run_id = $1)",
        "delete from delivery where run_id = $1",
        "delete from request where run_id = $1",
        "delete from attempt where run_id = $1",
        "delete from turn where run_id = $1",
        "delete from content where run_id = $1",
        "delete from run where run_id = $1",
    ] {
        rows += sqlx::query(sql)
            .bind(run_id)
            .execute(&mut *tx)
            .await?
            .rows_affected();
    }
    Ok(rows)
}
