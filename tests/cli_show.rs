//! `promptcron show`: what belongs to an answer besides its text.

#![allow(clippy::unwrap_used, reason = "a test may end at once")]

#[path = "support/ai.rs"]
mod ai;
#[path = "support/ntfy.rs"]
mod ntfy;
#[path = "support/process.rs"]
mod process;

use ai::{FakeKimi, Reply, kimi_deltas};
use ntfy::FakeNtfy;
use process::Place;

const LIST: &str = "\n\n搜索结果来自：\n【检索 1】 [新华网：[某条]新闻](https://news.example.com/1)\n\n【检索 2】 [知乎](https://zhuanlan.example.cn/p/2?(a))\n\n";

fn config(kimi: &FakeKimi, ntfy: &FakeNtfy, endpoint: &str, style: &str) -> String {
    format!(
        r#"
[ai.kimi]
api = "kimi"
base_url = "{}"
tokens = "token-eins-0001"
{endpoint}

[[job]]
name = "金价"
at = "2099-12-24T08:00"
prompt = "今天的金价？"
style = "{style}"
ntfy = {{ server = "{}", topic = "hotine" }}
"#,
        kimi.base_url(),
        ntfy.url()
    )
}

/// The first page of `show` up to its deliveries, without what differs from run to run.
fn shown(place: &Place) -> String {
    let text = place.run(&["show", "1"]).stdout;
    let answer = text.find("--- prompt").unwrap();
    let deliveries = text.find("\n--- answer to").unwrap();
    text[answer..deliveries].to_owned()
}

#[test]
fn an_answer_reads_the_same_in_every_style_streamed_or_not_and_its_sources_are_kept() {
    let mut pushed = Vec::new();
    for style in ["plain", "classic", "markdown"] {
        for endpoint in ["stream = true", "stream = false"] {
            let (kimi, ntfy) = (FakeKimi::start(), FakeNtfy::start());
            kimi.answer_with(&format!("上海金报 **801.5** 元/克[^1^]。{LIST}"));
            let place = Place::new(&config(&kimi, &ntfy, endpoint, style));
            assert_eq!(place.run(&["once", "金价"]).code, Some(0));
            let json = place.run(&["show", "1", "--json"]).stdout;
            let page: serde_json::Value = serde_json::from_str(&json).unwrap();
            let message = page["deliveries"][0]["message"]["message"].clone();
            pushed.push((shown(&place), page["sources"].clone(), message));
        }
    }
    for (streamed, whole) in pushed
        .iter()
        .step_by(2)
        .zip(pushed.iter().skip(1).step_by(2))
    {
        assert_eq!(streamed, whole);
    }
    let messages: Vec<_> = pushed
        .iter()
        .step_by(2)
        .map(|p| p.2.as_str().unwrap())
        .collect();
    insta::assert_snapshot!(messages.join("\n"), @r"
上海金报 801.5 元/克。
上海金报 801.5 元/克。
上海金报 **801.5** 元/克[^1^]。
");
    insta::assert_snapshot!(pushed[0].0, @r"
--- prompt
今天的金价？

--- answer
上海金报 **801.5** 元/克[^1^]。

--- sources
1. 新华网：[某条]新闻
   https://news.example.com/1
2. 知乎
   https://zhuanlan.example.cn/p/2?(a)
");
    insta::assert_snapshot!(pushed[0].1, @r#"[{"number":1,"title":"新华网：[某条]新闻","url":"https://news.example.com/1"},{"number":2,"title":"知乎","url":"https://zhuanlan.example.cn/p/2?(a)"}]"#);
}

#[test]
fn an_answer_that_was_cut_off_twice_is_marked() {
    let (kimi, ntfy) = (FakeKimi::start(), FakeNtfy::start());
    for half in ["上海金报", "801.5 元"] {
        let deltas = kimi_deltas(half);
        let deltas: Vec<_> = deltas.iter().map(String::as_str).collect();
        kimi.next(Reply::kimi_stream(&deltas, Some("length")));
    }
    let place = Place::new(&config(&kimi, &ntfy, "", "plain"));
    assert_eq!(place.run(&["once", "金价"]).code, Some(0));
    insta::assert_snapshot!(shown(&place), @r"
--- prompt
今天的金价？

--- answer, cut off by the AI's length limit
上海金报801.5 元
");
    let pushed: serde_json::Value = serde_json::from_str(ntfy.publishes()[0].text()).unwrap();
    insta::assert_snapshot!(pushed["message"].as_str().unwrap(), @r"
上海金报801.5 元

(cut off: the AI stopped at its length limit)
");
}
