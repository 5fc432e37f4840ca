//! Conversations: the real binary, run after run, with accounts that own what was said to them.

#![allow(clippy::unwrap_used, reason = "a test may end at once")]

#[path = "support/ai.rs"]
mod ai;
#[path = "support/ntfy.rs"]
mod ntfy;
#[path = "support/process.rs"]
mod process;

use ai::{FakeAi, FakeKimi, FakeOpenai, Reply};
use ntfy::FakeNtfy;
use process::{Output, Place};
use serde_json::Value;

/// Two jobs, `talk` and `other`; `talk` has these lines of its own.
fn place(ai: &FakeAi, endpoint: &str, ntfy: &FakeNtfy, talk: &str) -> Place {
    let (base_url, server) = (ai.base_url(), ntfy.url());
    Place::new(&format!(
        r#"
timezone = "Asia/Shanghai"

[ai.dienst]
base_url = "{base_url}"
{endpoint}

[ntfy.phone]
server = "{server}"
topic = "hotine"

[[job]]
name = "talk"
at = "2099-12-24T08:00"
prompt = "今天的金价？与昨天相比呢？"
system = "一句话。"
{talk}

[[job]]
name = "other"
at = "2099-12-24T08:00"
prompt = "天气？"

[[job]]
name = "again"
at = "2099-12-24T08:00"
prompt = "上次：{{{{ last.answer }}}}"
"#
    ))
}

const KIMI: &str = r#"api = "kimi"
tokens = ["token-eins-0001", "token-zwei-0002", "token-drei-0003"]"#;
const OPENAI: &str = "api = \"openai\"\nmodel = \"gpt-test\"";

fn once(place: &Place, job: &str) -> Output {
    let output = place.run(&["once", job]);
    assert_eq!(output.code, Some(0), "{}", output.stderr);
    output
}

/// Conversation, the last digit of the token, and the messages of each question of `talk`.
fn talk(ai: &FakeAi) -> Vec<(String, char, String)> {
    let questions = ai.questions();
    let talk = questions.iter().filter(|q| q.text().contains("昨天"));
    talk.map(|question| {
        let body = question.json();
        let id = body["conversation_id"].as_str().unwrap_or("-").to_owned();
        let token = question.token().and_then(|token| token.chars().last());
        let said = body["messages"].as_array().unwrap().iter().map(|message| {
            let (role, text) = (&message["role"], &message["content"]);
            format!("{}:{}", role.as_str().unwrap(), text.as_str().unwrap())
        });
        let said: Vec<String> = said.collect();
        (id, token.unwrap_or('-'), said.join(" | "))
    })
    .collect()
}

/// One line a question, with the ids of conversations as letters.
fn told(ai: &FakeAi) -> String {
    let mut ids: Vec<String> = Vec::new();
    let mut lines = String::new();
    for (id, token, said) in talk(ai) {
        let id = match id.as_str() {
            "none" | "-" => id,
            _ => {
                let at = ids.iter().position(|known| *known == id);
                let at = at.unwrap_or_else(|| {
                    ids.push(id);
                    ids.len() - 1
                });
                char::from(b'A' + u8::try_from(at).unwrap()).to_string()
            }
        };
        lines += &format!("{id} {token} {said}\n");
    }
    lines
}

#[test]
fn a_conversation_stays_with_its_token_while_others_rotate_until_that_dies() {
    let (kimi, ntfy) = (FakeKimi::start(), FakeNtfy::start());
    kimi.answer_with("好");
    let place = place(&kimi, KIMI, &ntfy, "conversation = \"continue\"");
    for _ in 0..5 {
        let output = once(&place, "talk");
        assert_eq!(output.stderr, "");
        once(&place, "other");
    }
    let others: Vec<_> = kimi.tokens().into_iter().skip(1).step_by(2).collect();
    assert_eq!(
        others,
        [
            "token-zwei-0002",
            "token-drei-0003",
            "token-zwei-0002",
            "token-drei-0003",
            "token-zwei-0002"
        ],
        "the others are used least recently first"
    );
    insta::assert_snapshot!(told(&kimi), @r"
none 1 system:一句话。 | user:今天的金价？与昨天相比呢？
A 1 user:今天的金价？与昨天相比呢？
A 1 user:今天的金价？与昨天相比呢？
A 1 user:今天的金价？与昨天相比呢？
A 1 user:今天的金价？与昨天相比呢？
");

    kimi.reply_to("token-eins-0001", Reply::kimi_error(-2001, "请求失败"));
    let output = once(&place, "talk");
    assert!(
        output.stderr.contains("a new one begins"),
        "{}",
        output.stderr
    );
    once(&place, "talk");
    let lines = told(&kimi);
    let last: Vec<_> = lines.lines().skip(5).collect();
    insta::assert_snapshot!(last.join("\n"), @r"
A 1 user:今天的金价？与昨天相比呢？
none 3 system:一句话。 | user:今天的金价？与昨天相比呢？
B 3 user:今天的金价？与昨天相比呢？
");
}

#[test]
fn a_conversation_that_kimi_has_lost_begins_anew_at_once() {
    for stream in [true, false] {
        let (kimi, ntfy) = (FakeKimi::start(), FakeNtfy::start());
        kimi.answer_with("好");
        let endpoint = format!("{KIMI}\nstream = {stream}");
        let place = place(&kimi, &endpoint, &ntfy, "conversation = \"continue\"");
        once(&place, "talk");
        once(&place, "talk");
        kimi.forget_conversations();
        let output = once(&place, "talk");
        assert!(
            output.stderr.contains("a new one begins"),
            "{}",
            output.stderr
        );
        once(&place, "talk");
        let ids: Vec<_> = talk(&kimi).into_iter().map(|(id, ..)| id).collect();
        assert_eq!((ids[0].as_str(), ids[3].as_str()), ("none", "none"));
        assert_eq!(ids[1], ids[2]);
        assert_ne!(ids[4], ids[2]);
        assert_eq!(ids.len(), 5);
        // A conversation that is gone says nothing against its token.
        let rests: Vec<Value> = place.history();
        assert!(rests.iter().all(|run| run["state"] == "delivered"));
    }
}

#[test]
fn a_conversation_ends_after_its_turns() {
    let (kimi, ntfy) = (FakeKimi::start(), FakeNtfy::start());
    kimi.answer_with("好");
    let talks = "conversation = \"continue\"\nreset = \"2 turns\"";
    let place = place(&kimi, KIMI, &ntfy, talks);
    for _ in 0..5 {
        assert_eq!(
            once(&place, "talk").stderr,
            "",
            "an end that was wanted is no loss"
        );
    }
    let ids: Vec<_> = talk(&kimi).into_iter().map(|(id, ..)| id).collect();
    let begins: Vec<_> = ids.iter().map(|id| id == "none").collect();
    assert_eq!(begins, [true, false, true, false, true]);
}

#[test]
fn what_was_said_is_sent_with_roles_to_a_service_that_does_not_remember() {
    let (openai, ntfy) = (FakeOpenai::start(), FakeNtfy::start());
    let talks = "conversation = \"continue\"\nhistory_max_chars = 100";
    let place = place(&openai, OPENAI, &ntfy, talks);
    for answer in ["一百元。", "一百零一元。", &"涨".repeat(80), "好。"] {
        openai.next(Reply::Answer(answer.to_owned()));
        once(&place, "talk");
    }
    // A failed attempt is no turn.
    openai.next(Reply::openai_error(400, "invalid_request_error", "no"));
    assert_eq!(place.run(&["once", "talk"]).code, Some(1));
    openai.next(Reply::Answer("好。".to_owned()));
    once(&place, "talk");
    insta::assert_snapshot!(told(&openai), @r"
- - system:一句话。 | user:今天的金价？与昨天相比呢？
- - system:一句话。 | user:今天的金价？与昨天相比呢？ | assistant:一百元。 | user:今天的金价？与昨天相比呢？
- - system:一句话。 | user:今天的金价？与昨天相比呢？ | assistant:一百元。 | user:今天的金价？与昨天相比呢？ | assistant:一百零一元。 | user:今天的金价？与昨天相比呢？
- - system:一句话。 | user:今天的金价？与昨天相比呢？ | assistant:涨涨涨涨涨涨涨涨涨涨涨涨涨涨涨涨涨涨涨涨涨涨涨涨涨涨涨涨涨涨涨涨涨涨涨涨涨涨涨涨涨涨涨涨涨涨涨涨涨涨涨涨涨涨涨涨涨涨涨涨涨涨涨涨涨涨涨涨涨涨涨涨涨涨涨涨涨涨涨涨 | user:今天的金价？与昨天相比呢？
- - system:一句话。 | user:今天的金价？与昨天相比呢？ | assistant:好。 | user:今天的金价？与昨天相比呢？
- - system:一句话。 | user:今天的金价？与昨天相比呢？ | assistant:好。 | user:今天的金价？与昨天相比呢？
");
}

#[test]
fn once_begins_anew_where_the_token_of_a_conversation_rests() {
    let (kimi, ntfy) = (FakeKimi::start(), FakeNtfy::start());
    kimi.answer_with("好");
    let place = place(&kimi, KIMI, &ntfy, "conversation = \"continue\"");
    once(&place, "talk");
    let limited = Reply::kimi_error(-2005, "已有对话流正在输出");
    kimi.next_to("token-eins-0001", limited);
    let output = once(&place, "talk");
    assert!(
        output.stderr.contains("a new one begins"),
        "{}",
        output.stderr
    );
    let asked: Vec<_> = talk(&kimi).into_iter().map(|(_, token, _)| token).collect();
    assert_eq!(asked, ['1', '1', '2']);
}

#[test]
fn what_a_model_thought_is_no_part_of_what_was_said() {
    let (openai, ntfy) = (FakeOpenai::start(), FakeNtfy::start());
    let place = place(&openai, OPENAI, &ntfy, "conversation = \"continue\"");
    let thought = format!("<think>\n{}\n</think>\n\n一百元。", "嗯".repeat(21_000));
    for answer in [&*thought, "好。"] {
        openai.next(Reply::Answer(answer.to_owned()));
        let output = once(&place, "talk");
        assert_eq!(output.stderr, "");
    }
    insta::assert_snapshot!(told(&openai).lines().nth(1).unwrap(), @"- - system:一句话。 | user:今天的金价？与昨天相比呢？ | assistant:一百元。 | user:今天的金价？与昨天相比呢？");
    let stored = place.shown(1);
    assert_eq!(stored["answer"], *thought, "the answer itself stays whole");

    openai.next(Reply::Answer(thought));
    once(&place, "again");
    let shown = place.run(&["once", "again", "--show-prompt"]);
    assert_eq!(shown.stdout, "上次：一百元。\n");
}

#[test]
fn the_log_says_when_nothing_of_a_conversation_can_be_sent() {
    let (openai, ntfy) = (FakeOpenai::start(), FakeNtfy::start());
    let place = place(&openai, OPENAI, &ntfy, "conversation = \"continue\"");
    openai.next(Reply::Answer("涨".repeat(20_000)));
    once(&place, "talk");
    openai.next(Reply::Answer("好。".to_owned()));
    let output = once(&place, "talk");
    assert!(
        output.stderr.contains("longer than history_max_chars") && output.stderr.contains("20013"),
        "{}",
        output.stderr
    );
}

#[test]
fn a_dry_run_is_no_turn() {
    let (kimi, ntfy) = (FakeKimi::start(), FakeNtfy::start());
    kimi.answer_with("好");
    let place = place(&kimi, KIMI, &ntfy, "conversation = \"continue\"");
    once(&place, "talk");
    assert_eq!(place.run(&["once", "talk", "--dry-run"]).code, Some(0));
    once(&place, "talk");
    let ids: Vec<_> = talk(&kimi).into_iter().map(|(id, ..)| id).collect();
    assert_eq!((ids[0].as_str(), ids[1].as_str()), ("none", "-"));
    assert!(ids[2].starts_with("cudconversation"));
}
