//! The outbox: one row for each message part owed to a target, written with the answer, sent by
//! the deliverer, never asked for again.

use std::sync::Arc;

use sqlx::{FromRow, QueryBuilder, SqliteConnection};

use super::{Ledger, Result, Visitor, visitors};
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
    /// Its place in the order in which they are sent, from 1.
    pub turn: i64,
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
    unknown_since: Option<i64>,
    pub(super) turn: i64,
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

    /// When it was first sent without an answer, if it was: it may be there.
    #[must_use]
    pub fn unknown_since(&self) -> Option<Timestamp> {
        self.unknown_since.map(from_ms)
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
        concat!(
            live!(delivery),
            " and delivery.state = 'owed' and not exists (
                 select 1 from delivery before
                 where before.target = delivery.target and before.run_id = delivery.run_id
                     and before.kind = delivery.kind and before.turn < delivery.turn
                     and before.state in ('owed', 'sending'))"
        )
    };
}

/// Nothing of an earlier run is owed to the target: the phone gets one answer after the other, and
/// after an outage the oldest first. What the server refuses alone holds up nothing. A command that
/// delivers its own run does not queue, nor does a notice that belongs to no run.
macro_rules! in_turn {
    () => {
        "not exists (
             select 1 from delivery ahead
             where ahead.target = delivery.target and ahead.run_id < delivery.run_id
                 and ahead.state in ('owed', 'sending') and ahead.aside = 0)"
    };
}

const NEXT: &str = concat!(
    "select delivery_id, run_id, kind, target, part, parts, sequence_id, message, give_up_at, turn, fence,
         (select min(started_at) from delivery_attempt a
             where a.delivery_id = delivery.delivery_id and a.outcome = 'unknown') as unknown_since,
         (select job from run where run.run_id = delivery.run_id) as job,
         (select scheduled_at from run where run.run_id = delivery.run_id) as scheduled_at,
         (select trigger from run where run.run_id = delivery.run_id) as trigger
     from delivery
     where target = $1 and next_at <= $2 and (run_id = $3 or $3 is null and ",
    in_turn!(),
    ") and ",
    sendable!(),
    " order by run_id, kind, turn limit 1"
);

const NEXT_BY_TARGET: &str = concat!(
    "select target, min(next_at) from delivery where ",
    sendable!(),
    " and ",
    in_turn!(),
    " group by target"
);

#[cfg(test)]
pub(super) const QUERIES: [&str; 2] = [NEXT, NEXT_BY_TARGET];

/// Who claims, and what.
#[derive(Clone, Debug)]
pub struct Claiming {
    /// The target's name.
    pub target: String,
    /// One run's alone.
    pub of: Option<RunId>,
    /// Who.
    pub owner: String,
    /// When.
    pub now: Timestamp,
    /// How long the claim stands.
    pub lease_until: Timestamp,
}

/// Tells what is left after one more message, or when it may go out. The message is the one that was
/// claimed: one that may be there already is looked for first, which costs a request too.
pub type Admit = dyn Fn(&Owed, &Visitor, Option<&Visitor>) -> std::result::Result<Visitor, Timestamp>
    + Send
    + Sync;

/// What a target's server grants, and to whom.
#[derive(Clone)]
pub struct Admission {
    /// The visitor that a message counts for.
    pub visitor: String,
    /// Others whose hold counts too.
    pub also: Option<String>,
    /// Tells what is left after one more message, or when it may go out.
    pub admit: Arc<Admit>,
}

/// What there is to send.
#[derive(Debug)]
pub enum Claimed {
    /// This, now.
    Owed(Box<Owed>),
    /// Something, and nothing is granted before this instant.
    Wait(Timestamp),
    /// Nothing.
    Nothing,
}

impl Ledger {
    /// The targets that are owed something, and when each is due next; what waits for its turn is not.
    ///
    /// # Errors
    /// The ledger could not be read.
    pub async fn next_by_target(&self) -> Result<Vec<(String, Timestamp)>> {
        let rows: Vec<(String, i64)> = sqlx::query_as(NEXT_BY_TARGET)
            .fetch_all(&self.pool)
            .await
            .map_err(|error| self.error(error))?;
        let instant = |(target, at)| (target, from_ms(at));
        Ok(rows.into_iter().map(instant).collect())
    }

    /// The targets to which a run owes something still, and when the next of it is due.
    ///
    /// # Errors
    /// The ledger could not be read.
    pub async fn owed_of(&self, run_id: RunId) -> Result<Vec<(String, Timestamp)>> {
        let rows: Vec<(String, i64)> = sqlx::query_as(
            "select target, min(next_at) from delivery
             where run_id = $1 and state in ('owed', 'sending') group by target",
        )
        .bind(run_id)
        .fetch_all(&self.pool)
        .await
        .map_err(|error| self.error(error))?;
        let instant = |(target, at)| (target, from_ms(at));
        Ok(rows.into_iter().map(instant).collect())
    }

    /// Claims the target's next delivery and begins its attempt, if the server grants it. Durable when it
    /// returns: the POST may go out.
    ///
    /// # Errors
    /// The ledger could not be written.
    pub async fn claim_delivery(
        &self,
        claiming: &Claiming,
        admission: Option<&Admission>,
    ) -> Result<Claimed> {
        let (claiming, admission) = (claiming.clone(), admission.cloned());
        self.together(move |tx| {
            Box::pin(async move { claim_granted(tx, &claiming, admission.as_ref()).await })
        })
        .await
    }
}

async fn claim_granted(
    tx: &mut SqliteConnection,
    claiming: &Claiming,
    admission: Option<&Admission>,
) -> sqlx::Result<Claimed> {
    let Some(owed) = next(tx, claiming).await? else {
        return Ok(Claimed::Nothing);
    };
    if let Some(admission) = admission {
        let visitor = visitors::visitor(tx, &admission.visitor).await?;
        let also = match &admission.also {
            Some(also) => Some(visitors::visitor(tx, also).await?),
            None => None,
        };
        match (admission.admit)(&owed, &visitor, also.as_ref()) {
            Ok(after) => visitors::spend(tx, &admission.visitor, &after).await?,
            Err(until) => return Ok(Claimed::Wait(until)),
        }
    }
    let owed = claim(tx, claiming, owed).await?;
    Ok(Claimed::Owed(Box::new(owed)))
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
        "insert into delivery (run_id, kind, target, part, parts, turn, sequence_id, message, bytes,
             state, next_at, give_up_at) ",
    )
    .push_values(deliveries, |mut row, new| {
        row.push_bind(run_id)
            .push_bind(new.kind)
            .push_bind(&new.target)
            .push_bind(new.part)
            .push_bind(new.parts)
            .push_bind(new.turn)
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

/// What is to be sent next, as it is before it is claimed.
async fn next(tx: &mut SqliteConnection, claiming: &Claiming) -> sqlx::Result<Option<Owed>> {
    sqlx::query_as(NEXT)
        .bind(&claiming.target)
        .bind(to_ms(claiming.now))
        .bind(claiming.of)
        .fetch_optional(tx)
        .await
}

async fn claim(
    tx: &mut SqliteConnection,
    claiming: &Claiming,
    mut owed: Owed,
) -> sqlx::Result<Owed> {
    let now = to_ms(claiming.now);
    owed.fence = sqlx::query_scalar(
        "update delivery set state = 'sending', lease_owner = $2, lease_until = $3, fence = fence + 1
         where delivery_id = $1 returning fence",
    )
    .bind(owed.delivery_id)
    .bind(&claiming.owner)
    .bind(to_ms(claiming.lease_until))
    .fetch_one(&mut *tx)
    .await?;
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
    Ok(owed)
}
