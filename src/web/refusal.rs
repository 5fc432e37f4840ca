//! Why a request is not answered as it wished: a page for people, JSON for scripts.

use askama::Template;
use axum::{
    Json,
    http::{HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    guard,
    links::Closed,
    pages::{Page, Show},
    words::Words,
};
use crate::ledger::LedgerError;

/// A title and a text in a language.
type Said = fn(&'static Words) -> (&'static str, &'static str);

/// A refusal in one sentence, with what to do.
#[derive(Clone, Debug)]
pub(super) struct Refusal {
    status: StatusCode,
    message: String,
    /// Where a person who is not known wanted to go.
    wanted: Option<String>,
    /// Title and text in the reader's language; None: `message`, below what its status says.
    words: Option<Said>,
}

/// What the API says of a request that it does not carry out.
#[derive(Serialize, ToSchema)]
pub(super) struct Error {
    /// What is wrong, and what to do.
    error: String,
}

impl Refusal {
    pub(super) fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self {
            status,
            message: message.into(),
            wanted: None,
            words: None,
        }
    }

    /// Something that is not there.
    pub(super) fn missing(what: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, what)
    }

    /// An address that is there, and asked for in another way.
    pub(super) fn method(method: &Method) -> Self {
        let message = format!("this address does not take {method}");
        Self::new(StatusCode::METHOD_NOT_ALLOWED, message)
    }

    /// A request that cannot be understood.
    pub(super) fn wrong(why: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, why)
    }

    /// The ledger says no: logged here, since nobody else will.
    pub(super) fn ledger(error: &LedgerError) -> Self {
        tracing::error!(%error, "a request to the page could not be answered");
        Self::new(StatusCode::SERVICE_UNAVAILABLE, error.to_string())
    }

    pub(super) fn unknown(wanted: String) -> Self {
        let message = "who are you? Send `Authorization: Bearer` with the token of [web], or log in at /login";
        Self {
            wanted: Some(wanted),
            ..Self::new(StatusCode::UNAUTHORIZED, message)
        }
    }

    pub(super) fn wrong_token() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "this is not the token of [web]")
    }

    pub(super) fn is_wrong_token(&self) -> bool {
        self.status == StatusCode::UNAUTHORIZED
    }

    pub(super) fn no_random() -> Self {
        let message = "the system gives no random numbers: nobody can log in";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, message)
    }

    /// A template that cannot be filled in: logged here, since it is our own mistake.
    pub(super) fn unwritten(error: &askama::Error) -> Self {
        tracing::error!(%error, "a page could not be written: please report this");
        let message = "this page could not be written: see the log";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, message)
    }

    pub(super) fn guessing() -> Self {
        let message = "too many wrong tokens: wait a minute, then try again";
        Self::new(StatusCode::TOO_MANY_REQUESTS, message)
    }

    pub(super) fn busy() -> Self {
        let message = "too many requests: wait a second, then try again";
        Self::new(StatusCode::TOO_MANY_REQUESTS, message)
    }

    pub(super) fn slow() -> Self {
        let message = "this took too long: is the disk of the ledger slow? Try again";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, message)
    }

    pub(super) fn host(name: &str) -> Self {
        let message = format!(
            "this page does not answer to the name {name:?}: add it to hosts in [web] if it is yours"
        );
        Self::new(StatusCode::MISDIRECTED_REQUEST, message)
    }

    pub(super) fn foreign() -> Self {
        let message = "this change was asked for by another site: ask for it on this page itself";
        Self::new(StatusCode::FORBIDDEN, message)
    }

    pub(super) fn stale_form() -> Self {
        let message =
            "this form is not one of this session: go back, load the page anew and try again";
        Self::new(StatusCode::FORBIDDEN, message)
    }

    /// A link whose time is over.
    fn expired() -> Self {
        Self {
            words: Some(|words| (words.expired_title, words.expired)),
            ..Self::new(StatusCode::GONE, "this link has expired: log in")
        }
    }

    /// A link that is not ours.
    fn forged() -> Self {
        Self {
            words: Some(|words| (words.forged_title, words.forged)),
            ..Self::new(StatusCode::FORBIDDEN, "this link is not valid: log in")
        }
    }

    /// As its path wants it.
    pub(super) fn show(self, is_api: bool, page: Page) -> Response {
        match self.wanted.as_deref() {
            Some(wanted) if !is_api => guard::to_login(wanted),
            _ if is_api => self.json(),
            _ => self.page(page),
        }
    }

    fn json(self) -> Response {
        let status = self.status;
        let mut response = (
            status,
            Json(Error {
                error: self.message,
            }),
        )
            .into_response();
        let mut hint = |name, value| {
            response
                .headers_mut()
                .insert(name, HeaderValue::from_static(value))
        };
        match status {
            StatusCode::UNAUTHORIZED => hint(header::WWW_AUTHENTICATE, "Bearer"),
            StatusCode::TOO_MANY_REQUESTS => hint(header::RETRY_AFTER, "10"),
            _ => None,
        };
        response
    }

    fn page(self, page: Page) -> Response {
        let title = match self.status {
            StatusCode::NOT_FOUND => page.words.not_found,
            StatusCode::SERVICE_UNAVAILABLE => page.words.not_now,
            StatusCode::TOO_MANY_REQUESTS => page.words.too_many,
            _ => page.words.not_allowed,
        };
        let (title, text) = match self.words {
            Some(words) => {
                let (title, text) = words(page.words);
                (title, text.to_owned())
            }
            None => (title, self.message),
        };
        (self.status, Message { page, title, text }.show()).into_response()
    }
}

/// It travels with an empty response, and is written once it is known how: see `guard`.
impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

impl From<LedgerError> for Refusal {
    fn from(error: LedgerError) -> Self {
        Self::ledger(&error)
    }
}

impl From<Closed> for Refusal {
    fn from(closed: Closed) -> Self {
        match closed {
            Closed::Forged => Self::forged(),
            Closed::Expired => Self::expired(),
        }
    }
}

#[derive(Template)]
#[template(path = "message.html")]
struct Message {
    page: Page,
    title: &'static str,
    text: String,
}

impl Show for Message {}
