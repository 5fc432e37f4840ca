//! Runs, and one of them whole.

use axum::{Json, extract::State};

use super::{
    super::{
        app::Shared,
        refusal::{Error, Refusal},
    },
    ask::{In, With},
    looks::bounded,
    shapes::{Run, RunShown, Runs, RunsWanted},
};
use crate::{ledger::Before, model::RunId};

/// What ran and what came of it, the newest first.
#[utoipa::path(get, path = "/api/v1/runs", params(RunsWanted), responses(
    (status = OK, body = Runs),
    (status = "4XX", body = Error), (status = "5XX", body = Error)))]
pub(super) async fn runs(
    State(shared): State<Shared>,
    With(wanted): With<RunsWanted>,
) -> Result<Json<Runs>, Refusal> {
    let limit = bounded(wanted.limit.map(|limit| limit as usize), 50)?;
    let most = u32::try_from(limit).unwrap_or(50);
    let before = wanted.before.as_deref().map(read_before).transpose()?;
    let job = wanted.job.as_deref();
    let rows = shared
        .handle
        .records
        .history_before(job, before, most)
        .await?;
    let last = rows.last().filter(|_| rows.len() == limit);
    Ok(Json(Runs {
        before: last.map(|row| format!("{}-{}", row.scheduled_at, row.run_id)),
        runs: rows.iter().map(Run::from).collect(),
    }))
}

fn read_before(text: &str) -> Result<Before, Refusal> {
    let (at, run) = text.rsplit_once('-').unwrap_or_default();
    let digits = |text: &str| {
        let is_number = (1..=18).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
        text.parse::<i64>().ok().filter(|_| is_number)
    };
    match (digits(at), digits(run)) {
        (Some(scheduled_at), Some(run_id)) => Ok(Before {
            scheduled_at,
            run_id,
        }),
        _ => Err(Refusal::wrong(
            "before is what the last reply said as before",
        )),
    }
}

/// One run: prompt, answer, every attempt and every delivery.
#[utoipa::path(get, path = "/api/v1/runs/{run}", params(("run" = i64, Path)), responses(
    (status = OK, body = RunShown),
    (status = "4XX", body = Error), (status = "5XX", body = Error)))]
pub(super) async fn run(
    State(shared): State<Shared>,
    In(run): In<RunId>,
) -> Result<Json<RunShown>, Refusal> {
    let shown = shared.handle.records.show(run).await?;
    let shown = shown.ok_or_else(|| no_run(run))?;
    Ok(Json(RunShown::from(shown)))
}

pub(super) fn no_run(run: RunId) -> Refusal {
    Refusal::missing(format!(
        "there is no run {run}: it is not in the ledger, or no longer"
    ))
}
