//! The outbox: one row for each message part owed to a target, written with the answer, sent by
//! the deliverer, never asked for again.

use sqlx::{FromRow, QueryBuilder, SqliteConnection};

use super::{Ledger, Result, error::fenced};
use crate::model::{RunId, RunState, Timestamp, Trigger, from_ms, to_ms};

/// A message part that will be owed.
#[derive(Clone, Debug)]
pub struct NewDelivery {
    /// `answer`, or `notice` (about the run; it does not count towards the run's state).
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
    /// Its run.
    pub run_id: RunId,
    /// The run's job.
    pub job: String,
    scheduled_at: i64,
    /// What made the run.
    pub trigger: String,
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
    fence: i64,
    /// The number of this attempt, from 1.
    #[sqlx(default)]
    pub number: i64,
}

impl Owed {
    /// The occurrence's nominal instant.
    #[must_use]
    pub fn scheduled_at(&self) -> Timestamp {
        from_ms(self.scheduled_at)
    }

    /// True for an occurrence of the schedule.
    #[must_use]
    pub fn is_scheduled(&self) -> bool {
        self.trigger == Trigger::Schedule.as_str()
    }

    /// When no further attempt is made.
    #[must_use]
    pub fn give_up_at(&self) -> Timestamp {
        from_ms(self.give_up_at)
    }
}

/// What came of one POST.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// The server took it and gave it this id. The run's next part goes out no sooner than `next_part_at`.
    Delivered {
        /// The server's id of the message.
        receipt: String,
        /// Spaces a run's parts, so that the phone shows them in order.
        next_part_at: Timestamp,
    },
    /// To be sent again at an instant, until which the whole target waits.
    Again {
        /// Why.
        error: String,
        /// True when it may have arrived.
        unknown: bool,
        /// When.
        at: Timestamp,
    },
    /// The message is replaced by the answer in parts, because its file is not taken. The first
    /// part takes the row's place, the others join it.
    Instead {
        /// Why.
        error: String,
        /// The parts of the same run and target; at least one.
        parts: Vec<NewDelivery>,
    },
    /// Given up.
    Failed {
        /// Why.
        error: String,
        /// True when it may have arrived.
        unknown: bool,
        /// What to tell; said once, however many deliveries of the run fail.
        notices: Vec<NewDelivery>,
    },
}

/// A run that ended with its last delivery; for the line in the log.
#[derive(Clone, Debug, FromRow)]
pub struct Completed {
    /// The run.
    pub run_id: RunId,
    /// Its job.
    pub job: String,
    /// Its nominal instant, in milliseconds.
    pub scheduled_at: i64,
    /// `delivered` or `failed`.
    pub state: String,
    /// Why it failed.
    pub reason: Option<String>,
    /// How long the AI took.
    pub asked_ms: Option<i64>,
    /// From the first POST to the last reply.
    pub pushed_ms: Option<i64>,
    /// Bytes of text in all its messages.
    pub bytes: i64,
    /// How many messages.
    pub parts: i64,
    /// Which token answered.
    pub token_label: Option<String>,
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

const CLAIM: &str = concat!(
    "update delivery set state = 'sending', lease_owner = $2, lease_until = $3, fence = fence + 1
     where delivery_id = (
         select delivery_id from delivery
         where target = $1 and next_at <= $4 and ($5 is null or run_id = $5) and ",
    sendable!(),
    "    order by run_id, kind, part limit 1)
     returning delivery_id, run_id, kind, target, part, parts, sequence_id, message, give_up_at,
         fence, (select job from run where run.run_id = delivery.run_id) as job,
         (select scheduled_at from run where run.run_id = delivery.run_id) as scheduled_at,
         (select trigger from run where run.run_id = delivery.run_id) as trigger"
);

const DUE_TARGETS: &str = concat!(
    "select distinct target from delivery where next_at <= $1 and ",
    sendable!()
);

const NEXT_AT: &str = concat!("select min(next_at) from delivery where ", sendable!());

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

    /// Writes what came of a POST, and ends the run where it was its last delivery.
    ///
    /// # Errors
    /// The ledger could not be written, or the claim is lost.
    pub async fn delivery_ended(
        &self,
        owed: &Owed,
        outcome: &Outcome,
        now: Timestamp,
    ) -> Result<Option<Completed>> {
        let mut tx = self.write().await?;
        let done = write_outcome(&mut tx, owed, outcome, to_ms(now)).await;
        self.finish(tx, done).await
    }
}

pub(super) async fn insert_deliveries(
    tx: &mut SqliteConnection,
    run_id: RunId,
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
    .push(" on conflict (run_id, kind, target, part) do nothing")
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

async fn write_outcome(
    tx: &mut SqliteConnection,
    owed: &Owed,
    outcome: &Outcome,
    now: i64,
) -> sqlx::Result<Option<Completed>> {
    match outcome {
        Outcome::Delivered {
            receipt,
            next_part_at,
        } => {
            end_attempt(tx, owed, "delivered", None, now).await?;
            set_delivered(tx, owed, receipt, now).await?;
            space_next_part(tx, owed, to_ms(*next_part_at)).await?;
            complete(tx, owed, now).await
        }
        Outcome::Again { error, unknown, at } => {
            end_attempt(tx, owed, word(*unknown), Some(error), now).await?;
            set_state(tx, owed, "owed", error).await?;
            hold_target(tx, &owed.target, to_ms(*at)).await?;
            Ok(None)
        }
        Outcome::Instead { error, parts } => {
            end_attempt(tx, owed, word(false), Some(error), now).await?;
            replace(tx, owed, parts).await?;
            insert_deliveries(tx, owed.run_id, parts.get(1..).unwrap_or_default(), now).await?;
            Ok(None)
        }
        Outcome::Failed {
            error,
            unknown,
            notices,
        } => {
            end_attempt(tx, owed, word(*unknown), Some(error), now).await?;
            set_state(tx, owed, "failed", error).await?;
            // The run fails with it, whatever comes of its other deliveries.
            insert_deliveries(tx, owed.run_id, notices, now).await?;
            complete(tx, owed, now).await
        }
    }
}

fn word(unknown: bool) -> &'static str {
    if unknown { "unknown" } else { "failed" }
}

async fn end_attempt(
    tx: &mut SqliteConnection,
    owed: &Owed,
    outcome: &str,
    error: Option<&str>,
    now: i64,
) -> sqlx::Result<()> {
    sqlx::query(
        "update delivery_attempt set outcome = $3, finished_at = $4, error = $5
         where delivery_id = $1 and number = $2",
    )
    .bind(owed.delivery_id)
    .bind(owed.number)
    .bind(outcome)
    .bind(now)
    .bind(error)
    .execute(&mut *tx)
    .await?;
    Ok(())
}

async fn set_delivered(
    tx: &mut SqliteConnection,
    owed: &Owed,
    receipt: &str,
    now: i64,
) -> sqlx::Result<()> {
    let changed = sqlx::query(
        "update delivery set state = 'delivered', delivered_at = $3, receipt = $4, error = null,
             lease_owner = null, lease_until = null
         where delivery_id = $1 and fence = $2",
    )
    .bind(owed.delivery_id)
    .bind(owed.fence)
    .bind(now)
    .bind(receipt)
    .execute(&mut *tx)
    .await?;
    fenced(changed.rows_affected())
}

async fn set_state(
    tx: &mut SqliteConnection,
    owed: &Owed,
    state: &str,
    error: &str,
) -> sqlx::Result<()> {
    let changed = sqlx::query(
        "update delivery set state = $3, error = $4, lease_owner = null, lease_until = null
         where delivery_id = $1 and fence = $2",
    )
    .bind(owed.delivery_id)
    .bind(owed.fence)
    .bind(state)
    .bind(error)
    .execute(&mut *tx)
    .await?;
    fenced(changed.rows_affected())
}

/// Puts the first of `parts` in the row's place, owed at once.
async fn replace(
    tx: &mut SqliteConnection,
    owed: &Owed,
    parts: &[NewDelivery],
) -> sqlx::Result<()> {
    let Some(first) = parts.first() else {
        return Ok(());
    };
    let changed = sqlx::query(
        "update delivery set state = 'owed', message = $3, bytes = $4, parts = $5, error = null,
             lease_owner = null, lease_until = null
         where delivery_id = $1 and fence = $2",
    )
    .bind(owed.delivery_id)
    .bind(owed.fence)
    .bind(&first.message)
    .bind(first.bytes)
    .bind(first.parts)
    .execute(&mut *tx)
    .await?;
    fenced(changed.rows_affected())
}

async fn space_next_part(tx: &mut SqliteConnection, owed: &Owed, at: i64) -> sqlx::Result<()> {
    sqlx::query(
        "update delivery set next_at = $4
         where run_id = $1 and target = $2 and part = $3 + 1 and state = 'owed' and next_at < $4",
    )
    .bind(owed.run_id)
    .bind(&owed.target)
    .bind(owed.part)
    .bind(at)
    .execute(&mut *tx)
    .await?;
    Ok(())
}

/// What is owed to a target waits together, so that it goes out in order.
async fn hold_target(tx: &mut SqliteConnection, target: &str, at: i64) -> sqlx::Result<()> {
    sqlx::query(
        "update delivery set next_at = $2 where target = $1 and state = 'owed' and next_at < $2",
    )
    .bind(target)
    .bind(at)
    .execute(&mut *tx)
    .await?;
    Ok(())
}

/// Ends the run when no answer of it is owed any more.
async fn complete(
    tx: &mut SqliteConnection,
    owed: &Owed,
    now: i64,
) -> sqlx::Result<Option<Completed>> {
    if owed.kind != "answer" {
        return Ok(None);
    }
    let states: Vec<String> = sqlx::query_scalar(
        "select state from delivery where run_id = $1 and kind = 'answer' order by target, part",
    )
    .bind(owed.run_id)
    .fetch_all(&mut *tx)
    .await?;
    if states
        .iter()
        .any(|state| state == "owed" || state == "sending")
    {
        return Ok(None);
    }
    let failed = states.iter().position(|state| state == "failed");
    let reason = failed.map(|index| format!("delivery {} of {}", index + 1, states.len()));
    let state = if failed.is_some() {
        RunState::Failed
    } else {
        RunState::Delivered
    };
    sqlx::query(
        "update run set state = $2, reason = $3, finished_at = $4
         where run_id = $1 and state in ('answered', 'delivering')",
    )
    .bind(owed.run_id)
    .bind(state.as_str())
    .bind(&reason)
    .bind(now)
    .execute(&mut *tx)
    .await?;
    completed(tx, owed.run_id).await.map(Some)
}

async fn completed(tx: &mut SqliteConnection, run_id: RunId) -> sqlx::Result<Completed> {
    sqlx::query_as(
        "select run_id, job, scheduled_at, state, reason, asked_ms, token_label,
             (select max(a.finished_at) - min(a.started_at) from delivery_attempt a
                  join delivery d on d.delivery_id = a.delivery_id
                  where d.run_id = run.run_id and d.kind = 'answer') as pushed_ms,
             (select coalesce(sum(bytes), 0) from delivery d
                  where d.run_id = run.run_id and d.kind = 'answer') as bytes,
             (select coalesce(max(parts), 0) from delivery d
                  where d.run_id = run.run_id and d.kind = 'answer') as parts
         from run where run_id = $1",
    )
    .bind(run_id)
    .fetch_one(&mut *tx)
    .await
}
