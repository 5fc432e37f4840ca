//! The single requests of an attempt: which endpoint was asked with which token, and what each said.

use sqlx::{FromRow, SqliteConnection};

use super::{Ledger, Result};
use crate::model::{RunId, Timestamp, to_ms};

/// One request. Instants in milliseconds.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub struct RequestRow {
    /// The endpoint.
    pub ai: String,
    /// The token; None without one.
    pub token_label: Option<String>,
    /// When it went out.
    pub started_at: i64,
    /// When its outcome was known.
    pub finished_at: i64,
    /// Why it failed; None: answered.
    pub error: Option<String>,
}

/// How often an endpoint was asked with one token.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub struct Requests {
    /// The endpoint.
    pub ai: String,
    /// The token; None without one.
    pub token_label: Option<String>,
    /// Requests.
    pub made: i64,
    /// And those that failed.
    pub failed: i64,
}

impl Ledger {
    /// How often each token was asked with since an instant.
    ///
    /// # Errors
    /// The ledger could not be read.
    pub async fn requests_since(&self, since: Timestamp) -> Result<Vec<Requests>> {
        sqlx::query_as(
            "select ai, token_label, count(*) as made, count(error) as failed
             from request where started_at >= $1 group by ai, token_label",
        )
        .bind(to_ms(since))
        .fetch_all(&self.pool)
        .await
        .map_err(|error| self.error(error))
    }

    /// The requests of a run with the numbers of their attempts, in order.
    ///
    /// # Errors
    /// The ledger could not be read.
    pub async fn requests(&self, run_id: RunId) -> Result<Vec<(i64, RequestRow)>> {
        let rows: Vec<Numbered> = sqlx::query_as(
            "select number, ai, token_label, started_at, finished_at, error
             from request where run_id = $1 order by number, position",
        )
        .bind(run_id)
        .fetch_all(&self.pool)
        .await
        .map_err(|error| self.error(error))?;
        Ok(rows
            .into_iter()
            .map(|row| (row.number, row.request))
            .collect())
    }
}

#[derive(FromRow)]
struct Numbered {
    number: i64,
    #[sqlx(flatten)]
    request: RequestRow,
}

pub(super) async fn insert_requests(
    tx: &mut SqliteConnection,
    run_id: RunId,
    number: i64,
    requests: &[RequestRow],
) -> sqlx::Result<()> {
    for (request, position) in requests.iter().zip(1_i64..) {
        sqlx::query(
            "insert into request (run_id, number, position, ai, token_label, started_at,
                 finished_at, error) values ($1, $2, $3, $4, $5, $6, $7, $8)",
        )
        .bind(run_id)
        .bind(number)
        .bind(position)
        .bind(&request.ai)
        .bind(&request.token_label)
        .bind(request.started_at)
        .bind(request.finished_at)
        .bind(&request.error)
        .execute(&mut *tx)
        .await?;
    }
    Ok(())
}
