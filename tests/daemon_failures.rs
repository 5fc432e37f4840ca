//! `promptcron run` when something fails: what is tried again, what is told, and that no secret
//! comes out.

#![allow(clippy::unwrap_used, reason = "a test may end at once")]

#[path = "support/ai.rs"]
mod ai;
#[path = "support/ntfy.rs"]
mod ntfy;
#[path = "support/process.rs"]
mod process;

use ai::{FakeKimi, FakeOpenai, Reply};
use ntfy::{
    FakeNtfy, Fault,
    rules::{Access, Rights, Settings},
};
use process::{DEADLINE, Place, Signal};
use serde_json::{Value, json};

const ANSWER: &str = "上海金报 801.5 元/克。";

/// A job of each second that asks an openai-compatible service; `top` and `job` are more keys.
fn config(base_url: &str, ntfy: &FakeNtfy, top: &str, job: &str) -> String {
    format!(
        r#"
timezone = "Asia/Shanghai"
{top}

[ai.local]
api = "openai"
base_url = "{base_url}"
model = "gpt-test"

[ntfy.phone]
server = "{0}"
topic = "hotine"

[ntfy.admin]
server = "{0}"
topic = "alarm"

[[job]]
name = "金价"
cron = "* * * * * *"
prompt = "分析一下当前国内上海金价格。"
ntfy = "phone"
title = "金价分析"
overlap = "allow"
{job}
"#,
        ntfy.url(),
    )
}

fn json_of(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

/// Runs the daemon until there is a notice, and returns its bytes with the run's number and its
/// instant on the job's wall clock.
fn notice(top: &str, job: &str, reply: Reply) -> (String, Value, String) {
    let (openai, ntfy) = (FakeOpenai::start(), FakeNtfy::start());
    openai.reply_with(reply);
    let place = Place::new(&config(&openai.base_url(), &ntfy, top, job));

    let daemon = place.start(&["run"]);
    ntfy.wait_for(1, DEADLINE);
    let output = daemon.end(Signal::TERM);

    assert_eq!(output.code, Some(0), "{}", output.stderr);
    let rows = place.history();
    let failed = rows.iter().filter(|row| row["state"] == "failed").count();
    // One question for each of them; a notice of the first and of the third.
    let notices = 1 + usize::from(failed >= 3);
    assert_eq!(
        (openai.questions().len(), ntfy.publishes().len()),
        (failed, notices)
    );
    let line = output
        .stderr
        .lines()
        .find(|line| line.contains("ERROR failed"))
        .unwrap();
    for field in [
        "job=\"金价\" run=1 scheduled_at=",
        " asked_ms=",
        " pushed_ms=0",
        " token=\"none\"",
        " reason=\"ai.local",
    ] {
        assert!(line.contains(field), "{line}");
    }
    let due: chrono::DateTime<chrono::Utc> =
        rows[0]["scheduled_at"].as_str().unwrap().parse().unwrap();
    let due = due
        .with_timezone(&chrono_tz::Asia::Shanghai)
        .format("%Y-%m-%d %H:%M");
    let push = ntfy.publishes()[0]
        .text()
        .replace(&openai.base_url(), "URL");
    (push, rows[0].clone(), due.to_string())
}

#[test]
fn a_run_that_failed_for_good_is_told_to_alerts() {
    let refused = Reply::openai_error(400, "invalid_request_error", "max_tokens is too large");
    let (push, run, due) = notice("alerts = \"admin\"", "", refused);

    let error = "ai.local (URL, model gpt-test): HTTP 400, code invalid_request_error: max_tokens is too large — the service refuses the request itself: check the prompt, model and params";
    let id = &json_of(&push)["sequence_id"];
    assert_eq!(
        push,
        format!(
            r#"{{"topic":"alarm","message":"No answer for the run that was due {due}.\n{error}","title":"金价 failed","tags":["warning"],"sequence_id":{id}}}"#
        )
    );
    assert_eq!(run["attempts"], 1);
    assert!(
        run["reason"]
            .as_str()
            .unwrap()
            .contains("max_tokens is too large")
    );
}

#[test]
fn without_alerts_the_jobs_own_target_is_told() {
    let down = Reply::openai_error(503, "overloaded", "系统繁忙");
    let (push, _, _) = notice("", "retry_for = \"0s\"", down);

    let push = json_of(&push);
    assert_eq!(
        (&push["topic"], &push["title"]),
        (&json!("hotine"), &json!("金价 failed"))
    );
    assert!(push["message"].as_str().unwrap().contains("系统繁忙"));
}

#[test]
fn a_question_that_failed_is_asked_again_later() {
    let (openai, ntfy) = (FakeOpenai::start(), FakeNtfy::start());
    openai.answer_with(ANSWER);
    openai.next(Reply::openai_error(503, "overloaded", "系统繁忙"));
    let place = Place::new(&config(&openai.base_url(), &ntfy, "", ""));

    let daemon = place.start(&["run"]);
    let again = daemon.wait_for_log("asking failed");
    assert!(
        again.contains("WARN asking failed job=\"金价\" run=1 attempt=1 next_attempt_at=\"20"),
        "{again}"
    );
    let done = daemon.wait_for_log("delivered job=\"金价\" run=1 ");
    let output = daemon.end(Signal::TERM);

    assert_eq!(output.code, Some(0), "{done}");
    let row = &place.history()[0];
    assert_eq!(
        (&row["state"], &row["attempts"]),
        (&json!("delivered"), &json!(2))
    );
    // No notice.
    assert!(
        ntfy.messages("hotine")
            .iter()
            .all(|message| message["title"] == "金价分析")
    );
}

#[test]
fn a_push_that_failed_is_sent_again_under_the_same_sequence_id() {
    let (openai, ntfy) = (FakeOpenai::start(), FakeNtfy::start());
    openai.answer_with(ANSWER);
    ntfy.fail(1, Fault::Code(50001));
    let place = Place::new(&config(&openai.base_url(), &ntfy, "", ""));

    let daemon = place.start(&["run"]);
    let again = daemon.wait_for_log("pushing failed");
    assert!(
        again.contains(
            "WARN pushing failed job=\"金价\" run=1 part=1 attempt=1 next_attempt_at=\"20"
        ),
        "{again}"
    );
    daemon.wait_for_log("delivered job=\"金价\" run=1 ");
    assert_eq!(daemon.end(Signal::TERM).code, Some(0));

    let pushes = ntfy.publishes();
    let id = |push: &ntfy::Request| json_of(push.text())["sequence_id"].clone();
    let first = &pushes[0];
    let again: Vec<&str> = pushes[1..]
        .iter()
        .filter(|push| id(push) == id(first))
        .map(ntfy::Request::text)
        .collect();
    assert_eq!(again, [first.text()]);
    let delivery = &place.shown(1)["deliveries"][0];
    assert_eq!(
        (&delivery["state"], &delivery["attempts"]),
        (&json!("delivered"), &json!(2))
    );
    // A push that is sent again asks nobody again.
    let runs = place
        .history()
        .iter()
        .filter(|row| row["state"] != "planned")
        .count();
    assert_eq!(openai.questions().len(), runs);
}

#[test]
fn a_push_that_is_refused_is_told_to_alerts() {
    let (openai, phone, admin) = (FakeOpenai::start(), FakeNtfy::start(), FakeNtfy::start());
    openai.answer_with(ANSWER);
    phone.outage(Some(Fault::Code(40301)));
    let config = config(&openai.base_url(), &admin, "alerts = \"admin\"", "");
    let place = Place::new(&config.replacen(&admin.url(), &phone.url(), 1));

    let daemon = place.start(&["run"]);
    admin.wait_for(1, DEADLINE);
    let output = daemon.end(Signal::TERM);

    assert_eq!(output.code, Some(0));
    let row = &place.history()[0];
    assert_eq!(
        (&row["state"], &row["reason"]),
        (&json!("failed"), &json!("delivery 1 of 1"))
    );
    let told = json_of(admin.publishes()[0].text());
    assert_eq!(told["title"], "金价 failed");
    let message = told["message"].as_str().unwrap();
    assert!(
        message.contains("could not be pushed (`promptcron show 1` has it).\nntfy.phone ("),
        "{message}"
    );
    let shown = place.run(&["show", "1"]);
    assert!(shown.stdout.contains(ANSWER), "{}", shown.stdout);
}

#[test]
fn no_secret_comes_out_however_much_is_logged() {
    const TOKENS: [&str; 2] = [
        "eyJhbGciOiJIUzUxMiJ9.geheim-eins",
        "eyJhbGciOiJIUzUxMiJ9.geheim-zwei",
    ];
    const SECRETS: [&str; 5] = [
        TOKENS[0],
        TOKENS[1],
        "geheim",
        "tr0ub4dor",
        "5Y+2OnRyMHViNGRvcg==",
    ];
    let kimi = FakeKimi::start();
    // Servers echo what they were sent.
    let echo = format!("[请求kimi失败]: token {} 无效", TOKENS[0]);
    kimi.reply_to(TOKENS[0], Reply::kimi_error(-2001, &echo));
    kimi.answer_with(ANSWER);
    kimi.kill(TOKENS[0]);
    let ntfy = FakeNtfy::with(Settings {
        access: Some(Access {
            // 叶:tr0ub4dor
            headers: vec!["Basic 5Y+2OnRyMHViNGRvcg==".to_owned()],
            user: Rights::ReadWrite,
            everyone: Rights::Deny,
        }),
        ..Settings::default()
    });
    let config = format!(
        r#"
[ai.kimi]
api = "kimi"
base_url = "{}"
tokens_env = "KIMI_TOKENS"

[ntfy.phone]
server = "{}"
topic = "hotine"
user = "叶"
password_env = "NTFY_PASSWORD"

[[job]]
name = "金价"
cron = "* * * * * *"
prompt = "今天的金价？"
"#,
        kimi.base_url(),
        ntfy.url()
    );
    let place = Place::new(&config)
        .with_env("RUST_LOG", "trace")
        .with_env("KIMI_TOKENS", &TOKENS.join(","))
        .with_env("NTFY_PASSWORD", "tr0ub4dor");

    let daemon = place.start(&["run"]);
    ntfy.wait_for(1, DEADLINE);
    let mut outputs = vec![daemon.end(Signal::TERM)];
    for arguments in [
        &["check"][..],
        &["check", "--live"],
        &["once", "金价"],
        &["once", "金价", "--dry-run"],
        &["push", "phone", "测试"],
        &["history"],
        &["show", "1"],
        &["show", "1", "--json"],
        &["audit"],
    ] {
        outputs.push(place.run(arguments));
    }

    assert!(outputs[0].stderr.contains("TRACE"), "{}", outputs[0].stderr);
    assert!(
        outputs[2].stdout.contains("FAILED ai.kimi"),
        "{}",
        outputs[2].stdout
    );
    for output in &outputs {
        for secret in SECRETS {
            let line = output
                .stdout
                .lines()
                .chain(output.stderr.lines())
                .find(|line| line.contains(secret));
            assert_eq!(line, None, "{secret} came out");
        }
    }
    // Nor do they lie in the ledger.
    for file in place.files() {
        let bytes = std::fs::read(place.path().join(&file)).unwrap();
        for secret in SECRETS {
            let found = bytes
                .windows(secret.len())
                .any(|window| window == secret.as_bytes());
            assert!(!found, "{secret} is in {file}");
        }
    }
}
