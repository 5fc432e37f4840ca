//! A pool as people are shown it. Pure.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Health, Member, Pool};
use crate::{config::types::Pace, model::Timestamp};

/// A token as people are shown it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// Its label.
    pub token: Arc<str>,
    /// Whether it may be used.
    pub state: TokenWord,
    /// Until when it is not asked with, where that is known.
    pub until: Option<Timestamp>,
    /// When it was last asked with or checked.
    pub last_used: Option<Timestamp>,
    /// Requests that the endpoint's quota leaves; None where it has none.
    pub rounds_left: Option<usize>,
    /// When it ends, by its own `exp`.
    pub expires_at: Option<Timestamp>,
}

/// The word for a token's state just now: a rest that is over is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TokenWord {
    /// It may be used, if not within its interval.
    Healthy,
    /// It is limited or busy.
    Cooling,
    /// It has nothing left to spend, by its service's word or by its quota here.
    OutOfQuota,
    /// It was refused once.
    Suspect,
    /// It was refused for good.
    Dead,
}

impl TokenWord {
    /// As people read it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Cooling => "cooling",
            Self::OutOfQuota => "out of quota",
            Self::Suspect => "suspect",
            Self::Dead => "dead",
        }
    }
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
        let each: Vec<String> = self.standings(now).map(|each| each.words(now)).collect();
        format!("no token to ask with: {}", each.join(", "))
    }

    /// Why a conversation cannot go on yet: how its token stands.
    #[must_use]
    pub fn describe_wait(&self, fingerprint: &str, now: Timestamp) -> String {
        let of_this = |member: &&Member| &*member.token.fingerprint == fingerprint;
        let standing = self.members.iter().filter(of_this);
        let words = standing.map(|member| member.standing(&self.pace, now).words(now));
        let words: String = words.collect();
        format!("the conversation waits for its token: {words}")
    }
}

impl Standing {
    fn words(&self, now: Timestamp) -> String {
        let token = &self.token;
        let until = self.until.unwrap_or(now).format("%Y-%m-%dT%H:%M:%SZ");
        match self.state {
            TokenWord::Cooling => format!("{token} rests until {until}"),
            TokenWord::OutOfQuota => format!("{token} is out of quota until {until}"),
            TokenWord::Dead => format!("{token} is dead"),
            TokenWord::Suspect => format!("{token} was refused"),
            _ if self.until.is_some() => format!("{token} is paced until {until}"),
            _ => format!("{token} is healthy"),
        }
    }
}

impl Member {
    fn standing(&self, pace: &Pace, now: Timestamp) -> Standing {
        let is_dead = matches!(self.state.health, Health::Dead { .. });
        let rests = self.state.resting_until(now);
        let used_up = pace.used_up_until(&self.state, now);
        let state = match self.state.health {
            Health::Suspect { .. } => TokenWord::Suspect,
            Health::Dead { .. } => TokenWord::Dead,
            Health::OutOfQuota { .. } if rests.is_some() => TokenWord::OutOfQuota,
            Health::Cooling { .. } if rests.is_some() => TokenWord::Cooling,
            _ if used_up.is_some() => TokenWord::OutOfQuota,
            _ => TokenWord::Healthy,
        };
        let until = rests.max(used_up).max(pace.spaced_until(&self.state, now));
        Standing {
            token: self.token.label.clone(),
            state,
            until: until.filter(|_| !is_dead),
            last_used: self.state.last_used,
            rounds_left: pace.rounds_left(&self.state, now),
            expires_at: self.token.expires_at,
        }
    }
}
