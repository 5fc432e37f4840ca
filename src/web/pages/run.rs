//! One run: the answer, what the phone got of it, and how it came about.

use askama::Template;
use axum::{
    extract::{Path, State},
    response::{IntoResponse, Redirect, Response},
};

use super::{
    super::{
        app::Shared,
        refusal::Refusal,
        say::{self, Zoned},
    },
    Page, Show,
    form::Signed,
    job,
};
use crate::{
    config::Config,
    ledger::{AttemptRow, DeliveryRow, Shown},
    model::{Language, RunId, RunState},
    push::Message,
    render,
};

#[derive(Template)]
#[template(path = "run.html")]
struct RunPage {
    page: Page,
    run_id: RunId,
    job: String,
    job_href: Option<String>,
    class: &'static str,
    sign: &'static str,
    state: String,
    reason: Option<String>,
    at: String,
    exact: String,
    by_hand: bool,
    many: Option<i64>,
    asked: Option<String>,
    /// Sanitised HTML.
    answer: Option<String>,
    is_over: bool,
    running_since: Option<String>,
    prompt: Option<String>,
    /// What has arrived, and what is owed, was given up or went elsewhere: each with its place and heading.
    phones: [(&'static str, &'static str, Vec<Phone>); 2],
    attempts: Vec<Attempt>,
    deliveries: Vec<Delivery>,
    /// Opened by a signed link: nothing can be changed, and nothing else be seen.
    is_read_only: bool,
}

impl Show for RunPage {}

/// One message as a phone shows it.
struct Phone {
    target: String,
    title: Option<String>,
    tags: String,
    text: String,
    part: Option<String>,
    /// Where it stands, unless it is there.
    state: Option<String>,
}

struct Attempt {
    number: i64,
    class: &'static str,
    sign: &'static str,
    outcome: String,
    at: String,
    took: Option<String>,
    with: String,
    error: Option<String>,
}

struct Delivery {
    target: String,
    part: String,
    class: &'static str,
    sign: &'static str,
    state: String,
    at: Option<String>,
    tries: i64,
    error: Option<String>,
}

pub(super) async fn run(
    State(shared): State<Shared>,
    page: Page,
    Path(run_id): Path<RunId>,
) -> Result<Response, Refusal> {
    show(&shared, page.at("/"), run_id, false).await
}

/// The page of a run, for its owner or for whoever holds a link to it.
pub(super) async fn show(
    shared: &Shared,
    page: Page,
    run_id: RunId,
    is_read_only: bool,
) -> Result<Response, Refusal> {
    let shown = shared.handle.records.show(run_id).await?;
    let shown = shown.ok_or_else(|| missing(run_id))?;
    Ok(write(page, shown, &shared.facts().config, shared, is_read_only).show())
}

pub(super) fn missing(run_id: RunId) -> Refusal {
    Refusal::missing(format!(
        "there is no run {run_id}: it is not in the ledger, or no longer"
    ))
}

fn write(
    page: Page,
    shown: Shown,
    config: &Config,
    shared: &Shared,
    is_read_only: bool,
) -> RunPage {
    let run = &shown.run;
    let job = config.job(&run.job);
    let zoned = Zoned {
        zone: job.map_or(config.timezone, |job| job.schedule.zone()),
        now: shared.now(),
        language: page.language,
    };
    let (class, sign) = say::look(&run.state);
    let is_over = RunState::from_word(&run.state).is_none_or(RunState::is_terminal);
    let asking = shown
        .attempts
        .last()
        .filter(|attempt| attempt.outcome == "asking");
    let seconds = if is_over { 0 } else { 2 };
    let shown_on = |row| phone(row, page.language);
    let (sent, unsent) = shown
        .deliveries
        .iter()
        .filter_map(shown_on)
        .partition(|phone| phone.state.is_none());
    RunPage {
        run_id: run.run_id,
        job: run.job.clone(),
        job_href: job
            .filter(|_| !is_read_only)
            .map(|job| job::href(job.name.as_str())),
        class,
        sign,
        state: say::state(&run.state, zoned.language),
        reason: run.reason.clone(),
        at: zoned.at_ms(run.scheduled_at),
        exact: zoned.exact_ms(run.scheduled_at),
        by_hand: run.trigger == "manual",
        many: (run.instants > 1).then_some(run.instants),
        asked: run.asked_ms.map(|ms| say::took(ms, zoned.language)),
        answer: shown.answer.as_deref().map(render::html_without_images),
        is_over,
        running_since: asking.map(|attempt| {
            say::rough(
                zoned.now - crate::model::from_ms(attempt.started_at),
                zoned.language,
            )
        }),
        prompt: shown.prompt.clone(),
        phones: [
            ("phone", page.words.phone_got, sent),
            ("unsent", page.words.phone_lacks, unsent),
        ],
        attempts: shown
            .attempts
            .iter()
            .map(|row| attempt(row, &zoned))
            .collect(),
        deliveries: shown
            .deliveries
            .iter()
            .map(|row| delivery(row, &zoned))
            .collect(),
        is_read_only,
        page: page.every(seconds),
    }
}

/// None once the message is pruned.
fn phone(row: &DeliveryRow, language: Language) -> Option<Phone> {
    let message: Message = serde_json::from_str(&row.message).ok()?;
    let tags = message
        .tags
        .iter()
        .map(|tag| match emojis::get_by_shortcode(tag) {
            Some(emoji) => emoji.as_str(),
            None => tag,
        });
    Some(Phone {
        target: row.target.clone(),
        tags: tags.collect::<Vec<_>>().join(" "),
        title: message.title.clone(),
        part: (row.parts > 1).then(|| format!("{}/{}", row.part, row.parts)),
        text: message.message,
        state: (row.state != "delivered").then(|| say::state(&row.state, language)),
    })
}

fn attempt(row: &AttemptRow, zoned: &Zoned) -> Attempt {
    let (class, sign) = say::look(&row.outcome);
    let token = row.token_label.as_deref();
    Attempt {
        number: row.number,
        class,
        sign,
        outcome: say::state(&row.outcome, zoned.language),
        at: zoned.at_ms(row.started_at),
        took: row
            .finished_at
            .map(|end| say::took(end - row.started_at, zoned.language)),
        with: token.map_or_else(|| row.ai.clone(), |token| format!("{} {token}", row.ai)),
        error: row.error.clone(),
    }
}

fn delivery(row: &DeliveryRow, zoned: &Zoned) -> Delivery {
    let (class, sign) = say::look(&row.state);
    Delivery {
        target: row.target.clone(),
        part: format!("{}/{}", row.part, row.parts),
        class,
        sign,
        state: say::state(&row.state, zoned.language),
        at: row.delivered_at.map(|at| zoned.at_ms(at)),
        tries: row.attempts,
        error: row.error.clone(),
    }
}

pub(super) async fn cancel(
    State(shared): State<Shared>,
    Path(run_id): Path<RunId>,
    Signed(()): Signed<()>,
) -> Result<Response, Refusal> {
    let cancelled = shared.handle.ledger.cancel(run_id, shared.now()).await?;
    cancelled.ok_or_else(|| missing(run_id))?;
    Ok(Redirect::to(&format!("/runs/{run_id}")).into_response())
}
