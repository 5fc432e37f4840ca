//! promptcron against an OpenAI-compatible server that nobody here wrote: llama.cpp's own, with a real model.
//!
//! `.ci/real-ai` starts it and says in `REAL_AI` where it is, and in `REAL_AI_KEY` what it wants to be shown.
#![allow(clippy::unwrap_used, reason = "a test may end at once")]

#[path = "support/ntfy.rs"]
mod ntfy;
#[path = "support/process.rs"]
mod process;

use ntfy::FakeNtfy;
use process::Place;
use serde_json::Value;

/// The server makes its model speak in this form, and end by itself.
const FORM: &str = r#"grammar = 'root ::= "Gold stands at " [1-9] [0-9] [0-9] " yuan."'"#;

fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: .ci/real-ai sets it"))
}

/// A config with two endpoints at the server, of which one shows a wrong key; `job` has more of its lines.
fn place(ntfy: &FakeNtfy, endpoint: &str, job: &str) -> Place {
    let (url, key) = (variable("REAL_AI"), variable("REAL_AI_KEY"));
    Place::new(&format!(
        r#"
[ai.real]
api = "openai"
base_url = "{url}/v1"
model = "gemma"
tokens = ["{key}"]
{endpoint}

[ai.wrong-key]
api = "openai"
base_url = "{url}/v1"
model = "gemma"
tokens = ["sk-wrong-key-0000"]

[[job]]
name = "gold"
at = "2099-12-24T08:00"
prompt = "How much is a gram of gold?"
ntfy = {{ server = "{}", topic = "hotine" }}
{job}
"#,
        ntfy.url()
    ))
}

/// Runs the job once and returns what `show` knows of it.
fn once(place: &Place, run: &str) -> Value {
    let output = place.run(&["once", "gold"]);
    assert_eq!(output.code, Some(0), "{}", output.stderr);
    serde_json::from_str(&place.run(&["show", run, "--json"]).stdout).unwrap()
}

fn is_in_form(answer: &Value) -> bool {
    let form = regex::Regex::new("^Gold stands at [1-9][0-9]{2} yuan\\.$").unwrap();
    answer.as_str().is_some_and(|answer| form.is_match(answer))
}

#[test]
fn an_answer_is_whole_in_a_stream_and_in_one_piece() {
    for stream in [true, false] {
        let ntfy = FakeNtfy::start();
        let endpoint = format!("stream = {stream}\nparams = {{ max_tokens = 60, {FORM} }}");
        let shown = once(&place(&ntfy, &endpoint, "ai = \"real\""), "1");
        assert!(is_in_form(&shown["answer"]), "{shown}");
        assert_eq!(shown["cut_off"], false, "{shown}");
        let pushed = &shown["deliveries"][0]["message"]["message"];
        assert_eq!(pushed, &shown["answer"], "{shown}");
        assert_eq!(ntfy.publishes().len(), 1);
    }
}

#[test]
fn an_answer_at_the_length_limit_is_continued_once_and_marked() {
    for stream in [true, false] {
        let ntfy = FakeNtfy::start();
        let form = r#"grammar = 'root ::= ("gold "){50}'"#;
        let endpoint = format!("stream = {stream}\nparams = {{ max_tokens = 6, {form} }}");
        let shown = once(&place(&ntfy, &endpoint, "ai = \"real\""), "1");
        assert_eq!(shown["cut_off"], true, "{shown}");
        let words = shown["answer"].as_str().unwrap().split_whitespace();
        assert!(words.clone().count() > 1 && words.clone().all(|word| "gold".starts_with(word)));
    }
}

#[test]
fn a_wrong_key_is_told_in_the_servers_own_words() {
    let ntfy = FakeNtfy::start();
    let output = place(&ntfy, "", "ai = \"wrong-key\"").run(&["once", "gold"]);
    assert_eq!(output.code, Some(1));
    let told = output.stderr.replace(&variable("REAL_AI"), "URL");
    insta::assert_snapshot!(told, @"job gold, run 1: ai.wrong-key (URL/v1, model gemma, token #1 …0000): HTTP 401, code 401: Invalid API Key — the service does not accept this token: check it, or make a new key and put it in the config");
    assert!(ntfy.requests().is_empty());
}

#[test]
fn check_live_finds_the_server_and_the_wrong_key() {
    let ntfy = FakeNtfy::start();
    let output = place(&ntfy, "", "ai = \"real\"").run(&["check", "--live"]);
    assert_eq!(output.code, Some(1), "{}", output.stderr);
    let said = |line: &str| output.stdout.lines().any(|said| said.starts_with(line));
    assert!(said("ok     ai.real "), "{}", output.stdout);
    assert!(said("FAILED ai.wrong-key "), "{}", output.stdout);
}
