//! Why there is no answer, and how that is told.

use std::{fmt, sync::Arc, time::Duration};

use super::{
    advice,
    kind::{ErrorKind, Next, Pause, TokenEffect},
};
use crate::{
    config::types::{Api, Limits},
    model::Timestamp,
};

/// A failure as a wire form reads it, before it is known whose it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Failure {
    pub(super) kind: ErrorKind,
    /// The HTTP status; None when no reply came.
    pub(super) status: Option<u16>,
    /// The service's own code: kimi's number, or the `code` or `type` of an error object.
    pub(super) code: Option<String>,
    /// The service's words, or ours where it said nothing.
    pub(super) words: String,
    pub(super) retry_after: Option<Duration>,
}

impl Failure {
    /// A failure without a code.
    pub(super) fn new(kind: ErrorKind, status: Option<u16>, words: impl Into<String>) -> Self {
        Self {
            kind,
            status,
            code: None,
            words: words.into(),
            retry_after: None,
        }
    }
}

/// Who was asked for what: the part of an error that the caller already knew.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Asked {
    pub(super) api: Api,
    pub(super) endpoint: Arc<str>,
    /// Without credentials and query.
    pub(super) base_url: String,
    pub(super) model: String,
    /// The endpoint's limits of time.
    pub(super) limits: Limits,
    /// How long the answer's beginning was waited for.
    pub(super) first_byte: Duration,
    /// The proxy's address without credentials, where the endpoint names one.
    pub(super) proxy: Option<String>,
    /// The token's label.
    pub(super) token: Option<Arc<str>>,
}

/// Why there is no answer. Its Display names endpoint, model, token, status, the service's own words and the way out;
/// no secret is in it, nor in its Debug. A chain of endpoints has a line for each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AskError {
    failure: Box<Failure>,
    asked: Arc<Asked>,
    next: Next,
    retry_at: Option<Timestamp>,
    /// Those of the endpoints that were asked before this one.
    before: Vec<Self>,
}

impl AskError {
    /// `failure` with the words already free of secrets.
    pub(super) fn new(failure: Failure, asked: Arc<Asked>) -> Self {
        let next = match failure.kind {
            // There is no other token than none.
            ErrorKind::TokenRefused if asked.token.is_none() => Next::GiveUp,
            kind => kind.next_step(),
        };
        Self {
            failure: Box::new(failure),
            asked,
            next,
            retry_at: None,
            before: Vec::new(),
        }
    }

    /// The failures of a whole chain as one, in its order; at least one. Another attempt makes sense where it does for
    /// any of them, and as soon as it does for the first of them.
    pub(super) fn of_chain(mut failures: Vec<Self>) -> Self {
        let may_pass = |error: &&Self| error.next != Next::GiveUp;
        let next = match failures.iter().find(may_pass) {
            Some(_) => Next::NextAttempt,
            None => Next::GiveUp,
        };
        // None, which is at once, comes before every instant.
        let retry_at = failures.iter().filter(may_pass).map(|e| e.retry_at).min();
        let last = failures.pop().expect("a chain has at least one endpoint");
        Self {
            next,
            retry_at: retry_at.flatten(),
            before: failures,
            ..last
        }
    }

    /// The same with what the whole pool says: what is next, and when it has a token again.
    pub(super) fn with_next(self, next: Next, retry_at: Option<Timestamp>) -> Self {
        Self {
            next,
            retry_at,
            ..self
        }
    }

    /// The same with more words behind its own.
    pub(super) fn and(mut self, words: &str) -> Self {
        self.failure.words = format!("{}; {words}", self.failure.words);
        self
    }

    /// What kind of failure it is.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.failure.kind
    }

    /// What becomes of the token that was used (facts: the policy's table).
    #[must_use]
    pub fn token_effect(&self) -> TokenEffect {
        match self.kind() {
            ErrorKind::Limited => TokenEffect::Cooling {
                retry_after: self.failure.retry_after,
            },
            ErrorKind::OutOfCredit => TokenEffect::OutOfQuota(Pause::Doubling),
            ErrorKind::OutOfDailyQuota => TokenEffect::OutOfQuota(Pause::UntilTomorrowInShanghai),
            ErrorKind::TokenRefused | ErrorKind::AccountBanned => TokenEffect::Suspect,
            _ => TokenEffect::Unchanged,
        }
    }

    /// What is tried next. From a whole attempt it is never [`Next::AnotherToken`].
    #[must_use]
    pub fn next_step(&self) -> Next {
        self.next
    }

    /// When the pool has a token again, where it has none now: before this instant asking is in vain.
    #[must_use]
    pub fn retry_at(&self) -> Option<Timestamp> {
        self.retry_at
    }

    /// What the service asked for with `Retry-After`.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.failure.retry_after
    }

    /// True for a failure that one more attempt may cure but a second in a row proves final
    /// (kimi's 不合规 line): a run whose last attempt ended so too is given up.
    #[must_use]
    pub fn is_final_when_repeated(&self) -> bool {
        let is_final =
            |error: &Self| error.next == Next::GiveUp || error.kind() == ErrorKind::Stopped;
        self.kind() == ErrorKind::Stopped && self.before.iter().all(is_final)
    }

    /// The HTTP status; None when no reply came.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        self.failure.status
    }

    /// The service's own code, such as `-2001` or `insufficient_quota`.
    #[must_use]
    pub fn code(&self) -> Option<&str> {
        self.failure.code.as_deref()
    }

    /// The service's own words, cut to a quotable length.
    #[must_use]
    pub fn words(&self) -> &str {
        &self.failure.words
    }

    /// The label of the token that was used.
    #[must_use]
    pub fn token(&self) -> Option<&str> {
        self.asked.token.as_deref()
    }
}

impl std::error::Error for AskError {}

impl fmt::Display for AskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for error in &self.before {
            writeln!(f, "{error}")?;
        }
        let Asked {
            endpoint,
            base_url,
            model,
            token,
            ..
        } = &*self.asked;
        write!(f, "ai.{endpoint} ({base_url}, model {model}")?;
        if let Some(token) = token {
            write!(f, ", token {token}")?;
        }
        f.write_str("): ")?;
        match (self.status(), self.code()) {
            (Some(status), Some(code)) => write!(f, "HTTP {status}, code {code}: ")?,
            (Some(status), None) => write!(f, "HTTP {status}: ")?,
            (None, _) => {}
        }
        let advice = advice::advice(&self.failure, &self.asked);
        write!(f, "{} — {advice}", self.failure.words)
    }
}
