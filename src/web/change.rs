//! What a reader may change, from the page and from the API alike.

use axum::http::StatusCode;

use super::{Reloaded, app::Shared, refusal::Refusal};
use crate::model::{RunId, Timestamp};

/// Plans a manual run that the daemon claims.
pub(super) async fn run_now(shared: &Shared, job: &str) -> Result<RunId, Refusal> {
    let facts = shared.facts();
    if facts.config.job(job).is_none() {
        return Err(no_job(job));
    }
    if facts.is_stopping {
        let message = "the daemon is stopping: it begins nothing new";
        return Err(Refusal::new(StatusCode::SERVICE_UNAVAILABLE, message));
    }
    let planned = shared.handle.ledger.plan_manual(job, shared.now()).await;
    let run = planned.map_err(|error| Refusal::ledger(&error))?;
    tracing::info!(job, run, "a run was asked for on the page");
    shared.handle.daemon.wake();
    Ok(run)
}

/// Pauses a job until an instant, or until it is resumed.
pub(super) async fn pause(
    shared: &Shared,
    job: &str,
    until: Option<Timestamp>,
) -> Result<(), Refusal> {
    if shared.facts().config.job(job).is_none() {
        return Err(no_job(job));
    }
    let now = shared.now();
    if until.is_some_and(|until| until <= now) {
        return Err(Refusal::wrong("until is in the past: name a later instant"));
    }
    let paused = shared.handle.ledger.pause(job, now, until).await;
    match paused.map_err(|error| Refusal::ledger(&error))? {
        true => {
            tracing::info!(job, "paused on the page");
            Ok(())
        }
        false => Err(no_job(job)),
    }
}

/// Ends a pause; a job that is not paused stays as it is.
pub(super) async fn resume(shared: &Shared, job: &str) -> Result<(), Refusal> {
    if shared.facts().config.job(job).is_none() {
        return Err(no_job(job));
    }
    let resumed = shared.handle.ledger.resume(job, shared.now()).await;
    if resumed.map_err(|error| Refusal::ledger(&error))? {
        tracing::info!(job, "resumed on the page");
    }
    Ok(())
}

/// Reads the config again.
pub(super) async fn reload(shared: &Shared) -> Result<Reloaded, Refusal> {
    let reloaded = shared.handle.daemon.reload().await;
    reloaded.map_err(|error| Refusal::new(StatusCode::SERVICE_UNAVAILABLE, format!("{error:#}")))
}

fn no_job(name: &str) -> Refusal {
    Refusal::missing(format!(
        "there is no such job as {name:?} that is due by itself or could be"
    ))
}
