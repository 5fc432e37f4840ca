//! `promptcron check`: what a person reads of a good config and of a wrong one.

#![allow(clippy::unwrap_used, reason = "a test may end at once")]

#[path = "support/ai.rs"]
mod ai;
#[path = "support/ntfy.rs"]
mod ntfy;
#[path = "support/process.rs"]
mod process;

use std::{fs, path::Path};

use ai::{FakeKimi, FakeOpenai};
use ntfy::{
    FakeNtfy,
    rules::{Access, Rights, Settings},
};
use process::Place;

const CONFIG: &str = r#"timezone = "Asia/Shanghai"

[ai.kimi]
api = "kimi"
base_url = "http://127.0.0.1:8000/v1/chat/completions"
tokens = ["eyJhbGci-token-0001", "eyJhbGci-token-0002"]

[ntfy.phone]
topic = "hotine"

[ntfy.familie]
server = "https://push.example.com"
topic = "familie"

[[job]]
name = "金价"
cron = "0 8 * * *"
prompt = "分析一下当前国内上海金价格，较上日变化，近期走势。给出投资建议。"
ntfy = "phone"
title = "金价分析"
tags = ["💰"]

[[job]]
name = "weather"
every = "6h"
timezone = "Europe/Berlin"
prompt = "今天柏林的天气？"
ntfy = ["phone", "familie"]
style = "markdown"

[[job]]
name = "圣诞"
at = "2020-12-24T08:00"
prompt = "圣诞快乐？"
ntfy = "phone"

[[job]]
name = "新闻"
cron = "@hourly"
prompt = "今天的新闻？"
ntfy = "phone"
enabled = false
"#;

/// Dates and the hours of day that depend on when the test runs are taken out.
fn without_dates(text: &str) -> String {
    let dates = regex::Regex::new(r"\d{4}-\d\d-\d\d \w{3} ").unwrap();
    let berlin = regex::Regex::new(r"DATE \d\d:00:00 \+0[12]:00").unwrap();
    let text = dates.replace_all(text, "DATE ");
    berlin
        .replace_all(&text, "DATE HH:00:00 BERLIN")
        .into_owned()
}

#[test]
fn a_good_config_is_told_job_by_job() {
    let place = Place::new(CONFIG);

    let output = place.run(&["check"]);

    assert_eq!((output.code, output.stderr.as_str()), (Some(0), ""));
    insta::assert_snapshot!(without_dates(&output.stdout), @r"
    warning: config.toml:33:6: at: this instant is past; the job will not run by itself
    金价: 0 8 * * * (Asia/Shanghai), kimi → phone
      DATE 08:00:00 +08:00
      DATE 08:00:00 +08:00
      DATE 08:00:00 +08:00
    weather: every 6h (Europe/Berlin), kimi → phone, familie, markdown
      DATE HH:00:00 BERLIN
      DATE HH:00:00 BERLIN
      DATE HH:00:00 BERLIN
    圣诞: at 2020-12-24T08:00 (Asia/Shanghai), kimi → phone
      never due again
    新闻: @hourly (Asia/Shanghai), kimi → phone
      not enabled
    config.toml is valid: 4 jobs, 1 AI endpoint, 2 ntfy targets; ledger promptcron.db
    ");
    assert_eq!(place.files(), ["config.toml"]);
}

#[test]
fn a_chain_is_told_with_the_model_that_each_endpoint_is_asked_for() {
    let place = Place::new(
        r#"
[ai.kimi]
api = "kimi"
base_url = "http://127.0.0.1:8000/v1"
tokens = ["eyJhbGci-token-0001"]

[ai.moonshot]
api = "openai"
base_url = "https://api.moonshot.cn/v1"
model = "moonshot-v1-8k"

[ntfy.phone]
topic = "hotine"

[[job]]
name = "金价"
cron = "0 8 * * *"
timezone = "Asia/Shanghai"
prompt = "今天的金价？"
ai = ["kimi", "moonshot"]
model = "kimi-k1"
enabled = false
"#,
    );

    let output = place.run(&["check"]);

    insta::assert_snapshot!(output.stdout, @r"
    金价: 0 8 * * * (Asia/Shanghai), kimi (model kimi-k1), else moonshot (model moonshot-v1-8k) → phone
      not enabled
    config.toml is valid: 1 job, 2 AI endpoints, 1 ntfy target; ledger promptcron.db
    ");
}

#[test]
fn live_asks_every_token_and_target_without_a_push() {
    let (kimi, openai) = (FakeKimi::start(), FakeOpenai::start());
    let ntfy = FakeNtfy::with(Settings {
        access: Some(Access {
            headers: vec!["Bearer tk_richtig".to_owned()],
            user: Rights::WriteOnly,
            everyone: Rights::Deny,
        }),
        quota: 250,
        ..Settings::default()
    });
    kimi.kill("eyJhbGci-token-0002");
    let config = format!(
        r#"
[ai.kimi]
api = "kimi"
base_url = "{}"
tokens = ["eyJhbGci-token-0001", "eyJhbGci-token-0002"]

[ai.local]
api = "openai"
base_url = "{}"
model = "qwen"

[ntfy.phone]
server = "{2}"
topic = "hotine"
token = "tk_richtig"

[ntfy.falsch]
server = "{2}"
topic = "hotine"
token = "tk_falsch"

[[job]]
name = "金价"
at = "2099-12-24T08:00"
prompt = "今天的金价？"
ai = "kimi"
ntfy = "phone"
"#,
        kimi.base_url(),
        openai.base_url(),
        ntfy.url()
    );
    let clean = |text: &str| {
        text.replace(&kimi.base_url(), "KIMI")
            .replace(&openai.base_url(), "OPENAI")
            .replace(ntfy.url().trim_end_matches('/'), "NTFY")
    };
    let place = Place::new(&config);

    let bad = place.run(&["check", "--live"]);
    assert_eq!((bad.code, bad.stderr.as_str()), (Some(1), ""));
    insta::assert_snapshot!(clean(&bad.stdout), @r"
    金价: at 2099-12-24T08:00 (UTC), kimi → phone
      2099-12-24 Thu 08:00:00 +00:00
    config.toml is valid: 1 job, 2 AI endpoints, 2 ntfy targets; ledger promptcron.db
    ok     ai.kimi (KIMI, token #1 …0001): answers
    FAILED ai.kimi (KIMI, model kimi, token #2 …0002): HTTP 200: the token's check says that it is not live — the token is dead or revoked: log in to Kimi again, copy a new refresh_token and put it in the config
    ok     ai.local (OPENAI): answers, but its list has no model qwen: check model
    FAILED ntfy.falsch (NTFY, topic hotine): HTTP 401, code 40101: unauthorized — the token or password is wrong: create a token (`ntfy token add USER`, or Account in the web app) and set it; see https://ntfy.sh/docs/publish/#authentication
    ok     ntfy.phone (NTFY, topic hotine): reachable, credentials of phil accepted, 250 of 250 messages left today; topic not readable (nor need it be); whether it takes pushes only a push tells
    ");

    let good = config
        .replace("tk_falsch", "tk_richtig")
        .replace(", \"eyJhbGci-token-0002\"", "");
    let good = Place::new(&good.replace("\"qwen\"", "\"gpt-test\"")).run(&["check", "--live"]);
    assert_eq!((good.code, good.stderr.as_str()), (Some(0), ""));
    insta::assert_snapshot!(clean(&good.stdout), @r"
    金价: at 2099-12-24T08:00 (UTC), kimi → phone
      2099-12-24 Thu 08:00:00 +00:00
    config.toml is valid: 1 job, 2 AI endpoints, 2 ntfy targets; ledger promptcron.db
    ok     ai.kimi (KIMI, token #1 …0001): answers
    ok     ai.local (OPENAI): answers
    ok     ntfy.falsch (NTFY, topic hotine): reachable, credentials of phil accepted, 250 of 250 messages left today; topic not readable (nor need it be); whether it takes pushes only a push tells
    ok     ntfy.phone (NTFY, topic hotine): reachable, credentials of phil accepted, 250 of 250 messages left today; topic not readable (nor need it be); whether it takes pushes only a push tells
    ");

    assert!(ntfy.publishes().is_empty());
    assert!(kimi.questions().is_empty() && openai.questions().is_empty());
}

/// Each invalid file of tests/config has its messages beside it in NAME.err.
#[test]
fn each_wrong_config_ends_every_command_with_its_place_and_message() {
    let folder = Path::new("tests/config/invalid");
    let files = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let files: Vec<_> = files
        .filter(|path| path.extension().is_some_and(|e| e == "toml"))
        .collect();
    assert!(files.len() >= 40, "only {} invalid files", files.len());
    let place = [
        ("KIMI_TOKENS", "eyJhbGciTOKEN1, eyJhbGciTOKEN2"),
        ("EMPTY", ""),
        ("BROKEN_JSON", "[\"geheim-1\", geheim-2"),
        ("SPACED", "geheim mit Leerzeichen"),
        ("SECRET_TOPIC", "geheim/topic"),
        ("NTFY_TOKEN", "tk_geheim"),
        ("TZ", "Asia/Shanghai"),
    ]
    .into_iter()
    .fold(Place::empty(), |place, (name, value)| {
        place.with_env(name, value)
    });
    // Some name a file beside them.
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, place.path().join(path.file_name().unwrap())).unwrap();
    }
    for path in files {
        let name = path.file_name().unwrap().to_str().unwrap();
        let output = place.run(&["check", "--config", name]);
        let wanted = fs::read_to_string(path.with_extension("err")).unwrap();
        assert_eq!(
            (output.code, output.stdout.as_str()),
            (Some(2), ""),
            "{name}"
        );
        assert_eq!(output.stderr, wanted, "{name}");
    }
}

#[test]
fn a_mistake_is_shown_by_its_place_whatever_the_command() {
    let wrong = CONFIG.replace("cron = \"0 8 * * *\"", "cron = \"0 25 * * *\"");
    let place = Place::new(&wrong);
    for arguments in [
        &["run"][..],
        &["check"],
        &["next"],
        &["once", "金价"],
        &["push", "phone", "测试"],
    ] {
        let output = place.run(arguments);
        assert_eq!(
            (output.code, output.stdout.as_str()),
            (Some(2), ""),
            "{arguments:?}"
        );
        assert!(
            output.stderr.starts_with("config.toml:17:8: "),
            "{}",
            output.stderr
        );
    }
    // What was recorded needs the ledger alone, and makes none.
    let output = place.run(&["history"]);
    assert_eq!(output.code, Some(1));
    assert!(output.stderr.starts_with("there is no ledger "));
    assert_eq!(place.files(), ["config.toml"]);
}

#[test]
fn the_config_is_found_where_it_is_looked_for() {
    let place = Place::empty();
    let output = place.run(&["check", "--config", "fehlt.toml"]);
    assert_eq!((output.code, output.stdout.as_str()), (Some(2), ""));
    insta::assert_snapshot!(output.stderr, @"fehlt.toml: cannot be read: there is no such file; check the path");

    place.write("anders.toml", CONFIG);
    assert_eq!(place.run(&["check", "-c", "anders.toml"]).code, Some(0));
    let place = place.with_env("PROMPTCRON_CONFIG", "anders.toml");
    let output = place.run(&["check"]);
    assert_eq!(output.code, Some(0));
    assert!(
        output.stdout.contains("anders.toml is valid"),
        "{}",
        output.stdout
    );
}
