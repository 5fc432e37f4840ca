//! Every clock change from 2024 to 2037 against an oracle that walks the minutes.
//!
//! The oracle shares no code with the planner: it goes from UTC to the wall clock only,
//! matches fields with a reader of its own, and knows a repeated or skipped reading by the
//! latest one that the wall clock has shown.
#![expect(
    clippy::unwrap_used,
    reason = "clippy knows a test only by its attribute, not its helpers"
)]

use chrono::{DateTime, Datelike, NaiveDateTime, Offset, TimeDelta, TimeZone, Timelike, Utc};
use chrono_tz::Tz;
use promptcron::schedule::Schedule;

type Instant = DateTime<Utc>;

const ZONES: [Tz; 6] = [
    Tz::Europe__Berlin,
    Tz::America__New_York,
    Tz::Australia__Lord_Howe,
    Tz::America__Santiago,
    Tz::Africa__Casablanca,
    Tz::Asia__Shanghai,
];

const PATTERNS: [&str; 28] = [
    "* * * * *",
    "*/5 * * * *",
    "*/7 * * * *",
    "0 * * * *",
    "30 * * * *",
    "15,45 * * * *",
    "5-25/10 * * * *",
    "0 */2 * * *",
    "30 1-23/2 * * *",
    "0-59 2 * * *",
    "*/20 2 * * *",
    "* 1,2,3 * * *",
    "0 0 * * *",
    "30 0 * * *",
    "59 23 * * *",
    "30 1 * * *",
    "0 2 * * *",
    "30 2 * * *",
    "0 3 * * *",
    "0,30 2 * * *",
    "0,15,30,45 1,2,3 * * *",
    "0-59 0-23 * * *",
    "30 2 L * *",
    "30 2 * * 7L",
    "15 2 * * 0#2",
    "45 1 1-7 * 0",
    "30 2 * 3,10 1-6",
    "0 12 */3 * *",
];

/// How far from a clock change the oracle walks, on both sides.
const AROUND: TimeDelta = TimeDelta::days(3);

#[test]
fn every_clock_change_gives_the_instants_of_the_oracle() {
    let mut changes_seen = 0;
    for zone in ZONES {
        let changes = changes(zone);
        changes_seen += changes.len();
        let mut centres = changes;
        // A zone without changes is walked too.
        centres.push(Utc.with_ymd_and_hms(2028, 2, 29, 0, 0, 0).unwrap());
        for centre in centres {
            compare_around(zone, centre);
        }
    }
    // Four zones change twice a year; Casablanca twice too, but for years whose Ramadan
    // has it otherwise; Shanghai never does.
    assert!(changes_seen >= 4 * 28 + 20, "{changes_seen} changes");
}

fn compare_around(zone: Tz, centre: Instant) {
    let minutes = minutes_around(zone, centre);
    let (from, until) = (minutes[0].instant, minutes[minutes.len() - 1].instant);
    for text in PATTERNS {
        let schedule = Schedule::cron(text, zone).unwrap();
        let expected = oracle(text, &minutes);
        let actual: Vec<Instant> = schedule
            .upcoming(from - TimeDelta::seconds(1))
            .take_while(|instant| *instant <= until)
            .collect();
        assert_eq!(actual, expected, "{text} in {zone} around {centre}");
        let count = schedule.count(from - TimeDelta::seconds(1), until);
        assert_eq!(
            count,
            expected.len() as u64,
            "{text} in {zone} around {centre}"
        );
        from_anywhere(&schedule, &expected, centre);
    }
}

/// The next and the count, from odd places close to the change: inside gaps and overlaps.
fn from_anywhere(schedule: &Schedule, expected: &[Instant], centre: Instant) {
    for minutes in (-150..150).step_by(37) {
        let after = centre + TimeDelta::minutes(minutes) + TimeDelta::milliseconds(500);
        let first = expected.partition_point(|instant| *instant <= after);
        if let Some(next) = expected.get(first) {
            assert_eq!(
                schedule.next_after(after),
                Some(*next),
                "{schedule} after {after}"
            );
        }
        let until = centre + TimeDelta::minutes(90);
        if after < until {
            let last = expected.partition_point(|instant| *instant <= until);
            let expected = (last - first) as u64;
            assert_eq!(
                schedule.count(after, until),
                expected,
                "{schedule} {after} {until}"
            );
        }
    }
}

/// A minute of real time, and what the wall clock shows in it.
struct Minute {
    instant: Instant,
    wall: NaiveDateTime,
}

fn minutes_around(zone: Tz, centre: Instant) -> Vec<Minute> {
    let start = centre - AROUND;
    (0..AROUND.num_minutes() * 2)
        .map(|n| {
            let instant = start + TimeDelta::minutes(n);
            let wall = instant.with_timezone(&zone).naive_local();
            Minute { instant, wall }
        })
        .collect()
}

fn oracle(text: &str, minutes: &[Minute]) -> Vec<Instant> {
    let fields = Fields::read(text);
    let one = TimeDelta::minutes(1);
    let mut newest = minutes[0].wall - one;
    let mut instants = Vec::new();
    for Minute { instant, wall } in minutes {
        let runs = if fields.counts_real_time {
            fields.matches(*wall)
        } else {
            // Every reading since the newest one shown before: one, several after a gap,
            // none in a repeated hour.
            let mut reading = newest + one;
            let mut any = false;
            while reading <= *wall {
                any |= fields.matches(reading);
                reading += one;
            }
            any
        };
        newest = newest.max(*wall);
        if runs {
            instants.push(*instant);
        }
    }
    instants
}

/// A field reader for the patterns above, as plain as it can be.
struct Fields {
    minutes: Vec<u32>,
    hours: Vec<u32>,
    day_of_month: String,
    months: Vec<u32>,
    day_of_week: String,
    counts_real_time: bool,
}

impl Fields {
    fn read(text: &str) -> Self {
        let f: Vec<&str> = text.split(' ').collect();
        Self {
            minutes: values(f[0], 0, 59),
            hours: values(f[1], 0, 23),
            day_of_month: f[2].into(),
            months: values(f[3], 1, 12),
            day_of_week: f[4].into(),
            counts_real_time: f[0].contains('*') || f[1].contains('*'),
        }
    }

    fn matches(&self, wall: NaiveDateTime) -> bool {
        self.minutes.contains(&wall.minute())
            && self.hours.contains(&wall.hour())
            && self.months.contains(&wall.month())
            && self.day_matches(wall)
    }

    fn day_matches(&self, wall: NaiveDateTime) -> bool {
        let (dom, dow) = (self.day_of_month.as_str(), self.day_of_week.as_str());
        let is_last_week = (wall + TimeDelta::days(7)).month() != wall.month();
        let weekday = wall.weekday().num_days_from_sunday();
        let by_month = match dom {
            "L" => (wall + TimeDelta::days(1)).month() != wall.month(),
            _ => values(dom, 1, 31).contains(&wall.day()),
        };
        let by_week = match dow {
            "7L" => weekday == 0 && is_last_week,
            "0#2" => weekday == 0 && (8..15).contains(&wall.day()),
            _ => values(dow, 0, 6).contains(&weekday),
        };
        match (dom, dow) {
            (_, "*") => by_month,
            ("*", _) => by_week,
            _ => by_month || by_week,
        }
    }
}

fn values(field: &str, min: u32, max: u32) -> Vec<u32> {
    let mut values = Vec::new();
    for item in field.split(',') {
        let (range, step) = item.split_once('/').unwrap_or((item, "1"));
        let (from, to) = match range.split_once('-') {
            Some((from, to)) => (from.parse().unwrap(), to.parse().unwrap()),
            None if range == "*" => (min, max),
            None => (range.parse().unwrap(), range.parse().unwrap()),
        };
        values.extend((from..=to).step_by(step.parse().unwrap()));
    }
    values
}

/// The first minutes with a new offset, 2024 to 2037.
fn changes(zone: Tz) -> Vec<Instant> {
    let offset = |instant: Instant| {
        zone.offset_from_utc_datetime(&instant.naive_utc())
            .fix()
            .local_minus_utc()
    };
    let mut changes = Vec::new();
    let mut hour = Utc.with_ymd_and_hms(2024, 1, 1, 0, 0, 0).unwrap();
    let end = Utc.with_ymd_and_hms(2038, 1, 1, 0, 0, 0).unwrap();
    while hour < end {
        let next = hour + TimeDelta::hours(1);
        if offset(hour) != offset(next) {
            let mut minute = hour;
            while offset(minute) == offset(hour) {
                minute += TimeDelta::minutes(1);
            }
            changes.push(minute);
        }
        hour = next;
    }
    changes
}

#[test]
fn counting_fourteen_years_gives_what_walking_them_gives() {
    let from = Utc.with_ymd_and_hms(2024, 1, 1, 0, 0, 0).unwrap();
    let until = Utc.with_ymd_and_hms(2038, 1, 1, 0, 0, 0).unwrap();
    for zone in ZONES {
        for text in [
            "30 2 * * *",
            "0 8 * * 1-5",
            "30 */12 * * *",
            "0 2,3 L * 0#1",
        ] {
            let schedule = Schedule::cron(text, zone).unwrap();
            let walked = schedule.upcoming(from).take_while(|i| *i <= until).count();
            assert!(walked > 300, "{text} in {zone}");
            assert_eq!(
                schedule.count(from, until),
                walked as u64,
                "{text} in {zone}"
            );
        }
    }
}
