//! The outbox: one row for each message part owed to a target, written with the answer, sent by
//! the deliverer, never asked for again.

use sqlx::{FromRow, QueryBuilder, SqliteConnection};

use super::{Ledger, Result};
use crate::model::{RunId, Timestamp, Trigger, from_ms, to_ms};

/// A message part that will be owed.
#[derive(Clone, Debug)]
pub struct NewDelivery {
    /// `answer`, or `notice` (of a run or of none; it does not count towards a run's state).
    pub kind: &'static str,
    /// The target's name.
    pub target: String,
    /// From 1.
    pub part: i64,
    /// How many parts this target gets.
    pub parts: i64,
    /// Stable for run, target and part: a second copy replaces the first on the phone.
    pub sequence_id: String,
    /// The message as JSON, without topic and credentials: these come from the config.
    pub message: String,
    /// Bytes of text in it.
    pub bytes: i64,
    /// Not before.
    pub next_at: Timestamp,
    /// When no further attempt is made.
    pub give_up_at: Timestamp,
}

/// A delivery that this process has claimed: its attempt is durable, the POST may go out.
#[derive(Clone, Debug, FromRow)]
pub struct Owed {
    /// Its row.
    pub delivery_id: i64,
    /// Its run; None for a notice that belongs to none, and then nothing of a run below.
    pub run_id: Option<RunId>,
    /// The run's job.
    pub job: Option<String>,
    scheduled_at: Option<i64>,
    /// What made the run.
    pub trigger: Option<String>,
    /// `answer` or `notice`.
    pub kind: String,
    /// The target's name.
    pub target: String,
    /// From 1.
    pub part: i64,
    /// How many parts this target gets.
    pub parts: i64,
    /// Sent with the message.
    pub sequence_id: String,
    /// The message as JSON.
    pub message: String,
    give_up_at: i64,
    pub(super) fence: i64,
    /// The number of this attempt, from 1.
    #[sqlx(default)]
    pub number: i64,
}

impl Owed {
    /// The occurrence's nominal instant.
    #[must_use]
    pub fn scheduled_at(&self) -> Option<Timestamp> {
        self.scheduled_at.map(from_ms)
    }

    /// True for an occurrence of the schedule.
    #[must_use]
    pub fn is_scheduled(&self) -> bool {
        self.trigger.as_deref() == Some(Trigger::Schedule.as_str())
    }

    /// When no further attempt is made.
    #[must_use]
    pub fn give_up_at(&self) -> Timestamp {
        from_ms(self.give_up_at)
    }
}

/// Owed, with no part before it that is under way, here or in a command beside the daemon: parts
/// go out in order.
macro_rules! sendable {
    () => {
        "delivery.state = 'owed' and not exists (
             select 1 from delivery before
             where before.target = delivery.target and before.run_id = delivery.run_id
                 and before.kind = delivery.kind and before.part < delivery.part
                 and before.state in ('owed', 'sending'))"
    };
}

/// Nothing of an earlier run is owed to the target: the phone gets one answer after the other, and
/// after an outage the oldest first. A command that delivers its own run does not queue, nor does a
/// notice that belongs to no run.
macro_rules! in_turn {
    () => {
        "not exists (
             select 1 from delivery ahead
             where ahead.target = delivery.target and ahead.run_id < delivery.run_id
                 and ahead.state in ('owed', 'sending'))"
    };
}

const CLAIM: &str = concat!(
    "update delivery set state = 'sending', lease_owner = $2, lease_until = $3, fence = fence + 1
     where delivery_id = (
         select delivery_id from delivery
         where target = $1 and next_at <= $4 and (run_id = $5 or $5 is null and ",
    in_turn!(),
    ") and ",
    sendable!(),
    "    order by run_id, kind, part limit 1)
     returning delivery_id, run_id, kind, target, part, parts, sequence_id, message, give_up_at,
         fence, (select job from run where run.run_id = delivery.run_id) as job,
         (select scheduled_at from run where run.run_id = delivery.run_id) as scheduled_at,
         (select trigger from run where run.run_id = delivery.run_id) as trigger"
);

const DUE_TARGETS: &str = concat!(
    "select distinct target from delivery where next_at <= $1 and ",
    sendable!(),
    " and ",
    in_turn!()
);

const NEXT_AT: &str = concat!(
    "select min(next_at) from delivery where ",
    sendable!(),
    " and ",
    in_turn!()
);

impl Ledger {
    /// The targets that are owed something now.
    ///
    /// # Errors
    /// The ledger could not be read.
    pub async fn due_targets(&self, now: Timestamp) -> Result<Vec<String>> {
        sqlx::query_scalar(DUE_TARGETS)
            .bind(to_ms(now))
            .fetch_all(&self.pool)
            .await
            .map_err(|error| self.error(error))
    }

    /// When the next delivery is due; None: nothing is owed but what waits for its turn.
    ///
    /// # Errors
    /// The ledger could not be read.
    pub async fn next_delivery_at(&self) -> Result<Option<Timestamp>> {
        let at: Option<i64> = sqlx::query_scalar(NEXT_AT)
            .fetch_one(&self.pool)
            .await
            .map_err(|error| self.error(error))?;
        Ok(at.map(from_ms))
    }

    /// How many deliveries of a run are not yet over, and when the next of them is due.
    ///
    /// # Errors
    /// The ledger could not be read.
    pub async fn owed_of(&self, run_id: RunId) -> Result<(i64, Option<Timestamp>)> {
        let (owed, at): (i64, Option<i64>) = sqlx::query_as(
            "select count(*), min(next_at) from delivery
             where run_id = $1 and state in ('owed', 'sending')",
        )
        .bind(run_id)
        .fetch_one(&self.pool)
        .await
        .map_err(|error| self.error(error))?;
        Ok((owed, at.map(from_ms)))
    }

    /// Claims the target's next delivery and begins its attempt; of one run alone where given.
    /// Durable when it returns: the POST may go out.
    ///
    /// # Errors
    /// The ledger could not be written.
    pub async fn claim_delivery(
        &self,
        target: &str,
        of: Option<RunId>,
        owner: &str,
        now: Timestamp,
        lease_until: Timestamp,
    ) -> Result<Option<Owed>> {
        let mut tx = self.write().await?;
        let done = claim(&mut tx, target, of, owner, to_ms(now), to_ms(lease_until)).await;
        self.finish(tx, done).await
    }
}

pub(super) async fn insert_deliveries(
    tx: &mut SqliteConnection,
    run_id: Option<RunId>,
    deliveries: &[NewDelivery],
    now: i64,
) -> sqlx::Result<()> {
    if deliveries.is_empty() {
        return Ok(());
    }
    QueryBuilder::new(
        "insert into delivery (run_id, kind, target, part, parts, sequence_id, message, bytes,
             state, next_at, give_up_at) ",
    )
    .push_values(deliveries, |mut row, new| {
        row.push_bind(run_id)
            .push_bind(new.kind)
            .push_bind(&new.target)
            .push_bind(new.part)
            .push_bind(new.parts)
            .push_bind(&new.sequence_id)
            .push_bind(&new.message)
            .push_bind(new.bytes)
            .push("'owed'")
            .push_bind(to_ms(new.next_at).max(now))
            .push_bind(to_ms(new.give_up_at));
    })
    .push(" on conflict do nothing")
    .build()
    .execute(&mut *tx)
    .await?;
    Ok(())
}

async fn claim(
    tx: &mut SqliteConnection,
    target: &str,
    of: Option<RunId>,
    owner: &str,
    now: i64,
    lease_until: i64,
) -> sqlx::Result<Option<Owed>> {
    let claimed: Option<Owed> = sqlx::query_as(CLAIM)
        .bind(target)
        .bind(owner)
        .bind(lease_until)
        .bind(now)
        .bind(of)
        .fetch_optional(&mut *tx)
        .await?;
    let Some(mut owed) = claimed else {
        return Ok(None);
    };
    owed.number = sqlx::query_scalar(
        "insert into delivery_attempt (delivery_id, number, started_at, outcome)
         select $1, coalesce(max(number), 0) + 1, $2, 'sending'
         from delivery_attempt where delivery_id = $1
         returning number",
    )
    .bind(owed.delivery_id)
    .bind(now)
    .fetch_one(&mut *tx)
    .await?;
    if owed.kind == "answer" {
        sqlx::query("update run set state = 'delivering' where run_id = $1 and state = 'answered'")
            .bind(owed.run_id)
            .execute(&mut *tx)
            .await?;
    }
    Ok(Some(owed))
}
