//! The API: what the page shows, as JSON under `/api/v1`, described by an `OpenAPI` document that
//! is made from these very routes.

#![allow(
    unused_qualifications,
    reason = "the macro that reads the routes writes paths in full"
)]

mod ask;
mod changes;
mod looks;
mod runs;
mod shapes;

use axum::{Json, Router, http::Method, routing::get};
use utoipa::{
    OpenApi,
    openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme},
};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{app::Shared, refusal::Refusal};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "promptcron",
        description = "The jobs, runs, tokens and targets of a promptcron daemon. Instants are RFC 3339 in UTC."
    ),
    modifiers(&Bearer),
    security(("token" = []))
)]
struct Document;

/// The token of `[web]`, where one is set.
struct Bearer;

impl utoipa::Modify for Bearer {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let scheme = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build();
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("token", SecurityScheme::Http(scheme));
    }
}

fn documented() -> OpenApiRouter<Shared> {
    OpenApiRouter::with_openapi(Document::openapi())
        .routes(routes!(looks::status))
        .routes(routes!(looks::jobs))
        .routes(routes!(looks::job))
        .routes(routes!(looks::next))
        .routes(routes!(looks::tokens))
        .routes(routes!(looks::targets))
        .routes(routes!(runs::runs))
        .routes(routes!(runs::run))
        .routes(routes!(changes::run_now))
        .routes(routes!(changes::pause))
        .routes(routes!(changes::resume))
        .routes(routes!(changes::cancel))
        .routes(routes!(changes::reload))
}

/// The document that describes it.
#[must_use]
pub fn document() -> utoipa::openapi::OpenApi {
    documented().into_openapi()
}

pub(super) fn router() -> Router<Shared> {
    let (router, document) = documented().split_for_parts();
    router
        .route(
            "/api/v1/openapi.json",
            get(async move || Json(document.clone())),
        )
        .route("/api/{*rest}", get(nothing).post(nothing))
}

async fn nothing(method: Method) -> Refusal {
    let message = format!("there is no such {method} in this API: /api/v1/openapi.json lists all");
    Refusal::missing(message)
}
