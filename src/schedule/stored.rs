//! A schedule as text and back: what the ledger keeps of it, so that `audit` can walk its instants
//! long after the config has changed.

use std::time::Duration;

use chrono_tz::Tz;

use super::{Schedule, ScheduleError};

impl Schedule {
    /// The zone and the schedule, such as `Asia/Shanghai 0 8 * * 1-5`. Jitter moves no nominal
    /// instant and is not part of it.
    #[must_use]
    pub fn to_text(&self) -> String {
        format!("{} {self}", self.zone)
    }

    /// Reads what [`Self::to_text`] wrote.
    ///
    /// # Errors
    /// Text that it did not write, or whose zone the built-in tzdata no longer has.
    pub fn from_text(text: &str) -> Result<Self, ScheduleError> {
        let odd = || ScheduleError(format!("`{text}` is no stored schedule"));
        let (zone, when) = text.split_once(' ').ok_or_else(odd)?;
        let zone: Tz = zone.parse().map_err(|_| odd())?;
        if let Some(period) = when.strip_prefix("every ") {
            let period: Duration = humantime::parse_duration(period).map_err(|_| odd())?;
            return Self::every(period, zone);
        }
        match when.strip_prefix("at ") {
            Some(at) => Self::at(at, zone),
            None => Self::cron(when, zone),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schedule_survives_its_text() {
        let zone = chrono_tz::Asia::Shanghai;
        for schedule in [
            Schedule::cron("0 8 * * 1-5", zone),
            Schedule::cron("*/10 0 8 L * *", zone),
            Schedule::cron("@daily", zone),
            Schedule::every(Duration::from_secs(90_061), zone),
            Schedule::at("2026-12-24T08:00", zone),
            Schedule::at("2026-12-24T08:00:07", zone),
        ] {
            let schedule = schedule.unwrap();
            assert_eq!(Schedule::from_text(&schedule.to_text()), Ok(schedule));
        }
    }

    #[test]
    fn other_text_is_refused() {
        for text in [
            "",
            "0 8 * * *",
            "Mars/Base 0 8 * * *",
            "UTC every now",
            "UTC at noon",
        ] {
            assert!(Schedule::from_text(text).is_err(), "{text}");
        }
    }
}
