//! What the planner decides in the situations that people will meet.
#![expect(
    clippy::unwrap_used,
    reason = "clippy knows a test only by its attribute, not its helpers"
)]

use std::{
    fmt::Write,
    time::{Duration, Instant as Stopwatch},
};

use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;
use promptcron::{
    model::JobName,
    schedule::{CatchUp, Misfires, Missed, Plan, Schedule, pass_over, plan},
};

const HOUR: u64 = 3_600;

fn instant(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn cron(text: &str) -> Schedule {
    Schedule::cron(text, Tz::UTC).unwrap()
}

fn decide(schedule: &Schedule, catch_up: CatchUp, cursor: &str, now: &str) -> Plan {
    let misfires = Misfires {
        catch_up,
        window: Duration::from_secs(6 * HOUR),
    };
    let (cursor, now) = (instant(cursor), instant(now));
    let plan = plan(&JobName::new("gold"), schedule, &misfires, cursor, now);
    assert_eq!(plan.cursor, now);
    plan
}

/// A plan as a person would tell it, times of day only.
fn told(plan: &Plan) -> String {
    let mut text = String::new();
    for range in &plan.ranges {
        let reason = match range.reason {
            Missed::Window => "window",
            Missed::Superseded => "superseded",
        };
        let (from, until) = (
            range.span.from.format("%H:%M"),
            range.span.until.format("%H:%M"),
        );
        write!(
            text,
            "missed({reason}) {from}-{until} x{}; ",
            range.span.count
        )
        .unwrap();
    }
    for run in &plan.runs {
        let late = if run.late { " late" } else { "" };
        write!(text, "run {}{late}; ", run.scheduled_at.format("%H:%M")).unwrap();
    }
    let next = plan.next.map(|next| next.format("%H:%M").to_string());
    text + &format!("next {}", next.as_deref().unwrap_or("never"))
}

fn hourly(catch_up: CatchUp, cursor: &str, now: &str) -> String {
    let day = "2026-11-23T";
    let plan = decide(
        &cron("0 * * * *"),
        catch_up,
        &format!("{day}{cursor}Z"),
        &format!("{day}{now}Z"),
    );
    told(&plan)
}

#[test]
fn an_instant_that_is_due_runs_on_time() {
    for catch_up in [CatchUp::Latest, CatchUp::Skip, CatchUp::All] {
        assert_eq!(
            hourly(catch_up, "07:59:59", "08:00:00"),
            "run 08:00; next 09:00"
        );
        assert_eq!(
            hourly(catch_up, "07:59:59", "08:00:10"),
            "run 08:00; next 09:00"
        );
        assert_eq!(hourly(catch_up, "08:00:00", "08:30:00"), "next 09:00");
    }
}

#[test]
fn a_new_job_never_runs_back() {
    assert_eq!(hourly(CatchUp::All, "08:00:00", "08:00:00"), "next 09:00");
}

#[test]
fn latest_runs_the_newest_missed_one_and_supersedes_the_others() {
    assert_eq!(
        hourly(CatchUp::Latest, "06:30:00", "10:12:00"),
        "missed(superseded) 07:00-09:00 x3; run 10:00 late; next 11:00"
    );
    assert_eq!(
        hourly(CatchUp::Latest, "01:30:00", "10:12:00"),
        "missed(window) 02:00-04:00 x3; missed(superseded) 05:00-09:00 x5; run 10:00 late; next 11:00"
    );
}

#[test]
fn latest_runs_none_late_where_one_is_on_time() {
    assert_eq!(
        hourly(CatchUp::Latest, "06:30:00", "10:00:05"),
        "missed(superseded) 07:00-09:00 x3; run 10:00; next 11:00"
    );
}

#[test]
fn latest_runs_nothing_that_is_as_old_as_the_window() {
    let daily = cron("0 8 * * *");
    let at = |now: &str| {
        told(&decide(
            &daily,
            CatchUp::Latest,
            "2026-11-23T07:00:00Z",
            now,
        ))
    };
    assert_eq!(at("2026-11-23T13:59:59Z"), "run 08:00 late; next 08:00");
    assert_eq!(
        at("2026-11-23T14:00:00Z"),
        "missed(window) 08:00-08:00 x1; next 08:00"
    );
}

#[test]
fn skip_runs_only_what_is_on_time() {
    assert_eq!(
        hourly(CatchUp::Skip, "06:30:00", "10:12:00"),
        "missed(window) 07:00-10:00 x4; next 11:00"
    );
    assert_eq!(
        hourly(CatchUp::Skip, "06:30:00", "10:00:05"),
        "missed(window) 07:00-09:00 x3; run 10:00; next 11:00"
    );
}

#[test]
fn all_runs_what_the_window_holds() {
    assert_eq!(
        hourly(CatchUp::All, "02:30:00", "10:12:00"),
        "missed(window) 03:00-04:00 x2; run 05:00 late; run 06:00 late; run 07:00 late; run 08:00 late; run 09:00 late; run 10:00 late; next 11:00"
    );
}

#[test]
fn all_stops_at_the_newest_hundred() {
    let plan = decide(
        &cron("* * * * *"),
        CatchUp::All,
        "2026-11-23T02:30:30Z",
        "2026-11-23T10:12:30Z",
    );
    assert_eq!(plan.runs.len(), 100);
    assert!(plan.runs.iter().all(|run| run.late));
    assert_eq!(plan.runs[0].scheduled_at, instant("2026-11-23T08:33:00Z"));
    assert_eq!(plan.runs[99].scheduled_at, instant("2026-11-23T10:12:00Z"));
    let counts: Vec<_> = plan
        .ranges
        .iter()
        .map(|r| (r.reason, r.span.count))
        .collect();
    assert_eq!(counts, [(Missed::Window, 102), (Missed::Superseded, 260)]);
}

#[test]
fn what_its_jitter_still_delays_is_on_time() {
    let jittered = cron("0 8 * * *").with_jitter(Duration::from_secs(HOUR));
    let due = jittered.due_at(&JobName::new("gold"), instant("2026-11-23T08:00:00Z"));
    assert!(
        due > instant("2026-11-23T08:01:00Z"),
        "{due}: take a job with a longer delay"
    );
    let at = |now: DateTime<Utc>| {
        decide(
            &jittered,
            CatchUp::Skip,
            "2026-11-23T07:00:00Z",
            &now.to_rfc3339(),
        )
    };
    let plan = at(due - TimeDelta::seconds(1));
    assert_eq!((plan.runs[0].due_at, plan.runs[0].late), (due, false));
    assert_eq!(at(due + TimeDelta::seconds(10)).runs.len(), 1);
    assert_eq!(at(due + TimeDelta::seconds(11)).runs.len(), 0);
}

#[test]
fn a_clock_that_stepped_back_silences_no_job() {
    let plan = decide(
        &cron("0 * * * *"),
        CatchUp::Latest,
        "2036-01-01T00:00:00Z",
        "2026-11-23T08:30:00Z",
    );
    assert_eq!(told(&plan), "next 09:00");
}

#[test]
fn a_one_shot_is_caught_up_once_and_then_over() {
    let at = Schedule::at("2026-11-23T08:00", Tz::UTC).unwrap();
    let plan = decide(
        &at,
        CatchUp::Latest,
        "2026-11-23T07:00:00Z",
        "2026-11-23T10:00:00Z",
    );
    assert_eq!(told(&plan), "run 08:00 late; next never");
    let again = decide(
        &at,
        CatchUp::Latest,
        "2026-11-23T10:00:00Z",
        "2026-11-23T10:00:01Z",
    );
    assert_eq!(told(&again), "next never");
}

#[test]
fn a_pause_passes_over_a_span() {
    let hourly = cron("0 * * * *");
    let span = pass_over(
        &hourly,
        instant("2026-11-23T06:00:00Z"),
        instant("2026-11-23T10:00:00Z"),
    )
    .unwrap();
    assert_eq!(span.from, instant("2026-11-23T07:00:00Z"));
    assert_eq!(span.until, instant("2026-11-23T10:00:00Z"));
    assert_eq!(span.count, 4);
    assert_eq!(
        pass_over(
            &hourly,
            instant("2026-11-23T06:00:00Z"),
            instant("2026-11-23T06:59:59Z")
        ),
        None
    );
}

#[test]
fn ten_years_of_seconds_are_planned_at_once() {
    let started = Stopwatch::now();
    let every_second = Schedule::cron("* * * * * *", Tz::Europe__Berlin).unwrap();
    let plan = decide(
        &every_second,
        CatchUp::All,
        "2016-11-23T00:00:00Z",
        "2026-11-23T00:00:00Z",
    );
    let missed: u64 = plan.ranges.iter().map(|range| range.span.count).sum();
    assert_eq!(missed + plan.runs.len() as u64, (10 * 365 + 2) * 24 * HOUR);
    // Walking them would take minutes; counting days takes milliseconds.
    assert!(
        started.elapsed() < Duration::from_secs(5),
        "{:?}",
        started.elapsed()
    );
}
