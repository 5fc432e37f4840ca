//! A zone's wall clock to instants and back, and the stretches between its clock changes.
//!
//! Instants are seconds since the Unix epoch, walls are the same count on the wall clock.

use chrono::{DateTime, MappedLocalTime, NaiveDateTime, Offset, TimeZone};
use chrono_tz::{GapInfo, Tz};

use super::DAY;

/// What a reading of the wall clock means.
pub(super) enum Wall {
    /// One instant.
    Once(i64),
    /// Autumn: the clock showed it twice.
    Twice { first: i64, second: i64 },
    /// Spring: the clock skipped it; the first instant after the gap.
    Never { resumes: i64 },
}

/// A stretch of time `from..until` with one offset.
pub(super) struct Stretch {
    pub(super) from: i64,
    pub(super) until: i64,
    pub(super) offset: i64,
    /// The offset of the stretch before; the same where that one is not known.
    pub(super) previous: i64,
}

pub(super) fn offset_at(zone: Tz, instant: i64) -> i64 {
    let offset = zone.offset_from_utc_datetime(&naive(instant));
    i64::from(offset.fix().local_minus_utc())
}

pub(super) fn read(zone: Tz, wall: i64) -> Wall {
    let seconds = |offset: &<Tz as TimeZone>::Offset| i64::from(offset.fix().local_minus_utc());
    match zone.offset_from_local_datetime(&naive(wall)) {
        MappedLocalTime::Single(offset) => Wall::Once(wall - seconds(&offset)),
        MappedLocalTime::Ambiguous(a, b) => {
            let (a, b) = (wall - seconds(&a), wall - seconds(&b));
            Wall::Twice {
                first: a.min(b),
                second: a.max(b),
            }
        }
        MappedLocalTime::None => Wall::Never {
            resumes: GapInfo::new(&naive(wall), &zone)
                .and_then(|gap| gap.end)
                .expect("a skipped wall time lies in a gap that ends")
                .timestamp(),
        },
    }
}

/// The first instant after `from`, up to `until`, whose offset is another than at `from`.
/// There must be at most one clock change between the two.
pub(super) fn change_between(zone: Tz, from: i64, until: i64) -> Option<i64> {
    let before = offset_at(zone, from);
    if offset_at(zone, until) == before {
        return None;
    }
    let (mut old, mut new) = (from, until);
    while new - old > 1 {
        let middle = old + (new - old) / 2;
        if offset_at(zone, middle) == before {
            old = middle;
        } else {
            new = middle;
        }
    }
    Some(new)
}

/// The stretches of `from..until`, in order. Days are probed: no zone changes its clock
/// twice within one and back to where it was.
pub(super) fn stretches(zone: Tz, from: i64, until: i64) -> impl Iterator<Item = Stretch> {
    let mut start = from;
    let mut previous = offset_at(zone, from);
    std::iter::from_fn(move || {
        if start >= until {
            return None;
        }
        let offset = offset_at(zone, start);
        let end = stretch_end(zone, start, until);
        let stretch = Stretch {
            from: start,
            until: end,
            offset,
            previous,
        };
        (start, previous) = (end, offset);
        Some(stretch)
    })
}

fn stretch_end(zone: Tz, from: i64, until: i64) -> i64 {
    let mut known = from;
    while known < until {
        let probe = until.min(known + DAY);
        if let Some(change) = change_between(zone, known, probe) {
            return change;
        }
        known = probe;
    }
    until
}

fn naive(seconds: i64) -> NaiveDateTime {
    DateTime::from_timestamp(seconds, 0)
        .expect("schedules keep to the years 1970 to 9999")
        .naive_utc()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `read` and the counting lean on this and on no change being longer than a day.
    #[test]
    fn every_gap_of_every_zone_ends_at_its_clock_change() {
        let (from, until) = (-2 * DAY, 4_102_444_800);
        let mut gaps = 0;
        for zone in chrono_tz::TZ_VARIANTS {
            let mut changes = 0;
            for Stretch {
                from: change,
                offset,
                previous,
                ..
            } in stretches(zone, from, until)
            {
                assert!((offset - previous).abs() <= DAY, "{zone} at {change}");
                changes += 1;
                for wall in [change + previous, change + offset - 1] {
                    match read(zone, wall) {
                        Wall::Never { resumes } if previous < offset => {
                            assert_eq!(resumes, change, "{zone} at {wall}");
                            gaps += 1;
                        }
                        _ => assert!(previous >= offset, "{zone} at {wall}"),
                    }
                }
            }
            assert!(changes > 0, "{zone}");
        }
        assert!(gaps > 10_000, "{gaps}");
    }
}
