//! Hours of each day at which a phone is left alone. Pure.

use chrono::{DateTime, Days, NaiveDate, NaiveTime};
use chrono_tz::Tz;

use super::zone::{Wall, read};
use crate::model::Timestamp;

/// From one wall clock time to another, over midnight where the second is the earlier one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quiet {
    from: NaiveTime,
    until: NaiveTime,
    zone: Tz,
}

impl Quiet {
    /// Quiet `from` a time `until` another; None where both are one, which could mean always or never.
    #[must_use]
    pub fn new(from: NaiveTime, until: NaiveTime, zone: Tz) -> Option<Self> {
        (from != until).then_some(Self { from, until, zone })
    }

    /// The end of the quiet that `now` lies in; None: it is not quiet.
    ///
    /// It lasts from the first time that the clock shows `from` to the last that it shows `until`, so a
    /// change of the clock within it makes it longer or shorter and never breaks it in two. A time
    /// that the clock skips is the instant at which it goes on.
    #[must_use]
    pub fn end(&self, now: Timestamp) -> Option<Timestamp> {
        let today = now.with_timezone(&self.zone).date_naive();
        let yesterday = today.checked_sub_days(Days::new(1));
        let nights = [yesterday, Some(today)].into_iter().flatten();
        nights
            .filter_map(|date| self.night(date))
            .find(|(from, until)| (*from..*until).contains(&now))
            .map(|(_, until)| until)
    }

    /// Where it begins and ends, if it begins on that date.
    fn night(&self, date: NaiveDate) -> Option<(Timestamp, Timestamp)> {
        let end_date = match self.until > self.from {
            true => date,
            false => date.checked_add_days(Days::new(1))?,
        };
        let from = match self.wall(date, self.from) {
            Wall::Once(at) | Wall::Twice { first: at, .. } | Wall::Never { resumes: at } => at,
        };
        let until = match self.wall(end_date, self.until) {
            Wall::Once(at) | Wall::Twice { second: at, .. } | Wall::Never { resumes: at } => at,
        };
        Some((
            DateTime::from_timestamp(from, 0)?,
            DateTime::from_timestamp(until, 0)?,
        ))
    }

    fn wall(&self, date: NaiveDate, time: NaiveTime) -> Wall {
        read(self.zone, date.and_time(time).and_utc().timestamp())
    }
}

/// `22:00-07:00 (Europe/Berlin)`.
impl std::fmt::Display for Quiet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (from, until) = (self.from.format("%H:%M"), self.until.format("%H:%M"));
        write!(f, "{from}-{until} ({})", self.zone)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quiet(from: &str, until: &str, zone: Tz) -> Quiet {
        let time = |text: &str| NaiveTime::parse_from_str(text, "%H:%M").unwrap();
        Quiet::new(time(from), time(until), zone).unwrap()
    }

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn end(quiet: Quiet, now: &str) -> String {
        let end = quiet.end(at(now));
        end.map_or_else(
            || "open".to_owned(),
            |end| end.format("%dT%H:%MZ").to_string(),
        )
    }

    #[test]
    fn a_night_goes_over_midnight() {
        let night = quiet("22:00", "07:00", Tz::Asia__Shanghai);
        for (now, wanted) in [
            ("2026-11-23T13:59:59Z", "open"),
            ("2026-11-23T14:00:00Z", "23T23:00Z"),
            ("2026-11-23T16:30:00Z", "23T23:00Z"),
            ("2026-11-23T22:59:59Z", "23T23:00Z"),
            ("2026-11-23T23:00:00Z", "open"),
        ] {
            assert_eq!(end(night, now), wanted, "{now}");
        }
    }

    #[test]
    fn a_rest_at_noon_stays_within_its_day() {
        let noon = quiet("12:00", "13:30", Tz::UTC);
        for (now, wanted) in [
            ("2026-11-23T11:59:59Z", "open"),
            ("2026-11-23T12:00:00Z", "23T13:30Z"),
            ("2026-11-23T13:30:00Z", "open"),
            ("2026-11-23T23:00:00Z", "open"),
        ] {
            assert_eq!(end(noon, now), wanted, "{now}");
        }
    }

    #[test]
    fn a_change_of_the_clock_makes_the_night_longer_or_shorter() {
        let night = quiet("22:00", "07:00", Tz::Europe__Berlin);
        // Spring: 22:00 +01:00 is 21:00Z, 07:00 +02:00 is 05:00Z.
        assert_eq!(end(night, "2027-03-27T21:00:00Z"), "28T05:00Z");
        // Autumn: 22:00 +02:00 is 20:00Z, 07:00 +01:00 is 06:00Z.
        assert_eq!(end(night, "2026-10-24T20:00:00Z"), "25T06:00Z");
    }

    #[test]
    fn times_that_the_clock_skips_or_shows_twice_break_nothing() {
        // 02:30 does not come on 2027-03-28: it is quiet until the clock goes on at 03:00 +02:00.
        assert_eq!(
            end(
                quiet("22:00", "02:30", Tz::Europe__Berlin),
                "2027-03-28T00:30:00Z"
            ),
            "28T01:00Z"
        );
        // 02:30 comes twice on 2026-10-25, at 00:30Z and 01:30Z: the last one ends it, the first begins it.
        let until = quiet("22:00", "02:30", Tz::Europe__Berlin);
        assert_eq!(end(until, "2026-10-25T00:45:00Z"), "25T01:30Z");
        let from = quiet("02:30", "06:00", Tz::Europe__Berlin);
        assert_eq!(end(from, "2026-10-25T00:45:00Z"), "25T05:00Z");
    }

    proptest::proptest! {
        #[test]
        fn its_end_is_ahead_and_the_same_all_night(
            seconds in 1_700_000_000_i64..2_100_000_000, from in 0_u32..1440, until in 0_u32..1440,
            step in 1_i64..36_000, zone in 0_usize..4,
        ) {
            let zone = [Tz::UTC, Tz::Europe__Berlin, Tz::America__New_York, Tz::Australia__Lord_Howe][zone];
            let time = |minutes: u32| NaiveTime::from_hms_opt(minutes / 60, minutes % 60, 0).unwrap();
            let Some(quiet) = Quiet::new(time(from), time(until), zone) else { return Ok(()) };
            let now = DateTime::from_timestamp(seconds, 0).unwrap();
            if let Some(end) = quiet.end(now) {
                assert!(end > now && end - now <= chrono::TimeDelta::hours(25));
                let later = now + chrono::TimeDelta::seconds(step);
                if later < end {
                    assert_eq!(quiet.end(later), Some(end));
                }
                assert!(quiet.end(end).is_none_or(|next| next > end));
            }
        }
    }
}
