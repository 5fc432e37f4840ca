//! `promptcron history`: a line for each run, with the whole reason of one that failed.

#![allow(clippy::unwrap_used, reason = "a test may end at once")]

#[path = "support/ai.rs"]
mod ai;
#[path = "support/ntfy.rs"]
mod ntfy;
#[path = "support/process.rs"]
mod process;

use ai::{FakeOpenai, Reply};
use ntfy::FakeNtfy;
use process::Place;

#[test]
fn each_run_is_a_line_with_its_reason() {
    let (openai, ntfy) = (FakeOpenai::start(), FakeNtfy::start());
    let place = Place::new(&format!(
        r#"
timezone = "Asia/Shanghai"

[ai.local]
api = "openai"
base_url = "{}"
model = "gpt-test"

[[job]]
name = "金价"
at = "2099-12-24T08:00"
prompt = "今天的金价？"
ntfy = {{ server = "{}", topic = "hotine" }}
"#,
        openai.base_url(),
        ntfy.url()
    ));
    let none = place.run(&["history"]);
    assert_eq!((none.code, none.stdout.as_str()), (Some(1), ""));
    assert_eq!(
        none.stderr,
        "there is no ledger promptcron.db yet: `promptcron run` and `promptcron once` make it\n"
    );
    openai.answer_with("上海金报 801.5 元/克。");
    assert_eq!(place.run(&["once", "金价"]).code, Some(0));
    let well = place.run(&["history"]);
    openai.reply_with(Reply::openai_error(400, "invalid_request_error", "太长"));
    assert_eq!(place.run(&["once", "金价"]).code, Some(1));
    let badly = place.run(&["history"]);

    let clean = |text: &str| {
        let numbers = regex::Regex::new(r"\d+ ms *").unwrap();
        let instants = regex::Regex::new(r"\d{4}-\d\d-\d\d \w{3} [\d:]{8} \+08:00").unwrap();
        let heads = regex::Regex::new(r"(asked|pushed|-)  +").unwrap();
        let text = text.replace(&openai.base_url(), "URL");
        let text = heads.replace_all(&text, "$1  ");
        let text = numbers.replace_all(&text, "N ms  ");
        instants.replace_all(&text, "INSTANT").into_owned()
    };
    insta::assert_snapshot!(clean(&well.stdout), @r"
    run  job   due                             state                asked  pushed  parts  tries
    1    金价  INSTANT  delivered (by hand)  N ms  N ms  1      1
    ");
    insta::assert_snapshot!(clean(&badly.stdout), @r"
    run  job   due                             state                asked  pushed  parts  tries  why
    2    金价  INSTANT  failed (by hand)     -  -  0      1      ai.local (URL, model gpt-test): HTTP 400, code invalid_request_error: 太长 — the service refuses the request itself: check the prompt, model and params
    1    金价  INSTANT  delivered (by hand)  N ms  N ms  1      1
    ");
}
