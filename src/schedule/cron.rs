//! A pattern on a zone's clock: the next instant, and how many there are.
//!
//! The rule is Vixie's. A pattern with a `*` in minute or hour counts real time: it comes
//! whenever the wall clock shows a matching reading, twice in a repeated hour, never in a
//! skipped one. A fixed one comes once for each matching reading: the first time it is
//! shown, and at the first instant after a gap for all that the gap swallowed.

use chrono_tz::Tz;

use super::{
    DAY,
    pattern::Pattern,
    zone::{self, Stretch, Wall},
};

/// The first instant strictly after `after`, at most `limit`.
pub(super) fn next_after(pattern: &Pattern, zone: Tz, after: i64, limit: i64) -> Option<i64> {
    let wall = after + zone::offset_at(zone, after);
    let ahead = walk(pattern, zone, after, wall + 1, limit);
    if pattern.is_fixed() {
        return ahead;
    }
    match zone::read(zone, wall) {
        Wall::Twice { first, second } if first == after => {
            let again = second_pass(pattern, zone, first, second, limit);
            ahead.into_iter().chain(again).min()
        }
        _ => ahead,
    }
}

/// Walks the wall clock from `wall` to the first reading that is an instant after `after`.
fn walk(pattern: &Pattern, zone: Tz, after: i64, mut wall: i64, limit: i64) -> Option<i64> {
    loop {
        wall = pattern
            .next_wall(wall)
            .filter(|wall| *wall <= limit + DAY)?;
        let instant = match zone::read(zone, wall) {
            Wall::Once(instant) => instant,
            Wall::Twice { first, second } if first <= after && !pattern.is_fixed() => second,
            Wall::Twice { first, .. } => first,
            Wall::Never { resumes } if pattern.is_fixed() => resumes,
            Wall::Never { resumes } => {
                wall = resumes + zone::offset_at(zone, resumes);
                continue;
            }
        };
        if instant > after {
            return Some(instant).filter(|instant| *instant <= limit);
        }
        wall += 1;
    }
}

/// The first instant of the second pass through a repeated hour, seen from the first pass.
fn second_pass(pattern: &Pattern, zone: Tz, first: i64, second: i64, limit: i64) -> Option<i64> {
    let change = zone::change_between(zone, first, second)?;
    let wall = change + zone::offset_at(zone, change);
    walk(pattern, zone, change - 1, wall, limit)
}

/// How many instants there are in `from..until`.
pub(super) fn count(pattern: &Pattern, zone: Tz, from: i64, until: i64) -> u64 {
    if from >= until {
        return 0;
    }
    // No clock was ever changed by more than a day, so a change that still matters at
    // `from` lies less than two days back.
    zone::stretches(zone, from - 2 * DAY, until)
        .map(|stretch| count_in(pattern, &stretch, from))
        .sum()
}

/// How many instants of a stretch are at or after `from`.
fn count_in(pattern: &Pattern, stretch: &Stretch, from: i64) -> u64 {
    let Stretch {
        offset, previous, ..
    } = *stretch;
    let start = stretch.from.max(from);
    let end = stretch.until + offset;
    if !pattern.is_fixed() {
        return pattern.walls_between(start + offset, end);
    }
    // Readings below this were shown before the clock went back.
    let fresh = stretch.from + offset.max(previous);
    let seen = pattern.walls_between((start + offset).max(fresh), end);
    let gap_ends_here = previous < offset && start == stretch.from;
    if !gap_ends_here {
        return seen;
    }
    let skipped = pattern.walls_between(start + previous, start + offset) > 0;
    let shown = pattern.walls_between(start + offset, start + offset + 1) > 0;
    seen + u64::from(skipped && !shown)
}
