//! The pages: what people look at, and the forms on them.

mod assets;
mod chart;
mod feed;
mod form;
mod job;
mod link;
mod lists;
mod login;
mod overview;
mod page;
mod run;
mod strip;
mod wants;

use askama::Template;
use axum::{
    Router,
    http::StatusCode,
    response::{Html, IntoResponse, Response},
    routing::{get, post},
};

pub(super) use self::page::Page;
use super::{app::Shared, refusal::Refusal};

/// A template as a response.
pub(super) trait Show: Template + Sized {
    /// Its HTML.
    fn show(self) -> Response {
        match self.render() {
            Ok(html) => Html(html).into_response(),
            Err(error) => {
                tracing::error!(%error, "a page could not be written: please report this");
                StatusCode::INTERNAL_SERVER_ERROR.into_response()
            }
        }
    }
}

pub(super) fn router() -> Router<Shared> {
    Router::new()
        .merge(assets::router())
        .merge(login::router())
        .route("/", get(overview::overview))
        .route("/jobs/{job}", get(job::job))
        .route("/jobs/{job}/run", post(job::run_now))
        .route("/jobs/{job}/pause", post(job::pause))
        .route("/jobs/{job}/resume", post(job::resume))
        .route("/runs/{run}", get(run::run))
        .route("/runs/{run}/cancel", post(run::cancel))
        .route("/r/{link}", get(link::read))
        .route("/a/again/{link}", post(link::again))
        .route("/a/pause/{link}", post(link::pause))
        .route("/f/{key}/{job}", get(feed::feed))
        .route("/tokens", get(lists::tokens))
        .route("/targets", get(lists::targets))
        .route("/config", get(lists::config))
        .route("/config/reload", post(lists::reload))
        .fallback(nothing)
}

async fn nothing() -> Refusal {
    Refusal::missing("there is no such page")
}
