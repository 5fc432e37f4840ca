//! A cron pattern in 160 bytes: croner reads the text, bit sets answer the questions.
//!
//! A parsed croner `Cron` takes 5.6 KB, too much for 10,000 different patterns.

use std::fmt;

use croner::CronComponent;

use super::{DAY, ScheduleError, days::Days, text};

/// A cron pattern, parsed. Walls here are seconds of the wall clock, as if it showed UTC.
#[derive(PartialEq, Eq)]
pub struct Pattern {
    text: Box<str>,
    /// Neither minute nor hour holds a `*`: Vixie's rule for clock changes applies.
    is_fixed: bool,
    seconds: u64,
    minutes: u64,
    hours: u64,
    days: Days,
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pattern({})", self.text)
    }
}

impl Pattern {
    /// Reads cron text.
    ///
    /// # Errors
    /// Text that is no pattern, and a pattern whose day never comes; the field is named.
    pub(super) fn parse(text: &str) -> Result<Self, ScheduleError> {
        let fields = text::fields(text)?;
        let cron = text::parse(fields)?;
        let days = Days::of(&cron.pattern)?;
        if !days.any() {
            return Err(text::never(fields));
        }
        let [_, minute, hour, ..] = fields;
        Ok(Self {
            text: text.trim().into(),
            is_fixed: !minute.contains('*') && !hour.contains('*'),
            seconds: bits(&cron.pattern.seconds),
            minutes: bits(&cron.pattern.minutes),
            hours: bits(&cron.pattern.hours),
            days,
        })
    }

    /// The pattern in the user's words.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// Whether Vixie's rule for clock changes applies.
    pub(super) fn is_fixed(&self) -> bool {
        self.is_fixed
    }

    /// The first matching wall at or after `wall`.
    pub(super) fn next_wall(&self, wall: i64) -> Option<i64> {
        let (today, time) = (wall.div_euclid(DAY), wall.rem_euclid(DAY));
        let day = self.days.next(today)?;
        if day == today
            && let Some(time) = self.next_time(time)
        {
            return Some(today * DAY + time);
        }
        let day = self.days.next(day.max(today + 1))?;
        Some(day * DAY + self.next_time(0)?)
    }

    /// How many walls in `from..until` match.
    pub(super) fn walls_between(&self, from: i64, until: i64) -> u64 {
        if from >= until {
            return 0;
        }
        let (first, last) = (from.div_euclid(DAY), until.div_euclid(DAY));
        let whole = self.days.between(first, last) * self.times_before(DAY);
        whole + self.walls_of_day_before(until) - self.walls_of_day_before(from)
    }

    /// How many walls match on the day of `wall` before it.
    fn walls_of_day_before(&self, wall: i64) -> u64 {
        let day = wall.div_euclid(DAY);
        self.days.between(day, day + 1) * self.times_before(wall.rem_euclid(DAY))
    }

    /// The first matching time of day at or after `time`, in seconds.
    fn next_time(&self, time: i64) -> Option<i64> {
        let (h, m, s) = (time / 3600, time / 60 % 60, time % 60);
        if self.hours >> h & 1 == 1 {
            if self.minutes >> m & 1 == 1
                && let Some(second) = bit_from(self.seconds, s)
            {
                return Some(h * 3600 + m * 60 + second);
            }
            if let Some(minute) = bit_from(self.minutes, m + 1) {
                return Some(h * 3600 + minute * 60 + bit_from(self.seconds, 0)?);
            }
        }
        let hour = bit_from(self.hours, h + 1)?;
        Some(hour * 3600 + bit_from(self.minutes, 0)? * 60 + bit_from(self.seconds, 0)?)
    }

    /// How many times of day before `time` match, in seconds up to a whole day.
    fn times_before(&self, time: i64) -> u64 {
        let (h, m, s) = (time / 3600, time / 60 % 60, time % 60);
        let a_minute = u64::from(self.seconds.count_ones());
        let an_hour = u64::from(self.minutes.count_ones()) * a_minute;
        let mut count = ones_below(self.hours, h) * an_hour;
        if self.hours >> h & 1 == 1 {
            count += ones_below(self.minutes, m) * a_minute;
            if self.minutes >> m & 1 == 1 {
                count += ones_below(self.seconds, s);
            }
        }
        count
    }
}

fn bits(component: &CronComponent) -> u64 {
    component.values().iter().fold(0, |bits, v| bits | 1 << v)
}

/// The lowest bit at or above `from`.
fn bit_from(bits: u64, from: i64) -> Option<i64> {
    let rest = bits >> from;
    (rest != 0).then(|| from + i64::from(rest.trailing_zeros()))
}

fn ones_below(bits: u64, limit: i64) -> u64 {
    u64::from((bits & ((1 << limit) - 1)).count_ones())
}
