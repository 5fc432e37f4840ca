//! What people are told of a token when its state changes. Pure.

use std::sync::Arc;

use chrono::TimeDelta;

use super::state::{Health, TokenState};
use crate::model::Timestamp;

/// So many days before its end a token is warned of, once each; 0 is its end.
const WARNED_OF: [u8; 4] = [7, 3, 1, 0];

/// A change of a token that its owner should know of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenEvent {
    /// The token's label.
    pub token: Arc<str>,
    /// What changed.
    pub change: TokenChange,
}

/// How a token changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenChange {
    /// It is refused for good, until a daily check says otherwise.
    Died,
    /// It has nothing left to spend until then.
    RanOut(Timestamp),
    /// It was refused, or had nothing left, and is taken again.
    Revived,
    /// It ends then, by its own `exp`.
    Expires(Timestamp),
    /// It ended then, by its own `exp`.
    Expired(Timestamp),
}

/// What a change of state means to people, if anything. A pause that follows on another one is no news.
pub(super) fn between(before: &TokenState, after: &TokenState) -> Option<TokenChange> {
    match (before.health, after.health) {
        (Health::Dead { .. }, Health::Dead { .. }) => None,
        (_, Health::Dead { .. }) => Some(TokenChange::Died),
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
pub(super) fn expiry(
    state: &mut TokenState,
    expires_at: Timestamp,
    now: Timestamp,
) -> Option<TokenChange> {
    let left = expires_at - now;
    let due = WARNED_OF
        .into_iter()
        .filter(|days| left <= TimeDelta::days(i64::from(*days)))
        .next_back()?;
    if state.warned_days.is_some_and(|warned| warned <= due) {
        return None;
    }
    state.warned_days = Some(due);
    Some(match due {
        0 => TokenChange::Expired(expires_at),
        _ => TokenChange::Expires(expires_at),
    })
}
