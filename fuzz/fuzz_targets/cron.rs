//! No schedule makes reading or walking it panic or hang; instants only ever move forward, and
//! what the ledger keeps of a schedule is the same schedule.
//! `cargo +nightly fuzz run cron -- -max_total_time=600 -timeout=5`

#![no_main]

use chrono::TimeDelta;
use chrono_tz::{TZ_VARIANTS, Tz};
use libfuzzer_sys::fuzz_target;
use promptcron::{model::Timestamp, schedule::Schedule};

fuzz_target!(|input: (u16, u32, &str)| {
    let (zone, after, text) = input;
    let zone: Tz = TZ_VARIANTS[usize::from(zone) % TZ_VARIANTS.len()];
    let after = Timestamp::from_timestamp(after.into(), 0).expect("an instant");
    for schedule in [Schedule::cron(text, zone), Schedule::at(text, zone)] {
        let Ok(schedule) = schedule else { continue };
        let mut last = after;
        for instant in schedule.upcoming(after).take(4) {
            assert!(
                instant > last,
                "{text:?} goes back from {last} to {instant}"
            );
            // Their cost grows with the days between: a daemon looks back on years, not centuries.
            if instant - after < TimeDelta::days(10 * 365) {
                assert_eq!(
                    schedule.count(last, instant),
                    1,
                    "{text:?} between two instants"
                );
                assert_eq!(schedule.newest(after, instant), Some(instant));
            }
            last = instant;
        }
        let stored = Schedule::from_text(&schedule.to_text());
        assert_eq!(stored.as_ref(), Ok(&schedule), "{text:?}");
    }
    let _ = Schedule::from_text(text);
});
