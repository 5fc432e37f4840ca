//! The overview: what needs somebody, what comes next, and each job with its last answer.

use std::{collections::HashMap, sync::Arc};

use askama::Template;
use axum::{
    extract::{Query, State},
    response::Response,
};
use chrono::TimeDelta;
use serde::Deserialize;

use super::{
    super::{
        app::Shared,
        refusal::Refusal,
        say::{self, Zoned},
    },
    Page, Show,
    strip::{self, Bar},
    wants::{self, Want},
};
use crate::{
    config::Job,
    ledger::JobState,
    model::Language,
    render::{Sources, Style, TextOptions, render},
};

/// Jobs on one page.
const JOBS: usize = 30;

/// What is shown of the last answer.
const LINES: usize = 3;
const CHARS: usize = 240;

#[derive(Template)]
#[template(path = "overview.html")]
struct Overview {
    page: Page,
    wants: Vec<Want>,
    next: Option<(String, String)>,
    last_day: Vec<Count>,
    query: String,
    has_search: bool,
    cards: Vec<Card>,
    newer: Option<String>,
    older: Option<String>,
}

impl Show for Overview {}

struct Count {
    class: &'static str,
    sign: &'static str,
    word: String,
    count: i64,
}

/// One job.
struct Card {
    name: String,
    schedule: String,
    class: &'static str,
    sign: &'static str,
    state: String,
    /// The run and the first lines of its answer.
    answer: Option<(i64, String, String)>,
    next: Vec<String>,
    bars: Vec<Bar>,
}

/// What stands behind the question mark.
#[derive(Deserialize)]
pub(super) struct Wanted {
    #[serde(default)]
    q: String,
    #[serde(default)]
    page: usize,
}

pub(super) async fn overview(
    State(shared): State<Shared>,
    page: Page,
    Query(wanted): Query<Wanted>,
) -> Result<Response, Refusal> {
    let (facts, now) = (shared.facts(), shared.now());
    let records = &shared.handle.records;
    let language = page.language;
    let counts = records.ended_counts(now - TimeDelta::hours(24)).await?;
    let query = wanted.q.trim().to_lowercase();
    let matching =
        |job: &&Arc<Job>| query.is_empty() || job.name.as_str().to_lowercase().contains(&query);
    let jobs: Vec<&Arc<Job>> = facts.config.jobs.iter().filter(matching).collect();
    let pauses = records.pauses().await?;
    let first = wanted.page.saturating_mul(JOBS);
    let mut cards = Vec::new();
    for job in jobs.iter().skip(first).take(JOBS) {
        cards.push(card(&shared, job, &pauses, language).await?);
    }
    let to = |number: usize| address(&wanted.q, number);
    Ok(Overview {
        wants: wants::all(&shared, &facts, &page).await?,
        next: facts.next.as_ref().map(|(job, at)| {
            let zone = facts
                .config
                .job(job.as_str())
                .map_or(facts.config.timezone, |job| job.schedule.zone());
            let at = say::at(*at, zone, now, language);
            (job.to_string(), at)
        }),
        last_day: counts
            .into_iter()
            .map(|(state, count)| counted(&state, count, language))
            .collect(),
        has_search: facts.config.jobs.len() > 12 || !query.is_empty(),
        query: wanted.q.clone(),
        newer: (wanted.page > 0).then(|| to(wanted.page - 1)),
        older: (jobs.len() > first.saturating_add(JOBS)).then(|| to(wanted.page + 1)),
        cards,
        page: page.at("/").every(5),
    }
    .show())
}

fn address(query: &str, number: usize) -> String {
    let mut address = url::form_urlencoded::Serializer::new(String::from("/?"));
    if !query.is_empty() {
        address.append_pair("q", query);
    }
    address.append_pair("page", &number.to_string()).finish()
}

fn counted(state: &str, count: i64, language: Language) -> Count {
    let (class, sign) = say::look(state);
    Count {
        class,
        sign,
        word: say::state(state, language),
        count,
    }
}

async fn card(
    shared: &Shared,
    job: &Job,
    pauses: &HashMap<String, JobState>,
    language: Language,
) -> Result<Card, Refusal> {
    let (records, now) = (&shared.handle.records, shared.now());
    let zoned = Zoned {
        zone: job.schedule.zone(),
        now,
        language,
    };
    let runs = records.glimpses(job.name.as_str(), strip::RUNS).await?;
    let is_paused = pauses
        .get(job.name.as_str())
        .is_some_and(|state| say::is_paused(state, now));
    let state = match runs.first() {
        _ if !job.enabled => "disabled",
        _ if is_paused => "paused",
        Some(run) => run.state.as_str(),
        None => "waiting",
    };
    let (class, sign) = say::look(state);
    let answered = runs.iter().find(|run| run.asked_ms.is_some());
    let answer = match answered {
        Some(run) => records.beginning(run.run_id).await?,
        None => None,
    };
    let upcoming = match job.enabled && !is_paused {
        true => crate::schedule::upcoming(&[&job.schedule], now, 3),
        false => Vec::new(),
    };
    Ok(Card {
        name: job.name.to_string(),
        schedule: say::schedule(&job.schedule, language),
        class,
        sign,
        state: say::state(state, language),
        answer: answer.map(|answer| {
            (
                answer.run_id,
                first_lines(&answer.answer),
                zoned.ago_ms(answer.answered_at),
            )
        }),
        next: upcoming.into_iter().map(|(at, _)| zoned.at(at)).collect(),
        bars: strip::bars(&runs, &zoned),
    })
}

/// The first lines of an answer that say something, as a phone shows them.
fn first_lines(markdown: &str) -> String {
    let text = render(
        markdown,
        Style::Plain,
        Sources::Cut,
        &TextOptions::default(),
    );
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let lines: Vec<&str> = lines.take(LINES).collect();
    let text = lines.join("\n");
    match text.char_indices().nth(CHARS) {
        Some((end, _)) => format!("{}…", text[..end].trim_end()),
        None => text,
    }
}
