//! The routes, and what every request passes on its way to them.

use std::sync::Arc;

use axum::{
    Router,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};

use super::{Handle, health, metrics};
use crate::ledger::LedgerError;

/// What every request shares; clones are one.
#[derive(Clone)]
pub(super) struct Shared {
    pub(super) handle: Handle,
    pub(super) counted: Arc<metrics::Counted>,
}

impl Shared {
    pub(super) fn new(handle: Handle) -> Self {
        Self {
            counted: Arc::new(metrics::Counted::new(handle.clock.now())),
            handle,
        }
    }
}

pub(super) fn router(shared: Shared) -> Router {
    Router::new()
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .route("/metrics", get(figures))
        .with_state(shared)
}

/// 200 only while planner and ledger live.
async fn healthz(State(shared): State<Shared>) -> Response {
    match lives(&shared).await {
        Ok(()) => plain(StatusCode::OK, "ok\n".to_owned()),
        Err(why) => plain(StatusCode::SERVICE_UNAVAILABLE, format!("not ok: {why}\n")),
    }
}

/// 200 only while it also begins what falls due.
async fn readyz(State(shared): State<Shared>) -> Response {
    let facts = shared.handle.daemon.facts();
    let why = if facts.is_stopping {
        Some("it is stopping".to_owned())
    } else if facts.is_full {
        Some("the ledger's disk is full: nothing new is begun".to_owned())
    } else {
        lives(&shared).await.err()
    };
    match why {
        None => plain(StatusCode::OK, "ready\n".to_owned()),
        Some(why) => plain(
            StatusCode::SERVICE_UNAVAILABLE,
            format!("not ready: {why}\n"),
        ),
    }
}

async fn lives(shared: &Shared) -> Result<(), String> {
    let beat = shared.handle.records.last_beat().await;
    let beat = beat.map_err(|error| error.to_string())?;
    health::judge(beat.as_ref(), shared.handle.clock.now())
}

async fn figures(State(shared): State<Shared>) -> Response {
    const TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    match metrics::text(&shared).await {
        Ok(text) => ([(header::CONTENT_TYPE, TYPE)], text).into_response(),
        Err(error) => unreadable(&error),
    }
}

/// The ledger says no: told as it is.
fn unreadable(error: &LedgerError) -> Response {
    tracing::error!(%error, "a request could not be answered");
    plain(StatusCode::SERVICE_UNAVAILABLE, format!("{error}\n"))
}

fn plain(status: StatusCode, text: String) -> Response {
    (status, [(header::CACHE_CONTROL, "no-store")], text).into_response()
}
