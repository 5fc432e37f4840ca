//! The shapes of the API's JSON.

use chrono::SecondsFormat;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use super::super::{Reloaded, TokenFacts};
use crate::{
    ledger::{AttemptRow, DeliveryRow, HistoryRow, Shown},
    model::{Timestamp, from_ms},
};

/// An instant as it is written: with milliseconds only where there are some.
pub(super) fn utc(at: Timestamp) -> String {
    at.to_rfc3339_opts(SecondsFormat::AutoSi, true)
}

pub(super) fn utc_ms(ms: i64) -> String {
    utc(from_ms(ms))
}

/// How the daemon stands.
#[derive(Serialize, ToSchema)]
pub(super) struct Status {
    /// promptcron's version.
    pub(super) version: &'static str,
    /// Whether planner and ledger live; why not, where they do not.
    pub(super) lives: bool,
    /// Why it does not live.
    pub(super) why: Option<String>,
    /// Enabled jobs.
    pub(super) jobs: usize,
    /// What is due next.
    pub(super) next: Option<Due>,
    /// The last reload; null where there was none since the start.
    pub(super) reload: Option<Reload>,
    /// Occurrences that ended in the last 24 hours, by state.
    pub(super) last_day: std::collections::BTreeMap<String, i64>,
}

/// What came of a reload.
#[derive(Serialize, ToSchema)]
pub(super) struct Reload {
    /// When.
    #[schema(format = DateTime)]
    at: String,
    /// Whether the file's config runs now.
    taken: bool,
    /// What changed, or everything that is wrong with the file.
    lines: Vec<String>,
}

impl From<&Reloaded> for Reload {
    fn from(reloaded: &Reloaded) -> Self {
        Self {
            at: utc(reloaded.at),
            taken: reloaded.taken,
            lines: reloaded.lines.clone(),
        }
    }
}

/// An occurrence that lies ahead.
#[derive(Serialize, ToSchema)]
pub(super) struct Due {
    /// The job.
    pub(super) job: String,
    /// Its nominal instant.
    #[schema(format = DateTime)]
    pub(super) scheduled_at: String,
    /// With its jitter.
    #[schema(format = DateTime)]
    pub(super) due_at: String,
}

/// A job of the config.
#[derive(Serialize, ToSchema)]
pub(super) struct Job {
    /// Its name.
    pub(super) name: String,
    /// When it is due, as the config says it.
    pub(super) schedule: String,
    /// In words.
    pub(super) schedule_in_words: String,
    /// The zone of its wall clock.
    pub(super) timezone: String,
    /// Whether it is due by itself.
    pub(super) enabled: bool,
    /// Since when it is paused.
    #[schema(format = DateTime)]
    pub(super) paused_at: Option<String>,
    /// When the pause ends; null while it does not end by itself.
    #[schema(format = DateTime)]
    pub(super) paused_until: Option<String>,
    /// The endpoints that are asked, one after the other where one fails.
    pub(super) ai: Vec<String>,
    /// Where answers go.
    pub(super) targets: Vec<String>,
    /// What is due next, three at most.
    pub(super) next: Vec<Due>,
}

/// Some of the jobs.
#[derive(Serialize, ToSchema)]
pub(super) struct Jobs {
    /// How many there are.
    pub(super) total: usize,
    /// These, in the config's order.
    pub(super) jobs: Vec<Job>,
}

/// A run, or a range of occurrences that did not run.
#[derive(Serialize, ToSchema)]
pub(super) struct Run {
    run: i64,
    job: String,
    /// Its nominal instant, or a range's first one.
    #[schema(format = DateTime)]
    scheduled_at: String,
    /// `schedule` or `manual`.
    trigger: String,
    /// Where it stands.
    state: String,
    /// Why, where the state has a reason.
    reason: Option<String>,
    /// Attempts that count.
    attempts: i64,
    /// How long the AI took.
    asked_ms: Option<i64>,
    /// From the first push to the last reply.
    pushed_ms: Option<i64>,
    /// Messages that one target got.
    parts: i64,
    /// How many occurrences it stands for.
    count: i64,
    /// A range's last instant.
    #[schema(format = DateTime)]
    until: Option<String>,
}

impl From<&HistoryRow> for Run {
    fn from(row: &HistoryRow) -> Self {
        Self {
            run: row.run_id,
            job: row.job.clone(),
            scheduled_at: utc_ms(row.scheduled_at),
            trigger: row.trigger.clone(),
            state: row.state.clone(),
            reason: row.reason.clone(),
            attempts: row.attempts,
            asked_ms: row.asked_ms,
            pushed_ms: row.pushed_ms,
            parts: row.parts,
            count: row.instants,
            until: row.until_at.map(utc_ms),
        }
    }
}

/// Some of the runs, the newest first.
#[derive(Serialize, ToSchema)]
pub(super) struct Runs {
    pub(super) runs: Vec<Run>,
    /// What to send as `before` for the next ones; null: these were the last.
    pub(super) before: Option<String>,
}

/// Which runs are wanted.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct RunsWanted {
    /// Of this job alone.
    pub(super) job: Option<String>,
    /// How many.
    #[param(minimum = 1, maximum = 500)]
    pub(super) limit: Option<u32>,
    /// Those before this one: what the last reply said.
    #[param(pattern = r"^[0-9]{1,18}-[0-9]{1,18}$")]
    pub(super) before: Option<String>,
}

/// Everything about one run.
#[derive(Serialize, ToSchema)]
pub(super) struct RunShown {
    #[serde(flatten)]
    run: Run,
    /// What was asked; null before there is an answer, and once it is pruned.
    prompt: Option<String>,
    /// The AI's Markdown.
    answer: Option<String>,
    attempt_rows: Vec<Attempt>,
    deliveries: Vec<Delivery>,
}

/// One attempt at asking.
#[derive(Serialize, ToSchema)]
pub(super) struct Attempt {
    number: i64,
    #[schema(format = DateTime)]
    started_at: String,
    #[schema(format = DateTime)]
    finished_at: Option<String>,
    outcome: String,
    ai: String,
    token: Option<String>,
    error: Option<String>,
}

/// One message that is or was owed to one target.
#[derive(Serialize, ToSchema)]
pub(super) struct Delivery {
    kind: String,
    target: String,
    part: i64,
    parts: i64,
    state: String,
    attempts: i64,
    /// What the target gets; null once it is pruned.
    message: Value,
    #[schema(format = DateTime)]
    delivered_at: Option<String>,
    error: Option<String>,
}

impl From<Shown> for RunShown {
    fn from(shown: Shown) -> Self {
        Self {
            run: Run::from(&shown.run),
            prompt: shown.prompt,
            answer: shown.answer,
            attempt_rows: shown.attempts.into_iter().map(Attempt::from).collect(),
            deliveries: shown.deliveries.into_iter().map(Delivery::from).collect(),
        }
    }
}

impl From<AttemptRow> for Attempt {
    fn from(row: AttemptRow) -> Self {
        Self {
            number: row.number,
            started_at: utc_ms(row.started_at),
            finished_at: row.finished_at.map(utc_ms),
            outcome: row.outcome,
            ai: row.ai,
            token: row.token_label,
            error: row.error,
        }
    }
}

impl From<DeliveryRow> for Delivery {
    fn from(row: DeliveryRow) -> Self {
        let mut message: Value = serde_json::from_str(&row.message).unwrap_or(Value::Null);
        if let Some(fields) = message.as_object_mut() {
            fields.shift_remove("topic");
        }
        Self {
            kind: row.kind,
            target: row.target,
            part: row.part,
            parts: row.parts,
            state: row.state,
            attempts: row.attempts,
            message,
            delivered_at: row.delivered_at.map(utc_ms),
            error: row.error,
        }
    }
}

/// A token, without its secret.
#[derive(Serialize, ToSchema)]
pub(super) struct Token {
    ai: String,
    /// Its place in the config and its last characters.
    label: String,
    /// healthy, cooling, out of quota, suspect or dead.
    state: String,
    /// Until when it rests.
    #[schema(format = DateTime)]
    until: Option<String>,
    #[schema(format = DateTime)]
    last_used: Option<String>,
    /// Requests that the endpoint's quota leaves.
    rounds_left: Option<usize>,
    /// When it ends, by its own `exp`.
    #[schema(format = DateTime)]
    expires_at: Option<String>,
}

impl From<&TokenFacts> for Token {
    fn from(facts: &TokenFacts) -> Self {
        Self {
            ai: facts.ai.to_string(),
            label: facts.label.clone(),
            state: facts.state.to_owned(),
            until: facts.until.map(utc),
            last_used: facts.last_used.map(utc),
            rounds_left: facts.rounds_left,
            expires_at: facts.expires_at.map(utc),
        }
    }
}

/// A target, without its credentials.
#[derive(Serialize, ToSchema)]
pub(super) struct Target {
    pub(super) name: String,
    pub(super) server: String,
    /// Messages that it has not taken yet.
    pub(super) owed: i64,
    /// Why the last try of one of them failed.
    pub(super) error: Option<String>,
    /// When it last took a message.
    #[schema(format = DateTime)]
    pub(super) last_taken_at: Option<String>,
    /// Messages that it took in the last 24 hours.
    pub(super) taken_last_day: i64,
}

/// The run that a request made.
#[derive(Serialize, ToSchema)]
pub(super) struct Begun {
    /// Its number.
    pub(super) run: i64,
}

/// How long to pause.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Pause {
    /// Until then; without it until it is resumed.
    #[schema(format = DateTime)]
    pub(super) until: Option<String>,
}
