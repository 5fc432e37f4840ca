//! What people are told besides the answers: that something failed, was missed, will run out, was
//! refused, and that it is over. Facts in, words and receivers out; pure but for `tell`.
//!
//! Once each, and what goes on first, the third time, and then daily: the ledger keeps count
//! (`src/ledger/notices.rs`), so that neither a restart nor a crash tells twice or not at all.

mod letter;
mod receivers;
mod rhythm;
mod tell;
#[cfg(test)]
mod tests;
mod words;

use std::sync::Arc;

use self::rhythm::Rhythm;
use crate::{
    config::Job,
    ledger::{MissedJob, Step},
    model::{RunId, Timestamp},
};

pub(super) use self::tell::tidings;

/// Something that a person should hear of.
#[allow(dead_code, reason = "targets are looked after elsewhere")]
#[derive(Clone, Debug)]
pub(super) enum Notice {
    /// A run has failed for good.
    RunFailed {
        job: Arc<Job>,
        run_id: RunId,
        /// Its nominal instant.
        due: Timestamp,
        why: Why,
    },
    /// A run of a job went well again.
    RunBack {
        job: Arc<Job>,
        run_id: RunId,
        due: Timestamp,
    },
    /// Occurrences that could not be started in time.
    Missed(Vec<MissedJob>),
    /// A token that its endpoint refuses for good.
    TokenDead { token: TokenName, error: String },
    /// A token has no rounds left.
    TokenSpent {
        token: TokenName,
        /// When it is asked again.
        until: Timestamp,
    },
    /// A token that will be refused from an instant on.
    TokenExpires {
        token: TokenName,
        at: Timestamp,
        /// How many days ahead it is told; once for each.
        days: u8,
    },
    /// A token that was dead answers again.
    TokenBack { token: TokenName },
    /// An endpoint is left alone for a time, because it fails by itself.
    EndpointHeld {
        ai: Arc<str>,
        until: Timestamp,
        error: String,
    },
    /// It answers again.
    EndpointBack { ai: Arc<str> },
    /// Nothing is sent to a target for a time.
    TargetHeld {
        target: Arc<str>,
        until: Timestamp,
        error: String,
    },
    /// It takes pushes again.
    TargetBack { target: Arc<str> },
    /// A changed config was refused, with its errors.
    ConfigRejected(Vec<String>),
    /// A config was taken.
    ConfigTaken,
}

/// Why a run has failed for good.
#[derive(Clone, Debug)]
pub(super) enum Why {
    /// It got no answer.
    NoAnswer(String),
    /// Its answer could not be pushed.
    NotPushed(String),
    /// Its own task died.
    Died,
}

/// A token as people know it, and as the ledger does.
#[derive(Clone, Debug)]
pub(super) struct TokenName {
    /// Its endpoint.
    pub(super) ai: Arc<str>,
    /// `#1 …KEN1`.
    pub(super) label: Arc<str>,
    /// Names it without giving it away.
    pub(super) fingerprint: Arc<str>,
}

impl Notice {
    /// What it is about: the key under which the ledger counts its times.
    fn subject(&self) -> String {
        match self {
            Self::RunFailed { job, .. } | Self::RunBack { job, .. } => format!("job/{}", job.name),
            Self::Missed(_) => "missed".to_owned(),
            Self::TokenDead { token, .. } | Self::TokenBack { token } => token.subject("dead"),
            Self::TokenSpent { token, .. } => token.subject("spent"),
            Self::TokenExpires { token, days, .. } => token.subject(&format!("expires/{days}")),
            Self::EndpointHeld { ai, .. } | Self::EndpointBack { ai } => format!("endpoint/{ai}"),
            Self::TargetHeld { target, .. } | Self::TargetBack { target } => {
                format!("target/{target}")
            }
            Self::ConfigRejected(_) | Self::ConfigTaken => "config".to_owned(),
        }
    }

    fn step(&self) -> Step {
        match self {
            Self::RunBack { .. }
            | Self::TokenBack { .. }
            | Self::EndpointBack { .. }
            | Self::TargetBack { .. }
            | Self::ConfigTaken => Step::Over,
            _ => Step::Happened,
        }
    }

    fn rhythm(&self) -> Rhythm {
        match self {
            Self::Missed(_) => Rhythm::Always,
            Self::TokenDead { .. } | Self::TokenExpires { .. } => Rhythm::Once,
            Self::TokenSpent { .. } => Rhythm::Daily,
            _ => Rhythm::WhileItLasts,
        }
    }

    /// The job it is about.
    fn job(&self) -> Option<&Arc<Job>> {
        match self {
            Self::RunFailed { job, .. } | Self::RunBack { job, .. } => Some(job),
            _ => None,
        }
    }

    /// The target it is about.
    fn target(&self) -> Option<&Arc<str>> {
        match self {
            Self::TargetHeld { target, .. } | Self::TargetBack { target } => Some(target),
            _ => None,
        }
    }

    fn run_id(&self) -> Option<RunId> {
        match self {
            Self::RunFailed { run_id, .. } | Self::RunBack { run_id, .. } => Some(*run_id),
            _ => None,
        }
    }
}

impl TokenName {
    fn subject(&self, what: &str) -> String {
        format!("token/{}/{}/{what}", self.ai, self.fingerprint)
    }
}
