//! Handing what one target is owed over to another.

use std::slice;

use sqlx::FromRow;

use super::{
    Ledger, Result,
    deliveries::{NewDelivery, insert_deliveries},
    pushed::{Completed, complete},
};
use crate::model::{RunId, Timestamp, from_ms, to_ms};

/// An answer that a target is owed and nobody is sending.
#[derive(Clone, Debug)]
pub struct Moving {
    /// Its run.
    pub run_id: RunId,
    /// The run's job.
    pub job: String,
    scheduled_at: i64,
    /// What made the run.
    pub trigger: String,
    /// All its messages for that target as JSON, by part; those that arrived too.
    pub messages: Vec<String>,
}

impl Moving {
    /// The occurrence's nominal instant.
    #[must_use]
    pub fn scheduled_at(&self) -> Timestamp {
        from_ms(self.scheduled_at)
    }
}

#[derive(FromRow)]
struct Row {
    run_id: RunId,
    job: String,
    scheduled_at: i64,
    trigger: String,
}

/// A notice that a target is owed and nobody is sending.
#[derive(Clone, Debug, FromRow)]
pub struct MovingNotice {
    delivery_id: i64,
    /// What makes it one and the same at its target.
    pub sequence_id: String,
    /// Its message as JSON.
    pub message: String,
}

/// What came of handing an answer over.
#[derive(Clone, Debug)]
pub enum HandedOver {
    /// The other target has had its own share of it, and does not get it now.
    Refused,
    /// Nothing: meanwhile it was sent, or is being sent.
    Nothing,
    /// The other target is owed it.
    Owed,
    /// The other target has it: the run has ended.
    Ended(Box<Completed>),
}

/// Those that were there by an instant. An answer of which a part is under way waits until that is over.
const OWED: &str = concat!(
    "select run_id, job, scheduled_at, trigger from run where run_id in (
        select run_id from delivery where target = $1 and kind = 'answer' and state = 'owed' and ",
    live!(delivery),
    ")
    and coalesce(answered_at, finished_at, planned_at) <= $2
    and not exists (
        select 1 from delivery d where d.run_id = run.run_id and d.target = $1
            and d.kind = 'answer' and d.state = 'sending')
    order by run_id"
);

const MOVE: &str = "
    update delivery set state = 'moved', error = $4, fence = fence + 1, next_at = $3
    where run_id = $1 and target = $2 and kind = 'answer' and state = 'owed' and not exists (
        select 1 from delivery d where d.run_id = $1 and d.target = $2
            and d.kind = 'answer' and d.state = 'sending')";

impl Ledger {
    /// The answers that a target has been owed since `by` or longer, the oldest run first.
    ///
    /// # Errors
    /// The ledger could not be read.
    pub async fn to_hand_over(&self, target: &str, by: Timestamp) -> Result<Vec<Moving>> {
        let rows: Vec<Row> = sqlx::query_as(OWED)
            .bind(target)
            .bind(to_ms(by))
            .fetch_all(&self.pool)
            .await
            .map_err(|error| self.error(error))?;
        let mut owed = Vec::with_capacity(rows.len());
        for row in rows {
            let messages = sqlx::query_scalar(
                "select message from delivery
                 where run_id = $1 and target = $2 and kind = 'answer' order by part",
            )
            .bind(row.run_id)
            .bind(target)
            .fetch_all(&self.pool)
            .await
            .map_err(|error| self.error(error))?;
            owed.push(Moving {
                run_id: row.run_id,
                job: row.job,
                scheduled_at: row.scheduled_at,
                trigger: row.trigger,
                messages,
            });
        }
        Ok(owed)
    }

    /// Ends what a run owes to one target, and owes it to another instead, unless that one has or gets
    /// the answer anyway.
    ///
    /// # Errors
    /// The ledger could not be written.
    pub async fn hand_over(
        &self,
        moving: &Moving,
        from: &str,
        to: &str,
        deliveries: &[NewDelivery],
        now: Timestamp,
    ) -> Result<HandedOver> {
        let mut tx = self.write().await?;
        let done = async {
            let theirs: Vec<String> = sqlx::query_scalar(
                "select state from delivery where run_id = $1 and target = $2 and kind = 'answer'",
            )
            .bind(moving.run_id)
            .bind(to)
            .fetch_all(&mut *tx)
            .await?;
            if theirs.iter().any(|state| is_over(state)) {
                return Ok(HandedOver::Refused);
            }
            let moved = sqlx::query(MOVE)
                .bind(moving.run_id)
                .bind(from)
                .bind(to_ms(now))
                .bind(handed_over(from, to))
                .execute(&mut *tx)
                .await?;
            if moved.rows_affected() == 0 {
                return Ok(HandedOver::Nothing);
            }
            if theirs.is_empty() {
                insert_deliveries(&mut tx, Some(moving.run_id), deliveries, to_ms(now)).await?;
            }
            let ended = complete(&mut tx, moving.run_id, to_ms(now)).await?;
            Ok(ended.map_or(HandedOver::Owed, |run| HandedOver::Ended(Box::new(run))))
        };
        let done = done.await;
        self.finish(tx, done).await
    }

    /// The notices that a target is owed, the oldest first; `untried`: also those that were not tried there yet.
    ///
    /// # Errors
    /// The ledger could not be read.
    pub async fn notices_to_hand_over(
        &self,
        target: &str,
        untried: bool,
    ) -> Result<Vec<MovingNotice>> {
        sqlx::query_as(
            "select delivery_id, sequence_id, message from delivery
             where target = $1 and kind = 'notice' and state = 'owed' and ($2 or exists (
                 select 1 from delivery_attempt a where a.delivery_id = delivery.delivery_id))
             order by delivery_id",
        )
        .bind(target)
        .bind(untried)
        .fetch_all(&self.pool)
        .await
        .map_err(|error| self.error(error))
    }

    /// Ends a notice that is owed to one target, and owes it to another, unless that one has or gets the same
    /// anyway. False: meanwhile it was sent, or is being sent.
    ///
    /// # Errors
    /// The ledger could not be written.
    pub async fn hand_over_notice(
        &self,
        notice: &MovingNotice,
        from: &str,
        delivery: &NewDelivery,
        now: Timestamp,
    ) -> Result<bool> {
        let mut tx = self.write().await?;
        let done = async {
            let to = &delivery.target;
            let moved = sqlx::query(
                "update delivery set state = 'moved', error = $2, fence = fence + 1, next_at = $3
                 where delivery_id = $1 and state = 'owed'",
            )
            .bind(notice.delivery_id)
            .bind(handed_over(from, to))
            .bind(to_ms(now))
            .execute(&mut *tx)
            .await?;
            if moved.rows_affected() == 0 {
                return Ok(false);
            }
            let has_it: bool = sqlx::query_scalar(
                "select exists (select 1 from delivery where target = $1 and kind = 'notice'
                     and state in ('owed', 'sending', 'delivered') and message = $2)",
            )
            .bind(to)
            .bind(&notice.message)
            .fetch_one(&mut *tx)
            .await?;
            if !has_it {
                insert_deliveries(&mut tx, None, slice::from_ref(delivery), to_ms(now)).await?;
            }
            Ok(true)
        };
        let done = done.await;
        self.finish(tx, done).await
    }
}

/// A target that refused a message, or handed it on itself, is not owed the same once more.
fn is_over(state: &str) -> bool {
    !matches!(state, "owed" | "sending" | "delivered")
}

fn handed_over(from: &str, to: &str) -> String {
    format!("{from} could not be reached: handed over to {to}")
}
