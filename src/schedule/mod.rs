//! From a schedule's text and zone to instants in UTC, and what is due. Pure: no clock, no I/O.
//!
//! croner reads cron text; which instants it means around clock changes is decided here.

mod at;
mod cron;
mod days;
mod field;
mod jitter;
mod pattern;
mod patterns;
mod plan;
mod quiet;
mod stored;
mod text;
mod upcoming;
mod zone;

use std::{fmt, sync::Arc, time::Duration};

use chrono::{DateTime, NaiveDateTime, TimeDelta, Timelike};
use chrono_tz::Tz;

use crate::model::{JobName, Timestamp};

pub use self::{
    pattern::Pattern,
    patterns::Patterns,
    plan::{
        CatchUp, GRACE, MOST_CAUGHT_UP, Misfires, Missed, Plan, Planned, Range, Span, pass_over,
        plan,
    },
    quiet::Quiet,
    upcoming::upcoming,
};

/// Seconds in a day of the wall clock.
const DAY: i64 = 86_400;

/// Instants lie in the years 1970 to 9999, as seconds since the Unix epoch: all that a
/// clock can show, and a day's room in chrono's range for every offset.
const FIRST: i64 = 0;
const LAST: i64 = 253_402_300_799;

/// Where the built-in zone rules end; no pattern is first due after it.
const RULES: (i64, i64) = (946_684_800, 4_102_444_800);

/// When a job is due: a pattern, its zone and its jitter. Valid by construction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    when: When,
    zone: Tz,
    jitter: Duration,
}

/// The three ways to say when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum When {
    /// Cron text of 5 or 6 fields, or a nickname such as `@daily`.
    Cron(Arc<Pattern>),
    /// A period of whole seconds, counted from the Unix epoch.
    Every(Duration),
    /// Once, on the zone's wall clock.
    At(NaiveDateTime),
}

/// Why a schedule's text was refused; says which field, and what is allowed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ScheduleError(pub String);

impl Schedule {
    /// Reads cron text. For many jobs, [`Patterns`] reads equal texts once.
    ///
    /// # Errors
    /// Text that is no pattern, and a pattern that never comes (30 February).
    pub fn cron(pattern: &str, zone: Tz) -> Result<Self, ScheduleError> {
        Self::on_pattern(Arc::new(Pattern::parse(pattern)?), zone)
    }

    /// A pattern on a zone's clock.
    ///
    /// # Errors
    /// A pattern that counts real time and only ever falls into the zone's clock changes.
    fn on_pattern(pattern: Arc<Pattern>, zone: Tz) -> Result<Self, ScheduleError> {
        let (from, until) = RULES;
        if !pattern.is_fixed() && cron::next_after(&pattern, zone, from, until).is_none() {
            return Err(ScheduleError(format!(
                "hour: `{}` never comes in {zone}, whose clock skips that hour on each of its days; write another hour",
                pattern.text()
            )));
        }
        Ok(Self::new(When::Cron(pattern), zone))
    }

    /// A period, counted from the Unix epoch.
    ///
    /// # Errors
    /// A period below one second or not of whole seconds.
    pub fn every(period: Duration, zone: Tz) -> Result<Self, ScheduleError> {
        if period.as_secs() == 0 {
            return Err(ScheduleError(
                "every: the period must be at least 1s, such as `15m`".into(),
            ));
        }
        if period.subsec_nanos() != 0 {
            return Err(ScheduleError(format!(
                "every: {period:?} is not of whole seconds; write `{}s`",
                period.as_secs()
            )));
        }
        Ok(Self::new(When::Every(period), zone))
    }

    /// One instant on the zone's wall clock, such as `2026-12-24T08:00`.
    ///
    /// # Errors
    /// Text that is no date and time, names a zone of its own, or is outside 1970 to 9998.
    pub fn at(text: &str, zone: Tz) -> Result<Self, ScheduleError> {
        at::wall_time(text.trim()).map(|at| Self::new(When::At(at), zone))
    }

    fn new(when: When, zone: Tz) -> Self {
        Self {
            when,
            zone,
            jitter: Duration::ZERO,
        }
    }

    /// The same, each instant delayed by up to `jitter`.
    #[must_use]
    pub fn with_jitter(self, jitter: Duration) -> Self {
        Self { jitter, ..self }
    }

    /// The zone its wall clock is read in.
    #[must_use]
    pub fn zone(&self) -> Tz {
        self.zone
    }

    /// When it is due, without zone and jitter.
    #[must_use]
    pub fn when(&self) -> &When {
        &self.when
    }

    /// The most that an instant is delayed by.
    #[must_use]
    pub fn jitter(&self) -> Duration {
        self.jitter
    }

    /// The first nominal instant strictly after `after`; None when there is none.
    #[must_use]
    pub fn next_after(&self, after: Timestamp) -> Option<Timestamp> {
        // Instants are whole seconds: what comes after a second's fraction comes after its start.
        let after = after.timestamp().max(FIRST);
        if after >= LAST {
            return None;
        }
        let next = match &self.when {
            When::Cron(pattern) => cron::next_after(pattern, self.zone, after, LAST)?,
            When::Every(period) => {
                let period = seconds(*period);
                (after.div_euclid(period) + 1).checked_mul(period)?
            }
            When::At(at) => self.read(*at),
        };
        if next > after && next <= LAST {
            DateTime::from_timestamp(next, 0)
        } else {
            None
        }
    }

    /// The nominal instants strictly after `after`, in order; endless for most schedules.
    pub fn upcoming(&self, after: Timestamp) -> impl Iterator<Item = Timestamp> {
        std::iter::successors(self.next_after(after), |last| self.next_after(*last))
    }

    /// How many nominal instants there are after `after`, up to and with `until`.
    ///
    /// Its cost grows with the days between the two, not with the instants.
    #[must_use]
    pub fn count(&self, after: Timestamp, until: Timestamp) -> u64 {
        let from = after.timestamp().clamp(FIRST, LAST) + 1;
        let until = until.timestamp().clamp(FIRST, LAST) + 1;
        if from >= until {
            return 0;
        }
        match &self.when {
            When::Cron(pattern) => cron::count(pattern, self.zone, from, until),
            When::Every(period) => {
                let period = seconds(*period);
                let before = |instant: i64| (instant - 1).div_euclid(period);
                before(until).abs_diff(before(from))
            }
            When::At(at) => u64::from((from..until).contains(&self.read(*at))),
        }
    }

    /// The newest nominal instant after `after`, up to and with `until`.
    #[must_use]
    pub fn newest(&self, after: Timestamp, until: Timestamp) -> Option<Timestamp> {
        let edge = self.edge_of_newest(after, until, 1);
        self.next_after(edge).filter(|instant| *instant <= until)
    }

    /// An edge at or after `after`, such that exactly the `n` newest instants up to `until`
    /// come after it, or all where there are fewer.
    fn edge_of_newest(&self, after: Timestamp, until: Timestamp, n: u64) -> Timestamp {
        let holds = |edge: Timestamp| self.count(edge, until) <= n;
        let (mut width, mut inside) = (TimeDelta::hours(1), until);
        let mut outside = loop {
            let edge = until
                .checked_sub_signed(width)
                .map_or(after, |e| e.max(after));
            if !holds(edge) {
                break edge;
            }
            if edge == after {
                return after;
            }
            inside = edge;
            width = width * 4;
        };
        while inside - outside > TimeDelta::seconds(1) {
            let middle = outside + (inside - outside) / 2;
            if holds(middle) {
                inside = middle;
            } else {
                outside = middle;
            }
        }
        inside
    }

    /// True for an `at` that has passed: it will never be due.
    #[must_use]
    pub fn is_past(&self, now: Timestamp) -> bool {
        matches!(self.when, When::At(_)) && self.next_after(now).is_none()
    }

    /// When the occurrence of `scheduled_at` is due: its nominal instant and its jitter.
    #[must_use]
    pub fn due_at(&self, job: &JobName, scheduled_at: Timestamp) -> Timestamp {
        if self.jitter.is_zero() {
            return scheduled_at;
        }
        let room = self
            .next_after(scheduled_at)
            .map(|next| next - scheduled_at);
        scheduled_at + jitter::delay(job, scheduled_at, self.jitter, room)
    }

    /// The instant of a wall time: the first time it is shown, or the end of its gap.
    fn read(&self, at: NaiveDateTime) -> i64 {
        match zone::read(self.zone, at.and_utc().timestamp()) {
            zone::Wall::Once(instant) => instant,
            zone::Wall::Twice { first, .. } => first,
            zone::Wall::Never { resumes } => resumes,
        }
    }
}

/// In the user's words: `0 8 * * 1-5`, `every 15m`, `at 2026-12-24T08:00`.
impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.when {
            When::Cron(pattern) => f.write_str(pattern.text()),
            When::Every(period) => {
                let period = humantime::format_duration(*period).to_string();
                write!(f, "every {}", period.replace(' ', ""))
            }
            When::At(at) if at.second() == 0 => write!(f, "at {}", at.format("%Y-%m-%dT%H:%M")),
            When::At(at) => write!(f, "at {}", at.format("%Y-%m-%dT%H:%M:%S")),
        }
    }
}

/// A period's seconds; one longer than time itself is as long as that.
fn seconds(period: Duration) -> i64 {
    i64::try_from(period.as_secs()).unwrap_or(i64::MAX)
}
