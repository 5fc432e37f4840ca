//! Every notice as a phone shows it, in both languages, and who hears of it.

use std::{collections::BTreeMap, fmt::Write as _, path::Path, sync::Arc};

use super::{Notice, TokenName, Why, receivers::receivers, tidings, words::summary};
use crate::{
    config::{self, Config, Job},
    ledger::{MissedJob, Standing, Step},
    model::{Language, Timestamp},
    push::Message,
};

fn at(instant: &str) -> Timestamp {
    instant.parse().unwrap()
}

/// Two jobs, `金价` to `phone` and `news` to both.
fn config(top: &str) -> Config {
    let text = format!(
        r#"
timezone = "Asia/Shanghai"
{top}
[ai.kimi]
api = "kimi"
base_url = "http://127.0.0.1:8000/v1"
tokens = "TOKEN1"
[ntfy.phone]
topic = "hotine"
[ntfy.ops]
topic = "alarm"
[[job]]
name = "金价"
cron = "0 8 * * *"
prompt = "金价？"
ntfy = "phone"
[[job]]
name = "news"
every = "15m"
prompt = "news?"
ntfy = ["phone", "ops"]
"#
    );
    let now = at("2026-11-23T00:00:00Z");
    config::parse(&text, Path::new("c.toml"), now, &BTreeMap::new())
        .unwrap_or_else(|errors| panic!("{errors}"))
}

fn job(config: &Config) -> Arc<Job> {
    config.jobs[0].clone()
}

fn token() -> TokenName {
    TokenName {
        ai: "kimi".into(),
        label: "#2 …KEN2".into(),
        fingerprint: "ab12".into(),
    }
}

fn missed(job: &str, instants: i64, is_lost: bool) -> MissedJob {
    let (first, last) = (at("2026-11-21T00:00:00Z"), at("2026-11-22T23:45:00Z"));
    MissedJob::new(job, instants, is_lost, first, last)
}

/// What a phone shows of a notice at the `times`-th time, in English and in Chinese.
fn shown(notice: impl Fn(Arc<Job>) -> Notice, times: i64) -> String {
    let mut out = String::new();
    for language in ["en", "zh"] {
        let top = format!("language = \"{language}\"\nalerts = \"ops\"");
        let config = config(&top);
        let now = at("2026-11-23T02:00:00Z");
        let told = tidings(&config, notice(job(&config)), now);
        let is_over = told.step == Step::Over;
        let letters = (told.compose)(Standing {
            times,
            since: at("2026-11-22T16:00:00Z"),
            told: i64::from(is_over),
            told_at: None,
        });
        assert_eq!(letters.len(), 1);
        let delivery = &letters[0].delivery;
        assert_eq!((delivery.kind, delivery.target.as_str()), ("notice", "ops"));
        let message: Message = serde_json::from_str(&delivery.message).unwrap();
        let title = message.title.unwrap();
        assert_eq!(letters[0].title, title);
        let tags = message.tags.join(",");
        let quiet = message.priority.map_or("", |_| ", quiet");
        writeln!(out, "{title} [{tags}{quiet}]\n{}", message.message).unwrap();
    }
    out
}

fn failed(why: Why) -> impl Fn(Arc<Job>) -> Notice {
    move |job| Notice::RunFailed {
        job,
        run_id: 17,
        due: at("2026-11-23T00:00:00Z"),
        why: why.clone(),
    }
}

#[test]
fn a_run_that_failed() {
    let no_answer = Why::NoAnswer("ai.kimi: HTTP 500 — try later".to_owned());
    insta::assert_snapshot!(shown(failed(no_answer.clone()), 1), @r"
    金价 failed [warning]
    No answer for the run that was due 2026-11-23 08:00.
    ai.kimi: HTTP 500 — try later
    金价 运行失败 [warning]
    原定 2026-11-23 08:00 的运行没有得到回答。
    ai.kimi: HTTP 500 — try later
    ");
    insta::assert_snapshot!(shown(failed(no_answer), 3), @r"
    金价 failed 3 times in a row [warning]
    No answer for the run that was due 2026-11-23 08:00.
    ai.kimi: HTTP 500 — try later
    It has failed since 2026-11-23 00:00.
    金价 连续 3 次运行失败 [warning]
    原定 2026-11-23 08:00 的运行没有得到回答。
    ai.kimi: HTTP 500 — try later
    自 2026-11-23 00:00 起一直失败。
    ");
    let not_pushed = Why::NotPushed("ntfy.phone: HTTP 403".to_owned());
    insta::assert_snapshot!(shown(failed(not_pushed), 1), @r"
    金价 failed [warning]
    The answer of the run that was due 2026-11-23 08:00 could not be pushed (`promptcron show 17` has it).
    ntfy.phone: HTTP 403
    金价 运行失败 [warning]
    原定 2026-11-23 08:00 的运行已有回答，但推送失败（可用 `promptcron show 17` 查看回答）。
    ntfy.phone: HTTP 403
    ");
    insta::assert_snapshot!(shown(failed(Why::Died), 1), @r"
    金价 failed [warning]
    promptcron itself broke down at the run that was due 2026-11-23 08:00. Please report it, with the log of that time.
    金价 运行失败 [warning]
    原定 2026-11-23 08:00 的运行因 promptcron 自身的故障而中断，请附上当时的日志反馈此问题。
    ");
}

#[test]
fn a_job_that_works_again() {
    let back = |job| Notice::RunBack {
        job,
        run_id: 22,
        due: at("2026-11-23T01:00:00Z"),
    };
    insta::assert_snapshot!(shown(back, 5), @r"
    金价 works again [white_check_mark, quiet]
    The run that was due 2026-11-23 09:00 went well, after 5 that failed since 2026-11-23 00:00.
    金价 已恢复正常 [white_check_mark, quiet]
    原定 2026-11-23 09:00 的运行已成功。此前自 2026-11-23 00:00 起连续失败 5 次。
    ");
    insta::assert_snapshot!(shown(back, 1), @r"
    金价 works again [white_check_mark, quiet]
    The run that was due 2026-11-23 09:00 went well, after 1 that failed since 2026-11-23 00:00.
    金价 已恢复正常 [white_check_mark, quiet]
    原定 2026-11-23 09:00 的运行已成功。此前自 2026-11-23 00:00 起连续失败 1 次。
    ");
}

#[test]
fn what_was_missed() {
    let jobs = |jobs: Vec<MissedJob>| move |_| Notice::Missed(jobs.clone());
    insta::assert_snapshot!(shown(jobs(vec![missed("金价", 1, true)]), 1), @r"
    1 run was missed [warning]
    金价: due 2026-11-21 08:00
    They could not be started in time: promptcron was not running, the machine slept, or no slot was free. What is older than catch_up_window is not made up for. `promptcron history` has all of them.
    错过 1 次运行 [warning]
    金价：原定 2026-11-21 08:00
    原因可能是 promptcron 当时未运行、设备休眠，或没有空位。超出 catch_up_window 的不会补跑；完整记录可用 `promptcron history` 查看。
    ");
    let several = vec![missed("news", 180, false), missed("金价", 2, true)];
    insta::assert_snapshot!(shown(jobs(several), 1), @r"
    182 runs were missed [warning]
    news: 180, due 2026-11-21 08:00 to 2026-11-23 07:45; the newest ran instead
    金价: 2, due 2026-11-21 08:00 to 2026-11-23 07:45
    They could not be started in time: promptcron was not running, the machine slept, or no slot was free. What is older than catch_up_window is not made up for. `promptcron history` has all of them.
    错过 182 次运行 [warning]
    news：180 次，原定 2026-11-21 08:00 至 2026-11-23 07:45，改为补跑最新一次
    金价：2 次，原定 2026-11-21 08:00 至 2026-11-23 07:45
    原因可能是 promptcron 当时未运行、设备休眠，或没有空位。超出 catch_up_window 的不会补跑；完整记录可用 `promptcron history` 查看。
    ");
    let many = (0..40).map(|job| missed(&format!("job-{job}"), 1, true));
    let many = shown(jobs(many.collect()), 1);
    assert!(many.contains("\njob-7: due"), "{many}");
    assert!(many.contains("\nand 32 more\n"), "{many}");
    assert!(many.contains("\n另有 32 项\n"), "{many}");
}

#[test]
fn tokens() {
    let dead = |_| Notice::TokenDead {
        token: token(),
        error: "ai.kimi: HTTP 401: expired".to_owned(),
    };
    insta::assert_snapshot!(shown(dead, 1), @r"
    ai.kimi: token #2 …KEN2 is dead [warning]
    ai.kimi: HTTP 401: expired
    Put a new one in its place, then `promptcron reload`.
    ai.kimi 的令牌 #2 …KEN2 已失效 [warning]
    ai.kimi: HTTP 401: expired
    请换上新的令牌，然后执行 `promptcron reload`。
    ");
    let spent = |_| Notice::TokenSpent {
        token: token(),
        until: at("2026-11-23T05:00:00Z"),
    };
    insta::assert_snapshot!(shown(spent, 1), @r"
    ai.kimi: token #2 …KEN2 has no rounds left [warning]
    It rests until 2026-11-23 13:00. Where no other token answers, runs wait for it: add a token, or run less often.
    ai.kimi 的令牌 #2 …KEN2 额度已用完 [warning]
    2026-11-23 13:00 之前暂停使用。若没有其他可用的令牌，运行会等到那时；可以增加令牌，或减少运行次数。
    ");
    let expires = |days| {
        move |_| Notice::TokenExpires {
            token: token(),
            at: at("2026-11-24T02:00:00Z"),
            days,
        }
    };
    insta::assert_snapshot!(shown(expires(3), 1), @r"
    ai.kimi: token #2 …KEN2 expires in 3 days [warning]
    It is valid until 2026-11-24 10:00. Log in again for a new one, put it in its place, then `promptcron reload`.
    ai.kimi 的令牌 #2 …KEN2 将在 3 天后到期 [warning]
    有效期至 2026-11-24 10:00。请重新登录获取新的令牌，替换后执行 `promptcron reload`。
    ");
    insta::assert_snapshot!(shown(expires(1), 1), @r"
    ai.kimi: token #2 …KEN2 expires in 1 day [warning]
    It is valid until 2026-11-24 10:00. Log in again for a new one, put it in its place, then `promptcron reload`.
    ai.kimi 的令牌 #2 …KEN2 将在 1 天后到期 [warning]
    有效期至 2026-11-24 10:00。请重新登录获取新的令牌，替换后执行 `promptcron reload`。
    ");
    insta::assert_snapshot!(shown(expires(0), 1), @r"
    ai.kimi: token #2 …KEN2 has expired [warning]
    It was valid until 2026-11-24 10:00. Log in again for a new one, put it in its place, then `promptcron reload`.
    ai.kimi 的令牌 #2 …KEN2 已到期 [warning]
    有效期已于 2026-11-24 10:00 结束。请重新登录获取新的令牌，替换后执行 `promptcron reload`。
    ");
    insta::assert_snapshot!(shown(|_| Notice::TokenBack { token: token() }, 1), @r"
    ai.kimi: token #2 …KEN2 works again [white_check_mark, quiet]
    It had been refused since 2026-11-23 00:00.
    ai.kimi 的令牌 #2 …KEN2 已恢复可用 [white_check_mark, quiet]
    此前自 2026-11-23 00:00 起被拒绝。
    ");
}

#[test]
fn endpoints_and_targets() {
    let until = at("2026-11-23T02:10:00Z");
    let held = |_| Notice::EndpointHeld {
        ai: "kimi".into(),
        until,
        error: "ai.kimi: cannot connect".to_owned(),
    };
    insta::assert_snapshot!(shown(held, 1), @r"
    ai.kimi does not answer [warning]
    ai.kimi: cannot connect
    It is left alone until 2026-11-23 10:10.
    ai.kimi 无法使用 [warning]
    ai.kimi: cannot connect
    2026-11-23 10:10 之前暂停使用。
    ");
    insta::assert_snapshot!(shown(|_| Notice::EndpointBack { ai: "kimi".into() }, 1), @r"
    ai.kimi answers again [white_check_mark, quiet]
    It had not answered since 2026-11-23 00:00.
    ai.kimi 已恢复 [white_check_mark, quiet]
    此前自 2026-11-23 00:00 起无法使用。
    ");
    let held = |_| Notice::TargetHeld {
        target: "phone".into(),
        until,
        error: "ntfy.phone: HTTP 429, code 42908".to_owned(),
    };
    insta::assert_snapshot!(shown(held, 1), @r"
    phone takes no pushes [warning]
    ntfy.phone: HTTP 429, code 42908
    What is owed to it is kept and sent from 2026-11-23 10:10 on.
    phone 无法接收推送 [warning]
    ntfy.phone: HTTP 429, code 42908
    待推送的内容已保留，2026-11-23 10:10 之后会重新发送。
    ");
    insta::assert_snapshot!(shown(|_| Notice::TargetBack { target: "phone".into() }, 1), @r"
    phone takes pushes again [white_check_mark, quiet]
    It had taken none since 2026-11-23 00:00.
    phone 已恢复接收推送 [white_check_mark, quiet]
    此前自 2026-11-23 00:00 起无法接收。
    ");
}

#[test]
fn configs() {
    let errors = (1..=5).map(|line| format!("config.toml:{line}:1: unknown key \"promt\""));
    let errors: Vec<String> = errors.collect();
    insta::assert_snapshot!(shown(|_| Notice::ConfigRejected(errors.clone()), 1), @r#"
    The changed config was rejected [warning]
    config.toml:1:1: unknown key "promt"
    config.toml:2:1: unknown key "promt"
    config.toml:3:1: unknown key "promt"
    and 2 more
    The one before goes on. Mend the file, then `promptcron reload`.
    修改后的配置未被采用 [warning]
    config.toml:1:1: unknown key "promt"
    config.toml:2:1: unknown key "promt"
    config.toml:3:1: unknown key "promt"
    另有 2 项
    仍按之前的配置运行。请修正文件，然后执行 `promptcron reload`。
    "#);
    insta::assert_snapshot!(shown(|_| Notice::ConfigTaken, 1), @r"
    The config was taken [white_check_mark, quiet]
    It had been rejected since 2026-11-23 00:00.
    新配置已生效 [white_check_mark, quiet]
    此前的修改自 2026-11-23 00:00 起一直未被采用。
    ");
}

#[test]
fn what_was_too_much_for_an_hour() {
    let titles = |language: Language| {
        let one = |job| match language {
            Language::En => format!("{job} failed"),
            Language::Zh => format!("{job} 运行失败"),
        };
        let mut titles: Vec<String> = (0..20).map(|job| one(format!("job-{job}"))).collect();
        titles.push(titles[0].clone());
        let words = summary(language, &titles, 6);
        format!("{}\n{}", words.title, words.text)
    };
    insta::assert_snapshot!(titles(Language::En), @r"
    21 more notices
    job-0 failed ×2
    job-1 failed
    job-2 failed
    job-3 failed
    job-4 failed
    job-5 failed
    job-6 failed
    job-7 failed
    and 12 more
    They are told together, because more than 6 would come in an hour (alerts_per_hour). `promptcron history` has each run.
    ");
    insta::assert_snapshot!(titles(Language::Zh), @r"
    另有 21 条通知
    job-0 运行失败 ×2
    job-1 运行失败
    job-2 运行失败
    job-3 运行失败
    job-4 运行失败
    job-5 运行失败
    job-6 运行失败
    job-7 运行失败
    另有 12 项
    一小时内的通知超过 6 条（alerts_per_hour），故合并发送。每次运行的详情可用 `promptcron history` 查看。
    ");
}

/// Who hears of a notice without `alerts`.
fn hears(top: &str, notice: impl Fn(Arc<Job>) -> Notice) -> Vec<String> {
    let config = config(top);
    let receivers = receivers(&config, &notice(job(&config)));
    let shown = receivers.iter().map(|receiver| match &receiver.notice {
        Notice::Missed(jobs) => {
            let jobs: Vec<_> = jobs.iter().map(|job| job.job.as_str()).collect();
            format!("{} of {}", receiver.target.name, jobs.join(", "))
        }
        _ => receiver.target.name.to_string(),
    });
    shown.collect()
}

#[test]
fn without_alerts_the_jobs_targets_hear_of_it() {
    assert_eq!(hears("", failed(Why::Died)), ["phone"]);
    let both = vec![missed("news", 2, true), missed("金价", 1, true)];
    assert_eq!(
        hears("", |_| Notice::Missed(both.clone())),
        ["ops of news", "phone of news, 金价"]
    );
    // Which of two would be the operator's nobody can tell.
    assert!(hears("", |_| Notice::ConfigTaken).is_empty());
}

#[test]
fn with_alerts_everything_goes_there_but_what_is_about_it() {
    let held = |target: &'static str| {
        move |_| Notice::TargetHeld {
            target: target.into(),
            until: at("2026-11-23T02:10:00Z"),
            error: "HTTP 429".to_owned(),
        }
    };
    let alerts = "alerts = \"ops\"";
    assert_eq!(hears(alerts, failed(Why::Died)), ["ops"]);
    assert_eq!(hears(alerts, |_| Notice::ConfigTaken), ["ops"]);
    assert_eq!(hears(alerts, held("phone")), ["ops"]);
    assert!(hears(alerts, held("ops")).is_empty());
}
