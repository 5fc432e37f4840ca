//! What is known of the servers' patience and of how targets fare, so that a restart forgets nothing.

use sqlx::{FromRow, SqliteConnection};

use super::{Ledger, Result};
use crate::model::{Timestamp, from_ms, to_ms};

/// What is known of a visitor.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Visitor {
    /// Nothing is sent before.
    pub held_until: Option<Timestamp>,
    /// The server said once that it was too much: from then on it is paced without being told to.
    pub was_refused: bool,
    /// When what was spent is granted again; in the past: all of it is there.
    pub full_at: Option<Timestamp>,
    /// The UTC day that `sent` counts.
    pub day: Option<Timestamp>,
    /// How many messages went out on it.
    pub sent: u32,
}

#[derive(FromRow)]
struct Row {
    visitor: String,
    held_until: Option<i64>,
    held_for: Option<String>,
    was_refused: bool,
    full_at: Option<i64>,
    day: Option<i64>,
    sent: u32,
}

impl Row {
    fn into_visitor(self) -> Visitor {
        Visitor {
            held_until: self.held_until.map(from_ms),
            was_refused: self.was_refused,
            full_at: self.full_at.map(from_ms),
            day: self.day.map(from_ms),
            sent: self.sent,
        }
    }
}

/// Until when nothing is sent for a visitor, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hold {
    /// The visitor that is held.
    pub visitor: String,
    /// Until when.
    pub until: Timestamp,
    /// Why, in the words that a person reads.
    pub why: String,
    /// It was too much: its messages are paced from now on, and all that was granted is spent until then.
    pub spent_until: Option<Timestamp>,
}

/// How a target fares.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub struct TargetState {
    /// Its name.
    pub target: String,
    failing_since: Option<i64>,
    failed_at: Option<i64>,
    /// Its last failure.
    pub error: Option<String>,
    /// Its server's replies name no `sequence_id`: ntfy before 2.16.
    pub no_sequence: bool,
    delivered_at: Option<i64>,
}

impl TargetState {
    /// Its first failure after its last success; None: it takes what is sent.
    #[must_use]
    pub fn failing_since(&self) -> Option<Timestamp> {
        self.failing_since.map(from_ms)
    }

    /// Its last failure; None: there was none.
    #[must_use]
    pub fn failed_at(&self) -> Option<Timestamp> {
        self.failed_at.map(from_ms)
    }

    /// Its last success.
    #[must_use]
    pub fn delivered_at(&self) -> Option<Timestamp> {
        self.delivered_at.map(from_ms)
    }
}

impl Ledger {
    /// Everything that is known of visitors.
    ///
    /// # Errors
    /// The ledger could not be read.
    pub async fn visitors(&self) -> Result<Vec<(String, Visitor)>> {
        let rows: Vec<Row> = sqlx::query_as("select * from visitor")
            .fetch_all(&self.pool)
            .await
            .map_err(|error| self.error(error))?;
        let pair = |row: Row| (row.visitor.clone(), row.into_visitor());
        Ok(rows.into_iter().map(pair).collect())
    }

    /// The visitors that nothing is sent for now.
    ///
    /// # Errors
    /// The ledger could not be read.
    pub async fn visitors_held(&self, now: Timestamp) -> Result<Vec<Hold>> {
        let rows: Vec<Row> = sqlx::query_as("select * from visitor where held_until > $1")
            .bind(to_ms(now))
            .fetch_all(&self.pool)
            .await
            .map_err(|error| self.error(error))?;
        let hold = |row: Row| {
            Some(Hold {
                until: from_ms(row.held_until?),
                why: row.held_for.unwrap_or_default(),
                spent_until: row.full_at.map(from_ms),
                visitor: row.visitor,
            })
        };
        Ok(rows.into_iter().filter_map(hold).collect())
    }

    /// How the targets fare that something was sent to.
    ///
    /// # Errors
    /// The ledger could not be read.
    pub async fn target_states(&self) -> Result<Vec<TargetState>> {
        sqlx::query_as("select * from target")
            .fetch_all(&self.pool)
            .await
            .map_err(|error| self.error(error))
    }
}

pub(super) async fn visitor(tx: &mut SqliteConnection, name: &str) -> sqlx::Result<Visitor> {
    let row: Option<Row> = sqlx::query_as("select * from visitor where visitor = $1")
        .bind(name)
        .fetch_optional(&mut *tx)
        .await?;
    Ok(row.map(Row::into_visitor).unwrap_or_default())
}

/// Keeps what was spent.
pub(super) async fn spend(
    tx: &mut SqliteConnection,
    name: &str,
    after: &Visitor,
) -> sqlx::Result<()> {
    sqlx::query(
        "insert into visitor (visitor, full_at, day, sent) values ($1, $2, $3, $4)
         on conflict (visitor) do update
             set full_at = excluded.full_at, day = excluded.day, sent = excluded.sent",
    )
    .bind(name)
    .bind(after.full_at.map(to_ms))
    .bind(after.day.map(to_ms))
    .bind(after.sent)
    .execute(&mut *tx)
    .await?;
    Ok(())
}

/// Holds a visitor; a hold that lasts longer stands.
pub(super) async fn hold(tx: &mut SqliteConnection, hold: &Hold, now: i64) -> sqlx::Result<()> {
    sqlx::query(
        "insert into visitor (visitor, held_until, held_for, was_refused, full_at)
             values ($1, $2, $3, $4 is not null, $4)
         on conflict (visitor) do update set
             was_refused = max(was_refused, $4 is not null),
             full_at = case when $4 is null then full_at else max(coalesce(full_at, 0), $4) end,
             held_for = case when coalesce(held_until, 0) < $2 then $3 else held_for end,
             held_until = max(coalesce(held_until, 0), $2)",
    )
    .bind(&hold.visitor)
    .bind(to_ms(hold.until).max(now))
    .bind(&hold.why)
    .bind(hold.spent_until.map(to_ms))
    .execute(&mut *tx)
    .await?;
    Ok(())
}

/// The target took a message; `no_sequence` where that shows an old server.
pub(super) async fn fares_well(
    tx: &mut SqliteConnection,
    target: &str,
    no_sequence: bool,
    now: i64,
) -> sqlx::Result<()> {
    sqlx::query(
        "insert into target (target, no_sequence, delivered_at) values ($1, $2, $3)
         on conflict (target) do update set failing_since = null, error = null,
             no_sequence = $2, delivered_at = $3",
    )
    .bind(target)
    .bind(no_sequence)
    .bind(now)
    .execute(&mut *tx)
    .await?;
    Ok(())
}

/// The target could not be sent to.
pub(super) async fn fares_badly(
    tx: &mut SqliteConnection,
    target: &str,
    error: &str,
    now: i64,
) -> sqlx::Result<()> {
    sqlx::query(
        "insert into target (target, failing_since, failed_at, error) values ($1, $2, $2, $3)
         on conflict (target) do update
             set failing_since = coalesce(failing_since, $2), failed_at = $2, error = $3",
    )
    .bind(target)
    .bind(now)
    .bind(error)
    .execute(&mut *tx)
    .await?;
    Ok(())
}
