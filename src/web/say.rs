//! Instants, spans, schedules and states in the words of a page. Pure.

use std::time::Duration;

use chrono::{TimeDelta, Timelike as _};
use chrono_tz::Tz;

use crate::{
    config::{Service, Target},
    ledger::JobState,
    model::{Language, Timestamp, from_ms},
    schedule::{Schedule, When},
};

/// How one reader is told of the instants of one wall clock.
pub(super) struct Zoned {
    pub(super) zone: Tz,
    pub(super) now: Timestamp,
    pub(super) language: Language,
}

impl Zoned {
    /// `today 08:00`.
    pub(super) fn at(&self, instant: Timestamp) -> String {
        at(instant, self.zone, self.now, self.language)
    }

    /// The same of the ledger's milliseconds.
    pub(super) fn at_ms(&self, ms: i64) -> String {
        self.at(from_ms(ms))
    }

    /// `2026-11-24 08:00:00 +08:00`, of the ledger's milliseconds.
    pub(super) fn exact_ms(&self, ms: i64) -> String {
        exact(from_ms(ms), self.zone)
    }

    /// `3 min ago`, of the ledger's milliseconds.
    pub(super) fn ago_ms(&self, ms: i64) -> String {
        distance(from_ms(ms), self.now, self.language)
    }
}

/// Whether a job is paused at an instant.
pub(super) fn is_paused(state: &JobState, now: Timestamp) -> bool {
    state.paused_at.is_some() && state.paused_until.is_none_or(|until| until > now)
}

/// An instant on a wall clock, the nearer the shorter: `08:00`, `Thu 08:00`, `2026-12-24 08:00`.
pub(crate) fn at(at: Timestamp, zone: Tz, now: Timestamp, language: Language) -> String {
    let (local, today) = (at.with_timezone(&zone), now.with_timezone(&zone));
    let days = (local.date_naive() - today.date_naive()).num_days();
    let time = local.format(if local.second() == 0 {
        "%H:%M"
    } else {
        "%H:%M:%S"
    });
    let day = match (days, language) {
        (0, Language::En) => "today".to_owned(),
        (0, Language::Zh) => "今天".to_owned(),
        (1, Language::En) => "tomorrow".to_owned(),
        (1, Language::Zh) => "明天".to_owned(),
        (-1, Language::En) => "yesterday".to_owned(),
        (-1, Language::Zh) => "昨天".to_owned(),
        (2..=6, Language::En) => local.format("%a").to_string(),
        (2..=6, Language::Zh) => format!("周{}", weekday(local.format("%u").to_string().as_str())),
        _ => local.format("%Y-%m-%d").to_string(),
    };
    format!("{day} {time}")
}

/// `2026-11-24 08:00:00 +08:00`.
pub(super) fn exact(at: Timestamp, zone: Tz) -> String {
    at.with_timezone(&zone)
        .format("%Y-%m-%d %H:%M:%S %:z")
        .to_string()
}

fn weekday(number: &str) -> &'static str {
    const NAMES: [&str; 7] = ["一", "二", "三", "四", "五", "六", "日"];
    let index = number.parse::<usize>().unwrap_or(1);
    NAMES[(index + 6) % 7]
}

/// `3 min ago`, `in 2 h`.
pub(crate) fn distance(at: Timestamp, now: Timestamp, language: Language) -> String {
    let past = at <= now;
    let span = rough((now - at).abs(), language);
    match (past, language) {
        (true, Language::En) => format!("{span} ago"),
        (true, Language::Zh) => format!("{span}前"),
        (false, Language::En) => format!("in {span}"),
        (false, Language::Zh) => format!("{span}后"),
    }
}

/// A span in its largest unit.
pub(super) fn rough(span: TimeDelta, language: Language) -> String {
    let seconds = span.num_seconds().max(0);
    let (count, en, zh) = match seconds {
        0..60 => (seconds, "s", "秒"),
        60..3_600 => (seconds / 60, "min", "分钟"),
        3_600..172_800 => (seconds / 3_600, "h", "小时"),
        _ => (seconds / 86_400, "days", "天"),
    };
    match language {
        Language::En => format!("{count} {en}"),
        Language::Zh => format!("{count} {zh}"),
    }
}

/// `820 ms`, `14.2 s`, `3 min 5 s`.
pub(crate) fn took(ms: i64, language: Language) -> String {
    let (s, min, ms_word) = match language {
        Language::En => ("s", "min", "ms"),
        Language::Zh => ("秒", "分", "毫秒"),
    };
    match ms {
        i64::MIN..1_000 => format!("{ms} {ms_word}"),
        1_000..60_000 => format!("{}.{} {s}", ms / 1_000, ms % 1_000 / 100),
        _ => format!("{} {min} {} {s}", ms / 60_000, ms % 60_000 / 1_000),
    }
}

/// `12`, `12, 1 failed`.
pub(super) fn requests(made: i64, failed: i64, language: Language) -> String {
    match (failed, language) {
        (0, _) => made.to_string(),
        (_, Language::En) => format!("{made}, {failed} failed"),
        (_, Language::Zh) => format!("{made}，失败 {failed}"),
    }
}

/// A state's class for colour, and the sign that says the same without it.
pub(super) fn look(state: &str) -> (&'static str, &'static str) {
    match state {
        "delivered" | "answered" | "healthy" => ("good", "●"),
        "failed" | "dead" => ("bad", "▲"),
        "missed" | "suspect" | "out of quota" | "lost" => ("warn", "◆"),
        "silent" => ("quiet", "◌"),
        "skipped" | "cancelled" | "interrupted" | "disabled" => ("quiet", "○"),
        "paused" | "cooling" => ("quiet", "‖"),
        _ => ("live", "◐"),
    }
}

/// A state's word in a language; the ledger's own where there is no other.
pub(super) fn state(state: &str, language: Language) -> String {
    let zh = match state {
        _ if language == Language::En => state,
        "planned" => "已计划",
        "claimed" | "asking" => "提问中",
        "answered" => "已回答",
        "delivering" | "sending" => "推送中",
        "delivered" => "已送达",
        "failed" => "失败",
        "skipped" => "已跳过",
        "missed" => "已错过",
        "silent" => "未推送",
        "cancelled" => "已取消",
        "interrupted" => "已中断",
        "lost" => "中途丢失",
        "owed" => "待推送",
        "unknown" => "不明",
        "paused" => "已暂停",
        "disabled" => "已停用",
        "waiting" => "等待首次",
        "healthy" => "正常",
        "cooling" => "休息中",
        "out of quota" => "额度用尽",
        "suspect" => "可疑",
        "dead" => "失效",
        other => other,
    };
    zh.to_owned()
}

/// Where a target's messages go, without what may be a secret in it.
pub(super) fn server(target: &Target) -> String {
    match &target.service {
        Service::Ntfy(ntfy) => ntfy.server.to_string(),
        Service::Webhook(webhook) => webhook.url.origin(),
    }
}

/// When a job is due, as a person would say it; a pattern that has no short words is said by
/// croner, or shown as it is.
pub(super) fn schedule(schedule: &Schedule, language: Language) -> String {
    let zh = language == Language::Zh;
    match schedule.when() {
        When::Every(period) => every(*period, zh),
        When::At(at) => {
            let at = at.format("%Y-%m-%d %H:%M");
            if zh {
                format!("{at}，仅一次")
            } else {
                format!("once, {at}")
            }
        }
        When::Cron(_) => {
            let text = schedule.to_string();
            cron(&text, zh).unwrap_or_else(|| described(&text, zh))
        }
    }
}

fn every(period: Duration, zh: bool) -> String {
    let seconds = period.as_secs();
    let units = [
        (86_400, "day", "天"),
        (3_600, "hour", "小时"),
        (60, "minute", "分钟"),
        (1, "second", "秒"),
    ];
    let unit = units
        .iter()
        .find(|(size, ..)| seconds.is_multiple_of(*size));
    let (size, en, cn) = unit.copied().unwrap_or((1, "second", "秒"));
    match (seconds / size, zh) {
        (1, false) => format!("every {en}"),
        (count, false) => format!("every {count} {en}s"),
        (1, true) => format!("每{cn}"),
        (count, true) => format!("每 {count} {cn}"),
    }
}

/// The everyday patterns; None for any other.
fn cron(text: &str, zh: bool) -> Option<String> {
    let text = match text.trim() {
        "@hourly" => "0 * * * *",
        "@daily" | "@midnight" => "0 0 * * *",
        "@weekly" => "0 0 * * 0",
        "@monthly" => "0 0 1 * *",
        other => other,
    };
    let fields: Vec<&str> = text.split_whitespace().collect();
    let [minute, hour, day, month, weekday] = fields.as_slice() else {
        return None;
    };
    if *month != "*" {
        return None;
    }
    if (*hour, *day, *weekday) == ("*", "*", "*") {
        return within_hours(minute, zh);
    }
    let times = times(minute, hour)?;
    let days = days(day, weekday, zh)?;
    Some(if zh {
        format!("{days} {times}")
    } else {
        format!("{days} at {times}")
    })
}

fn within_hours(minute: &str, zh: bool) -> Option<String> {
    if minute == "*" {
        return Some(every(Duration::from_mins(1), zh));
    }
    if let Some(step) = minute.strip_prefix("*/") {
        let step: u64 = step
            .parse()
            .ok()
            .filter(|step| 60_u64.is_multiple_of(*step))?;
        return Some(every(Duration::from_mins(step), zh));
    }
    let minute: u8 = minute.parse().ok()?;
    Some(if zh {
        format!("每小时的第 {minute} 分钟")
    } else {
        format!("every hour at :{minute:02}")
    })
}

fn times(minute: &str, hour: &str) -> Option<String> {
    let minute: u8 = minute.parse().ok()?;
    let hours = hour.split(',').map(str::parse::<u8>);
    let times = hours.map(|hour| Some(format!("{:02}:{minute:02}", hour.ok()?)));
    Some(times.collect::<Option<Vec<_>>>()?.join(", "))
}

fn days(day: &str, weekday: &str, zh: bool) -> Option<String> {
    if let (Ok(day), "*") = (day.parse::<u8>(), weekday) {
        return Some(if zh {
            format!("每月 {day} 日")
        } else {
            format!("day {day} of every month")
        });
    }
    if day != "*" {
        return None;
    }
    Some(match (weekday.to_ascii_lowercase().as_str(), zh) {
        ("*", false) => "every day".to_owned(),
        ("*", true) => "每天".to_owned(),
        ("1-5" | "mon-fri", false) => "on weekdays".to_owned(),
        ("1-5" | "mon-fri", true) => "工作日".to_owned(),
        ("0,6" | "6,0" | "6,7" | "sat,sun" | "sun,sat", false) => "at weekends".to_owned(),
        ("0,6" | "6,0" | "6,7" | "sat,sun" | "sun,sat", true) => "周末".to_owned(),
        (list, _) => {
            let names = list.split(',').map(|name| named_day(name, zh));
            let names = names.collect::<Option<Vec<_>>>()?;
            if zh {
                format!("每{}", names.join("、"))
            } else {
                format!("on {}", names.join(", "))
            }
        }
    })
}

fn named_day(text: &str, zh: bool) -> Option<&'static str> {
    const DAYS: [(&str, &str, &str); 7] = [
        ("sun", "Sundays", "周日"),
        ("mon", "Mondays", "周一"),
        ("tue", "Tuesdays", "周二"),
        ("wed", "Wednesdays", "周三"),
        ("thu", "Thursdays", "周四"),
        ("fri", "Fridays", "周五"),
        ("sat", "Saturdays", "周六"),
    ];
    let by_number = text
        .parse::<usize>()
        .ok()
        .and_then(|number| DAYS.get(number % 7));
    let (_, en, cn) = by_number.or_else(|| DAYS.iter().find(|(short, ..)| *short == text))?;
    Some(if zh { cn } else { en })
}

fn described(text: &str, zh: bool) -> String {
    if zh {
        return format!("按 {text}");
    }
    let parser = croner::parser::CronParser::builder()
        .seconds(croner::parser::Seconds::Optional)
        .build();
    parser.parse(text).map_or_else(
        |_| text.to_owned(),
        |cron| cron.describe().trim_end_matches('.').to_owned(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everyday_schedules_are_said_as_people_say_them() {
        for (text, en, zh) in [
            ("0 8 * * 1-5", "on weekdays at 08:00", "工作日 08:00"),
            (
                "30 7,19 * * *",
                "every day at 07:30, 19:30",
                "每天 07:30, 19:30",
            ),
            (
                "0 9 * * mon,4",
                "on Mondays, Thursdays at 09:00",
                "每周一、周四 09:00",
            ),
            ("0 9 * * 7", "on Sundays at 09:00", "每周日 09:00"),
            (
                "0 9 1 * *",
                "day 1 of every month at 09:00",
                "每月 1 日 09:00",
            ),
            ("*/15 * * * *", "every 15 minutes", "每 15 分钟"),
            ("5 * * * *", "every hour at :05", "每小时的第 5 分钟"),
            ("@daily", "every day at 00:00", "每天 00:00"),
            (
                "0 8 L * *",
                "At 08:00, on the last day of the month",
                "按 0 8 L * *",
            ),
        ] {
            let schedule = Schedule::cron(text, Tz::UTC).unwrap();
            let said =
                [Language::En, Language::Zh].map(|language| super::schedule(&schedule, language));
            assert_eq!(said, [en.to_owned(), zh.to_owned()], "{text}");
        }
        let quarter = Schedule::every(Duration::from_mins(90), Tz::UTC).unwrap();
        assert_eq!(schedule(&quarter, Language::En), "every 90 minutes");
    }

    #[test]
    fn instants_are_said_the_shorter_the_nearer_they_are() {
        let now: Timestamp = "2026-11-25T09:00:00Z".parse().unwrap();
        for (text, en, zh) in [
            ("2026-11-25T10:00:00Z", "today 10:00", "今天 10:00"),
            (
                "2026-11-24T10:00:05Z",
                "yesterday 10:00:05",
                "昨天 10:00:05",
            ),
            ("2026-11-29T10:00:00Z", "Sun 10:00", "周日 10:00"),
            (
                "2027-01-01T10:00:00Z",
                "2027-01-01 10:00",
                "2027-01-01 10:00",
            ),
        ] {
            let instant: Timestamp = text.parse().unwrap();
            let said =
                [Language::En, Language::Zh].map(|language| at(instant, Tz::UTC, now, language));
            assert_eq!(said, [en.to_owned(), zh.to_owned()]);
        }
        let hour_ago = now - TimeDelta::minutes(61);
        assert_eq!(distance(hour_ago, now, Language::En), "1 h ago");
        assert_eq!(
            distance(now + TimeDelta::minutes(5), now, Language::Zh),
            "5 分钟后"
        );
    }
}
