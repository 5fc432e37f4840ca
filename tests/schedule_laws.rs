//! Laws of schedules and plans, over random patterns, zones, jitters and outages.
#![expect(
    clippy::unwrap_used,
    reason = "clippy knows a test only by its attribute, not its helpers"
)]

use std::{collections::BTreeSet, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;
use promptcron::{
    model::JobName,
    schedule::{
        CatchUp, GRACE, MOST_CAUGHT_UP, Misfires, Missed, Plan, Planned, Schedule, pass_over, plan,
    },
};
use proptest::{prelude::*, sample::select};

type Instant = DateTime<Utc>;

prop_compose! {
    fn cron_text()(
        second in select(vec!["", "", "", "0 ", "*/20 ", "5,35 "]),
        minute in select(vec!["*", "*/5", "*/17", "0", "30", "0,30", "10-50/20", "59", "7"]),
        hour in select(vec!["*", "*/2", "1-23/3", "0", "2", "1,2,3", "8-18", "23"]),
        dom in select(vec!["*", "*", "*", "1", "L", "15W", "LW", "*/9", "10-20", "31W"]),
        month in select(vec!["*", "*", "*", "3,10", "1,9", "jan-jun", "11,12"]),
        dow in select(vec!["*", "*", "*", "1-5", "0", "sat-sun", "5L", "2#2", "+1"]),
    ) -> String {
        format!("{second}{minute} {hour} {dom} {month} {dow}")
    }
}

fn zone() -> impl Strategy<Value = Tz> {
    select(vec![
        Tz::UTC,
        Tz::Europe__Berlin,
        Tz::America__New_York,
        Tz::Australia__Lord_Howe,
        Tz::Africa__Casablanca,
        Tz::Asia__Shanghai,
        Tz::America__St_Johns,
    ])
}

fn schedule() -> impl Strategy<Value = Schedule> {
    let cron = (cron_text(), zone()).prop_map(|(text, zone)| Schedule::cron(&text, zone).unwrap());
    let every =
        (1_u64..200_000).prop_map(|s| Schedule::every(Duration::from_secs(s), Tz::UTC).unwrap());
    let at = (instant(), zone()).prop_map(|(at, zone)| {
        Schedule::at(&at.format("%Y-%m-%dT%H:%M").to_string(), zone).unwrap()
    });
    let jitter = prop_oneof![Just(0_u64), 1_u64..100, 1_u64..7_200];
    (prop_oneof![6 => cron, 2 => every, 1 => at], jitter)
        .prop_map(|(schedule, jitter)| schedule.with_jitter(Duration::from_secs(jitter)))
}

/// An instant in milliseconds, one in three of them close to a clock change of Berlin.
fn instant() -> impl Strategy<Value = Instant> {
    let anywhere = 1_700_000_000_000_i64..2_100_000_000_000;
    let spring = 1_774_746_000_000_i64; // 2026-03-29T01:00:00Z
    let autumn = 1_792_890_000_000_i64; // 2026-10-25T01:00:00Z
    let near = (select(vec![spring, autumn]), -20_000_000_i64..20_000_000)
        .prop_map(|(change, distance)| change + distance);
    prop_oneof![2 => anywhere, 1 => near]
        .prop_map(|ms| DateTime::from_timestamp_millis(ms).unwrap())
}

/// An outage, mostly of minutes or hours, at times of days.
fn outage() -> impl Strategy<Value = TimeDelta> {
    prop_oneof![0_i64..60_000, 0_i64..20_000_000, 0_i64..300_000_000]
        .prop_map(TimeDelta::milliseconds)
}

fn misfires() -> impl Strategy<Value = Misfires> {
    let catch_up = select(vec![CatchUp::Latest, CatchUp::Skip, CatchUp::All]);
    let window = prop_oneof![0_u64..100, 0_u64..30_000, 0_u64..1_000_000];
    (catch_up, window).prop_map(|(catch_up, window)| Misfires {
        catch_up,
        window: Duration::from_secs(window),
    })
}

fn job() -> JobName {
    JobName::new("金价")
}

/// Each instant after `after` up to `until`, one by one.
fn each(schedule: &Schedule, after: Instant, until: Instant) -> Vec<Instant> {
    schedule
        .upcoming(after)
        .take_while(|i| *i <= until)
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(500) })]

    #[test]
    fn the_next_instant_is_after_now_and_none_lies_between(
        schedule in schedule(), now in instant(),
    ) {
        if let Some(next) = schedule.next_after(now) {
            prop_assert!(next > now);
            // From any place before it, the same one is next.
            let half_way = now + (next - now) / 2;
            prop_assert_eq!(schedule.next_after(half_way), Some(next));
            prop_assert_eq!(schedule.next_after(next - TimeDelta::milliseconds(1)), Some(next));
            prop_assert!(schedule.next_after(next).is_none_or(|second| second > next));
        }
    }

    #[test]
    fn counting_gives_what_walking_gives(
        schedule in schedule(), from in instant(), length in outage(),
    ) {
        let until = from + length;
        let walked = each(&schedule, from, until);
        prop_assert_eq!(schedule.count(from, until), walked.len() as u64);
        prop_assert_eq!(schedule.newest(from, until), walked.last().copied());
        let span = pass_over(&schedule, from, until);
        prop_assert_eq!(span.map(|s| (s.from, s.until)), walked.first().copied().zip(walked.last().copied()));
        prop_assert_eq!(span.map_or(0, |s| s.count), walked.len() as u64);
    }

    #[test]
    fn every_instant_is_in_one_place(
        schedule in schedule(), policy in misfires(), from in instant(), length in outage(),
    ) {
        let now = from + length;
        let plan = plan(&job(), &schedule, &policy, from, now);
        let all = each(&schedule, from, now);
        let mut placed: Vec<Instant> = plan.runs.iter().map(|r| r.scheduled_at).collect();
        for range in &plan.ranges {
            let inside = all.iter().filter(|i| (range.span.from..=range.span.until).contains(*i));
            let inside: Vec<Instant> = inside.copied().collect();
            prop_assert_eq!(inside.len() as u64, range.span.count);
            placed.extend(inside);
        }
        let distinct: BTreeSet<Instant> = placed.iter().copied().collect();
        prop_assert_eq!(distinct.len(), placed.len(), "no instant both run and missed");
        prop_assert_eq!(distinct.into_iter().collect::<Vec<_>>(), all);
    }

    #[test]
    fn planning_twice_changes_nothing(
        schedule in schedule(), policy in misfires(), from in instant(), length in outage(),
    ) {
        let now = from + length;
        let first = plan(&job(), &schedule, &policy, from, now);
        let second = plan(&job(), &schedule, &policy, first.cursor, now);
        prop_assert_eq!(second, Plan { runs: vec![], ranges: vec![], ..first });
    }

    #[test]
    fn the_policy_decides_which_run(
        schedule in schedule(), policy in misfires(), from in instant(), length in outage(),
    ) {
        let now = from + length;
        let plan = plan(&job(), &schedule, &policy, from, now);
        let window = TimeDelta::from_std(policy.window).unwrap();
        let (late, on_time): (Vec<Planned>, Vec<Planned>) = plan.runs.iter().copied().partition(|run| run.late);
        for run in &on_time {
            prop_assert!(run.due_at >= now - GRACE);
        }
        for run in &late {
            prop_assert!(run.due_at < now - GRACE);
            prop_assert!(run.scheduled_at > now - window, "younger than the window");
        }
        match policy.catch_up {
            CatchUp::Skip => prop_assert!(late.is_empty()),
            CatchUp::Latest => prop_assert!(late.len() <= usize::from(on_time.is_empty())),
            CatchUp::All => prop_assert!(late.len() as u64 <= MOST_CAUGHT_UP),
        }
        for range in &plan.ranges {
            let too_old = range.span.until <= now - window;
            match range.reason {
                Missed::Window => prop_assert!(too_old || policy.catch_up == CatchUp::Skip),
                Missed::Superseded => prop_assert!(!too_old && !plan.runs.is_empty()),
            }
        }
    }

    #[test]
    fn jitter_keeps_the_order_of_instants(schedule in schedule(), now in instant()) {
        for at in schedule.upcoming(now).take(5) {
            let due = schedule.due_at(&job(), at);
            prop_assert!(due >= at && due - at <= TimeDelta::from_std(schedule.jitter()).unwrap());
            prop_assert!(schedule.next_after(at).is_none_or(|next| due < next));
        }
    }

    /// Where no clock changes, croner's own search must agree with the bit sets'.
    #[test]
    fn croner_finds_the_same_instants_in_utc(text in cron_text(), now in instant()) {
        let cron: croner::Cron = text.parse().unwrap();
        let schedule = Schedule::cron(&text, Tz::UTC).unwrap();
        let theirs: Vec<Instant> = cron.iter_after(now).take(20).collect();
        let ours: Vec<Instant> = schedule.upcoming(now).take(20).collect();
        prop_assert_eq!(ours, theirs);
    }

    #[test]
    fn a_text_is_told_to_be_wrong_or_has_a_next_instant(
        text in prop_oneof![
            "[-0-9*/,#?LW+@a-z ]{0,24}",
            "([-0-9*/,?LW]{1,3} ){4,5}[-0-7*/,#?L+a-z]{1,3}",
            "([0-9]|\\*|\\*/[0-9]) ([0-9,]{1,3}|\\*) [-0-9L*W]{1,3} ([0-9*]|jan|feb) [-0-7L*#+]{1,3}",
        ],
        now in instant(),
    ) {
        match Schedule::cron(&text, Tz::Europe__Berlin) {
            Ok(schedule) => prop_assert!(schedule.next_after(now).is_some()),
            Err(e) => prop_assert!(!e.0.is_empty() && !e.0.starts_with(char::is_uppercase), "{}", e),
        }
    }
}
