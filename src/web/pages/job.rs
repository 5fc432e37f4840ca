//! One job: when it is due, how it went, what can be done with it.

use askama::Template;
use axum::{
    extract::{Path, Query, State},
    response::{IntoResponse, Redirect, Response},
};
use serde::Deserialize;

use super::{
    super::{
        app::Shared,
        change,
        refusal::Refusal,
        say::{self, Zoned},
    },
    Page, Show,
    chart::{self, Chart},
    feed,
    form::Signed,
};
use crate::{
    config::{self, Job},
    ledger::{Before, HistoryRow},
};

/// Rows of history on one page.
const ROWS: u32 = 25;

#[derive(Template)]
#[template(path = "job.html")]
struct JobPage {
    page: Page,
    name: String,
    href: String,
    feed: String,
    schedule: String,
    text: String,
    zone: String,
    class: &'static str,
    sign: &'static str,
    state: String,
    paused_until: Option<String>,
    is_paused: bool,
    is_enabled: bool,
    next: Vec<(String, String)>,
    chart: Option<Chart>,
    rows: Vec<Row>,
    older: Option<String>,
    is_first: bool,
    prompt: String,
    settings: Vec<(String, String)>,
}

impl Show for JobPage {}

/// One line of the history.
struct Row {
    run_id: i64,
    class: &'static str,
    sign: &'static str,
    state: String,
    at: String,
    exact: String,
    by_hand: bool,
    many: Option<i64>,
    why: Option<String>,
    took: Option<String>,
    tries: i64,
}

/// What stands behind the question mark.
#[derive(Deserialize)]
pub(super) struct Wanted {
    /// `scheduled_at-run` of the last row that was seen.
    before: Option<String>,
}

pub(super) async fn job(
    State(shared): State<Shared>,
    page: Page,
    Path(name): Path<String>,
    Query(wanted): Query<Wanted>,
) -> Result<Response, Refusal> {
    let (config, now) = (shared.facts().config, shared.now());
    let job = find(&config, &name)?;
    let records = &shared.handle.records;
    let zoned = Zoned {
        zone: job.schedule.zone(),
        now,
        language: page.language,
    };
    let before = wanted.before.as_deref().and_then(before);
    let rows = records.history_before(Some(&name), before, ROWS).await?;
    let runs = records.glimpses(&name, chart::RUNS).await?;
    let paused = records.pauses().await?.remove(&name);
    let paused = paused.filter(|state| say::is_paused(state, now));
    let state = match runs.first() {
        _ if !job.enabled => "disabled",
        _ if paused.is_some() => "paused",
        Some(run) => run.state.as_str(),
        None => "waiting",
    };
    let (class, sign) = say::look(state);
    let upcoming = match job.enabled {
        true => crate::schedule::upcoming(&[&job.schedule], now, 5),
        false => Vec::new(),
    };
    let last = rows.last().filter(|_| rows.len() == ROWS as usize);
    Ok(JobPage {
        href: href(&name),
        feed: feed::href(&shared.keys(&shared.web()), &name),
        schedule: say::schedule(&job.schedule, page.language),
        text: job.schedule.to_string(),
        zone: job.schedule.zone().to_string(),
        class,
        sign,
        state: say::state(state, page.language),
        paused_until: paused
            .as_ref()
            .and_then(|state| Some(zoned.at(state.paused_until?))),
        is_paused: paused.is_some(),
        is_enabled: job.enabled,
        next: upcoming
            .into_iter()
            .map(|(at, _)| (zoned.at(at), say::exact(at, zoned.zone)))
            .collect(),
        chart: chart::chart(&runs, &zoned),
        older: last
            .map(|row| format!("{}?before={}-{}", href(&name), row.scheduled_at, row.run_id)),
        is_first: before.is_none(),
        rows: rows.iter().map(|row| shown(row, &zoned)).collect(),
        prompt: job.prompt.to_string(),
        settings: config::told_job(job),
        name,
        page: page.at("/").every(if before.is_none() { 5 } else { 0 }),
    }
    .show())
}

pub(super) fn find<'a>(
    config: &'a config::Config,
    name: &str,
) -> Result<&'a std::sync::Arc<Job>, Refusal> {
    config.job(name).ok_or_else(|| {
        Refusal::missing(format!("there is no job {name:?} in the config that runs"))
    })
}

/// The address of a job's page, whatever its name holds.
pub(super) fn href(name: &str) -> String {
    format!("/jobs/{}", escaped(name))
}

/// A job's name as a part of a path.
pub(super) fn escaped(name: &str) -> String {
    let name: String = url::form_urlencoded::byte_serialize(name.as_bytes()).collect();
    // A plus is a blank in a form only.
    name.replace('+', "%20")
}

fn before(text: &str) -> Option<Before> {
    let (at, run) = text.rsplit_once('-')?;
    Some(Before {
        scheduled_at: at.parse().ok()?,
        run_id: run.parse().ok()?,
    })
}

fn shown(row: &HistoryRow, zoned: &Zoned) -> Row {
    let (class, sign) = say::look(&row.state);
    Row {
        run_id: row.run_id,
        class,
        sign,
        state: say::state(&row.state, zoned.language),
        at: zoned.at_ms(row.scheduled_at),
        exact: zoned.exact_ms(row.scheduled_at),
        by_hand: row.trigger == "manual",
        many: (row.instants > 1).then_some(row.instants),
        why: row
            .reason
            .as_deref()
            .and_then(|why| Some(why.lines().next()?.to_owned())),
        took: row.asked_ms.map(|ms| say::took(ms, zoned.language)),
        tries: row.attempts,
    }
}

pub(super) async fn run_now(
    State(shared): State<Shared>,
    Path(name): Path<String>,
    Signed(()): Signed<()>,
) -> Result<Response, Refusal> {
    let run = change::run_now(&shared, &name).await?;
    Ok(Redirect::to(&format!("/runs/{run}")).into_response())
}

pub(super) async fn pause(
    State(shared): State<Shared>,
    Path(name): Path<String>,
    Signed(()): Signed<()>,
) -> Result<Response, Refusal> {
    change::pause(&shared, &name, None).await?;
    Ok(Redirect::to(&href(&name)).into_response())
}

pub(super) async fn resume(
    State(shared): State<Shared>,
    Path(name): Path<String>,
    Signed(()): Signed<()>,
) -> Result<Response, Refusal> {
    change::resume(&shared, &name).await?;
    Ok(Redirect::to(&href(&name)).into_response())
}
