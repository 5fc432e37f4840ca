//! Changes: run now, pause, resume, cancel, reload. Each is written to the ledger, and the daemon
//! carries it out.

use axum::{Json, extract::State, http::StatusCode};
use chrono::DateTime;

use super::{
    super::{
        app::Shared,
        change,
        refusal::{Error, Refusal},
    },
    ask::{Body, In},
    looks::{no_job, shape},
    runs::no_run,
    shapes::{Begun, Job, Pause, Reload},
};
use crate::model::RunId;

/// Runs a job now, beside its schedule.
#[utoipa::path(post, path = "/api/v1/jobs/{job}/run", params(("job" = String, Path)), responses(
    (status = ACCEPTED, body = Begun, description = "It is planned, and begun as soon as a slot is free"),
    (status = "4XX", body = Error), (status = "5XX", body = Error)))]
pub(super) async fn run_now(
    State(shared): State<Shared>,
    In(name): In<String>,
) -> Result<(StatusCode, Json<Begun>), Refusal> {
    let run = change::run_now(&shared, &name).await?;
    Ok((StatusCode::ACCEPTED, Json(Begun { run })))
}

/// Pauses a job: what is due meanwhile is skipped.
#[utoipa::path(post, path = "/api/v1/jobs/{job}/pause", params(("job" = String, Path)),
    request_body = Option<Pause>, responses(
    (status = OK, body = Job),
    (status = "4XX", body = Error), (status = "5XX", body = Error)))]
pub(super) async fn pause(
    State(shared): State<Shared>,
    In(name): In<String>,
    Body(pause): Body<Option<Pause>>,
) -> Result<Json<Job>, Refusal> {
    let until = pause.unwrap_or_default().until;
    let until = until.map(|text| {
        DateTime::parse_from_rfc3339(&text)
            .map(|at| at.to_utc())
            .map_err(|_| Refusal::wrong("until is no instant: write it like 2026-12-24T08:00:00Z"))
    });
    change::pause(&shared, &name, until.transpose()?).await?;
    job(&shared, &name).await
}

/// Ends a job's pause.
#[utoipa::path(post, path = "/api/v1/jobs/{job}/resume", params(("job" = String, Path)), responses(
    (status = OK, body = Job),
    (status = "4XX", body = Error), (status = "5XX", body = Error)))]
pub(super) async fn resume(
    State(shared): State<Shared>,
    In(name): In<String>,
) -> Result<Json<Job>, Refusal> {
    change::resume(&shared, &name).await?;
    job(&shared, &name).await
}

/// Cancels a run that is not over: nothing more of it is asked or pushed.
#[utoipa::path(post, path = "/api/v1/runs/{run}/cancel", params(("run" = i64, Path)), responses(
    (status = NO_CONTENT),
    (status = CONFLICT, body = Error, description = "It is over"),
    (status = "4XX", body = Error), (status = "5XX", body = Error)))]
pub(super) async fn cancel(
    State(shared): State<Shared>,
    In(run): In<RunId>,
) -> Result<StatusCode, Refusal> {
    match shared.handle.ledger.cancel(run, shared.now()).await? {
        Some(true) => Ok(StatusCode::NO_CONTENT),
        Some(false) => {
            let message = format!("run {run} is over: nothing to cancel");
            Err(Refusal::new(StatusCode::CONFLICT, message))
        }
        None => Err(no_run(run)),
    }
}

/// Reads the config again.
#[utoipa::path(post, path = "/api/v1/reload", responses(
    (status = OK, body = Reload),
    (status = CONFLICT, body = Reload, description = "The file is wrong: the old config goes on"),
    (status = "4XX", body = Error), (status = "5XX", body = Error)))]
pub(super) async fn reload(
    State(shared): State<Shared>,
) -> Result<(StatusCode, Json<Reload>), Refusal> {
    let reloaded = change::reload(&shared).await?;
    let status = match reloaded.taken {
        true => StatusCode::OK,
        false => StatusCode::CONFLICT,
    };
    Ok((status, Json(Reload::from(&reloaded))))
}

async fn job(shared: &Shared, name: &str) -> Result<Json<Job>, Refusal> {
    let config = shared.facts().config;
    let job = config.job(name).ok_or_else(|| no_job(name))?;
    let pauses = shared.handle.ledger.pauses().await?;
    Ok(Json(shape(job, pauses.get(name), shared.now())))
}
