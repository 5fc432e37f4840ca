//! A run opened by the link in its push: to be read by whoever holds it, and nothing besides.

use axum::{
    extract::{Path, State},
    response::Response,
};

use super::{
    super::{app::Shared, links, refusal::Refusal},
    Page, run,
};

pub(super) async fn read(
    State(shared): State<Shared>,
    page: Page,
    Path(link): Path<String>,
) -> Result<Response, Refusal> {
    let keys = shared.keys(&shared.web());
    let run_id = links::open(&keys, "read", &link, shared.now())?;
    run::show(&shared, page, run_id, true).await
}
