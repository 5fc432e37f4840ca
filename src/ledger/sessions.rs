//! What the page keeps: who has logged in, and the key of its links.

use sqlx::SqliteConnection;

use super::{Ledger, Result};
use crate::model::{Timestamp, to_ms};

const SECRET: &str = "select value from secret where name = $1";

impl Ledger {
    /// Whether a session lasts at `now`.
    ///
    /// # Errors
    /// The ledger could not be read.
    pub async fn has_session(&self, hash: &str, now: Timestamp) -> Result<bool> {
        sqlx::query_scalar(
            "select exists (select 1 from web_session where hash = $1 and expires_at > $2)",
        )
        .bind(hash)
        .bind(to_ms(now))
        .fetch_one(&self.pool)
        .await
        .map_err(|error| self.error(error))
    }

    /// Begins a session, and forgets those that are over.
    ///
    /// # Errors
    /// The ledger could not be written.
    pub async fn begin_session(&self, hash: &str, now: Timestamp, until: Timestamp) -> Result<()> {
        let mut tx = self.write().await?;
        let done = begin_session(&mut tx, hash, to_ms(now), to_ms(until)).await;
        self.finish(tx, done).await
    }

    /// Ends a session.
    ///
    /// # Errors
    /// The ledger could not be written.
    pub async fn end_session(&self, hash: &str) -> Result<()> {
        let mut tx = self.write().await?;
        let done = sqlx::query("delete from web_session where hash = $1")
            .bind(hash)
            .execute(&mut *tx)
            .await;
        self.finish(tx, done).await.map(drop)
    }

    /// A key that this ledger made for itself: `fresh` where it has none of that name yet.
    ///
    /// # Errors
    /// The ledger could not be read or written.
    pub async fn secret(&self, name: &str, fresh: &[u8]) -> Result<Vec<u8>> {
        let kept = sqlx::query_scalar(SECRET)
            .bind(name)
            .fetch_optional(&self.pool)
            .await
            .map_err(|error| self.error(error))?;
        if let Some(kept) = kept {
            return Ok(kept);
        }
        let mut tx = self.write().await?;
        let done = secret(&mut tx, name, fresh).await;
        self.finish(tx, done).await
    }
}

async fn begin_session(
    tx: &mut SqliteConnection,
    hash: &str,
    now: i64,
    until: i64,
) -> sqlx::Result<()> {
    sqlx::query("delete from web_session where expires_at <= $1")
        .bind(now)
        .execute(&mut *tx)
        .await?;
    sqlx::query("insert into web_session (hash, expires_at) values ($1, $2)")
        .bind(hash)
        .bind(until)
        .execute(&mut *tx)
        .await?;
    Ok(())
}

async fn secret(tx: &mut SqliteConnection, name: &str, fresh: &[u8]) -> sqlx::Result<Vec<u8>> {
    sqlx::query("insert into secret (name, value) values ($1, $2) on conflict (name) do nothing")
        .bind(name)
        .bind(fresh)
        .execute(&mut *tx)
        .await?;
    sqlx::query_scalar(SECRET)
        .bind(name)
        .fetch_one(&mut *tx)
        .await
}
