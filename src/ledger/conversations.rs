//! Conversations: which runs are the turns of one, and what was said in it.

use futures_util::TryStreamExt as _;
use sqlx::{FromRow, SqliteConnection};

use super::{Ledger, Result};
use crate::model::{RunId, Timestamp, from_ms};

/// A conversation of a job with an endpoint.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub struct ConversationRow {
    /// Its number.
    pub conversation_id: i64,
    begun_at: i64,
    /// kimi: its id there.
    pub remote_id: Option<String>,
    /// kimi: the fingerprint of the token whose account it belongs to.
    pub token: Option<String>,
    /// How many answers are in it.
    pub turns: i64,
}

impl ConversationRow {
    /// When its first answer came.
    #[must_use]
    pub fn begun_at(&self) -> Timestamp {
        from_ms(self.begun_at)
    }
}

/// What an answer is a turn of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TurnRow {
    /// Of a conversation that goes on.
    Next(i64),
    /// Of one that begins with it.
    First {
        /// kimi: its id there.
        remote_id: Option<String>,
        /// kimi: the fingerprint of the token whose account it belongs to.
        token: Option<String>,
    },
}

impl Ledger {
    /// The conversation of a job with an endpoint that began last, if any did.
    ///
    /// # Errors
    /// The ledger could not be read.
    pub async fn conversation(&self, job: &str, ai: &str) -> Result<Option<ConversationRow>> {
        sqlx::query_as(
            "select conversation_id, begun_at, remote_id, token, (
                 select count(*) from turn
                 where turn.conversation_id = conversation.conversation_id) as turns
             from conversation where job = $1 and ai = $2
             order by conversation_id desc limit 1",
        )
        .bind(job)
        .bind(ai)
        .fetch_optional(&self.pool)
        .await
        .map_err(|error| self.error(error))
    }

    /// Reads what was asked and answered in a conversation, the newest first, until `reads_on` has enough. What `keep`
    /// has pruned is forgotten.
    ///
    /// # Errors
    /// The ledger could not be read.
    pub async fn said(
        &self,
        conversation_id: i64,
        mut reads_on: impl FnMut(String, String) -> bool,
    ) -> Result<()> {
        let mut turns = sqlx::query_as(
            "select prompt, answer from turn join content on content.run_id = turn.run_id
             where turn.conversation_id = $1 order by turn.run_id desc",
        )
        .bind(conversation_id)
        .fetch(&self.pool);
        while let Some((prompt, answer)) =
            turns.try_next().await.map_err(|error| self.error(error))?
        {
            if !reads_on(prompt, answer) {
                break;
            }
        }
        Ok(())
    }
}

/// Makes a run's answer a turn; the conversation may begin with it.
pub(super) async fn insert_turn(
    tx: &mut SqliteConnection,
    run_id: RunId,
    ai: &str,
    turn: &TurnRow,
    now: i64,
) -> sqlx::Result<()> {
    let conversation_id = match turn {
        TurnRow::Next(conversation_id) => *conversation_id,
        TurnRow::First { remote_id, token } => {
            sqlx::query_scalar(
                "insert into conversation (job, ai, begun_at, remote_id, token)
                 select job, $2, $3, $4, $5 from run where run_id = $1
                 returning conversation_id",
            )
            .bind(run_id)
            .bind(ai)
            .bind(now)
            .bind(remote_id)
            .bind(token)
            .fetch_one(&mut *tx)
            .await?
        }
    };
    sqlx::query("insert into turn (run_id, conversation_id) values ($1, $2)")
        .bind(run_id)
        .bind(conversation_id)
        .execute(&mut *tx)
        .await?;
    Ok(())
}
