//! What people write, what it means, and what they are told when it means nothing.
#![expect(
    clippy::unwrap_used,
    reason = "clippy knows a test only by its attribute, not its helpers"
)]

use std::time::Duration;

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use promptcron::{model::JobName, schedule::Schedule};

type Instant = DateTime<Utc>;

fn instant(text: &str) -> Instant {
    text.parse().unwrap()
}

fn cron(text: &str) -> Schedule {
    Schedule::cron(text, Tz::UTC).unwrap_or_else(|e| panic!("{text}: {e}"))
}

fn days(text: &str, year: i32, n: usize) -> Vec<String> {
    cron(text)
        .upcoming(instant(&format!("{year}-01-01T00:00:00Z")) - chrono::TimeDelta::seconds(1))
        .take(n)
        .map(|i| i.format("%m-%d").to_string())
        .collect()
}

/// The cases of croner's tests/ocps.rs (Open Cron Pattern Specification 1.0 to 1.4) that
/// concern patterns this crate accepts, as dates.
#[test]
fn the_open_cron_pattern_cases_give_their_days() {
    let july = |text: &str| -> Vec<String> {
        cron(text)
            .upcoming(instant("2025-06-30T23:59:59Z"))
            .take_while(|i| *i < instant("2025-08-01T00:00:00Z"))
            .map(|i| i.format("%d").to_string())
            .collect()
    };
    // 1.0: either day field, where both are given.
    assert_eq!(july("0 12 1 * MON"), ["01", "07", "14", "21", "28"]);
    // 1.3: last day, last Friday, second Tuesday, nearest weekday to Saturday the 5th.
    assert_eq!(july("0 0 L * *"), ["31"]);
    assert_eq!(july("0 0 * * 5L"), ["25"]);
    assert_eq!(july("0 0 * * FRIL"), ["25"]);
    assert_eq!(july("0 0 * * 2#2"), ["08"]);
    assert_eq!(july("0 0 5W 7 *"), ["04"]);
    // 1.4: `?` is `*`; `+` asks for both day fields.
    assert_eq!(july("0 0 1 * ?"), july("0 0 1 * *"));
    assert_eq!(days("0 12 1 * +MON", 2025, 2), ["09-01", "12-01"]);
    // 1.3: the last weekday of each month; the 31st's only where there is one.
    assert_eq!(
        days("0 0 LW * *", 2025, 12),
        [
            "01-31", "02-28", "03-31", "04-30", "05-30", "06-30", "07-31", "08-29", "09-30",
            "10-31", "11-28", "12-31"
        ]
    );
    assert_eq!(
        days("0 0 31W * *", 2025, 7),
        [
            "01-31", "03-31", "05-30", "07-31", "08-29", "10-31", "12-31"
        ]
    );
}

#[test]
fn nicknames_and_names_mean_their_fields() {
    let after = instant("2026-05-06T07:08:09Z");
    let pairs = [
        ("@yearly", "0 0 1 1 *"),
        ("@annually", "0 0 1 1 *"),
        ("@monthly", "0 0 1 * *"),
        ("@weekly", "0 0 * * 0"),
        ("@Daily", "0 0 * * *"),
        ("@midnight", "0 0 * * *"),
        ("@hourly", "0 * * * *"),
        (
            "*/15 0-4,8-12 * JAN-MAR,DEC MON-FRI",
            "*/15 0-4,8-12 * 1-3,12 1-5",
        ),
        ("0 9 * * sat-sun", "0 9 * * 6,0"),
        ("0 9 * * 7", "0 9 * * 0"),
        ("0 30 8 * * *", "30 8 * * *"),
        ("  0  8 * *\t1-5 ", "0 8 * * 1-5"),
    ];
    for (text, same) in pairs {
        let ours: Vec<Instant> = cron(text).upcoming(after).take(40).collect();
        let theirs: Vec<Instant> = cron(same).upcoming(after).take(40).collect();
        assert_eq!(ours, theirs, "{text}");
    }
}

#[test]
fn seconds_come_first_of_six_fields() {
    let next: Vec<String> = cron("10,40 59 23 31 12 *")
        .upcoming(instant("2026-01-01T00:00:00Z"))
        .take(3)
        .map(|i| i.to_rfc3339())
        .collect();
    assert_eq!(
        next,
        [
            "2026-12-31T23:59:10+00:00",
            "2026-12-31T23:59:40+00:00",
            "2027-12-31T23:59:10+00:00"
        ]
    );
}

#[test]
fn a_rare_day_is_found_decades_ahead() {
    let leap_monday = cron("0 0 29 2 +1").next_after(instant("2024-03-01T00:00:00Z"));
    assert_eq!(leap_monday, Some(instant("2044-02-29T00:00:00Z")));
    // 2100 is no leap year: forty years without one.
    let leap_monday = cron("0 0 29 2 +1").next_after(instant("2072-03-01T00:00:00Z"));
    assert_eq!(leap_monday, Some(instant("2112-02-29T00:00:00Z")));
}

#[test]
fn the_last_day_that_a_clock_can_show_still_comes() {
    let noon = cron("0 12 31 12 *");
    let last = instant("9999-12-31T12:00:00Z");
    assert_eq!(noon.next_after(instant("9999-12-31T11:59:59Z")), Some(last));
    assert_eq!(noon.next_after(last), None);
}

#[test]
fn a_wrong_pattern_is_told_by_field_and_with_its_fix() {
    let texts = [
        "",
        "0 8 * *",
        "0 0 8 * * * 2026",
        "61 8 * * *",
        "0 24 * * *",
        "0 8 0 * *",
        "0 8 * 13 *",
        "0 8 * * 8",
        "0 8 * * 99999999999",
        "mon 8 * * *",
        "? 8 * * *",
        "0 8 * * jan",
        "0 8 * * monday",
        "0 22-2 * * *",
        "0 8 * * fri-mon",
        "5/10 * * * *",
        "/10 * * * *",
        "*/0 * * * *",
        "*/x * * * *",
        "1,,2 * * * *",
        "0 8 L-3 * *",
        "0 8 * * 1#6",
        "0 8 * * 1#",
        "0 8 1#2 * *",
        "0 8 1#6 * *",
        "*-5 * * * *",
        "1-2-3 * * * *",
        "0 8 * L *",
        "0 8 32W * *",
        "0 8 1-5W * *",
        "0 8 LL * *",
        "0 8 * * *L",
        "0 8 +1 * *",
        "０ 8 * * *",
        "*,5 * * * *",
        "0 8 30 2 *",
        "0 8 31 4,6 *",
        "0 8 30 2 +mon",
        "0 8 * * L",
        "@reboot",
        "@every 5m",
        "@noon",
        "@daily 5",
        "8:00",
    ];
    let told: String = texts
        .iter()
        .map(|text| match Schedule::cron(text, Tz::UTC) {
            Ok(_) => format!("{text}\n    accepted\n"),
            Err(e) => format!("{text}\n    {e}\n"),
        })
        .collect();
    insta::assert_snapshot!(told, @r#"
        cron: the text is empty; write 5 (minute hour day-of-month month day-of-week), such as `0 8 * * 1-5`, or 6 with seconds first
    0 8 * *
        cron: not 5 or 6 fields but 4; write 5 (minute hour day-of-month month day-of-week), such as `0 8 * * 1-5`, or 6 with seconds first
    0 0 8 * * * 2026
        cron: 7 fields, but a year field is not supported; remove the last one, or write `at` for a single instant
    61 8 * * *
        minute: 61 is above 59
    0 24 * * *
        hour: 24 is above 23
    0 8 0 * *
        day-of-month: 0 is below 1
    0 8 * 13 *
        month: 13 is above 12
    0 8 * * 8
        day-of-week: 8 is above 7
    0 8 * * 99999999999
        day-of-week: 99999999999 is above 7
    mon 8 * * *
        minute: `mon` is not allowed; write `*`, or numbers 0-59, with `,` `-` and `/`
    ? 8 * * *
        minute: `?` is not allowed; write `*`, or numbers 0-59, with `,` `-` and `/`
    0 8 * * jan
        day-of-week: `jan` is not allowed; write `*`, or numbers 0-7 or sun-sat, `5L` (last Friday), `1#2` (second Monday), with `,` `-` and `/`
    0 8 * * monday
        day-of-week: `monday` is not allowed; write `*`, or numbers 0-7 or sun-sat, `5L` (last Friday), `1#2` (second Monday), with `,` `-` and `/`
    0 22-2 * * *
        hour: `22-2` runs backwards; write it as two ranges: `22-23,0-2`
    0 8 * * fri-mon
        day-of-week: `fri-mon` runs backwards; write it as two ranges: `5-6,0-1`
    5/10 * * * *
        minute: `5/10` has a step without a range; write `5-59/10`
    /10 * * * *
        minute: `/10` has a step without a range; write `*/10`
    */0 * * * *
        minute: `*/0` has a step of 0, which never moves on; write 1 or more
    */x * * * *
        minute: `*/x` has no number after its `/`; write a step such as `*/5`
    1,,2 * * * *
        minute: empty item; remove the extra comma, or write `*`, or numbers 0-59, with `,` `-` and `/`
    0 8 L-3 * *
        day-of-month: `L-3` is not allowed; write `*`, or numbers 1-31, `L` (last day), `15W` (nearest weekday), `LW`, with `,` `-` and `/`
    0 8 * * 1#6
        day-of-week: `1#6` names no week of a month; write `#1` to `#5`, or `L` for the last
    0 8 * * 1#
        day-of-week: `1#` names no week of a month; write `#1` to `#5`, or `L` for the last
    0 8 1#2 * *
        day-of-month: `1#2` is not allowed; write `*`, or numbers 1-31, `L` (last day), `15W` (nearest weekday), `LW`, with `,` `-` and `/`
    0 8 1#6 * *
        day-of-month: `1#6` is not allowed; write `*`, or numbers 1-31, `L` (last day), `15W` (nearest weekday), `LW`, with `,` `-` and `/`
    *-5 * * * *
        minute: `*-5` is not allowed; write `*`, or numbers 0-59, with `,` `-` and `/`
    1-2-3 * * * *
        minute: `1-2-3` is not allowed; write `*`, or numbers 0-59, with `,` `-` and `/`
    0 8 * L *
        month: `L` is not allowed; write `*`, or numbers 1-12 or jan-dec, with `,` `-` and `/`
    0 8 32W * *
        day-of-month: 32 is above 31
    0 8 1-5W * *
        day-of-month: `1-5W` is not allowed; write `*`, or numbers 1-31, `L` (last day), `15W` (nearest weekday), `LW`, with `,` `-` and `/`
    0 8 LL * *
        day-of-month: `LL` is not allowed; write `*`, or numbers 1-31, `L` (last day), `15W` (nearest weekday), `LW`, with `,` `-` and `/`
    0 8 * * *L
        day-of-week: `*L` is not allowed; write `*`, or numbers 0-7 or sun-sat, `5L` (last Friday), `1#2` (second Monday), with `,` `-` and `/`
    0 8 +1 * *
        day-of-month: `+1` is not allowed; write `*`, or numbers 1-31, `L` (last day), `15W` (nearest weekday), `LW`, with `,` `-` and `/`
    ０ 8 * * *
        minute: `０` is not allowed; write `*`, or numbers 0-59, with `,` `-` and `/`
    *,5 * * * *
        minute: `*,5` adds to `*`, which is every value already; write `*`
    0 8 30 2 *
        day-of-month: `30` never comes in month `2`; change one of them
    0 8 31 4,6 *
        day-of-month: `31` never comes in month `4,6`; change one of them
    0 8 30 2 +mon
        day-of-month and day-of-week: `30` and `+mon` never come together in month `2`; remove the `+`, or change one of them
    0 8 * * L
        day-of-week: `L` alone names no day; write `6L` for the last Saturday, or `L` as the day-of-month
    @reboot
        @reboot names no instant, and a restart must not ask again; write a time such as `0 8 * * *`, or `promptcron once JOB` to run it now
    @every 5m
        `@every` is a key of its own here: write `every = "15m"` instead of `cron`
    @noon
        `@noon` is unknown; allowed: @yearly, @annually, @monthly, @weekly, @daily, @midnight, @hourly
    @daily 5
        `@daily 5` is unknown; allowed: @yearly, @annually, @monthly, @weekly, @daily, @midnight, @hourly
    8:00
        cron: not 5 or 6 fields but 1; write 5 (minute hour day-of-month month day-of-week), such as `0 8 * * 1-5`, or 6 with seconds first
    "#);
}

#[test]
fn a_time_that_a_zone_only_skips_is_told_at_load() {
    // The last Sunday of March at 02:xx: skipped by Berlin's clock, shown by Shanghai's.
    let text = "*/5 2 * 3 7L";
    assert!(Schedule::cron(text, Tz::Asia__Shanghai).is_ok());
    let e = Schedule::cron(text, Tz::Europe__Berlin).unwrap_err();
    insta::assert_snapshot!(e, @"hour: `*/5 2 * 3 7L` never comes in Europe/Berlin, whose clock skips that hour on each of its days; write another hour");
    // A fixed time runs at the end of the gap instead.
    assert!(Schedule::cron("30 2 * 3 7L", Tz::Europe__Berlin).is_ok());
}

#[test]
fn periods_count_from_the_epoch() {
    let schedule = Schedule::every(Duration::from_secs(15 * 60), Tz::Asia__Kathmandu).unwrap();
    assert_eq!(
        schedule.next_after(instant("2026-05-06T07:08:09Z")),
        Some(instant("2026-05-06T07:15:00Z"))
    );
    assert_eq!(
        schedule.next_after(instant("2026-05-06T07:15:00Z")),
        Some(instant("2026-05-06T07:30:00Z"))
    );
    let for_ever = Schedule::every(Duration::from_secs(u64::MAX), Tz::UTC).unwrap();
    assert_eq!(for_ever.next_after(instant("2026-05-06T07:15:00Z")), None);
    let too_short = Schedule::every(Duration::from_millis(500), Tz::UTC).unwrap_err();
    insta::assert_snapshot!(too_short, @"every: the period must be at least 1s, such as `15m`");
    let uneven = Schedule::every(Duration::from_millis(1_500), Tz::UTC).unwrap_err();
    insta::assert_snapshot!(uneven, @"every: 1.5s is not of whole seconds; write `1s`");
}

#[test]
fn a_one_shot_comes_once_on_its_zones_clock() {
    let cases = [
        (
            "2026-12-24T08:00",
            Tz::Asia__Shanghai,
            "2026-12-24T00:00:00Z",
        ),
        ("2026-12-24 08:00:30", Tz::UTC, "2026-12-24T08:00:30Z"),
        // Skipped: the end of the gap. Shown twice: the first time.
        (
            "2026-03-29T02:30",
            Tz::Europe__Berlin,
            "2026-03-29T01:00:00Z",
        ),
        (
            "2026-10-25T02:30",
            Tz::Europe__Berlin,
            "2026-10-25T00:30:00Z",
        ),
    ];
    for (text, zone, expected) in cases {
        let schedule = Schedule::at(text, zone).unwrap();
        let expected = instant(expected);
        let before = expected - chrono::TimeDelta::milliseconds(1);
        assert_eq!(schedule.next_after(before), Some(expected), "{text}");
        assert_eq!(schedule.next_after(expected), None, "{text}");
        assert!(
            !schedule.is_past(before) && schedule.is_past(expected),
            "{text}"
        );
    }
}

#[test]
fn a_wrong_one_shot_is_told_with_an_example() {
    let texts = [
        "tomorrow",
        "2026-02-30T08:00",
        "2026-12-24T08:00Z",
        "2026-12-24T08:00:00+08:00",
        "2026-12-24T08:00:00.5",
        "2026-12-24T08:00:60",
        "99999-01-01T00:00",
    ];
    let told: String = texts
        .iter()
        .map(|text| format!("{}\n", Schedule::at(text, Tz::UTC).unwrap_err()))
        .collect();
    insta::assert_snapshot!(told, @r#"
    at: `tomorrow` is no date and time; write a wall-clock time such as `2026-12-24T08:00`
    at: `2026-02-30T08:00` is no date and time; write a wall-clock time such as `2026-12-24T08:00`
    at: `2026-12-24T08:00Z` carries an offset, but is read in the job's `timezone`; write a wall-clock time such as `2026-12-24T08:00`
    at: `2026-12-24T08:00:00+08:00` carries an offset, but is read in the job's `timezone`; write a wall-clock time such as `2026-12-24T08:00`
    at: `2026-12-24T08:00:00.5` carries fractions of a second; write a wall-clock time such as `2026-12-24T08:00`
    at: `2026-12-24T08:00:60` is a leap second, which no clock here shows; write a wall-clock time such as `2026-12-24T08:00`
    at: `99999-01-01T00:00` is no date and time; write a wall-clock time such as `2026-12-24T08:00`
    "#);
}

#[test]
fn a_schedule_shows_itself_in_the_users_words() {
    let every = |s| Schedule::every(Duration::from_secs(s), Tz::UTC).unwrap();
    let shown = [
        (cron(" 0 8 * * MON-FRI "), "0 8 * * MON-FRI"),
        (cron("@daily"), "@daily"),
        (every(900), "every 15m"),
        (every(5_400), "every 1h30m"),
        (
            Schedule::at("2026-12-24 08:00:00", Tz::UTC).unwrap(),
            "at 2026-12-24T08:00",
        ),
    ];
    for (schedule, text) in shown {
        assert_eq!(schedule.to_string(), text);
    }
}

/// These delays are a promise to every ledger in the field: they must never change.
#[test]
fn jitter_is_the_same_for_ever() {
    let schedule = cron("0 8 * * *").with_jitter(Duration::from_secs(300));
    let delays: Vec<i64> = ["gold", "金价"]
        .iter()
        .flat_map(|job| {
            let schedule = &schedule;
            schedule
                .upcoming(instant("2026-11-23T00:00:00Z"))
                .take(3)
                .map(move |at| (schedule.due_at(&JobName::new(job), at) - at).num_milliseconds())
        })
        .collect();
    insta::assert_snapshot!(format!("{delays:?}"), @"[171046, 189, 242022, 65930, 132558, 37328]");
}

#[test]
fn jitter_spreads_over_its_whole_length() {
    let schedule = cron("0 8 * * *").with_jitter(Duration::from_secs(300));
    let minutes: std::collections::BTreeSet<i64> = schedule
        .upcoming(instant("2026-11-23T00:00:00Z"))
        .take(200)
        .map(|at| (schedule.due_at(&JobName::new("gold"), at) - at).num_minutes())
        .collect();
    assert_eq!(minutes.into_iter().collect::<Vec<_>>(), [0, 1, 2, 3, 4]);
}
