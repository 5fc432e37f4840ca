//! The pace of each token: the time between two requests, and how many in a stretch of time. Pure.

use chrono::TimeDelta;

use super::state::TokenState;
use crate::{
    config::types::{Pace, Quota},
    model::{Timestamp, from_ms, to_ms},
};

impl Pace {
    /// When a token may be asked with again, as far as the time between two requests goes; None for at once.
    pub(super) fn spaced_until(&self, token: &TokenState, now: Timestamp) -> Option<Timestamp> {
        // One from the future was used by a clock that was wrong.
        let last = token.last_used.filter(|last| *last <= now)?;
        Some(last + self.min_interval).filter(|until| *until > now)
    }

    /// When a token that has used its quota up may be asked with again; None for at once.
    pub(super) fn used_up_until(&self, token: &TokenState, now: Timestamp) -> Option<Timestamp> {
        let quota = self.quota?;
        let used = used(quota, token, now);
        // The one whose end makes room: as many are younger as the quota allows, less one.
        let oldest = used.len().checked_sub(quota.rounds)?;
        Some(from_ms(used[oldest]) + quota.per)
    }

    /// How many requests a token has left just now; None where nothing limits them.
    pub(super) fn rounds_left(&self, token: &TokenState, now: Timestamp) -> Option<usize> {
        let quota = self.quota?;
        Some(quota.rounds.saturating_sub(used(quota, token, now).len()))
    }

    /// Counts a request, and forgets those that the quota does not reach back to.
    pub(super) fn count(&self, token: &mut TokenState, now: Timestamp) {
        let Some(quota) = self.quota else {
            token.rounds.clear();
            return;
        };
        token.rounds = used(quota, token, now).to_vec();
        token.rounds.push(to_ms(now));
    }
}

/// The requests within the quota's stretch of time, oldest first; those from the future were counted by a clock that was wrong.
fn used(quota: Quota, token: &TokenState, now: Timestamp) -> &[i64] {
    let per = TimeDelta::from_std(quota.per).unwrap_or(TimeDelta::MAX);
    let (since, now) = (to_ms(now - per), to_ms(now));
    let rounds = &token.rounds;
    let from = rounds.partition_point(|at| *at <= since);
    let to = rounds.partition_point(|at| *at <= now);
    rounds.get(from..to).unwrap_or_default()
}
