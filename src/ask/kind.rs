//! What can go wrong with a question, and what follows from each: the policy as a table.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The kinds of failure, one for each thing that follows from one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorKind {
    /// No connection: refused, no such host, TLS, the proxy.
    Connect,
    /// The connection stood, but the whole answer was not there in time.
    Timeout,
    /// The answer did not begin in time.
    Late,
    /// The answer began and fell silent.
    Stalled,
    /// The connection broke before the answer was whole.
    Cut,
    /// The service, or what is behind it, is out of order: 5xx, 408, kimi's -1000 and the like.
    Unavailable,
    /// The account is limited or busy: 429, kimi's 频繁, -2005 and an empty answer without a segment.
    Limited,
    /// kimi: the same in a conversation that was to go on, which may be gone there.
    ConversationLost,
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
    /// Nothing was asked: the conversation waits for its token.
    Waits,
    /// Nothing was asked: the endpoint failed too often in a row.
    Cooling,
}

impl ErrorKind {
    /// The word for it in the ledger and the log.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Timeout => "timeout",
            Self::Late => "late",
            Self::Stalled => "stalled",
            Self::Cut => "cut",
            Self::Unavailable => "unavailable",
            Self::Limited => "limited",
            Self::ConversationLost => "conversation_lost",
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
            Self::Waits => "waits",
            Self::Cooling => "cooling",
        }
    }

    /// What is tried after it, as far as the kind alone tells.
    #[must_use]
    pub fn next_step(self) -> Next {
        match self {
            Self::Limited
            | Self::ConversationLost
            | Self::Empty
            | Self::OutOfCredit
            | Self::OutOfDailyQuota
            | Self::TokenRefused
            | Self::AccountBanned
            | Self::AccountRefused => Next::AnotherToken,
            Self::Connect
            | Self::Timeout
            | Self::Late
            | Self::Stalled
            | Self::Cut
            | Self::Unavailable
            | Self::Stopped
            | Self::Blocked
            | Self::Garbled
            | Self::Exhausted
            | Self::Waits
            | Self::Cooling => Next::NextAttempt,
            Self::BadRequest | Self::NotFound | Self::Filtered | Self::NotTheApi => Next::GiveUp,
        }
    }

    /// True for a failure of the endpoint itself: three in a row and it cools.
    #[must_use]
    pub fn is_the_endpoints(self) -> bool {
        matches!(
            self,
            Self::Connect
                | Self::Timeout
                | Self::Late
                | Self::Stalled
                | Self::Cut
                | Self::Unavailable
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
    /// The next endpoint of the job's chain, else the run's next attempt.
    NextAttempt,
    /// The next endpoint of the job's chain, else nothing: asking this one again would fail again.
    GiveUp,
}
