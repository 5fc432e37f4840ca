//! `promptcron push`: a test message, its bytes, and what is said when it is refused.

#![allow(clippy::unwrap_used, reason = "a test may end at once")]

#[path = "support/ntfy.rs"]
mod ntfy;
#[path = "support/process.rs"]
mod process;

use ntfy::{FakeNtfy, Fault};
use process::Place;

fn config(ntfy: &FakeNtfy) -> String {
    format!(
        r#"
[ai.local]
api = "openai"
base_url = "http://127.0.0.1:11434/v1"
model = "qwen"

[ntfy.phone]
server = "{}"
topic = "hotine"
priority = "high"
tags = ["💰"]

[[job]]
name = "金价"
every = "1h"
prompt = "今天的金价？"
"#,
        ntfy.url()
    )
}

#[test]
fn a_test_message_is_these_bytes() {
    let ntfy = FakeNtfy::start();
    let place = Place::new(&config(&ntfy));

    let output = place.run(&["push", "phone", "测试：你好", "--title", "试一试"]);

    assert_eq!((output.code, output.stderr.as_str()), (Some(0), ""));
    assert_eq!(
        output.stdout,
        format!("pushed to {}hotine as message fake00000001\n", ntfy.url())
    );
    assert_eq!(
        ntfy.publishes()[0].text(),
        r#"{"topic":"hotine","message":"测试：你好","title":"试一试","priority":4,"tags":["moneybag"]}"#
    );
    assert_eq!(place.files(), ["config.toml"]);
}

#[test]
fn a_refusal_is_told_with_the_way_out() {
    let ntfy = FakeNtfy::start();
    ntfy.outage(Some(Fault::Code(40301)));

    let output = Place::new(&config(&ntfy)).run(&["push", "phone", "测试"]);

    assert_eq!((output.code, output.stdout.as_str()), (Some(1), ""));
    let stderr = output
        .stderr
        .replace(ntfy.url().trim_end_matches('/'), "NTFY");
    insta::assert_snapshot!(stderr, @"ntfy.phone (NTFY, topic hotine): HTTP 403, code 40301: forbidden — the topic is protected: set a token, or user and password; see https://ntfy.sh/docs/publish/#authentication");
    assert_eq!(ntfy.publishes().len(), 1);
}

#[test]
fn an_unknown_target_is_wrong_usage() {
    let ntfy = FakeNtfy::start();
    let output = Place::new(&config(&ntfy)).run(&["push", "tablet", "测试"]);
    assert_eq!((output.code, output.stdout.as_str()), (Some(2), ""));
    insta::assert_snapshot!(output.stderr, @"there is no target tablet in config.toml: it has phone");
}

#[test]
fn an_empty_text_is_not_pushed() {
    let ntfy = FakeNtfy::start();
    for text in ["", " \n"] {
        let output = Place::new(&config(&ntfy)).run(&["push", "phone", text]);
        assert_eq!(
            (output.code, output.stdout.as_str()),
            (Some(2), ""),
            "{text:?}"
        );
        assert_eq!(
            output.stderr,
            "there is nothing to push: the text is blank\n"
        );
    }
    assert!(ntfy.requests().is_empty());
}
