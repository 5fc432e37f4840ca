//! What is known of the endpoints and their tokens: written with each attempt's outcome, read at start.

use sqlx::SqliteConnection;

use super::{Ledger, Result};
use crate::model::{Timestamp, to_ms};

/// One token's state, as its pool wrote it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenRow {
    /// Names the token without giving it away.
    pub fingerprint: String,
    /// JSON.
    pub state: String,
}

/// One token's state, as the ledger has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownToken {
    /// JSON.
    pub state: String,
    /// Whether it was found at the address that was asked for.
    pub is_here: bool,
}

/// What was learned of one endpoint and its tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LearnedRow {
    /// The endpoint.
    pub ai: String,
    /// Its address.
    pub base_url: String,
    /// What is known of it as a whole, as JSON; None: nothing new.
    pub endpoint: Option<String>,
    /// Of its tokens.
    pub tokens: Vec<TokenRow>,
}

impl Ledger {
    /// The states of an endpoint's tokens, those that have left the config too, and those found at another address.
    ///
    /// # Errors
    /// The ledger could not be read.
    pub async fn tokens(&self, ai: &str, base_url: &str) -> Result<Vec<KnownToken>> {
        let rows: Vec<(String, bool)> =
            sqlx::query_as("select state, base_url is $2 from token where ai = $1")
                .bind(ai)
                .bind(base_url)
                .fetch_all(&self.pool)
                .await
                .map_err(|error| self.error(error))?;
        Ok(rows
            .into_iter()
            .map(|(state, is_here)| KnownToken { state, is_here })
            .collect())
    }

    /// The state of an endpoint, where it is known at this address.
    ///
    /// # Errors
    /// The ledger could not be read.
    pub async fn endpoint(&self, ai: &str, base_url: &str) -> Result<Option<String>> {
        sqlx::query_scalar("select state from endpoint where ai = $1 and base_url = $2")
            .bind(ai)
            .bind(base_url)
            .fetch_optional(&self.pool)
            .await
            .map_err(|error| self.error(error))
    }

    /// Keeps what was learned outside of an attempt's own outcome.
    ///
    /// # Errors
    /// The ledger could not be written.
    pub async fn keep(&self, learned: &[LearnedRow], now: Timestamp) -> Result<()> {
        let mut tx = self.write().await?;
        let done = keep(&mut tx, learned, to_ms(now)).await;
        self.finish(tx, done).await
    }
}

pub(super) async fn keep(
    tx: &mut SqliteConnection,
    learned: &[LearnedRow],
    now: i64,
) -> sqlx::Result<()> {
    for row in learned {
        keep_tokens(tx, row, now).await?;
        if let Some(state) = &row.endpoint {
            sqlx::query(
                "insert into endpoint (ai, base_url, state, changed_at) values ($1, $2, $3, $4)
                 on conflict (ai) do update set base_url = $2, state = $3, changed_at = $4",
            )
            .bind(&row.ai)
            .bind(&row.base_url)
            .bind(state)
            .bind(now)
            .execute(&mut *tx)
            .await?;
        }
    }
    Ok(())
}

async fn keep_tokens(
    tx: &mut SqliteConnection,
    learned: &LearnedRow,
    now: i64,
) -> sqlx::Result<()> {
    for token in &learned.tokens {
        sqlx::query(
            "insert into token (ai, fingerprint, state, changed_at, base_url) values ($1, $2, $3, $4, $5)
             on conflict (ai, fingerprint) do update set state = $3, changed_at = $4, base_url = $5",
        )
        .bind(&learned.ai)
        .bind(&token.fingerprint)
        .bind(&token.state)
        .bind(now)
        .bind(&learned.base_url)
        .execute(&mut *tx)
        .await?;
    }
    Ok(())
}
