//! Which times of something that goes on are told. Pure.

use chrono::TimeDelta;

use crate::{
    ledger::{Standing, Step},
    model::Timestamp,
};

/// Daily, with room for a run that fails a little sooner than the day before.
const DAY: TimeDelta = TimeDelta::hours(23);

/// How often people hear of something that goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rhythm {
    /// Each time.
    Always,
    /// The first time.
    Once,
    /// At most once a day.
    Daily,
    /// The first time, the third, and once a day.
    WhileItLasts,
}

impl Rhythm {
    /// Whether this time is told; the end is where the beginning was.
    pub(super) fn tells(self, step: Step, standing: Standing, now: Timestamp) -> bool {
        // A clock that was ahead must not silence it for years.
        let is_daily = standing.told_at.is_none_or(|at| (now - at).abs() >= DAY);
        match (step, self) {
            (Step::Over, _) => standing.told > 0,
            (Step::Happened, Self::Always) => true,
            (Step::Happened, Self::Once) => standing.told == 0,
            (Step::Happened, Self::Daily) => is_daily,
            (Step::Happened, Self::WhileItLasts) => standing.times == 3 || is_daily,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Timestamp = Timestamp::UNIX_EPOCH;

    /// Which of `times`, each so many hours after the start, are told.
    fn told(rhythm: Rhythm, hours: &[i64]) -> Vec<i64> {
        let mut standing = Standing {
            times: 0,
            since: START,
            told: 0,
            told_at: None,
        };
        let mut told = Vec::new();
        for hour in hours {
            let now = START + TimeDelta::hours(*hour);
            standing.times += 1;
            if rhythm.tells(Step::Happened, standing, now) {
                told.push(*hour);
                standing.told += 1;
                standing.told_at = Some(now);
            }
        }
        told
    }

    #[test]
    fn what_goes_on_is_told_first_the_third_time_and_then_daily() {
        let hourly: Vec<i64> = (0..60).collect();
        assert_eq!(told(Rhythm::WhileItLasts, &hourly), [0, 2, 25, 48]);
    }

    #[test]
    fn a_daily_job_that_fails_is_told_of_each_day() {
        assert_eq!(
            told(Rhythm::WhileItLasts, &[0, 24, 48, 72]),
            [0, 24, 48, 72]
        );
    }

    #[test]
    fn the_other_rhythms() {
        let hours = [0, 1, 30, 31, 60];
        assert_eq!(told(Rhythm::Always, &hours), hours);
        assert_eq!(told(Rhythm::Once, &hours), [0]);
        assert_eq!(told(Rhythm::Daily, &hours), [0, 30, 60]);
    }

    #[test]
    fn a_clock_that_was_ahead_silences_nothing() {
        assert_eq!(told(Rhythm::WhileItLasts, &[90_000, 1]), [90_000, 1]);
    }

    #[test]
    fn the_end_is_told_to_whom_the_beginning_was() {
        let standing = |told| Standing {
            times: 2,
            since: START,
            told,
            told_at: None,
        };
        assert!(Rhythm::Once.tells(Step::Over, standing(1), START));
        assert!(!Rhythm::Once.tells(Step::Over, standing(0), START));
    }
}
