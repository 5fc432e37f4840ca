//! Which days a pattern matches, and the calendar they lie in.
//!
//! Whether a day matches depends only on its month's number, its length and the weekday it
//! begins with, so croner's own answers for the 28 kinds of month are kept as a table: no
//! day rule is written twice.

use chrono::{DateTime, Datelike, NaiveDate};
use croner::Weekday;

use super::{DAY, ScheduleError, text};

/// The calendar repeats every 400 years: what does not come within them never comes.
const MONTHS_OF_ALL_KINDS: usize = 400 * 12;

/// The matching days of every month there is.
#[derive(PartialEq, Eq)]
pub(super) struct Days {
    /// Bits 1 to 12.
    months: u16,
    /// Bit `day` of `[length - 28][weekday of the 1st, Sunday = 0]`.
    table: [[u32; 7]; 4],
}

impl Days {
    /// Asks croner for each day of each kind of month.
    pub(super) fn of(parsed: &croner::CronPattern) -> Result<Self, ScheduleError> {
        Ok(Self {
            months: parsed
                .months
                .values()
                .iter()
                .fold(0, |bits, m| bits | 1 << m),
            table: table(parsed)?,
        })
    }

    /// The matching days of a month, as bits 1 to 31.
    fn in_month(&self, month: Month) -> u32 {
        if self.months >> month.number & 1 == 0 {
            return 0;
        }
        self.table[month.length as usize - 28][month.begins as usize]
    }

    /// The first matching day at or after `day`; days count from the Unix epoch.
    pub(super) fn next(&self, day: i64) -> Option<i64> {
        let mut month = Month::of(day)?;
        let mut from = day;
        for _ in 0..=MONTHS_OF_ALL_KINDS {
            let days = self.in_month(month) >> (from - month.first_day + 1);
            if days != 0 {
                return Some(from + i64::from(days.trailing_zeros()));
            }
            month = month.next()?;
            from = month.first_day;
        }
        None
    }

    /// How many days of `first..last` match.
    pub(super) fn between(&self, first: i64, last: i64) -> u64 {
        let mut count = 0;
        let mut day = first;
        while day < last {
            let Some(month) = Month::of(day) else { break };
            let end = last.min(month.first_day + i64::from(month.length));
            let from_bit = day - month.first_day + 1;
            let days = self.in_month(month) >> from_bit & low_bits(end - day);
            count += u64::from(days.count_ones());
            day = end;
        }
        count
    }

    /// Whether any day of any year matches: every kind of month comes within 400 years.
    pub(super) fn any(&self) -> bool {
        (1..=12).filter(|m| self.months >> m & 1 == 1).any(|m| {
            let lengths = match m {
                2 => 0..2,
                4 | 6 | 9 | 11 => 2..3,
                _ => 3..4,
            };
            self.table[lengths].as_flattened().iter().any(|d| *d != 0)
        })
    }
}

fn table(parsed: &croner::CronPattern) -> Result<[[u32; 7]; 4], ScheduleError> {
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
            .map_err(|e| ScheduleError(text::plain(&e.to_string())))?;
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
    /// The month of a day.
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

/// `count` ones, at most 31.
fn low_bits(count: i64) -> u32 {
    (1 << count) - 1
}
