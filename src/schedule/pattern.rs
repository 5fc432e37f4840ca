//! A cron pattern in 160 bytes: croner reads the text, bit sets answer the questions.
//!
//! A parsed croner `Cron` takes 5.6 KB, too much for 10,000 different patterns. Which days
//! match depends only on a month's length and the weekday it begins with, so croner's own
//! answers for those 28 kinds of month are kept as a table; no day rule is written twice.

use std::fmt;

use chrono::{DateTime, Datelike, NaiveDate};
use croner::{
    Weekday,
    parser::{CronParser, Seconds, Year},
};

use super::{
    ScheduleError,
    text::{self, DAY_OF_MONTH, DAY_OF_WEEK, FIELDS},
};

/// Seconds in a day of the wall clock.
pub(super) const DAY: i64 = 86_400;

/// The calendar repeats every 400 years: what does not come within them never comes.
const MONTHS_OF_ALL_KINDS: usize = 400 * 12;

/// A cron pattern, parsed. Walls here are seconds of the wall clock, as if it showed UTC.
#[derive(PartialEq, Eq)]
pub struct Pattern {
    text: Box<str>,
    /// Neither minute nor hour holds a `*`: Vixie's rule for clock changes applies.
    is_fixed: bool,
    seconds: u64,
    minutes: u64,
    hours: u32,
    months: u16,
    /// Bit `day` of `[length - 28][weekday of the 1st, Sunday = 0]`.
    days: [[u32; 7]; 4],
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
        let cron = parse_fields(fields)?;
        let parsed = &cron.pattern;
        let pattern = Self {
            text: text.trim().into(),
            is_fixed: !fields[1].contains('*') && !fields[2].contains('*'),
            seconds: bits(&parsed.seconds.values()),
            minutes: bits(&parsed.minutes.values()),
            hours: low_half(bits(&parsed.hours.values())),
            months: low_quarter(bits(&parsed.months.values())),
            days: day_table(parsed)?,
        };
        if pattern.has_day() {
            Ok(pattern)
        } else {
            Err(never(fields))
        }
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
        let (day, time) = (wall.div_euclid(DAY), wall.rem_euclid(DAY));
        let mut month = Month::of(day)?;
        let today = day - month.first_day;
        let mut days = self.days_in(month) >> (today + 1);
        if days & 1 == 1
            && let Some(time) = self.next_time(time)
        {
            return Some(day * DAY + time);
        }
        // Bit 0 is today, which is done; from the next month on it is the day before the 1st.
        days &= !1;
        let mut base = day;
        for _ in 0..=MONTHS_OF_ALL_KINDS {
            if days != 0 {
                let midnight = (base + i64::from(days.trailing_zeros())) * DAY;
                return Some(midnight + self.next_time(0)?);
            }
            month = month.next()?;
            days = self.days_in(month);
            base = month.first_day - 1;
        }
        None
    }

    /// How many walls in `from..until` match.
    pub(super) fn walls_between(&self, from: i64, until: i64) -> u64 {
        if from >= until {
            return 0;
        }
        let (first, last) = (from.div_euclid(DAY), until.div_euclid(DAY));
        let whole = self.days_between(first, last) * self.times_before(DAY);
        whole + self.walls_of_day_before(until) - self.walls_of_day_before(from)
    }

    /// How many walls match on the day of `wall` before it.
    fn walls_of_day_before(&self, wall: i64) -> u64 {
        let day = wall.div_euclid(DAY);
        self.days_between(day, day + 1) * self.times_before(wall.rem_euclid(DAY))
    }

    /// How many days of `first..last` match; both count from the Unix epoch.
    fn days_between(&self, first: i64, last: i64) -> u64 {
        let mut count = 0;
        let mut day = first;
        while day < last {
            let Some(month) = Month::of(day) else { break };
            let end = last.min(month.first_day + i64::from(month.length));
            let from_bit = day - month.first_day + 1;
            let days = self.days_in(month) >> from_bit & low_bits(end - day);
            count += u64::from(days.count_ones());
            day = end;
        }
        count
    }

    /// The matching days of a month, as bits 1 to 31.
    fn days_in(&self, month: Month) -> u32 {
        if self.months >> month.number & 1 == 0 {
            return 0;
        }
        self.days[month.length as usize - 28][month.begins as usize]
    }

    /// The first matching time of day at or after `time`, in seconds.
    fn next_time(&self, time: i64) -> Option<i64> {
        let (h, m, s) = (time / 3600, time / 60 % 60, time % 60);
        let hours = u64::from(self.hours);
        if hours >> h & 1 == 1 {
            if self.minutes >> m & 1 == 1
                && let Some(second) = bit_from(self.seconds, s)
            {
                return Some(h * 3600 + m * 60 + second);
            }
            if let Some(minute) = bit_from(self.minutes, m + 1) {
                return Some(h * 3600 + minute * 60 + bit_from(self.seconds, 0)?);
            }
        }
        let hour = bit_from(hours, h + 1)?;
        Some(hour * 3600 + bit_from(self.minutes, 0)? * 60 + bit_from(self.seconds, 0)?)
    }

    /// How many times of day before `time` match, in seconds up to a whole day.
    fn times_before(&self, time: i64) -> u64 {
        let (h, m, s) = (time / 3600, time / 60 % 60, time % 60);
        let hours = u64::from(self.hours);
        let a_minute = u64::from(self.seconds.count_ones());
        let an_hour = u64::from(self.minutes.count_ones()) * a_minute;
        let mut count = ones_below(hours, h) * an_hour;
        if hours >> h & 1 == 1 {
            count += ones_below(self.minutes, m) * a_minute;
            if self.minutes >> m & 1 == 1 {
                count += ones_below(self.seconds, s);
            }
        }
        count
    }

    /// Whether any day of any year matches: every kind of month comes within 400 years.
    fn has_day(&self) -> bool {
        (1..=12).filter(|m| self.months >> m & 1 == 1).any(|m| {
            let lengths = match m {
                2 => 0..2,
                4 | 6 | 9 | 11 => 2..3,
                _ => 3..4,
            };
            self.days[lengths].as_flattened().iter().any(|d| *d != 0)
        })
    }
}

fn parse_fields(fields: [&str; 6]) -> Result<croner::Cron, ScheduleError> {
    let parser = CronParser::builder()
        .seconds(Seconds::Required)
        .year(Year::Disallowed)
        .build();
    parser
        .parse(&fields.join(" "))
        .map_err(|whole| blame(&parser, fields, &whole.to_string()))
}

/// croner's error with the field it is about: the one that fails among `*`s.
fn blame(parser: &CronParser, fields: [&str; 6], whole: &str) -> ScheduleError {
    for (index, text) in fields.into_iter().enumerate() {
        let mut alone = ["*"; 6];
        alone[index] = text;
        if let Err(e) = parser.parse(&alone.join(" ")) {
            let name = FIELDS[index].name;
            return ScheduleError(format!(
                "{name}: `{text}` is not allowed: {}",
                plain(&e.to_string())
            ));
        }
    }
    ScheduleError(plain(whole))
}

/// croner's message in the manner of ours: lower case, no full stop, no inner type's name.
fn plain(message: &str) -> String {
    let message = message.strip_prefix("Component error: ").unwrap_or(message);
    let message = message.trim_end_matches('.');
    let mut chars = message.chars();
    let first = chars.next().map(|c| c.to_ascii_lowercase());
    first.into_iter().chain(chars).collect()
}

fn never(fields: [&str; 6]) -> ScheduleError {
    let (dom, month, dow) = (fields[DAY_OF_MONTH], fields[4], fields[DAY_OF_WEEK]);
    let why = if dow.eq_ignore_ascii_case("l") {
        "day-of-week: `L` alone names no day; write `6L` for the last Saturday, or `L` as the day-of-month".into()
    } else if dow.starts_with('+') {
        format!(
            "day-of-month and day-of-week: `{dom}` and `{dow}` never come together in month `{month}`; remove the `+`, or change one of them"
        )
    } else {
        format!("day-of-month: `{dom}` never comes in month `{month}`; change one of them")
    };
    ScheduleError(why)
}

/// croner's answer for each day of each kind of month.
fn day_table(parsed: &croner::CronPattern) -> Result<[[u32; 7]; 4], ScheduleError> {
    let depends_on_length = parsed.days.has_modifiers() || parsed.days_of_week.has_modifiers();
    let mut table = [[0; 7]; 4];
    for begins in 0..7_u8 {
        let longest = days_of(parsed, 31, begins)?;
        for (index, length) in (28..=31_u8).enumerate() {
            table[index][usize::from(begins)] = if depends_on_length {
                days_of(parsed, length, begins)?
            } else {
                longest & (low_bits(i64::from(length)) << 1)
            };
        }
    }
    Ok(table)
}

fn days_of(parsed: &croner::CronPattern, length: u8, begins: u8) -> Result<u32, ScheduleError> {
    // Months of the four lengths; the weekday is given to croner beside the date.
    let (year, month) = match length {
        28 => (2023, 2),
        29 => (2024, 2),
        30 => (2024, 4),
        _ => (2024, 1),
    };
    let mut days = 0;
    for day in 1..=u32::from(length) {
        let weekday = WEEKDAYS[(usize::from(begins) + day as usize - 1) % 7];
        let matches = parsed
            .day_match(year, month, day, weekday)
            .map_err(|e| ScheduleError(plain(&e.to_string())))?;
        days |= u32::from(matches) << day;
    }
    Ok(days)
}

const WEEKDAYS: [Weekday; 7] = [
    Weekday::Sunday,
    Weekday::Monday,
    Weekday::Tuesday,
    Weekday::Wednesday,
    Weekday::Thursday,
    Weekday::Friday,
    Weekday::Saturday,
];

/// A month of the calendar.
#[derive(Clone, Copy)]
struct Month {
    /// Its 1st, in days since the Unix epoch.
    first_day: i64,
    number: u32,
    length: u32,
    /// The weekday of its 1st, Sunday = 0.
    begins: u32,
}

impl Month {
    fn of(day: i64) -> Option<Self> {
        let date = DateTime::from_timestamp(day * DAY, 0)?.date_naive();
        Some(Self::starting(date, day - i64::from(date.day0())))
    }

    fn next(self) -> Option<Self> {
        Self::of(self.first_day + i64::from(self.length))
    }

    fn starting(date: NaiveDate, first_day: i64) -> Self {
        Self {
            first_day,
            number: date.month(),
            length: u32::from(date.num_days_in_month()),
            // 1970-01-01 was a Thursday.
            begins: u32::try_from((first_day + 4).rem_euclid(7)).unwrap_or(0),
        }
    }
}

fn bits(values: &[u16]) -> u64 {
    values.iter().fold(0, |bits, v| bits | 1 << v)
}

/// The hours: croner's are below 24.
#[expect(clippy::cast_possible_truncation, reason = "no hour is above 23")]
fn low_half(bits: u64) -> u32 {
    bits as u32
}

/// The months: croner's are below 13.
#[expect(clippy::cast_possible_truncation, reason = "no month is above 12")]
fn low_quarter(bits: u64) -> u16 {
    bits as u16
}

/// The lowest bit at or above `from`.
fn bit_from(bits: u64, from: i64) -> Option<i64> {
    let rest = bits >> from;
    (rest != 0).then(|| from + i64::from(rest.trailing_zeros()))
}

fn ones_below(bits: u64, limit: i64) -> u64 {
    u64::from((bits & ((1 << limit) - 1)).count_ones())
}

/// `count` ones, at most 31.
fn low_bits(count: i64) -> u32 {
    (1 << count) - 1
}
