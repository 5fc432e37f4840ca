//! What came of an attempt: an answer with its deliveries, another try later, or the end.

use sqlx::SqliteConnection;

use super::{
    Claim, LearnedRow, Ledger, NewDelivery, NewNotice, RequestRow, Result, TurnRow,
    conversations::insert_turn, deliveries::insert_deliveries, error::fenced, notices::tell_if,
    requests::insert_requests, tokens::keep,
};
use crate::model::{RunId, RunState, Timestamp, to_ms};

/// An answer, as it is kept.
#[derive(Clone, Debug)]
pub struct Answered {
    /// What the attempt that brought it did.
    pub asked: AskedRow,
    /// What was asked.
    pub prompt: String,
    /// The AI's Markdown.
    pub answer: String,
    /// The pages that its search found, as a JSON list; None: it told of none.
    pub sources: Option<String>,
    /// True where the AI did not finish it.
    pub cut_off: bool,
    /// What it is a turn of, where its job keeps a conversation.
    pub turn: Option<TurnRow>,
    /// The model that was asked.
    pub model: String,
    /// The first endpoint of the job's chain, where another one answered in its place.
    pub instead_of: Option<String>,
    /// How long the AI took.
    pub asked_ms: i64,
    /// Whether it is pushed, and what goes with that.
    pub said: Said,
}

/// What an attempt did, however it ended.
#[derive(Clone, Debug)]
pub struct AskedRow {
    /// The attempt.
    pub number: i64,
    /// The endpoint that answered, or that was asked last.
    pub ai: String,
    /// The token that got the answer, or that was tried last; None: none was needed.
    pub token_label: Option<String>,
    /// Its requests.
    pub requests: Vec<RequestRow>,
    /// What it taught of endpoints and tokens.
    pub learned: Vec<LearnedRow>,
}

impl AskedRow {
    /// An attempt that asked `ai` without a token and learned nothing.
    #[must_use]
    pub fn bare(number: i64, ai: &str) -> Self {
        Self {
            number,
            ai: ai.to_owned(),
            token_label: None,
            requests: Vec::new(),
            learned: Vec::new(),
        }
    }
}

/// What becomes of an answer beside being kept.
#[derive(Clone, Debug, Default)]
pub struct Said {
    /// A short name of the text that a phone shows; None: there is none.
    pub text_hash: Option<String>,
    /// Whether it is pushed.
    pub speak: Speak,
    /// What is over where it is not pushed; told when the run is delivered otherwise.
    pub back: Option<NewNotice>,
}

/// Whether an answer is pushed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Speak {
    /// It is.
    #[default]
    Always,
    /// Where its text differs from the job's last one that was pushed or is owed.
    IfChanged,
    /// It is not, for this reason.
    Never(&'static str),
}

/// Why an answer is held back that says what the last one did.
const UNCHANGED: &str = "unchanged";

/// A failed attempt.
#[derive(Clone, Debug)]
pub struct Failure {
    /// What it did.
    pub asked: AskedRow,
    /// The error, in the words that a person reads.
    pub error: String,
    /// When the next attempt comes; None: the run has failed for good.
    pub next_attempt_at: Option<Timestamp>,
}

impl Ledger {
    /// Writes the answer and all its deliveries, in one transaction, before the first push. Returns
    /// why it is not pushed, where it is not: then the run has ended with it.
    ///
    /// # Errors
    /// The ledger could not be written, or the claim is lost.
    pub async fn answered(
        &self,
        claim: &Claim,
        answered: &Answered,
        deliveries: &[NewDelivery],
        now: Timestamp,
    ) -> Result<Option<&'static str>> {
        let (claim, answered, deliveries) = (claim.clone(), answered.clone(), deliveries.to_vec());
        let now = to_ms(now);
        self.together(move |tx| {
            Box::pin(async move { write_answer(tx, &claim, &answered, &deliveries, now).await })
        })
        .await
    }

    /// Writes a failed attempt: the run waits for its next one, or is failed with its notice.
    ///
    /// # Errors
    /// The ledger could not be written, or the claim is lost.
    pub async fn attempt_failed(
        &self,
        claim: &Claim,
        failure: &Failure,
        notice: Option<&NewNotice>,
        now: Timestamp,
    ) -> Result<()> {
        let mut tx = self.write().await?;
        let done = write_failure(&mut tx, claim, failure, notice, to_ms(now)).await;
        self.finish(tx, done).await
    }

    /// Gives an interrupted run back: planned again, its attempt not counted. A run that had no
    /// counted attempt is as if it had not been claimed.
    ///
    /// # Errors
    /// The ledger could not be written, or the claim is lost.
    pub async fn interrupted(&self, claim: &Claim, now: Timestamp) -> Result<()> {
        let mut tx = self.write().await?;
        let done = interrupt(&mut tx, claim, to_ms(now)).await;
        self.finish(tx, done).await
    }

    /// Ends a run that was not begun, or one of ours, in a terminal state.
    ///
    /// # Errors
    /// The ledger could not be written.
    pub async fn end_run(
        &self,
        run_id: RunId,
        state: RunState,
        reason: &str,
        now: Timestamp,
    ) -> Result<bool> {
        let mut tx = self.write().await?;
        let done = end_run(&mut tx, run_id, state, reason, to_ms(now)).await;
        self.finish(tx, done).await
    }

    /// Ends a run whose own task died, with its notice.
    ///
    /// # Errors
    /// The ledger could not be written.
    pub async fn died(
        &self,
        run_id: RunId,
        reason: &str,
        notice: Option<&NewNotice>,
        now: Timestamp,
    ) -> Result<()> {
        let mut tx = self.write().await?;
        let done = died(&mut tx, run_id, reason, notice, to_ms(now)).await;
        self.finish(tx, done).await
    }

    /// Cancels a live run with what it still owes. None: no such run; false: it had ended.
    ///
    /// # Errors
    /// The ledger could not be written.
    pub async fn cancel(&self, run_id: RunId, now: Timestamp) -> Result<Option<bool>> {
        let mut tx = self.write().await?;
        let done = cancel(&mut tx, run_id, to_ms(now)).await;
        self.finish(tx, done).await
    }

    /// Whether a claim still stands: cancelled and taken-over runs fail here.
    ///
    /// # Errors
    /// The ledger could not be read.
    pub async fn holds(&self, claim: &Claim) -> Result<bool> {
        sqlx::query_scalar(
            "select exists (select 1 from run where run_id = $1 and fence = $2
                 and state in ('claimed', 'asking'))",
        )
        .bind(claim.run_id)
        .bind(claim.fence)
        .fetch_one(&self.pool)
        .await
        .map_err(|error| self.error(error))
    }
}

async fn write_answer(
    tx: &mut SqliteConnection,
    claim: &Claim,
    answered: &Answered,
    deliveries: &[NewDelivery],
    now: i64,
) -> sqlx::Result<Option<&'static str>> {
    let silent = silence(tx, claim, answered).await?;
    let changed = sqlx::query(
        "update run set state = case when $9 is null then 'answered' else 'silent' end,
             reason = $9, finished_at = case when $9 is not null then $3 end,
             answered_at = $3, model = $4, token_label = $5, asked_ms = $6, ai = $7,
             instead_of = $8, text_hash = $10, lease_owner = null, lease_until = null
         where run_id = $1 and fence = $2 and state = 'asking'",
    )
    .bind(claim.run_id)
    .bind(claim.fence)
    .bind(now)
    .bind(&answered.model)
    .bind(&answered.asked.token_label)
    .bind(answered.asked_ms)
    .bind(&answered.asked.ai)
    .bind(&answered.instead_of)
    .bind(silent)
    .bind(&answered.said.text_hash)
    .execute(&mut *tx)
    .await?;
    fenced(changed.rows_affected())?;
    end_attempt(tx, claim.run_id, &answered.asked, now, "answered", None).await?;
    insert_content(tx, claim.run_id, answered).await?;
    if let Some(turn) = &answered.turn {
        insert_turn(tx, claim.run_id, &answered.asked.ai, turn, now).await?;
    }
    match silent {
        None => insert_deliveries(tx, Some(claim.run_id), deliveries, now).await?,
        Some(_) => tell_if(tx, answered.said.back.as_ref(), now).await?,
    }
    Ok(silent)
}

/// Why the answer is not pushed. Decided here, so that of two runs at once the later one knows
/// what the earlier one said.
async fn silence(
    tx: &mut SqliteConnection,
    claim: &Claim,
    answered: &Answered,
) -> sqlx::Result<Option<&'static str>> {
    match answered.said.speak {
        Speak::Always => Ok(None),
        Speak::Never(reason) => Ok(Some(reason)),
        Speak::IfChanged => {
            let last = last_said(tx, claim).await?;
            let is_same = last.is_some() && last == answered.said.text_hash;
            Ok(is_same.then_some(UNCHANGED))
        }
    }
}

/// What the job's phones show last, or will when what is owed has arrived. A run that failed for
/// good said nothing that counts: one of its targets may have missed it.
async fn last_said(tx: &mut SqliteConnection, claim: &Claim) -> sqlx::Result<Option<String>> {
    let last: Option<Option<String>> = sqlx::query_scalar(
        "select text_hash from run where job = $1 and run_id <> $2
             and state in ('answered', 'delivering', 'delivered')
         order by scheduled_at desc limit 1",
    )
    .bind(&claim.job)
    .bind(claim.run_id)
    .fetch_optional(&mut *tx)
    .await?;
    Ok(last.flatten())
}

async fn insert_content(
    tx: &mut SqliteConnection,
    run_id: RunId,
    answered: &Answered,
) -> sqlx::Result<()> {
    sqlx::query(
        "insert into content (run_id, prompt, answer, sources, cut_off) values ($1, $2, $3, $4, $5)",
    )
    .bind(run_id)
    .bind(&answered.prompt)
    .bind(&answered.answer)
    .bind(&answered.sources)
    .bind(i64::from(answered.cut_off))
    .execute(&mut *tx)
    .await?;
    Ok(())
}

async fn write_failure(
    tx: &mut SqliteConnection,
    claim: &Claim,
    failure: &Failure,
    notice: Option<&NewNotice>,
    now: i64,
) -> sqlx::Result<()> {
    let changed = match failure.next_attempt_at {
        Some(at) => sqlx::query(
            "update run set state = 'planned', next_attempt_at = $3, lease_owner = null,
                 lease_until = null
             where run_id = $1 and fence = $2 and state = 'asking'",
        )
        .bind(claim.run_id)
        .bind(claim.fence)
        .bind(to_ms(at)),
        None => sqlx::query(
            "update run set state = 'failed', reason = $4, finished_at = $3, lease_owner = null,
                 lease_until = null
             where run_id = $1 and fence = $2 and state = 'asking'",
        )
        .bind(claim.run_id)
        .bind(claim.fence)
        .bind(now)
        .bind(&failure.error),
    }
    .execute(&mut *tx)
    .await?;
    fenced(changed.rows_affected())?;
    let error = Some(failure.error.as_str());
    end_attempt(tx, claim.run_id, &failure.asked, now, "failed", error).await?;
    tell_if(tx, notice, now).await
}

async fn end_attempt(
    tx: &mut SqliteConnection,
    run_id: RunId,
    asked: &AskedRow,
    now: i64,
    outcome: &str,
    error: Option<&str>,
) -> sqlx::Result<()> {
    sqlx::query(
        "update attempt set finished_at = $3, outcome = $4, ai = $5, token_label = $6, error = $7
         where run_id = $1 and number = $2",
    )
    .bind(run_id)
    .bind(asked.number)
    .bind(now)
    .bind(outcome)
    .bind(&asked.ai)
    .bind(&asked.token_label)
    .bind(error)
    .execute(&mut *tx)
    .await?;
    insert_requests(tx, run_id, asked.number, &asked.requests).await?;
    keep(tx, &asked.learned, now).await
}

async fn interrupt(tx: &mut SqliteConnection, claim: &Claim, now: i64) -> sqlx::Result<()> {
    sqlx::query(
        "update attempt set outcome = 'interrupted', finished_at = $2
         where run_id = $1 and outcome = 'asking'",
    )
    .bind(claim.run_id)
    .bind(now)
    .execute(&mut *tx)
    .await?;
    let changed = sqlx::query(
        "update run set state = 'planned', next_attempt_at = $3, lease_owner = null,
             lease_until = null,
             first_claimed_at = case when exists (
                 select 1 from attempt where attempt.run_id = run.run_id
                     and outcome <> 'interrupted') then first_claimed_at end
         where run_id = $1 and fence = $2 and state in ('claimed', 'asking')",
    )
    .bind(claim.run_id)
    .bind(claim.fence)
    .bind(now)
    .execute(&mut *tx)
    .await?;
    fenced(changed.rows_affected())
}

async fn end_run(
    tx: &mut SqliteConnection,
    run_id: RunId,
    state: RunState,
    reason: &str,
    now: i64,
) -> sqlx::Result<bool> {
    sqlx::query(
        "update attempt set outcome = 'lost', finished_at = $2, error = $3
         where run_id = $1 and outcome = 'asking'",
    )
    .bind(run_id)
    .bind(now)
    .bind(reason)
    .execute(&mut *tx)
    .await?;
    let changed = sqlx::query(
        "update run set state = $2, reason = $3, finished_at = $4, lease_owner = null,
             lease_until = null
         where run_id = $1 and state in ('planned', 'claimed', 'asking')",
    )
    .bind(run_id)
    .bind(state.as_str())
    .bind(reason)
    .bind(now)
    .execute(&mut *tx)
    .await?;
    Ok(changed.rows_affected() > 0)
}

async fn died(
    tx: &mut SqliteConnection,
    run_id: RunId,
    reason: &str,
    notice: Option<&NewNotice>,
    now: i64,
) -> sqlx::Result<()> {
    let has_ended = end_run(tx, run_id, RunState::Failed, reason, now).await?;
    tell_if(tx, notice.filter(|_| has_ended), now).await
}

async fn cancel(tx: &mut SqliteConnection, run_id: RunId, now: i64) -> sqlx::Result<Option<bool>> {
    let state: Option<String> = sqlx::query_scalar("select state from run where run_id = $1")
        .bind(run_id)
        .fetch_optional(&mut *tx)
        .await?;
    let Some(state) = state else { return Ok(None) };
    if RunState::from_word(&state).is_none_or(RunState::is_terminal) {
        return Ok(Some(false));
    }
    for sql in [
        "update attempt set outcome = 'interrupted', finished_at = $2
         where run_id = $1 and outcome = 'asking'",
        "update delivery_attempt set outcome = 'unknown', finished_at = $2
         where outcome = 'sending' and delivery_id in (
             select delivery_id from delivery where run_id = $1)",
        "update delivery set state = 'failed', error = 'the run was cancelled', fence = fence + 1,
             next_at = $2
         where run_id = $1 and state in ('owed', 'sending')",
        "update run set state = 'cancelled', reason = 'by hand', finished_at = $2,
             fence = fence + 1, lease_owner = null, lease_until = null
         where run_id = $1",
    ] {
        sqlx::query(sql)
            .bind(run_id)
            .bind(now)
            .execute(&mut *tx)
            .await?;
    }
    Ok(Some(true))
}
