//! `promptcron history`: what ran and what came of it.

use clap::Args;
use serde::Serialize;

use super::{Failure, instant, out::say, records::Records, table};
use crate::{
    ledger::{Access, HistoryRow},
    model::from_ms,
};

/// What `history` is told.
#[derive(Debug, Args)]
pub(super) struct HistoryArgs {
    /// Only this job; one that is no longer in the config too
    job: Option<String>,
    /// How many rows, the newest first
    #[arg(short, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..), value_name = "N")]
    n: u32,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
}

/// One line of `history --json`, and the head of `show --json`.
#[derive(Serialize)]
pub(super) struct Line {
    run: i64,
    job: String,
    scheduled_at: String,
    trigger: String,
    state: String,
    reason: Option<String>,
    ai: Option<String>,
    /// The first endpoint of the job's chain, where `ai` answered in its place.
    #[serde(skip_serializing_if = "Option::is_none")]
    instead_of: Option<String>,
    attempts: i64,
    asked_ms: Option<i64>,
    pushed_ms: Option<i64>,
    parts: i64,
    /// What keeps a push from arriving, or kept it for good.
    #[serde(skip_serializing_if = "Option::is_none")]
    push_error: Option<String>,
    /// A range record: how many occurrences.
    #[serde(skip_serializing_if = "Option::is_none")]
    count: Option<i64>,
    /// A range record: the last of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<String>,
}

impl From<&HistoryRow> for Line {
    fn from(row: &HistoryRow) -> Self {
        Self {
            run: row.run_id,
            job: row.job.clone(),
            scheduled_at: instant::utc(from_ms(row.scheduled_at)),
            trigger: row.trigger.clone(),
            state: row.state.clone(),
            reason: row.reason.clone(),
            ai: row.ai.clone(),
            instead_of: row.instead_of.clone(),
            attempts: row.attempts,
            asked_ms: row.asked_ms,
            pushed_ms: row.pushed_ms,
            parts: row.parts,
            push_error: row.push_error.clone(),
            count: row.until_at.map(|_| row.instants),
            until: row.until_at.map(|until| instant::utc(from_ms(until))),
        }
    }
}

/// Prints the newest rows.
pub(super) fn run(records: &Records, args: &HistoryArgs) -> Result<(), Failure> {
    let job = args.job.as_deref();
    let rows = records.with(Access::Read, async |ledger| {
        ledger.history(job, args.n).await
    })?;
    if let Some(job) = job.filter(|_| rows.is_empty()) {
        records.check_job(job)?;
    }
    if args.json {
        for row in &rows {
            say!("{}", serde_json::to_string(&Line::from(row))?);
        }
        return Ok(());
    }
    if rows.is_empty() {
        say!("nothing has run yet");
        return Ok(());
    }
    let mut lines = vec![heads(&rows)];
    lines.extend(rows.iter().map(|row| cells(records, row)));
    for line in table::lines(&lines) {
        say!("{line}");
    }
    Ok(())
}

fn heads(rows: &[HistoryRow]) -> Vec<String> {
    let why = if rows.iter().any(|row| why(row).is_some()) {
        "why"
    } else {
        ""
    };
    [
        "run", "job", "due", "state", "asked", "pushed", "parts", "tries", why,
    ]
    .map(str::to_owned)
    .into()
}

fn cells(records: &Records, row: &HistoryRow) -> Vec<String> {
    let zone = records.zone_of(&row.job);
    let due = instant::local(from_ms(row.scheduled_at), zone);
    let ms = |ms: Option<i64>| ms.map_or_else(|| "-".to_owned(), |ms| format!("{ms} ms"));
    vec![
        row.run_id.to_string(),
        row.job.clone(),
        due,
        state(row),
        ms(row.asked_ms),
        ms(row.pushed_ms),
        row.parts.to_string(),
        row.attempts.to_string(),
        why(row).unwrap_or_default().to_owned(),
    ]
}

/// `skipped(overlap)`, `missed(window) x 24`, `delivered (by moonshot for kimi)`; a reason that is a sentence has a column of its own.
fn state(row: &HistoryRow) -> String {
    let manual = if row.trigger == "manual" {
        " (by hand)"
    } else {
        ""
    };
    let reason = row.reason.as_deref().filter(|reason| is_word(reason));
    let reason = reason.map_or_else(String::new, |reason| format!("({reason})"));
    let many = if row.instants > 1 {
        format!(" x {}", row.instants)
    } else {
        String::new()
    };
    let fallback = match (&row.ai, &row.instead_of) {
        (Some(ai), Some(first)) => format!(" (by {ai} for {first})"),
        _ => String::new(),
    };
    format!("{}{reason}{many}{fallback}{manual}", row.state)
}

/// The first line of a reason that is a sentence, or what keeps a push from arriving, without the advice that
/// `show` has: the last column, so that nothing needs to be cut.
fn why(row: &HistoryRow) -> Option<&str> {
    let reason = row.reason.as_deref().filter(|reason| !is_word(reason));
    let push = row.push_error.as_deref();
    let push = push.and_then(|error| error.split(" — ").next());
    reason.or(push)?.lines().next()
}

/// True for the short reasons of the states' vocabulary.
fn is_word(reason: &str) -> bool {
    const MOST: usize = 30;
    reason.len() <= MOST && !reason.contains('\n')
}
