//! Looking: how it stands, jobs, what comes next, tokens, targets.

use axum::{Json, extract::State};
use chrono::TimeDelta;
use serde::Deserialize;
use utoipa::IntoParams;

use super::{
    super::{
        app::Shared,
        refusal::{Error, Refusal},
        say,
    },
    ask::{In, With},
    shapes::{Due, Job, Jobs, Reload, Status, Target, Token, utc},
};
use crate::{
    config,
    ledger::JobState,
    model::{Language, Timestamp},
    schedule,
};

const DAY: TimeDelta = TimeDelta::hours(24);

/// How it stands.
#[utoipa::path(get, path = "/api/v1/status", responses(
    (status = OK, body = Status),
    (status = "4XX", body = Error), (status = "5XX", body = Error)))]
pub(super) async fn status(State(shared): State<Shared>) -> Result<Json<Status>, Refusal> {
    let (facts, now) = (shared.facts(), shared.now());
    let why = shared.lives().await.err();
    let counts = shared.handle.records.ended_counts(now - DAY).await?;
    let due = |(job, at): &(crate::model::JobName, Timestamp)| {
        facts.config.job(job.as_str()).map(|job| due(job, *at))
    };
    Ok(Json(Status {
        version: env!("CARGO_PKG_VERSION"),
        lives: why.is_none(),
        why,
        jobs: facts.config.jobs.iter().filter(|job| job.enabled).count(),
        next: facts.next.as_ref().and_then(due),
        reload: facts.reload.as_ref().map(Reload::from),
        last_day: counts.into_iter().collect(),
    }))
}

/// Which jobs are wanted.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct JobsWanted {
    /// How many.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<usize>,
    /// How many to pass over first.
    #[param(maximum = 1_000_000)]
    offset: Option<usize>,
}

/// The jobs, in the config's order.
#[utoipa::path(get, path = "/api/v1/jobs", params(JobsWanted), responses(
    (status = OK, body = Jobs),
    (status = "4XX", body = Error), (status = "5XX", body = Error)))]
pub(super) async fn jobs(
    State(shared): State<Shared>,
    With(wanted): With<JobsWanted>,
) -> Result<Json<Jobs>, Refusal> {
    const FARTHEST: usize = 1_000_000;
    let limit = bounded(wanted.limit, 100)?;
    let offset = wanted.offset.unwrap_or(0);
    if offset > FARTHEST {
        return Err(Refusal::wrong(format!("offset is at most {FARTHEST}")));
    }
    let config = shared.facts().config;
    let pauses = shared.handle.records.pauses().await?;
    let jobs = config.jobs.iter().skip(offset).take(limit);
    Ok(Json(Jobs {
        total: config.jobs.len(),
        jobs: jobs
            .map(|job| shape(job, pauses.get(job.name.as_str()), shared.now()))
            .collect(),
    }))
}

/// One job.
#[utoipa::path(get, path = "/api/v1/jobs/{job}", params(("job" = String, Path)), responses(
    (status = OK, body = Job),
    (status = "4XX", body = Error), (status = "5XX", body = Error)))]
pub(super) async fn job(
    State(shared): State<Shared>,
    In(name): In<String>,
) -> Result<Json<Job>, Refusal> {
    let config = shared.facts().config;
    let job = config.job(&name).ok_or_else(|| no_job(&name))?;
    let pauses = shared.handle.records.pauses().await?;
    Ok(Json(shape(job, pauses.get(&name), shared.now())))
}

/// What is wanted of what lies ahead.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct NextWanted {
    /// Of this job alone.
    job: Option<String>,
    /// How many.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<usize>,
}

/// What is due next, the soonest first.
#[utoipa::path(get, path = "/api/v1/next", params(NextWanted), responses(
    (status = OK, body = [Due]),
    (status = "4XX", body = Error), (status = "5XX", body = Error)))]
pub(super) async fn next(
    State(shared): State<Shared>,
    With(wanted): With<NextWanted>,
) -> Result<Json<Vec<Due>>, Refusal> {
    let limit = bounded(wanted.limit, 10)?;
    let config = shared.facts().config;
    if let Some(name) = &wanted.job {
        config.job(name).ok_or_else(|| no_job(name))?;
    }
    let is_wanted = |job: &&std::sync::Arc<config::Job>| {
        job.enabled
            && wanted
                .job
                .as_ref()
                .is_none_or(|name| job.name.as_str() == name)
    };
    let jobs: Vec<_> = config.jobs.iter().filter(is_wanted).collect();
    let schedules: Vec<_> = jobs.iter().map(|job| &job.schedule).collect();
    let upcoming = schedule::upcoming(&schedules, shared.now(), limit);
    let ahead = upcoming.into_iter().map(|(at, index)| due(jobs[index], at));
    Ok(Json(ahead.collect()))
}

/// The tokens, in the config's order.
#[utoipa::path(get, path = "/api/v1/tokens", responses(
    (status = OK, body = [Token]),
    (status = "4XX", body = Error), (status = "5XX", body = Error)))]
pub(super) async fn tokens(State(shared): State<Shared>) -> Json<Vec<Token>> {
    Json(shared.facts().tokens.iter().map(Token::from).collect())
}

/// The targets, and what each is owed.
#[utoipa::path(get, path = "/api/v1/targets", responses(
    (status = OK, body = [Target]),
    (status = "4XX", body = Error), (status = "5XX", body = Error)))]
pub(super) async fn targets(State(shared): State<Shared>) -> Result<Json<Vec<Target>>, Refusal> {
    let records = &shared.handle.records;
    let outbox = records.outbox().await?;
    let mut shapes = Vec::new();
    for target in shared.facts().config.targets.values() {
        let owed = outbox.iter().find(|owed| *owed.target == *target.name);
        let taken = records.taken(&target.name, shared.now() - DAY).await?;
        shapes.push(Target {
            name: target.name.to_string(),
            server: say::server(target),
            owed: owed.map_or(0, |owed| owed.owed),
            error: owed.and_then(|owed| owed.error.clone()),
            last_taken_at: taken.last_at.map(super::shapes::utc_ms),
            taken_last_day: taken.recent,
        });
    }
    Ok(Json(shapes))
}

pub(super) fn no_job(name: &str) -> Refusal {
    Refusal::missing(format!("there is no job {name:?} in the config that runs"))
}

/// A limit between 1 and 500.
pub(super) fn bounded(limit: Option<usize>, default: usize) -> Result<usize, Refusal> {
    match limit.unwrap_or(default) {
        limit @ 1..=500 => Ok(limit),
        _ => Err(Refusal::wrong("limit is out of range: use 1 to 500")),
    }
}

pub(super) fn shape(job: &config::Job, state: Option<&JobState>, now: Timestamp) -> Job {
    let paused = state.filter(|state| say::is_paused(state, now));
    let upcoming = match job.enabled {
        true => schedule::upcoming(&[&job.schedule], now, 3),
        false => Vec::new(),
    };
    Job {
        name: job.name.to_string(),
        schedule: job.schedule.to_string(),
        schedule_in_words: say::schedule(&job.schedule, Language::En),
        timezone: job.schedule.zone().to_string(),
        enabled: job.enabled,
        paused_at: paused.and_then(|state| state.paused_at).map(utc),
        paused_until: paused.and_then(|state| state.paused_until).map(utc),
        ai: job.ai.iter().map(ToString::to_string).collect(),
        targets: job.targets.iter().map(ToString::to_string).collect(),
        next: upcoming.into_iter().map(|(at, _)| due(job, at)).collect(),
    }
}

fn due(job: &config::Job, at: Timestamp) -> Due {
    Due {
        job: job.name.to_string(),
        scheduled_at: utc(at),
        due_at: utc(job.schedule.due_at(&job.name, at)),
    }
}
