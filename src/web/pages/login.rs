//! Logging in with the web's token, and out again.

use std::net::SocketAddr;

use askama::Template;
use axum::{
    Extension, Form, Router,
    extract::{ConnectInfo, Query, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Redirect, Response},
    routing::{get, post},
};
use serde::Deserialize;

use super::{
    super::{
        app::Shared,
        guard::{self, Caller},
        refusal::Refusal,
    },
    Page, Show,
    form::Signed,
};

pub(super) fn router() -> Router<Shared> {
    Router::new()
        .route("/login", get(form).post(login))
        .route("/logout", post(logout))
}

#[derive(Template)]
#[template(path = "login.html")]
struct Login {
    page: Page,
    next: String,
    error: Option<&'static str>,
}

impl Show for Login {}

#[derive(Deserialize)]
struct Wanted {
    #[serde(default)]
    next: String,
}

async fn form(page: Page, Query(wanted): Query<Wanted>) -> Response {
    if page.is_known {
        return Redirect::to(local(&wanted.next)).into_response();
    }
    Login {
        page,
        next: local(&wanted.next).to_owned(),
        error: None,
    }
    .show()
}

#[derive(Deserialize)]
struct Credentials {
    token: String,
    #[serde(default)]
    next: String,
}

async fn login(
    State(shared): State<Shared>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    page: Page,
    Form(sent): Form<Credentials>,
) -> Result<Response, Refusal> {
    let web = shared.web();
    let next = local(&sent.next).to_owned();
    let Some(token) = &web.token else {
        return Ok(Redirect::to(&next).into_response());
    };
    match guard::try_token(&shared, peer, sent.token.trim(), token) {
        Ok(()) => {}
        Err(refused) if refused.is_wrong_token() => {
            let error = Some(page.words.wrong_token);
            let login = Login { page, next, error };
            return Ok((StatusCode::UNAUTHORIZED, login.show()).into_response());
        }
        Err(refused) => return Err(refused),
    }
    let cookie = guard::begin(&shared, &web, token, &headers).await?;
    Ok(([(header::SET_COOKIE, cookie)], Redirect::to(&next)).into_response())
}

async fn logout(
    State(shared): State<Shared>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    Signed(()): Signed<()>,
) -> Result<Response, Refusal> {
    let Caller::Session(hash) = caller else {
        return Ok(Redirect::to("/").into_response());
    };
    let cookie = guard::end(&shared, &shared.web(), &hash, &headers).await?;
    Ok(([(header::SET_COOKIE, cookie)], Redirect::to("/login")).into_response())
}

/// A path of this page; anything that a browser could take for another site is the overview.
fn local(next: &str) -> &str {
    let is_path = next.starts_with('/') && !next.starts_with("//");
    let is_plain = next
        .bytes()
        .all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    if is_path && is_plain { next } else { "/" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_leads_to_this_page_and_nowhere_else() {
        for next in ["/", "/jobs/gold?page=2", "/runs/1"] {
            assert_eq!(local(next), next);
        }
        for next in [
            "",
            "//evil.example",
            "https://evil.example",
            "/\\evil.example",
            "/\t/evil.example",
            "javascript:alert(1)",
        ] {
            assert_eq!(local(next), "/", "{next}");
        }
    }
}
