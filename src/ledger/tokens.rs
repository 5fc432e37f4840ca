//! What is known of the tokens: written with each attempt's outcome, read at start.

use sqlx::SqliteConnection;

use super::{Ledger, Result};

/// One token's state, as its pool wrote it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenRow {
    /// Names the token without giving it away.
    pub fingerprint: String,
    /// JSON.
    pub state: String,
}

impl Ledger {
    /// The states of an endpoint's tokens, those that have left the config too.
    ///
    /// # Errors
    /// The ledger could not be read.
    pub async fn tokens(&self, ai: &str) -> Result<Vec<TokenRow>> {
        let rows: Vec<(String, String)> =
            sqlx::query_as("select fingerprint, state from token where ai = $1")
                .bind(ai)
                .fetch_all(&self.pool)
                .await
                .map_err(|error| self.error(error))?;
        Ok(rows
            .into_iter()
            .map(|(fingerprint, state)| TokenRow { fingerprint, state })
            .collect())
    }
}

pub(super) async fn keep_tokens(
    tx: &mut SqliteConnection,
    ai: &str,
    tokens: &[TokenRow],
    now: i64,
) -> sqlx::Result<()> {
    for token in tokens {
        sqlx::query(
            "insert into token (ai, fingerprint, state, changed_at) values ($1, $2, $3, $4)
             on conflict (ai, fingerprint) do update set state = $3, changed_at = $4",
        )
        .bind(ai)
        .bind(&token.fingerprint)
        .bind(&token.state)
        .bind(now)
        .execute(&mut *tx)
        .await?;
    }
    Ok(())
}
