//! What people are told of a token when its state changes. Pure.

use std::sync::Arc;

use chrono::TimeDelta;

use super::state::{Health, TokenState};
use crate::{ask::error::AskError, model::Timestamp};

/// So many days before its end a token is warned of, once each; 0 is its end.
const WARNED_OF: [u8; 4] = [7, 3, 1, 0];

/// A change of a token that its owner should know of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenEvent {
    /// The token's label.
    pub token: Arc<str>,
    /// Names it without giving it away.
    pub fingerprint: Arc<str>,
    /// What changed.
    pub change: TokenChange,
}

/// How a token changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenChange {
    /// It is refused for good, until a daily check says otherwise; with the last refusal.
    Died(String),
    /// It has nothing left to spend until then.
    RanOut(Timestamp),
    /// It was refused, or had nothing left, and is taken again.
    Revived,
    /// It ends then, by its own `exp`: told so many days ahead, 0 for its end itself.
    Expires {
        /// When.
        at: Timestamp,
        /// Which of the days it is told on.
        days: u8,
    },
}

/// What a change of state means to people, if anything. A pause that follows on another one is no news.
pub(super) fn between(
    before: &TokenState,
    after: &TokenState,
    error: Option<&AskError>,
) -> Option<TokenChange> {
    if before.refused_elsewhere && !after.refused_elsewhere {
        return Some(TokenChange::Revived);
    }
    match (before.health, after.health) {
        (Health::Dead { .. }, Health::Dead { .. }) => None,
        (_, Health::Dead { .. }) => {
            let error = error.map_or_else(String::new, AskError::to_string);
            Some(TokenChange::Died(error))
        }
        (was, Health::OutOfQuota { until }) => {
            let is_new = after.pauses <= 1 && !matches!(was, Health::OutOfQuota { .. });
            is_new.then_some(TokenChange::RanOut(until))
        }
        (Health::Dead { .. } | Health::Suspect { .. }, Health::Healthy) => {
            Some(TokenChange::Revived)
        }
        (Health::OutOfQuota { .. }, Health::Healthy) => Some(TokenChange::Revived),
        _ => None,
    }
}

/// The warning that is due of a token's end, which is noted as given.
pub(super) fn expiry(state: &mut TokenState, at: Timestamp, now: Timestamp) -> Option<TokenChange> {
    let left = at - now;
    let days = WARNED_OF
        .into_iter()
        .rfind(|days| left <= TimeDelta::days(i64::from(*days)))?;
    if state.warned_days.is_some_and(|warned| warned <= days) {
        return None;
    }
    state.warned_days = Some(days);
    Some(TokenChange::Expires { at, days })
}

/// What becomes of an endpoint that people should know of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EndpointChange {
    /// It has failed for so long that it is left alone as long as ever, until then.
    Held {
        /// Until when.
        until: Timestamp,
        /// Its last failure.
        error: String,
    },
    /// It answers, after it had been left alone.
    Back,
}
