//! A one-shot's date and time, as people write it.

use chrono::{Datelike, NaiveDateTime, Timelike};

use super::ScheduleError;

/// Reads a date and time of the wall clock.
///
/// # Errors
/// Text that is none, carries an offset or fractions, or is outside the years 1970 to 9998.
pub(super) fn wall_time(text: &str) -> Result<NaiveDateTime, ScheduleError> {
    let wrong = |why: &str| {
        ScheduleError(format!(
            "at: `{text}` {why}; write a wall-clock time such as `2026-12-24T08:00`"
        ))
    };
    let formats = [
        "%Y-%m-%dT%H:%M",
        "%Y-%m-%dT%H:%M:%S",
        "%Y-%m-%d %H:%M",
        "%Y-%m-%d %H:%M:%S",
    ];
    let Some(at) = formats
        .iter()
        .find_map(|format| NaiveDateTime::parse_from_str(text, format).ok())
    else {
        let time = text.split_once(['T', ' ']).map_or("", |(_, time)| time);
        return Err(wrong(if time.contains(['Z', 'z', '+', '-']) {
            "carries an offset, but is read in the job's `timezone`"
        } else if time.contains('.') {
            "carries fractions of a second"
        } else {
            "is no date and time"
        }));
    };
    // chrono reads a second 60 as a fraction beyond 59.
    if at.nanosecond() != 0 {
        return Err(wrong("is a leap second, which no clock here shows"));
    }
    if !(1970..=9998).contains(&at.year()) {
        return Err(wrong("is outside the years 1970 to 9998"));
    }
    Ok(at)
}
