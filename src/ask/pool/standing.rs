//! A pool as people are shown it. Pure.

use std::{borrow::Cow, sync::Arc};

use serde::{Deserialize, Serialize};

use super::{Health, Member, Pool};
use crate::{config::types::Pace, model::Timestamp};

/// A token as people are shown it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// Its label.
    pub token: Arc<str>,
    /// The word for its state: `healthy`, `cooling`, `out of quota`, `suspect` or `dead`.
    pub state: Cow<'static, str>,
    /// Until when it is not asked with, where that is known.
    pub until: Option<Timestamp>,
    /// When it was last asked with or checked.
    pub last_used: Option<Timestamp>,
    /// Requests that the endpoint's quota leaves; None where it has none.
    pub rounds_left: Option<usize>,
    /// When it ends, by its own `exp`.
    pub expires_at: Option<Timestamp>,
}

impl Pool {
    /// Each token as people are shown it, in the config's order.
    pub fn standings(&self, now: Timestamp) -> impl Iterator<Item = Standing> {
        self.members
            .iter()
            .map(move |member| member.standing(&self.pace, now))
    }

    /// Why no token can be used: each with its state.
    #[must_use]
    pub fn describe(&self, now: Timestamp) -> String {
        let each = self.standings(now).map(|standing| {
            let Standing { token, .. } = &standing;
            let until = standing.until.unwrap_or(now).format("%Y-%m-%dT%H:%M:%SZ");
            match &*standing.state {
                "cooling" => format!("{token} rests until {until}"),
                "out of quota" => format!("{token} is out of quota until {until}"),
                "dead" => format!("{token} is dead"),
                "suspect" => format!("{token} was refused"),
                _ if standing.until.is_some() => format!("{token} is paced until {until}"),
                _ => format!("{token} is healthy"),
            }
        });
        let each: Vec<String> = each.collect();
        format!("no token to ask with: {}", each.join(", "))
    }
}

impl Member {
    fn standing(&self, pace: &Pace, now: Timestamp) -> Standing {
        let is_dead = matches!(self.state.health, Health::Dead { .. });
        let rests = self.state.resting_until(now);
        let used_up = pace.used_up_until(&self.state, now);
        let state = match self.state.health {
            Health::Suspect { .. } => "suspect",
            Health::Dead { .. } => "dead",
            Health::OutOfQuota { .. } if rests.is_some() => "out of quota",
            Health::Cooling { .. } if rests.is_some() => "cooling",
            _ if used_up.is_some() => "out of quota",
            _ => "healthy",
        };
        let until = rests.max(used_up).max(pace.spaced_until(&self.state, now));
        Standing {
            token: self.token.label.clone(),
            state: Cow::Borrowed(state),
            until: until.filter(|_| !is_dead),
            last_used: self.state.last_used,
            rounds_left: pace.rounds_left(&self.state, now),
            expires_at: self.token.expires_at,
        }
    }
}
