//! The files beside the pages. Their address holds a hash of them, so that a browser keeps them
//! until they change.

use std::sync::OnceLock;

use aws_lc_rs::digest::{SHA256, digest};
use axum::{
    Router,
    http::header,
    response::{IntoResponse, Response},
    routing::get,
};

use super::super::app::Shared;

const STYLE: &str = include_str!("../static/style.css");
const REFRESH: &str = include_str!("../static/refresh.js");
const ICON: &str = include_str!("../static/icon.svg");

pub(super) fn router() -> Router<Shared> {
    Router::new()
        .route("/static/style.css", get(async || file("text/css", STYLE)))
        .route(
            "/static/refresh.js",
            get(async || file("text/javascript", REFRESH)),
        )
        .route(
            "/static/icon.svg",
            get(async || file("image/svg+xml", ICON)),
        )
}

/// Eight digits that change when any of the files does.
pub(super) fn version() -> &'static str {
    static VERSION: OnceLock<String> = OnceLock::new();
    VERSION.get_or_init(|| {
        let hash = digest(&SHA256, [STYLE, REFRESH, ICON].concat().as_bytes());
        let bytes = hash.as_ref().iter().take(4);
        bytes.map(|byte| format!("{byte:02x}")).collect()
    })
}

fn file(kind: &'static str, text: &'static str) -> Response {
    const KEPT: &str = "public, max-age=31536000, immutable";
    let headers = [
        (header::CONTENT_TYPE, format!("{kind}; charset=utf-8")),
        (header::CACHE_CONTROL, KEPT.to_owned()),
    ];
    (headers, text).into_response()
}
