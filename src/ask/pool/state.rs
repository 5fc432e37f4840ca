//! What is known of one token and of its endpoint, and how each outcome changes it. Pure.

use std::{sync::Arc, time::Duration};

use chrono::{Days, TimeDelta};
use chrono_tz::Asia::Shanghai;
use serde::{Deserialize, Serialize};

use crate::{
    ask::kind::{Pause, TokenEffect},
    model::Timestamp,
};

/// A limited token's first rest; each further one in a row is five times as long.
const FIRST_REST: TimeDelta = TimeDelta::minutes(1);
/// The longest rest, also where the service asks for more: it is worth a question by then.
const LONGEST_REST: TimeDelta = TimeDelta::hours(1);
/// The first pause of a token without credit; each further one in a row is twice as long.
const FIRST_PAUSE: TimeDelta = TimeDelta::hours(5);
/// The longest pause of a token without credit.
const LONGEST_PAUSE: TimeDelta = TimeDelta::hours(24);
/// How often a suspect token is checked: a kimi server asks for no more than this.
const CHECK_SUSPECT: TimeDelta = TimeDelta::minutes(10);
/// How often a dead token is checked.
const CHECK_DEAD: TimeDelta = TimeDelta::hours(24);
/// So many failures of the endpoint itself in a row and it cools.
const FAILURES_IN_A_ROW: u32 = 3;
/// The longest an endpoint cools: attempts of a run come no farther apart.
const LONGEST_COOLING: TimeDelta = TimeDelta::minutes(15);

/// Whether a token may be used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "health", rename_all = "snake_case")]
pub enum Health {
    /// Yes.
    #[default]
    Healthy,
    /// Limited or busy: not before `until`.
    Cooling {
        /// When it may be used again.
        until: Timestamp,
    },
    /// Nothing left to spend: not before `until`.
    OutOfQuota {
        /// When it may be used again.
        until: Timestamp,
    },
    /// Refused once: only where no healthy one is left.
    Suspect {
        /// When it was refused.
        since: Timestamp,
    },
    /// Refused twice in a row, or by a check: no more, but for the daily check.
    Dead {
        /// When that was found.
        since: Timestamp,
    },
}

/// What is known of one token. It is kept across restarts, so that none resets a rest.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenState {
    /// Names the token, without giving it away.
    pub fingerprint: Arc<str>,
    /// Whether it may be used.
    #[serde(flatten)]
    pub health: Health,
    /// Rests in a row, without an answer between them.
    pub rests: u32,
    /// Pauses in a row, without an answer between them.
    pub pauses: u32,
    /// Refusals in a row, without an answer between them: a check that it passes does not end the row, for a service
    /// may show its list of models to anyone.
    #[serde(default)]
    pub refusals: u32,
    /// It was refused at another address, and has not been taken since.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub refused_elsewhere: bool,
    /// When it was last asked with, or checked with a verdict.
    pub last_used: Option<Timestamp>,
    /// When a check of it last came without a verdict: the next check waits, whoever asks with it does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checked_in_vain: Option<Timestamp>,
    /// When it was asked with, as far back as the endpoint's quota reaches; milliseconds.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rounds: Vec<i64>,
    /// How many days before its end it was warned of last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warned_days: Option<u8>,
}

/// What a check of a token found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Check {
    /// The service takes it.
    Live,
    /// The service refuses it.
    Refused,
    /// The service said nothing of it.
    Unknown,
}

/// When a request went out and when its outcome was known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked {
    /// The request's start.
    pub started_at: Timestamp,
    /// Its end.
    pub finished_at: Timestamp,
}

impl TokenState {
    /// When it may be used, as far as its rest or pause goes; None for at once.
    pub(super) fn resting_until(&self, now: Timestamp) -> Option<Timestamp> {
        match self.health {
            Health::Cooling { until } | Health::OutOfQuota { until } => {
                // Farther away than any rest is long: the clock was wrong when it was set.
                Some(until).filter(|until| *until > now && *until - now <= LONGEST_PAUSE)
            }
            _ => None,
        }
    }

    /// As it counts at another address of its endpoint: a refusal was that address's, a limit is its account's.
    #[must_use]
    pub fn elsewhere(mut self) -> Self {
        self.refusals = 0;
        if matches!(self.health, Health::Suspect { .. } | Health::Dead { .. }) {
            self.health = Health::Healthy;
            self.refused_elsewhere = true;
        }
        self
    }

    /// True for a suspect or dead token that is to be checked now.
    pub(super) fn is_check_due(&self, now: Timestamp) -> bool {
        self.is_due_after(self.last_used.max(self.checked_in_vain), now)
    }

    /// True for a suspect or dead token that may be tried by asking with it. A check without a verdict does not put
    /// that off: where no check ever has one, asking alone can bring a dead token back.
    pub(super) fn is_trial_due(&self, now: Timestamp) -> bool {
        self.is_due_after(self.last_used, now)
    }

    fn is_due_after(&self, last: Option<Timestamp>, now: Timestamp) -> bool {
        let (since, every) = match self.health {
            Health::Suspect { since } => (since, CHECK_SUSPECT),
            Health::Dead { since } => (since, CHECK_DEAD),
            _ => return false,
        };
        let last = last.map_or(since, |last| last.max(since));
        last > now || last + every <= now
    }

    /// An answer: healthy, and every row of failures ends. Older news than what is known already is not heard.
    pub(super) fn answered(&mut self, asked: Asked) {
        if !self.is_news(asked) {
            return;
        }
        self.health = Health::Healthy;
        self.rests = 0;
        self.pauses = 0;
        self.refusals = 0;
        self.refused_elsewhere = false;
    }

    /// A failure with its effect.
    pub(super) fn failed(&mut self, effect: TokenEffect, asked: Asked) {
        match effect {
            TokenEffect::Unchanged => {}
            TokenEffect::Cooling { retry_after } => self.rest(retry_after, asked),
            TokenEffect::OutOfQuota(pause) => self.run_out(pause, asked),
            TokenEffect::Suspect => self.refused(asked),
        }
    }

    /// Nothing left to spend. It outweighs a rest; a refusal outweighs it.
    fn run_out(&mut self, pause: Pause, asked: Asked) {
        if !matches!(self.health, Health::Cooling { .. }) && !self.is_news(asked) {
            return;
        }
        let now = asked.finished_at;
        let until = match pause {
            Pause::Doubling => {
                self.pauses += 1;
                now + step(FIRST_PAUSE, 2, self.pauses - 1, LONGEST_PAUSE)
            }
            Pause::UntilTomorrowInShanghai => midnight_in_shanghai(now),
        };
        self.health = Health::OutOfQuota { until };
    }

    /// A rest. Requests that were under way together are one failure, not several in a row.
    fn rest(&mut self, retry_after: Option<Duration>, asked: Asked) {
        let wanted = retry_after
            .map(|wait| TimeDelta::from_std(wait).unwrap_or(LONGEST_REST))
            .unwrap_or_default();
        let now = asked.finished_at;
        match self.health {
            // A known refusal weighs more than a limit.
            Health::Suspect { .. } | Health::Dead { .. } | Health::OutOfQuota { .. }
                if !self.is_news(asked) => {}
            Health::Cooling { until } if !self.is_news(asked) => {
                let until = until.max(now + wanted.min(LONGEST_REST));
                self.health = Health::Cooling { until };
            }
            _ => {
                let own = step(FIRST_REST, 5, self.rests, LONGEST_REST);
                let until = now + own.max(wanted).min(LONGEST_REST);
                self.rests += 1;
                self.health = Health::Cooling { until };
            }
        }
    }

    /// A refusal: suspect, and dead the second time in a row. Requests that were under way together are one.
    fn refused(&mut self, asked: Asked) {
        if matches!(self.health, Health::Suspect { .. } | Health::Dead { .. })
            && !self.is_news(asked)
        {
            return;
        }
        self.refusals = self.refusals.saturating_add(1);
        let since = asked.finished_at;
        self.health = match (self.health, self.refusals) {
            (Health::Dead { since }, _) => Health::Dead { since },
            (_, 0 | 1) => Health::Suspect { since },
            _ => Health::Dead { since },
        };
    }

    /// The outcome of a check: it brings a token back, or ends one that was suspect. A kimi server's check fails for
    /// limited accounts too, so that one failed check alone ends nothing.
    pub(super) fn checked(&mut self, check: Check, now: Timestamp) {
        match check {
            Check::Unknown => self.checked_in_vain = Some(now),
            Check::Live | Check::Refused => self.last_used = Some(now),
        }
        let is_refused = matches!(self.health, Health::Suspect { .. } | Health::Dead { .. });
        self.health = match (check, self.health) {
            (Check::Live, _) if is_refused => Health::Healthy,
            (Check::Refused, Health::Dead { since }) => Health::Dead { since },
            (Check::Refused, Health::Suspect { .. }) => Health::Dead { since: now },
            (Check::Refused, _) => Health::Suspect { since: now },
            (Check::Live | Check::Unknown, health) => health,
        };
    }

    /// False for a request that began before the present state was found. A state from the future is none: the clock
    /// was wrong.
    fn is_news(&self, asked: Asked) -> bool {
        let Asked {
            started_at,
            finished_at,
        } = asked;
        match self.health {
            Health::Healthy => true,
            Health::Suspect { since } | Health::Dead { since } => {
                started_at >= since || since > finished_at
            }
            // Nobody begins to ask with a resting token.
            Health::Cooling { .. } | Health::OutOfQuota { .. } => {
                self.resting_until(started_at).is_none()
            }
        }
    }
}

/// `first` times `factor` for each one before it, at most `longest`.
fn step(first: TimeDelta, factor: i32, before: u32, longest: TimeDelta) -> TimeDelta {
    factor
        .checked_pow(before)
        .and_then(|times| first.checked_mul(times))
        .map_or(longest, |wait| wait.min(longest))
}

/// The next midnight in Asia/Shanghai; that zone has no gaps.
fn midnight_in_shanghai(now: Timestamp) -> Timestamp {
    let tomorrow = now.with_timezone(&Shanghai).date_naive() + Days::new(1);
    tomorrow
        .and_time(chrono::NaiveTime::MIN)
        .and_local_timezone(Shanghai)
        .earliest()
        .map_or(now + LONGEST_PAUSE, |midnight| midnight.to_utc())
}

/// What is known of an endpoint as a whole. It is kept across restarts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndpointState {
    /// Failures of the endpoint itself since it last said anything of sense.
    pub failures: u32,
    /// After three in a row: when it is worth a question again.
    pub cools_until: Option<Timestamp>,
}

impl EndpointState {
    /// When it is worth a question again; None for now.
    #[must_use]
    pub fn cooling_until(&self, now: Timestamp) -> Option<Timestamp> {
        // Farther away than it ever cools: the clock was wrong when it was set.
        self.cools_until
            .filter(|until| *until > now && *until - now <= LONGEST_COOLING)
    }

    /// Until when it is left alone, where it has just begun to be for as long as ever: a short rest is no news.
    pub(super) fn held_until(&self, before: &Self) -> Option<Timestamp> {
        let steps = self.failures.checked_sub(FAILURES_IN_A_ROW)?;
        let is_longest = step(FIRST_REST, 5, steps, LONGEST_COOLING) == LONGEST_COOLING;
        self.cools_until.filter(|_| is_longest && self != before)
    }

    /// Any outcome of a request: only some are the endpoint's own failure. Those that fail together after the third
    /// are one step, and so is whatever is asked while it cools.
    pub(super) fn record(&mut self, is_failure: bool, asked: Asked) {
        if !is_failure {
            *self = Self::default();
            return;
        }
        if self.cooling_until(asked.started_at).is_some() {
            return;
        }
        self.failures = self.failures.saturating_add(1);
        if let Some(steps) = self.failures.checked_sub(FAILURES_IN_A_ROW) {
            let cooling = step(FIRST_REST, 5, steps, LONGEST_COOLING);
            self.cools_until = Some(asked.finished_at + cooling);
        }
    }
}
