//! The words of each notice, in English and in Chinese. Pure.

use chrono_tz::Tz;

use super::{Notice, TokenName, Why};
use crate::{
    ledger::{MissedJob, Standing},
    model::{Language, RunId, Timestamp},
};

/// The most lines of a list: what a phone shows without scrolling.
const LINES: usize = 8;

/// What a notice shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Words {
    /// What has happened, and to what.
    pub(super) title: String,
    /// Why, and what to do.
    pub(super) text: String,
}

/// The two languages of one sentence, where they need the same facts.
macro_rules! say {
    ($language:expr, $en:literal, $zh:literal) => {
        match $language {
            Language::En => format!($en),
            Language::Zh => format!($zh),
        }
    };
}

/// The words of a notice as its subject stands, with instants on the wall clock of `zone`.
pub(super) fn words(notice: &Notice, language: Language, zone: Tz, standing: Standing) -> Words {
    let clock = |instant| wall_clock(instant, zone);
    let (times, since) = (standing.times, clock(standing.since));
    let (title, text) = match notice {
        Notice::RunFailed {
            job,
            run_id,
            due,
            why,
        } => {
            let why = why_failed(language, &clock(*due), *run_id, why);
            let job = &job.name;
            match times {
                ..=1 => (say!(language, "{job} failed", "{job} 运行失败"), why),
                _ => (
                    say!(
                        language,
                        "{job} failed {times} times in a row",
                        "{job} 连续 {times} 次运行失败"
                    ),
                    say!(
                        language,
                        "{why}\nIt has failed since {since}.",
                        "{why}\n自 {since} 起一直失败。"
                    ),
                ),
            }
        }
        Notice::RunBack { job, due, .. } => {
            let (job, due) = (&job.name, clock(*due));
            (
                say!(language, "{job} works again", "{job} 已恢复正常"),
                say!(
                    language,
                    "The run that was due {due} went well, after {times} that failed since {since}.",
                    "原定 {due} 的运行已成功。此前自 {since} 起连续失败 {times} 次。"
                ),
            )
        }
        Notice::Missed(jobs) => missed(language, jobs, &clock),
        Notice::TokenDead { token, error } => {
            let token = shown(language, token);
            (
                say!(language, "{token} is dead", "{token} 已失效"),
                say!(
                    language,
                    "{error}\nPut a new one in its place, then `promptcron reload`.",
                    "{error}\n请换上新的令牌，然后执行 `promptcron reload`。"
                ),
            )
        }
        Notice::TokenSpent { token, until } => {
            let (token, until) = (shown(language, token), clock(*until));
            (
                say!(language, "{token} has no rounds left", "{token} 额度已用完"),
                say!(
                    language,
                    "It rests until {until}. Where no other token answers, runs wait for it: add a token, or run less often.",
                    "{until} 之前暂停使用。若没有其他可用的令牌，运行会等到那时；可以增加令牌，或减少运行次数。"
                ),
            )
        }
        Notice::TokenExpires { token, at, days: 0 } => {
            let (token, at) = (shown(language, token), clock(*at));
            (
                say!(language, "{token} has expired", "{token} 已到期"),
                say!(
                    language,
                    "It was valid until {at}. Log in again for a new one, put it in its place, then `promptcron reload`.",
                    "有效期已于 {at} 结束。请重新登录获取新的令牌，替换后执行 `promptcron reload`。"
                ),
            )
        }
        Notice::TokenExpires { token, at, days } => {
            let (token, at) = (shown(language, token), clock(*at));
            let days = match (language, days) {
                (Language::En, 1) => "1 day".to_owned(),
                (Language::En, days) => format!("{days} days"),
                (Language::Zh, days) => format!("{days} 天"),
            };
            (
                say!(
                    language,
                    "{token} expires in {days}",
                    "{token} 将在 {days}后到期"
                ),
                say!(
                    language,
                    "It is valid until {at}. Log in again for a new one, put it in its place, then `promptcron reload`.",
                    "有效期至 {at}。请重新登录获取新的令牌，替换后执行 `promptcron reload`。"
                ),
            )
        }
        Notice::TokenBack { token } => {
            let token = shown(language, token);
            (
                say!(language, "{token} works again", "{token} 已恢复可用"),
                say!(
                    language,
                    "It had been refused since {since}.",
                    "此前自 {since} 起被拒绝。"
                ),
            )
        }
        Notice::EndpointHeld { ai, until, error } => {
            let until = clock(*until);
            (
                say!(language, "ai.{ai} does not answer", "ai.{ai} 无法使用"),
                say!(
                    language,
                    "{error}\nIt is left alone until {until}.",
                    "{error}\n{until} 之前暂停使用。"
                ),
            )
        }
        Notice::EndpointBack { ai } => (
            say!(language, "ai.{ai} answers again", "ai.{ai} 已恢复"),
            say!(
                language,
                "It had not answered since {since}.",
                "此前自 {since} 起无法使用。"
            ),
        ),
        Notice::TargetHeld {
            target,
            until,
            error,
        } => {
            let until = clock(*until);
            (
                say!(
                    language,
                    "{target} takes no pushes",
                    "{target} 无法接收推送"
                ),
                say!(
                    language,
                    "{error}\nWhat is owed to it is kept and sent from {until} on.",
                    "{error}\n待推送的内容已保留，{until} 之后会重新发送。"
                ),
            )
        }
        Notice::TargetBack { target } => (
            say!(
                language,
                "{target} takes pushes again",
                "{target} 已恢复接收推送"
            ),
            say!(
                language,
                "It had taken none since {since}.",
                "此前自 {since} 起无法接收。"
            ),
        ),
        Notice::ConfigRejected(errors) => {
            let errors = listed(language, errors.clone(), 3);
            (
                say!(
                    language,
                    "The changed config was rejected",
                    "修改后的配置未被采用"
                ),
                say!(
                    language,
                    "{errors}\nThe one before goes on. Mend the file, then `promptcron reload`.",
                    "{errors}\n仍按之前的配置运行。请修正文件，然后执行 `promptcron reload`。"
                ),
            )
        }
        Notice::ConfigTaken => (
            say!(language, "The config was taken", "新配置已生效"),
            say!(
                language,
                "It had been rejected since {since}.",
                "此前的修改自 {since} 起一直未被采用。"
            ),
        ),
    };
    Words { title, text }
}

/// One notice instead of those that were too many for an hour.
pub(super) fn summary(language: Language, titles: &[String], most_per_hour: u32) -> Words {
    let more = titles.len();
    let list = listed(language, titles.to_vec(), LINES);
    let title = match (language, more) {
        (Language::En, 1) => "1 more notice".to_owned(),
        (Language::En, more) => format!("{more} more notices"),
        (Language::Zh, more) => format!("另有 {more} 条通知"),
    };
    Words {
        title,
        text: say!(
            language,
            "{list}\nThey are told together, because more than {most_per_hour} would come in an hour (alerts_per_hour). `promptcron history` has each run.",
            "{list}\n一小时内的通知超过 {most_per_hour} 条（alerts_per_hour），故合并发送。每次运行的详情可用 `promptcron history` 查看。"
        ),
    }
}

fn why_failed(language: Language, due: &str, run_id: RunId, why: &Why) -> String {
    match why {
        Why::NoAnswer(error) => say!(
            language,
            "No answer for the run that was due {due}.\n{error}",
            "原定 {due} 的运行没有得到回答。\n{error}"
        ),
        Why::NotPushed(error) => say!(
            language,
            "The answer of the run that was due {due} could not be pushed (`promptcron show {run_id}` has it).\n{error}",
            "原定 {due} 的运行已有回答，但推送失败（可用 `promptcron show {run_id}` 查看回答）。\n{error}"
        ),
        Why::Died => say!(
            language,
            "promptcron itself broke down at the run that was due {due}. Please report it, with the log of that time.",
            "原定 {due} 的运行因 promptcron 自身的故障而中断，请附上当时的日志反馈此问题。"
        ),
    }
}

fn missed(
    language: Language,
    jobs: &[MissedJob],
    clock: &impl Fn(Timestamp) -> String,
) -> (String, String) {
    let all: i64 = jobs.iter().map(|job| job.instants).sum();
    let title = match (language, all) {
        (Language::En, 1) => "1 run was missed".to_owned(),
        (Language::En, all) => format!("{all} runs were missed"),
        (Language::Zh, all) => format!("错过 {all} 次运行"),
    };
    let lines = jobs.iter().map(|job| missed_job(language, job, clock));
    let list = listed(language, lines.collect(), LINES);
    let text = say!(
        language,
        "{list}\nThey could not be started in time: promptcron was not running, the machine slept, or no slot was free. What is older than catch_up_window is not made up for. `promptcron history` has all of them.",
        "{list}\n原因可能是 promptcron 当时未运行、设备休眠，或没有空位。超出 catch_up_window 的不会补跑；完整记录可用 `promptcron history` 查看。"
    );
    (title, text)
}

fn missed_job(
    language: Language,
    missed: &MissedJob,
    clock: &impl Fn(Timestamp) -> String,
) -> String {
    let (job, instants) = (&missed.job, missed.instants);
    let (first, last) = (clock(missed.first()), clock(missed.last()));
    let newer = match (language, missed.is_lost) {
        (Language::En, false) => "; the newest ran instead",
        (Language::Zh, false) => "，改为补跑最新一次",
        _ => "",
    };
    match instants {
        1 => say!(
            language,
            "{job}: due {first}{newer}",
            "{job}：原定 {first}{newer}"
        ),
        _ => say!(
            language,
            "{job}: {instants}, due {first} to {last}{newer}",
            "{job}：{instants} 次，原定 {first} 至 {last}{newer}"
        ),
    }
}

/// A line each, equal ones once, and how many more there are.
fn listed(language: Language, lines: Vec<String>, most: usize) -> String {
    let mut counted: Vec<(String, usize)> = Vec::new();
    for line in lines {
        match counted.iter_mut().find(|(known, _)| *known == line) {
            Some((_, times)) => *times += 1,
            None => counted.push((line, 1)),
        }
    }
    let more: usize = counted.iter().skip(most).map(|(_, times)| times).sum();
    let mut shown: Vec<String> = counted
        .into_iter()
        .take(most)
        .map(|(line, times)| match times {
            1 => line,
            times => format!("{line} ×{times}"),
        })
        .collect();
    if more > 0 {
        shown.push(say!(language, "and {more} more", "另有 {more} 项"));
    }
    shown.join("\n")
}

fn shown(language: Language, token: &TokenName) -> String {
    let (ai, label) = (&token.ai, &token.label);
    say!(language, "ai.{ai}: token {label}", "ai.{ai} 的令牌 {label}")
}

fn wall_clock(instant: Timestamp, zone: Tz) -> String {
    let local = instant.with_timezone(&zone);
    local.format("%Y-%m-%d %H:%M").to_string()
}
