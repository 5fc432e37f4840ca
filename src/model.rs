//! The plain data that every folder speaks of. No I/O, no decisions.

use std::{borrow::Borrow, fmt, sync::Arc};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// An instant in UTC; the ledger keeps it as milliseconds since the Unix epoch.
pub type Timestamp = DateTime<Utc>;

/// A job's stable name, in any script: the identity of a job across reloads and restarts.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct JobName(Arc<str>);

impl JobName {
    /// Wraps a name that the config has already checked.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self(Arc::from(name))
    }

    /// The name as the user wrote it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for JobName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for JobName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What made a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Trigger {
    /// The job's schedule, on time or caught up.
    Schedule,
    /// A person: `once`.
    Manual,
}

impl Trigger {
    /// The word in the ledger and in logs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Schedule => "schedule",
            Self::Manual => "manual",
        }
    }
}

/// Where a run stands; the terminal states carry their reason in the row beside them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RunState {
    /// Written, waiting for its instant or for a free slot.
    Planned,
    /// Taken by a process, before anything was asked.
    Claimed,
    /// An attempt is under way.
    Asking,
    /// The answer and its deliveries are durable.
    Answered,
    /// At least one push has begun.
    Delivering,
    /// Every delivery was accepted.
    Delivered,
    /// Given up, for the reason beside it.
    Failed,
    /// Not started on purpose: overlap or pause.
    Skipped,
    /// Not started in time: outside its window, or superseded by a newer one.
    Missed,
    /// Answered, and held back by a notify rule.
    Silent,
    /// Its job was removed, or a person cancelled it.
    Cancelled,
}

impl RunState {
    /// Every state, in the order of a run's life.
    pub const ALL: [Self; 11] = [
        Self::Planned,
        Self::Claimed,
        Self::Asking,
        Self::Answered,
        Self::Delivering,
        Self::Delivered,
        Self::Failed,
        Self::Skipped,
        Self::Missed,
        Self::Silent,
        Self::Cancelled,
    ];

    /// The word of run-semantics, as it stands in the ledger and in logs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Planned => "planned",
            Self::Claimed => "claimed",
            Self::Asking => "asking",
            Self::Answered => "answered",
            Self::Delivering => "delivering",
            Self::Delivered => "delivered",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
            Self::Missed => "missed",
            Self::Silent => "silent",
            Self::Cancelled => "cancelled",
        }
    }

    /// The state of a word; None for any other word.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == word)
    }

    /// True for a state that nothing leaves.
    #[must_use]
    pub fn is_terminal(self) -> bool {
        !matches!(
            self,
            Self::Planned | Self::Claimed | Self::Asking | Self::Answered | Self::Delivering
        )
    }
}

/// A run's number in the ledger.
pub type RunId = i64;

/// An instant as the ledger keeps it.
#[must_use]
pub fn to_ms(instant: Timestamp) -> i64 {
    instant.timestamp_millis()
}

/// The instant of a ledger's number; out of range (no such row is written) is the epoch's end.
#[must_use]
pub fn from_ms(ms: i64) -> Timestamp {
    DateTime::from_timestamp_millis(ms).unwrap_or(DateTime::<Utc>::MAX_UTC)
}

/// The language of the few words promptcron itself adds to a push.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, clap::ValueEnum,
)]
#[serde(rename_all = "lowercase")]
pub enum Language {
    /// English.
    #[default]
    En,
    /// Chinese.
    Zh,
}
