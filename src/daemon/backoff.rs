//! When a failed attempt is made again. Pure.
//!
//! Source: run-semantics, "Retry": asking waits 10 s, 30 s, 90 s … with full jitter, at most
//! 15 min; a push 1, 2, 4 s … with jitter, at most 1 h.

use std::time::Duration;

use crate::model::Timestamp;

const ASK_MOST: f64 = 15.0 * 60.0;
const PUSH_MOST: f64 = 60.0 * 60.0;

/// Nothing is tried again sooner: full jitter may draw a zero.
const LEAST: f64 = 1.0;

/// When the next attempt at asking comes, after `failed` attempts; None when that would be after
/// `deadline`.
///
/// `roll` in 0..1 is the jitter. `token_back_at` is when the first token is usable again: sooner
/// than the backoff, it counts; no attempt is made before it.
pub(super) fn next_ask(
    now: Timestamp,
    failed: i64,
    deadline: Timestamp,
    token_back_at: Option<Timestamp>,
    roll: f64,
) -> Option<Timestamp> {
    let at = match token_back_at {
        Some(back) => back.max(now + seconds(LEAST)),
        None => now + seconds((10.0 * power(3.0, failed)).min(ASK_MOST) * roll),
    };
    (at <= deadline).then_some(at)
}

/// When a push is sent again, after `failed` attempts; None when that would be after `deadline`.
pub(super) fn next_push(
    now: Timestamp,
    failed: i64,
    deadline: Timestamp,
    not_before: Timestamp,
    roll: f64,
) -> Option<Timestamp> {
    let wait = power(2.0, failed).min(PUSH_MOST);
    // Half of it is fixed: a server that is down is not asked again at once.
    let at = (now + seconds(wait / 2.0 + wait / 2.0 * roll)).max(not_before);
    (at <= deadline).then_some(at)
}

fn power(base: f64, failed: i64) -> f64 {
    let exponent = i32::try_from(failed - 1).unwrap_or(i32::MAX).clamp(0, 30);
    base.powi(exponent)
}

fn seconds(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds.max(LEAST))
}

/// A number in 0..1 that differs from call to call.
pub(super) fn roll() -> f64 {
    use std::hash::{BuildHasher, RandomState};
    let bits = RandomState::new().hash_one(0_u8) >> 11;
    // 53 bits: every one of them fits a double exactly.
    bits as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    fn far() -> Timestamp {
        NOW + TimeDelta::days(365)
    }

    fn ask_waits(roll: f64) -> Vec<i64> {
        (1..=6)
            .map(|failed| next_ask(NOW, failed, far(), None, roll).unwrap())
            .map(|at| (at - NOW).num_seconds())
            .collect()
    }

    #[test]
    fn asking_waits_three_times_longer_each_time_up_to_a_quarter_hour() {
        assert_eq!(ask_waits(1.0), [10, 30, 90, 270, 810, 900]);
    }

    #[test]
    fn full_jitter_never_draws_less_than_a_second() {
        assert_eq!(ask_waits(0.0), [1, 1, 1, 1, 1, 1]);
    }

    #[test]
    fn a_token_that_is_back_later_sets_the_instant() {
        let back = NOW + TimeDelta::seconds(70);
        assert_eq!(next_ask(NOW, 5, far(), Some(back), 1.0), Some(back));
    }

    #[test]
    fn no_attempt_is_planned_past_the_deadline() {
        assert_eq!(
            next_ask(NOW, 1, NOW + TimeDelta::seconds(9), None, 1.0),
            None
        );
        assert_eq!(next_push(NOW, 1, NOW, NOW, 1.0), None);
    }

    #[test]
    fn a_push_waits_twice_as_long_each_time_up_to_an_hour() {
        let waits: Vec<i64> = [1, 2, 3, 12, 13, 40]
            .map(|failed| next_push(NOW, failed, far(), NOW, 1.0).unwrap())
            .map(|at| (at - NOW).num_seconds())
            .into();
        assert_eq!(waits, [1, 2, 4, 2048, 3600, 3600]);
    }

    #[test]
    fn a_push_waits_for_what_the_server_asks() {
        let not_before = NOW + TimeDelta::hours(8);
        assert_eq!(next_push(NOW, 1, far(), not_before, 0.5), Some(not_before));
    }

    #[test]
    fn a_roll_lies_between_zero_and_one() {
        assert!((0..1000).map(|_| roll()).all(|r| (0.0..1.0).contains(&r)));
    }
}
