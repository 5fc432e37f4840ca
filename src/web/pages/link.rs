//! What the links in a push do: whoever holds one may read its run, ask its job again or pause it,
//! each with a link of its own, and nothing besides.

use axum::{
    extract::{Path, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};

use super::{
    super::{
        app::Shared,
        change,
        links::{self, Purpose},
        refusal::Refusal,
    },
    Page, run,
};

pub(super) async fn read(
    State(shared): State<Shared>,
    page: Page,
    Path(link): Path<String>,
) -> Result<Response, Refusal> {
    let keys = shared.keys(&shared.web());
    let run_id = links::open(&keys, Purpose::Read, &link, shared.now())?;
    run::show(&shared, page, run_id, true).await
}

pub(super) async fn again(
    State(shared): State<Shared>,
    Path(link): Path<String>,
) -> Result<Response, Refusal> {
    let job = job_of(&shared, Purpose::Again, &link).await?;
    // A second press, or a press by a second phone.
    if shared.handle.records.is_under_way(&job).await? {
        let message = format!("{job} is being asked already: its answer comes by itself");
        return Err(Refusal::new(StatusCode::CONFLICT, message));
    }
    let run_id = change::run_now(&shared, &job).await?;
    Ok(done(
        StatusCode::ACCEPTED,
        &format!("run {run_id} of {job} begins"),
    ))
}

pub(super) async fn pause(
    State(shared): State<Shared>,
    Path(link): Path<String>,
) -> Result<Response, Refusal> {
    let job = job_of(&shared, Purpose::Pause, &link).await?;
    change::pause(&shared, &job, None).await?;
    Ok(done(
        StatusCode::OK,
        &format!("{job} is paused until it is resumed"),
    ))
}

/// The job that a link changes something of.
async fn job_of(shared: &Shared, purpose: Purpose, link: &str) -> Result<String, Refusal> {
    let keys = shared.keys(&shared.web());
    let run_id = links::open(&keys, purpose, link, shared.now())?;
    let job = shared.handle.records.job_of(run_id).await?;
    job.ok_or_else(|| run::missing(run_id))
}

/// ntfy's web app asks from its own site, and must be able to see that it is done.
fn done(status: StatusCode, said: &str) -> Response {
    let open = [(header::ACCESS_CONTROL_ALLOW_ORIGIN, "*")];
    (status, open, format!("{said}\n")).into_response()
}
