//! What can go wrong with a question, what follows from it, and how it is told.

use std::{fmt, sync::Arc, time::Duration};

use serde::{Deserialize, Serialize};

use super::advice;
use crate::{config::types::Api, model::Timestamp};

/// The kinds of failure, one for each thing that follows from one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorKind {
    /// No connection: refused, no such host, TLS, the proxy.
    Connect,
    /// The connection stood, but the whole answer was not there in time.
    Timeout,
    /// The connection broke before the answer was whole.
    Cut,
    /// The service, or what is behind it, is out of order: 5xx, 408, kimi's -1000 and the like.
    Unavailable,
    /// The account is limited or busy: 429, kimi's 频繁, -2005 and an empty answer without a segment.
    Limited,
    /// A whole answer without a word in it.
    Empty,
    /// The account has no credit left: 402, `insufficient_quota`, 余额不足, 欠费.
    OutOfCredit,
    /// kimi -2006: the day's research questions are used up.
    OutOfDailyQuota,
    /// The service does not know the token (any more): 401, 403, kimi's texts for a dead one.
    TokenRefused,
    /// kimi: the account is banned.
    AccountBanned,
    /// kimi -2001 with words of the real Kimi that are in no table.
    AccountRefused,
    /// The request itself was refused: 400, 422, kimi -2000; asking again changes nothing.
    BadRequest,
    /// No such address or model: 404, kimi's `[请求有误]` and `找不到对应的KimiPlus`.
    NotFound,
    /// The service will not answer this prompt.
    Filtered,
    /// kimi's line 内容由于不合规被停止生成: censorship or overload, nobody can tell.
    Stopped,
    /// What answers there is not this API: a web page, a redirect.
    NotTheApi,
    /// A proxy or firewall in between refused us with a page of its own.
    Blocked,
    /// The reply is neither an answer nor an error of this protocol.
    Garbled,
    /// Nothing was asked: no token of the pool may be used now.
    Exhausted,
}

impl ErrorKind {
    /// The word for it in the ledger and the log.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Timeout => "timeout",
            Self::Cut => "cut",
            Self::Unavailable => "unavailable",
            Self::Limited => "limited",
            Self::Empty => "empty",
            Self::OutOfCredit => "out_of_credit",
            Self::OutOfDailyQuota => "out_of_daily_quota",
            Self::TokenRefused => "token_refused",
            Self::AccountBanned => "account_banned",
            Self::AccountRefused => "account_refused",
            Self::BadRequest => "bad_request",
            Self::NotFound => "not_found",
            Self::Filtered => "filtered",
            Self::Stopped => "stopped",
            Self::NotTheApi => "not_the_api",
            Self::Blocked => "blocked",
            Self::Garbled => "garbled",
            Self::Exhausted => "exhausted",
        }
    }

    /// What is tried after it, as far as the kind alone tells.
    #[must_use]
    pub fn next_step(self) -> Next {
        match self {
            Self::Limited
            | Self::Empty
            | Self::OutOfCredit
            | Self::OutOfDailyQuota
            | Self::TokenRefused
            | Self::AccountBanned
            | Self::AccountRefused => Next::AnotherToken,
            Self::Connect
            | Self::Timeout
            | Self::Cut
            | Self::Unavailable
            | Self::Stopped
            | Self::Blocked
            | Self::Garbled
            | Self::Exhausted => Next::NextAttempt,
            Self::BadRequest | Self::NotFound | Self::Filtered | Self::NotTheApi => Next::GiveUp,
        }
    }

    /// True for a failure of the endpoint itself: three in a row and it cools.
    #[must_use]
    pub fn is_the_endpoints(self) -> bool {
        matches!(
            self,
            Self::Connect | Self::Timeout | Self::Cut | Self::Unavailable
        )
    }
}

/// What a failure does to the state of the token that was used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenEffect {
    /// Nothing.
    Unchanged,
    /// It rests: the longer of what the service asked for and the pool's own steps.
    Cooling {
        /// The service's `Retry-After`.
        retry_after: Option<Duration>,
    },
    /// It has nothing left to spend.
    OutOfQuota(Pause),
    /// It may be dead; a second time in a row says that it is.
    Suspect,
}

/// How long a token without quota is left alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pause {
    /// 5 h, then twice as long each time, at most 24 h.
    Doubling,
    /// Until midnight in Asia/Shanghai, where Kimi counts its days.
    UntilTomorrowInShanghai,
}

/// What is tried next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Another token of the pool, at once, inside the same attempt.
    AnotherToken,
    /// The fallback endpoint, else the run's next attempt.
    NextAttempt,
    /// Nothing: asking again would fail again.
    GiveUp,
}

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
    /// The endpoint's limit for a whole answer.
    pub(super) timeout: Duration,
    /// The proxy's address without credentials, where the endpoint names one.
    pub(super) proxy: Option<String>,
    /// The token's label.
    pub(super) token: Option<Arc<str>>,
}

/// Why there is no answer. Its Display names endpoint, model, token, status, the service's own words and the way out;
/// no secret is in it, nor in its Debug.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AskError {
    failure: Box<Failure>,
    asked: Arc<Asked>,
    next: Next,
    retry_at: Option<Timestamp>,
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
        self.kind() == ErrorKind::Stopped
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
