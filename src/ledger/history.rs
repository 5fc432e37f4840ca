//! Reading back: what ran, what was asked and answered, what was sent.

use sqlx::FromRow;

use super::{Ledger, RequestRow, Result};
use crate::model::RunId;

/// One row of `history`: a run, or a range of occurrences that did not run. Instants in
/// milliseconds.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub struct HistoryRow {
    /// The run.
    pub run_id: RunId,
    /// Its job.
    pub job: String,
    /// Its nominal instant, or a range's first one.
    pub scheduled_at: i64,
    /// `schedule` or `manual`.
    pub trigger: String,
    /// Where it stands.
    pub state: String,
    /// Why, where the state has a reason.
    pub reason: Option<String>,
    /// The endpoint that answered, or that was asked last.
    pub ai: Option<String>,
    /// The first endpoint of its chain, where `ai` answered in its place.
    pub instead_of: Option<String>,
    /// Attempts that count: interrupted ones do not.
    pub attempts: i64,
    /// How long the AI took.
    pub asked_ms: Option<i64>,
    /// From the first POST to the last reply.
    pub pushed_ms: Option<i64>,
    /// Messages of the answer, over all targets the most one target got.
    pub parts: i64,
    /// What keeps a push of the answer from arriving, or kept it for good.
    pub push_error: Option<String>,
    /// How many occurrences the row stands for.
    pub instants: i64,
    /// A range's last instant.
    pub until_at: Option<i64>,
}

/// One attempt at asking. Instants in milliseconds.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub struct AttemptRow {
    /// From 1.
    pub number: i64,
    /// When it began.
    pub started_at: i64,
    /// When it ended; None while it runs.
    pub finished_at: Option<i64>,
    /// asking, answered, failed, interrupted or lost.
    pub outcome: String,
    /// The endpoint that answered, or that was asked last.
    pub ai: String,
    /// The token.
    pub token_label: Option<String>,
    /// Why it failed.
    pub error: Option<String>,
}

/// One delivery of a run. Instants in milliseconds.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub struct DeliveryRow {
    /// `answer` or `notice`.
    pub kind: String,
    /// The target's name.
    pub target: String,
    /// From 1.
    pub part: i64,
    /// How many the target gets.
    pub parts: i64,
    /// owed, sending, delivered, failed, or moved (to a fallback).
    pub state: String,
    /// Its stable id.
    pub sequence_id: String,
    /// The message as JSON; empty once it is pruned.
    pub message: String,
    /// Bytes of text in it.
    pub bytes: i64,
    /// How often it was sent.
    pub attempts: i64,
    /// When it is due next.
    pub next_at: i64,
    /// When the server took it.
    pub delivered_at: Option<i64>,
    /// The server's id of it.
    pub receipt: Option<String>,
    /// The last error.
    pub error: Option<String>,
}

/// What was asked and answered; nothing before the answer and once it is pruned.
#[derive(Default, FromRow)]
struct Content {
    prompt: Option<String>,
    answer: Option<String>,
    sources: Option<String>,
    cut_off: bool,
}

/// Everything the ledger knows of one run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// Its row.
    pub run: HistoryRow,
    /// What was asked; None before it was answered and once it is pruned.
    pub prompt: Option<String>,
    /// The AI's Markdown.
    pub answer: Option<String>,
    /// The pages that its search found, as a JSON list.
    pub sources: Option<String>,
    /// True where the AI did not finish it.
    pub cut_off: bool,
    /// Each attempt.
    pub attempts: Vec<AttemptRow>,
    /// Their requests, each with its attempt's number.
    pub requests: Vec<(i64, RequestRow)>,
    /// Each delivery.
    pub deliveries: Vec<DeliveryRow>,
}

/// What comes before a run in the history: those that were due before it, or with it and written
/// before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Before {
    /// The run's nominal instant, in milliseconds.
    pub scheduled_at: i64,
    /// The run.
    pub run_id: RunId,
}

impl Before {
    /// Every run.
    const ALL: Self = Self {
        scheduled_at: i64::MAX,
        run_id: RunId::MAX,
    };
}

/// A statement for each question, so that each finds its rows by an index.
macro_rules! history {
    ($which:literal) => {
        concat!(
            "select run_id, job, scheduled_at, trigger, state, reason, ai, instead_of, asked_ms,
                 instants, until_at,
                 (select count(*) from attempt a
                      where a.run_id = run.run_id and a.outcome <> 'interrupted') as attempts,
                 (select max(a.finished_at) - min(a.started_at) from delivery_attempt a
                      join delivery d on d.delivery_id = a.delivery_id
                      where d.run_id = run.run_id and d.kind = 'answer') as pushed_ms,
                 (select coalesce(max(parts), 0) from delivery d
                      where d.run_id = run.run_id and d.kind = 'answer') as parts,
                 (select error from delivery d
                      where d.run_id = run.run_id and d.kind = 'answer' and d.error is not null
                          and d.state in ('owed', 'sending', 'failed') and run.state <> 'cancelled'
                      order by target, part limit 1) as push_error
             from run where ",
            $which
        )
    };
}

const OF_JOB: &str = history!(
    "(scheduled_at, run_id) < ($1, $2) and job = $4
     order by scheduled_at desc, run_id desc limit $3"
);

const OF_ALL: &str =
    history!("(scheduled_at, run_id) < ($1, $2) order by scheduled_at desc, run_id desc limit $3");

const ONE: &str = history!("run_id = $1");

impl Ledger {
    /// The newest rows, newest first; of one job where named.
    ///
    /// # Errors
    /// The ledger could not be read.
    pub async fn history(&self, job: Option<&str>, most: u32) -> Result<Vec<HistoryRow>> {
        self.history_before(job, None, most).await
    }

    /// The newest rows before one, newest first; of one job where named.
    ///
    /// # Errors
    /// The ledger could not be read.
    pub async fn history_before(
        &self,
        job: Option<&str>,
        before: Option<Before>,
        most: u32,
    ) -> Result<Vec<HistoryRow>> {
        let before = before.unwrap_or(Before::ALL);
        let query = sqlx::query_as(if job.is_some() { OF_JOB } else { OF_ALL })
            .bind(before.scheduled_at)
            .bind(before.run_id)
            .bind(most);
        let query = match job {
            Some(job) => query.bind(job),
            None => query,
        };
        query
            .fetch_all(&self.pool)
            .await
            .map_err(|error| self.error(error))
    }

    /// One run with all that belongs to it; None: no such run.
    ///
    /// # Errors
    /// The ledger could not be read.
    pub async fn show(&self, run_id: RunId) -> Result<Option<Shown>> {
        let run: Option<HistoryRow> = sqlx::query_as(ONE)
            .bind(run_id)
            .fetch_optional(&self.pool)
            .await
            .map_err(|error| self.error(error))?;
        let Some(run) = run else {
            return Ok(None);
        };
        let content: Option<Content> = sqlx::query_as(
            "select prompt, answer, sources, cut_off from content where run_id = $1",
        )
        .bind(run_id)
        .fetch_optional(&self.pool)
        .await
        .map_err(|error| self.error(error))?;
        let content = content.unwrap_or_default();
        Ok(Some(Shown {
            run,
            prompt: content.prompt,
            answer: content.answer,
            sources: content.sources,
            cut_off: content.cut_off,
            attempts: self.attempts(run_id).await?,
            requests: self.requests(run_id).await?,
            deliveries: self.deliveries(run_id).await?,
        }))
    }

    /// The newest answer of a job that reached a target, and when, in milliseconds; None once it is pruned.
    ///
    /// # Errors
    /// The ledger could not be read.
    pub async fn last_delivered(&self, job: &str) -> Result<Option<(String, i64)>> {
        sqlx::query_as(
            "select content.answer, d.delivered_at from run
             join content on content.run_id = run.run_id
             join delivery d on d.run_id = run.run_id
             where run.job = $1 and d.kind = 'answer' and d.delivered_at is not null
             order by run.scheduled_at desc, d.delivered_at desc limit 1",
        )
        .bind(job)
        .fetch_optional(&self.pool)
        .await
        .map_err(|error| self.error(error))
    }

    /// The attempts of a run, the first one first.
    ///
    /// # Errors
    /// The ledger could not be read.
    pub async fn attempts(&self, run_id: RunId) -> Result<Vec<AttemptRow>> {
        sqlx::query_as(
            "select number, started_at, finished_at, outcome, ai, token_label, error
             from attempt where run_id = $1 order by number",
        )
        .bind(run_id)
        .fetch_all(&self.pool)
        .await
        .map_err(|error| self.error(error))
    }

    /// The deliveries of a run, by target and part.
    ///
    /// # Errors
    /// The ledger could not be read.
    pub async fn deliveries(&self, run_id: RunId) -> Result<Vec<DeliveryRow>> {
        sqlx::query_as(
            "select kind, target, part, parts, state, sequence_id, message, bytes, next_at,
                 delivered_at, receipt, error,
                 (select count(*) from delivery_attempt a
                      where a.delivery_id = delivery.delivery_id) as attempts
             from delivery where run_id = $1 order by kind, target, part",
        )
        .bind(run_id)
        .fetch_all(&self.pool)
        .await
        .map_err(|error| self.error(error))
    }
}
