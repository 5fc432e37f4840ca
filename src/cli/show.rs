//! `promptcron show`: everything the ledger knows of one run.

use std::io;

use clap::Args;
use serde::Serialize;
use serde_json::Value;

use super::{Failure, history::Line, instant, out::say, records::Records};
use crate::{
    ask::Source,
    ledger::{Access, AttemptRow, DeliveryRow, RequestRow, Shown},
    model::{RunId, from_ms},
};

/// What `show` is told.
#[derive(Debug, Args)]
pub(super) struct ShowArgs {
    /// The run's number, as `history` lists it
    run: RunId,
    /// As one JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Page {
    #[serde(flatten)]
    run: Line,
    prompt: Option<String>,
    answer: Option<String>,
    sources: Vec<Source>,
    cut_off: bool,
    attempt_rows: Vec<Attempt>,
    deliveries: Vec<Delivery>,
}

#[derive(Serialize)]
struct Attempt {
    number: i64,
    started_at: String,
    finished_at: Option<String>,
    outcome: String,
    ai: String,
    token: Option<String>,
    error: Option<String>,
    requests: Vec<Request>,
}

#[derive(Serialize)]
struct Request {
    ai: String,
    token: Option<String>,
    started_at: String,
    finished_at: String,
    error: Option<String>,
}

#[derive(Serialize)]
struct Delivery {
    kind: String,
    target: String,
    part: i64,
    parts: i64,
    state: String,
    attempts: i64,
    bytes: i64,
    sequence_id: String,
    message: Value,
    delivered_at: Option<String>,
    receipt: Option<String>,
    error: Option<String>,
}

impl Attempt {
    fn new(row: AttemptRow, requests: &[(i64, RequestRow)]) -> Self {
        Self {
            requests: of_attempt(requests, row.number)
                .map(Request::from)
                .collect(),
            number: row.number,
            started_at: instant::utc(from_ms(row.started_at)),
            finished_at: row.finished_at.map(|at| instant::utc(from_ms(at))),
            outcome: row.outcome,
            ai: row.ai,
            token: row.token_label,
            error: row.error,
        }
    }
}

impl From<&RequestRow> for Request {
    fn from(row: &RequestRow) -> Self {
        Self {
            ai: row.ai.clone(),
            token: row.token_label.clone(),
            started_at: instant::utc(from_ms(row.started_at)),
            finished_at: instant::utc(from_ms(row.finished_at)),
            error: row.error.clone(),
        }
    }
}

/// The requests of one attempt.
fn of_attempt(requests: &[(i64, RequestRow)], number: i64) -> impl Iterator<Item = &RequestRow> {
    let of_it = requests.iter().filter(move |(of, _)| *of == number);
    of_it.map(|(_, request)| request)
}

/// The message without the topic, which is the config's and not the ledger's.
fn message(json: &str) -> Value {
    let mut message = serde_json::from_str(json).unwrap_or(Value::Null);
    if let Some(fields) = message.as_object_mut() {
        fields.shift_remove("topic");
    }
    message
}

impl From<DeliveryRow> for Delivery {
    fn from(row: DeliveryRow) -> Self {
        Self {
            kind: row.kind,
            target: row.target,
            part: row.part,
            parts: row.parts,
            state: row.state,
            attempts: row.attempts,
            bytes: row.bytes,
            sequence_id: row.sequence_id,
            message: message(&row.message),
            delivered_at: row.delivered_at.map(|at| instant::utc(from_ms(at))),
            receipt: row.receipt,
            error: row.error,
        }
    }
}

impl From<Shown> for Page {
    fn from(shown: Shown) -> Self {
        Self {
            run: Line::from(&shown.run),
            sources: sources(&shown),
            prompt: shown.prompt,
            answer: shown.answer,
            cut_off: shown.cut_off,
            attempt_rows: (shown.attempts.into_iter())
                .map(|row| Attempt::new(row, &shown.requests))
                .collect(),
            deliveries: shown.deliveries.into_iter().map(Delivery::from).collect(),
        }
    }
}

/// The pages that the answer's search found.
fn sources(shown: &Shown) -> Vec<Source> {
    let json = shown.sources.as_deref().unwrap_or("[]");
    serde_json::from_str(json).unwrap_or_default()
}

/// Prints one run.
pub(super) fn run(records: &Records, args: &ShowArgs) -> Result<(), Failure> {
    let shown = records.with(Access::Read, async |ledger| ledger.show(args.run).await)?;
    let shown = shown.ok_or_else(|| {
        anyhow::anyhow!(
            "there is no run {}: `promptcron history` lists them",
            args.run
        )
    })?;
    if args.json {
        say!("{}", serde_json::to_string(&Page::from(shown))?);
    } else {
        print(records, &shown)?;
    }
    Ok(())
}

fn print(records: &Records, shown: &Shown) -> io::Result<()> {
    let run = &shown.run;
    let zone = records.zone_of(&run.job);
    let local = |ms: i64| instant::local(from_ms(ms), zone);
    say!(
        "run {}: {}, due {} ({})",
        run.run_id,
        run.job,
        local(run.scheduled_at),
        run.trigger
    );
    let reason = run
        .reason
        .as_deref()
        .map_or_else(String::new, |reason| format!(": {reason}"));
    say!("{}{reason}", run.state);
    if let Some(until) = run.until_at {
        say!(
            "{} occurrences, the last one {}",
            run.instants,
            local(until)
        );
    }
    for attempt in &shown.attempts {
        print_attempt(attempt, &shown.requests, &local)?;
    }
    let answer = if shown.cut_off {
        "answer, cut off by the AI's length limit"
    } else {
        "answer"
    };
    for (head, text) in [("prompt", &shown.prompt), (answer, &shown.answer)] {
        if let Some(text) = text {
            say!("\n--- {head}\n{text}");
        }
    }
    print_sources(&sources(shown))?;
    for delivery in &shown.deliveries {
        print_delivery(delivery, &local)?;
    }
    Ok(())
}

fn print_sources(sources: &[Source]) -> io::Result<()> {
    if sources.is_empty() {
        return Ok(());
    }
    say!("\n--- sources");
    for source in sources {
        say!("{}. {}\n   {}", source.number, source.title, source.url);
    }
    Ok(())
}

/// An attempt, and each of its requests that another one followed: the last one's outcome is its own.
fn print_attempt(
    attempt: &AttemptRow,
    requests: &[(i64, RequestRow)],
    local: &impl Fn(i64) -> String,
) -> io::Result<()> {
    let token = attempt
        .token_label
        .as_deref()
        .map_or_else(String::new, |token| format!(", token {token}"));
    say!(
        "\nattempt {}: {}, {} (ai.{}{token})",
        attempt.number,
        attempt.outcome,
        local(attempt.started_at),
        attempt.ai
    );
    let errors: Vec<&str> = of_attempt(requests, attempt.number)
        .filter_map(|request| request.error.as_deref())
        .collect();
    let own = attempt.error.as_deref();
    for error in errors
        .iter()
        .filter(|error| own.is_none_or(|own| !own.contains(**error)))
    {
        say!("before: {error}");
    }
    if let Some(error) = own {
        say!("{error}");
    }
    Ok(())
}

fn print_delivery(delivery: &DeliveryRow, local: &impl Fn(i64) -> String) -> io::Result<()> {
    let times = if delivery.attempts == 1 {
        "try"
    } else {
        "tries"
    };
    say!(
        "\n--- {} to {}, part {} of {}: {} after {} {times}",
        delivery.kind,
        delivery.target,
        delivery.part,
        delivery.parts,
        delivery.state,
        delivery.attempts
    );
    if let Some(at) = delivery.delivered_at {
        say!(
            "{} as {}",
            local(at),
            delivery.receipt.as_deref().unwrap_or("?")
        );
    }
    if let Some(error) = &delivery.error {
        say!("{error}");
    }
    let message: Value = serde_json::from_str(&delivery.message).unwrap_or(Value::Null);
    for field in ["title", "message"] {
        if let Some(text) = message[field].as_str() {
            say!("{text}");
        }
    }
    if let Some(name) = message["file"]["name"].as_str() {
        say!("with the whole answer as a file, {name}");
    }
    Ok(())
}
