//! What came of a POST: the delivery's state, its run's end with the last of them.

use sqlx::{FromRow, SqliteConnection};

use super::{
    Ledger, Result,
    deliveries::{NewDelivery, Owed, insert_deliveries},
    error::fenced,
    notices::{NewNotice, tell_if},
    visitors::{self, Hold},
};
use crate::model::{RunId, RunState, Timestamp, to_ms};

/// What came of one POST.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// The server took it and gave it this id. The run's next part goes out no sooner than `next_part_at`.
    Delivered {
        /// The server's id of the message.
        receipt: String,
        /// What is over where the run is delivered with it.
        back: Option<NewNotice>,
        /// The reply shows a server that knows no `sequence_id`.
        no_sequence: bool,
        /// Spaces a run's parts, so that the phone shows them in order.
        next_part_at: Timestamp,
    },
    /// To be sent again.
    Again {
        /// Why.
        error: String,
        /// True when it may have arrived.
        unknown: bool,
        /// When.
        at: Timestamp,
        /// What waits with it.
        waits: Waits,
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
        /// True where the target takes nothing at all, not this message alone.
        is_target: bool,
        /// What the server said of its patience holds for all that counts for the visitor.
        hold: Option<Hold>,
        /// What to tell; said once, however many deliveries of the run fail.
        notice: Option<NewNotice>,
    },
}

/// What waits with a message that is to be sent again.
#[derive(Clone, Debug)]
pub enum Waits {
    /// Nothing: the attempt was cut off here, which says nothing about the target.
    Nothing,
    /// The message alone; what is behind it goes past.
    Alone,
    /// Everything that its target is owed, so that it goes out in order.
    Target,
    /// Everything that counts for the visitor, over all its targets.
    Visitor(Hold),
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
    /// `schedule` or `manual`.
    pub trigger: String,
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

impl Ledger {
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
        let (owed, outcome, now) = (owed.clone(), outcome.clone(), to_ms(now));
        self.together(move |tx| {
            Box::pin(async move { write_outcome(tx, &owed, &outcome, now).await })
        })
        .await
    }
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
            back,
            no_sequence,
            next_part_at,
        } => {
            end_attempt(tx, owed, "delivered", None, now).await?;
            set_delivered(tx, owed, receipt, now).await?;
            if owed.parts > 1 {
                space_next_part(tx, owed, to_ms(*next_part_at)).await?;
            }
            visitors::fares_well(tx, &owed.target, *no_sequence, now).await?;
            let completed = complete_with(tx, owed, now).await?;
            let is_delivered = |run: &Completed| run.state == RunState::Delivered.as_str();
            let is_delivered = completed.as_ref().is_some_and(is_delivered);
            tell_if(tx, back.as_ref().filter(|_| is_delivered), now).await?;
            Ok(completed)
        }
        Outcome::Again {
            error,
            unknown,
            at,
            waits,
        } => {
            end_attempt(tx, owed, word(*unknown), Some(error), now).await?;
            set_state(tx, owed, "owed", error).await?;
            if !matches!(waits, Waits::Nothing) {
                visitors::fares_badly(tx, &owed.target, error, now).await?;
            }
            wait(tx, owed, to_ms(*at), waits, now).await?;
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
            is_target,
            hold,
            notice,
        } => {
            end_attempt(tx, owed, word(*unknown), Some(error), now).await?;
            set_state(tx, owed, "failed", error).await?;
            if *is_target {
                visitors::fares_badly(tx, &owed.target, error, now).await?;
            }
            if let Some(hold) = hold {
                visitors::hold(tx, hold, now).await?;
            }
            // The run fails with it, whatever comes of its other deliveries.
            tell_if(tx, notice.as_ref(), now).await?;
            complete_with(tx, owed, now).await
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
        "update delivery set state = 'owed', message = $3, bytes = $4, parts = $5, turn = $6, error = null,
             lease_owner = null, lease_until = null
         where delivery_id = $1 and fence = $2",
    )
    .bind(owed.delivery_id)
    .bind(owed.fence)
    .bind(&first.message)
    .bind(first.bytes)
    .bind(first.parts)
    .bind(first.turn)
    .execute(&mut *tx)
    .await?;
    fenced(changed.rows_affected())
}

async fn space_next_part(tx: &mut SqliteConnection, owed: &Owed, at: i64) -> sqlx::Result<()> {
    sqlx::query(
        "update delivery set next_at = $4
         where run_id = $1 and target = $2 and turn = $3 + 1 and state = 'owed' and next_at < $4",
    )
    .bind(owed.run_id)
    .bind(&owed.target)
    .bind(owed.turn)
    .bind(at)
    .execute(&mut *tx)
    .await?;
    Ok(())
}

async fn wait(
    tx: &mut SqliteConnection,
    owed: &Owed,
    at: i64,
    waits: &Waits,
    now: i64,
) -> sqlx::Result<()> {
    match waits {
        Waits::Nothing => set_next(tx, owed, at).await,
        Waits::Target => hold_target(tx, &owed.target, at).await,
        Waits::Visitor(hold) => {
            visitors::hold(tx, hold, now).await?;
            set_next(tx, owed, now).await
        }
        Waits::Alone => {
            set_next(tx, owed, at).await?;
            sqlx::query(
                "update delivery set aside = 1
                 where run_id = $1 and target = $2 and state = 'owed'",
            )
            .bind(owed.run_id)
            .bind(&owed.target)
            .execute(&mut *tx)
            .await?;
            Ok(())
        }
    }
}

async fn set_next(tx: &mut SqliteConnection, owed: &Owed, at: i64) -> sqlx::Result<()> {
    sqlx::query("update delivery set next_at = $2 where delivery_id = $1")
        .bind(owed.delivery_id)
        .bind(at)
        .execute(&mut *tx)
        .await?;
    Ok(())
}

const HOLD_TARGET: &str = concat!(
    "update delivery set next_at = $2 where ",
    live!(delivery),
    " and state = 'owed' and target = $1 and next_at < $2"
);

/// What is owed to a target waits together, so that it goes out in order.
async fn hold_target(tx: &mut SqliteConnection, target: &str, at: i64) -> sqlx::Result<()> {
    sqlx::query(HOLD_TARGET)
        .bind(target)
        .bind(at)
        .execute(&mut *tx)
        .await?;
    Ok(())
}

/// Ends a delivery's run, where it is an answer and the last one.
async fn complete_with(
    tx: &mut SqliteConnection,
    owed: &Owed,
    now: i64,
) -> sqlx::Result<Option<Completed>> {
    match owed.run_id.filter(|_| owed.kind == "answer") {
        Some(run_id) => complete(tx, run_id, now).await,
        None => Ok(None),
    }
}

const END: &str = "update run set state = $2, reason = $3, finished_at = $4
     where run_id = $1 and state in ('answered', 'delivering')
     returning run_id, job, scheduled_at, trigger, state, reason, asked_ms, token_label,
         (select max(a.finished_at) - min(a.started_at) from delivery_attempt a
              join delivery d on d.delivery_id = a.delivery_id
              where d.run_id = run.run_id and d.kind = 'answer') as pushed_ms,
         (select coalesce(sum(bytes), 0) from delivery d
              where d.run_id = run.run_id and d.kind = 'answer') as bytes,
         (select coalesce(max(parts), 0) from delivery d
              where d.run_id = run.run_id and d.kind = 'answer') as parts";

/// Ends the run when no answer of it is owed any more.
pub(super) async fn complete(
    tx: &mut SqliteConnection,
    run_id: RunId,
    now: i64,
) -> sqlx::Result<Option<Completed>> {
    let states: Vec<String> = sqlx::query_scalar(
        "select state from delivery where run_id = $1 and kind = 'answer' and state <> 'moved'
         order by target, part",
    )
    .bind(run_id)
    .fetch_all(&mut *tx)
    .await?;
    if states
        .iter()
        .any(|state| state == "owed" || state == "sending")
    {
        return Ok(None);
    }
    let failed = states.iter().position(|state| state == "failed");
    let reason = match failed {
        Some(index) => Some(format!("delivery {} of {}", index + 1, states.len())),
        None if states.is_empty() => Some("handed over to nobody".to_owned()),
        None => None,
    };
    let state = match reason {
        Some(_) => RunState::Failed,
        None => RunState::Delivered,
    };
    sqlx::query_as(END)
        .bind(run_id)
        .bind(state.as_str())
        .bind(&reason)
        .bind(now)
        .fetch_optional(&mut *tx)
        .await
}
