//! The daemon's signs of life: written on each housekeeping beat, so a stale one says that the
//! planner or the ledger stands still.

use sqlx::{FromRow, SqliteConnection};

use super::{Ledger, Result};
use crate::model::{Timestamp, to_ms};

/// The daemon's last sign of life. Instants in milliseconds.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub struct Beat {
    /// The daemon's random identity.
    pub owner: String,
    /// When it started.
    pub started_at: i64,
    /// When the ledger was last written by its housekeeping.
    pub beat_at: i64,
    /// When its planner last made progress.
    pub planner_at: i64,
    /// When it stopped in order; None while it runs or was killed.
    pub stopped_at: Option<i64>,
}

impl Ledger {
    /// Says that the daemon lives, and renews the leases it holds.
    ///
    /// # Errors
    /// The ledger could not be written.
    pub async fn beat(
        &self,
        owner: &str,
        now: Timestamp,
        planner_at: Timestamp,
        lease_until: Timestamp,
    ) -> Result<()> {
        let mut tx = self.write().await?;
        let done = beat(&mut tx, owner, now, planner_at, lease_until).await;
        self.finish(tx, done).await
    }

    /// Renews the leases of one process on its runs and deliveries.
    ///
    /// # Errors
    /// The ledger could not be written.
    pub async fn renew(&self, owner: &str, lease_until: Timestamp) -> Result<()> {
        let mut tx = self.write().await?;
        let done = renew(&mut tx, owner, lease_until).await;
        self.finish(tx, done).await
    }

    /// Says that the daemon stopped in order.
    ///
    /// # Errors
    /// The ledger could not be written.
    pub async fn stopped(&self, owner: &str, now: Timestamp) -> Result<()> {
        let mut tx = self.write().await?;
        let done = sqlx::query("update beat set stopped_at = $1 where owner = $2")
            .bind(to_ms(now))
            .bind(owner)
            .execute(&mut *tx)
            .await;
        self.finish(tx, done).await.map(drop)
    }

    /// The last sign of life; None where no daemon ever ran on this ledger.
    ///
    /// # Errors
    /// The ledger could not be read.
    pub async fn last_beat(&self) -> Result<Option<Beat>> {
        sqlx::query_as("select owner, started_at, beat_at, planner_at, stopped_at from beat")
            .fetch_optional(&self.pool)
            .await
            .map_err(|error| self.error(error))
    }
}

async fn beat(
    tx: &mut SqliteConnection,
    owner: &str,
    now: Timestamp,
    planner_at: Timestamp,
    lease_until: Timestamp,
) -> sqlx::Result<()> {
    sqlx::query(
        "insert into beat (id, owner, started_at, beat_at, planner_at) values (1, $1, $2, $2, $3)
         on conflict (id) do update set
             started_at = case when beat.owner = $1 then beat.started_at else $2 end,
             owner = $1, beat_at = $2, planner_at = $3, stopped_at = null",
    )
    .bind(owner)
    .bind(to_ms(now))
    .bind(to_ms(planner_at))
    .execute(&mut *tx)
    .await?;
    renew(tx, owner, lease_until).await
}

pub(super) const RENEW: [&str; 2] = [
    concat!(
        "update run set lease_until = $1 where ",
        live!(run),
        " and state <> 'planned' and lease_owner = $2"
    ),
    concat!(
        "update delivery set lease_until = $1 where ",
        live!(delivery),
        " and state = 'sending' and lease_owner = $2"
    ),
];

async fn renew(tx: &mut SqliteConnection, owner: &str, lease_until: Timestamp) -> sqlx::Result<()> {
    for sql in RENEW {
        sqlx::query(sql)
            .bind(to_ms(lease_until))
            .bind(owner)
            .execute(&mut *tx)
            .await?;
    }
    Ok(())
}
