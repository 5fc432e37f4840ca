//! The routes, and what every request passes on its way to them.

use std::sync::Arc;

use anyhow::Context;
use axum::{
    Router,
    extract::{DefaultBodyLimit, State},
    http::{Method, StatusCode, header},
    middleware,
    response::{IntoResponse, Response},
    routing::get,
};

use super::{
    Facts, Handle, api,
    guard::{self, Keys, Rates},
    health, links, metrics, pages,
    refusal::Refusal,
};
use crate::{config::Web, model::Timestamp};

/// The longest body of a request; a form or a few words of JSON are far shorter.
const MOST_BYTES: usize = 64 * 1024;

/// What every request shares; clones are one.
#[derive(Clone)]
pub(super) struct Shared {
    pub(super) handle: Handle,
    pub(super) counted: Arc<metrics::Counted>,
    pub(super) rates: Arc<Rates>,
    /// The key of forms and links; made once for each ledger.
    secret: Arc<[u8]>,
    /// As it was when the port was opened.
    first: Arc<Web>,
}

impl Shared {
    pub(super) async fn new(handle: Handle) -> anyhow::Result<Self> {
        let config = handle.daemon.facts().config;
        let first = config.web.clone().context("there is no [web] to serve")?;
        Ok(Self {
            counted: Arc::new(metrics::Counted::new(handle.clock.now())),
            rates: Arc::default(),
            secret: handle
                .ledger
                .secret(links::KEY, &links::fresh_key()?)
                .await?
                .into(),
            first: Arc::new(first),
            handle,
        })
    }

    pub(super) fn now(&self) -> Timestamp {
        self.handle.clock.now()
    }

    pub(super) fn facts(&self) -> Facts {
        self.handle.daemon.facts()
    }

    /// `[web]` as it counts now.
    pub(super) fn web(&self) -> Web {
        let config = self.facts().config;
        config
            .web
            .clone()
            .unwrap_or_else(|| self.first.as_ref().clone())
    }

    pub(super) fn keys(&self, web: &Web) -> Keys {
        Keys::of(&self.secret, web)
    }

    /// A name that others keep, such as a feed's: no token changes it.
    pub(super) fn urn(&self, words: &[&str]) -> String {
        let uuid = Keys::new(&self.secret, "").uuid(words);
        uuid.urn().to_string()
    }

    /// Why it does not live, where it does not.
    pub(super) async fn lives(&self) -> Result<(), String> {
        let beat = self.handle.records.last_beat().await;
        let beat = beat.map_err(|error| error.to_string())?;
        health::judge(beat.as_ref(), self.now())
    }
}

pub(super) fn router(shared: Shared) -> Router {
    Router::new()
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .route("/metrics", get(figures))
        .merge(api::router())
        .merge(pages::router())
        .method_not_allowed_fallback(async |method: Method| Refusal::method(&method))
        .layer(DefaultBodyLimit::max(MOST_BYTES))
        .layer(middleware::from_fn_with_state(shared.clone(), guard::guard))
        .with_state(shared)
}

/// 200 only while planner and ledger live.
async fn healthz(State(shared): State<Shared>) -> Response {
    match shared.lives().await {
        Ok(()) => plain(StatusCode::OK, "ok\n".to_owned()),
        Err(why) => plain(StatusCode::SERVICE_UNAVAILABLE, format!("not ok: {why}\n")),
    }
}

/// 200 only while it also begins what falls due.
async fn readyz(State(shared): State<Shared>) -> Response {
    let facts = shared.facts();
    let why = if facts.is_stopping {
        Some("it is stopping".to_owned())
    } else if facts.is_full {
        Some("the ledger's disk is full: nothing new is begun".to_owned())
    } else {
        shared.lives().await.err()
    };
    match why {
        None => plain(StatusCode::OK, "ready\n".to_owned()),
        Some(why) => plain(
            StatusCode::SERVICE_UNAVAILABLE,
            format!("not ready: {why}\n"),
        ),
    }
}

async fn figures(State(shared): State<Shared>) -> Response {
    const TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    match metrics::text(&shared).await {
        Ok(text) => ([(header::CONTENT_TYPE, TYPE)], text).into_response(),
        Err(error) => Refusal::ledger(&error).into_response(),
    }
}

fn plain(status: StatusCode, text: String) -> Response {
    (status, [(header::CACHE_CONTROL, "no-store")], text).into_response()
}
