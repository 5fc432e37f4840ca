//! From an answer to the messages of one target. Pure.

use super::{
    parcel::{self, Parcel},
    words,
};
use crate::{
    ask::Answer,
    config::{
        Job, Notification, Service, Target,
        ntfy_rules::{MAX_MESSAGE_BYTES, short_codes},
    },
    model::Language,
    push::{File, Message},
    render::{self, Long, Part, Sources, SplitLimits, Style},
};

/// Room that a part leaves below ntfy's limit for the line that says it is late.
pub(super) const LATE_ROOM: usize = 64;

/// The messages of an answer for one target, in order.
#[must_use]
pub fn messages(language: Language, job: &Job, target: &Target, answer: &Answer) -> Vec<Parcel> {
    let look = Look {
        topic: job.topic_at(target).unwrap_or_default().to_owned(),
        notification: job.notification.or(&target.notification),
        markdown: style(job, target) == Style::Markdown,
        raw_tags: target.webhook().is_some(),
    };
    if target
        .webhook()
        .is_some_and(|webhook| webhook.body.shows_markdown())
    {
        return by_markdown(&look, language, job, target, answer);
    }
    let text = text(language, job, target, answer);
    let (title, max_bytes) = (look.notification.title.as_deref(), room(target));
    let split = || {
        let limits = SplitLimits {
            max_bytes,
            max_parts: target.max_parts,
        };
        look.messages(render::split(&text, title, &limits, language))
    };
    match target.long {
        Long::Truncate => {
            let part = render::truncate(&text, title, max_bytes, language);
            parcels(look.messages(part))
        }
        // ntfy knows one attachment a message, and the job's own is wanted.
        Long::Attach if look.notification.extras().attach.is_none() => {
            match render::attach(&text, title, max_bytes) {
                Some(attached) if attached.needs_file => vec![Parcel {
                    message: look.message(attached.part, 0),
                    source: None,
                    file: Some(file(language, job, answer)),
                    instead: split(),
                }],
                _ => parcels(split()),
            }
        }
        Long::Split | Long::Attach => parcels(split()),
    }
}

/// The messages of an answer that was composed for another target, below a line of ours.
pub(super) fn anew(
    language: Language,
    job: &Job,
    target: &Target,
    head: &str,
    parcels: &[Parcel],
) -> Vec<Parcel> {
    let whole = |text: fn(&Parcel) -> String| {
        let texts: Vec<String> = parcels.iter().map(text).collect();
        texts.join("\n\n")
    };
    let text = whole(|parcel| match parcel.instead.as_slice() {
        [] => parcel.message.message.clone(),
        // The parts that stand for a file.
        parts => {
            let texts: Vec<&str> = parts.iter().map(|part| &*part.message).collect();
            texts.join("\n\n")
        }
    });
    let look = Look {
        topic: job.topic_at(target).unwrap_or_default().to_owned(),
        notification: job.notification.or(&target.notification),
        markdown: parcels.iter().any(|parcel| parcel.message.markdown),
        raw_tags: target.webhook().is_some(),
    };
    let limits = SplitLimits {
        max_bytes: room(target),
        max_parts: target.max_parts,
    };
    let title = look.notification.title.as_deref();
    let text = format!("{head}\n{text}");
    self::parcels(look.messages(render::split(&text, title, &limits, language)))
}

/// For a webhook that shows Markdown it is the Markdown that is cut, and each part's text made of it.
fn by_markdown(
    look: &Look,
    language: Language,
    job: &Job,
    target: &Target,
    answer: &Answer,
) -> Vec<Parcel> {
    let options = job.text.or(&target.text).resolve();
    let whole = render::render(&answer.text, Style::Markdown, Sources::Cut, &options);
    let whole = noted(language, job, answer, whole.trim().to_owned());
    let (title, max_bytes) = (look.notification.title.as_deref(), room(target));
    let parts = match target.long {
        Long::Truncate => render::truncate(&whole, title, max_bytes, language)
            .into_iter()
            .collect(),
        Long::Split | Long::Attach => {
            let max_parts = target.max_parts;
            render::split(
                &whole,
                title,
                &SplitLimits {
                    max_bytes,
                    max_parts,
                },
                language,
            )
        }
    };
    let parts = parts.into_iter().enumerate();
    let parcel = |(index, part): (usize, Part)| {
        let text = render::render(&part.text, style(job, target), Sources::Keep, &options);
        let source = Some(part.text.clone());
        let part = Part { text, ..part };
        Parcel {
            source,
            ..Parcel::from(look.message(part, index))
        }
    };
    parts.map(parcel).collect()
}

fn style(job: &Job, target: &Target) -> Style {
    job.style.or(target.style).unwrap_or_default()
}

/// The whole answer as a phone shows it, with a word where it is cut off.
fn text(language: Language, job: &Job, target: &Target, answer: &Answer) -> String {
    noted(language, job, answer, phone_text(job, target, answer))
}

/// The whole answer as a phone shows it.
pub(super) fn phone_text(job: &Job, target: &Target, answer: &Answer) -> String {
    let options = job.text.or(&target.text).resolve();
    let style = style(job, target);
    let mut text = render::render(&answer.text, style, Sources::Cut, &options);
    if text.trim().is_empty() {
        // A style may leave nothing of an odd answer; ntfy would say "triggered".
        text = answer.text.trim().to_owned();
    }
    text
}

/// The whole answer as it came, with its sources, to read on a larger screen or to keep.
fn file(language: Language, job: &Job, answer: &Answer) -> File {
    let mut text = noted(language, job, answer, answer.text.trim().to_owned());
    if !answer.sources.is_empty() {
        text = format!("{}\n\n{}\n", text.trim_end(), words::sources(language));
        for source in &answer.sources {
            text += &format!("\n{}. {}", source.number, source.markdown());
        }
    }
    File {
        name: parcel::file_name(job.name.as_str()),
        text,
    }
}

/// Says below an answer that it is cut off, and that it is not the first endpoint's, where that is so.
fn noted(language: Language, job: &Job, answer: &Answer, text: String) -> String {
    let cut_off = answer
        .truncated
        .then(|| words::cut_off(language).to_owned());
    let fallback = job.instead_of(&answer.endpoint);
    let fallback = fallback.map(|first| words::fallback(language, &answer.endpoint, first));
    let notes: Vec<String> = cut_off.into_iter().chain(fallback).collect();
    if notes.is_empty() {
        return text;
    }
    format!("{}\n\n{}", text.trim_end(), notes.join("\n"))
}

/// Messages without files.
pub(super) fn parcels(messages: Vec<Message>) -> Vec<Parcel> {
    messages.into_iter().map(Parcel::from).collect()
}

/// What one message may hold, with room for the line that says it is late.
pub(super) fn room(target: &Target) -> usize {
    match target.service {
        Service::Ntfy(_) => target.max_bytes.min(MAX_MESSAGE_BYTES - LATE_ROOM),
        // The limit is the service's own there.
        Service::Webhook(_) => target.max_bytes - LATE_ROOM,
    }
}

/// What the messages of one text share.
pub(super) struct Look {
    /// The job's own topic there: kept with each message, which goes there whatever the job has become until it is sent.
    /// Empty: the target's.
    pub(super) topic: String,
    pub(super) notification: Notification,
    pub(super) markdown: bool,
    /// Tags go out as they are written: short codes of emoji are ntfy's alone.
    pub(super) raw_tags: bool,
}

impl Look {
    pub(super) fn messages(&self, parts: impl IntoIterator<Item = Part>) -> Vec<Message> {
        let parts = parts.into_iter().enumerate();
        parts
            .map(|(index, part)| self.message(part, index))
            .collect()
    }

    fn tags(&self) -> Vec<String> {
        let tags = self.notification.tags.as_deref().unwrap_or_default();
        match self.raw_tags {
            true => tags.to_vec(),
            false => short_codes(tags),
        }
    }

    /// One answer buzzes once: the parts after the first come quietly.
    fn message(&self, part: Part, index: usize) -> Message {
        const QUIET: u8 = 2;
        let notification = &self.notification;
        let priority = match index {
            0 => notification.priority,
            _ => Some(notification.priority.unwrap_or(QUIET).min(QUIET)),
        };
        let message = Message {
            topic: self.topic.clone(),
            message: part.text,
            title: part.title,
            priority,
            tags: self.tags(),
            markdown: notification.extras().markdown.unwrap_or(self.markdown),
            ..Message::showing(notification)
        };
        match index {
            0 => message.with_extras(notification),
            _ => message,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, fmt::Write as _, path::Path};

    use super::*;
    use crate::{
        ask::Source,
        config::{self, Config},
    };

    /// A config with one target and one job, each with lines of its own.
    fn config(top: &str, target: &str, job: &str) -> Config {
        let text = format!(
            r#"{top}
[ai.kimi]
api = "kimi"
base_url = "http://127.0.0.1:8000/v1"
tokens = "TOKEN1"
[ntfy.phone]
topic = "hotine"
{target}
[[job]]
name = "金价/早报"
cron = "0 8 * * *"
prompt = "金价？"
title = "金价"
{job}
"#
        );
        let now = "2026-11-23T00:00:00Z".parse().unwrap();
        config::parse(&text, Path::new("c.toml"), now, &BTreeMap::new())
            .unwrap_or_else(|errors| panic!("{errors}"))
    }

    fn answer(text: &str) -> Answer {
        Answer {
            endpoint: "kimi".into(),
            text: text.to_owned(),
            sources: Vec::new(),
            conversation: None,
            truncated: false,
            model: "kimi".to_owned(),
            usage: None,
            asked: std::time::Duration::ZERO,
        }
    }

    fn of(config: &Config, answer: &Answer) -> Vec<Parcel> {
        let target = &config.targets["phone"];
        messages(config.language, &config.jobs[0], target, answer)
    }

    /// Title and text of each message, and what goes with it.
    fn shown(parcels: &[Parcel]) -> String {
        let mut out = String::new();
        for parcel in parcels {
            let message = &parcel.message;
            let title = message.title.as_deref().unwrap_or("no title");
            writeln!(out, "{title}\n{}", message.message).unwrap();
            if let Some(file) = &parcel.file {
                writeln!(out, "file {}\n{}", file.name, file.text).unwrap();
            }
            for message in &parcel.instead {
                let title = message.title.as_deref().unwrap_or("no title");
                writeln!(out, "instead: {title}\n{}", message.message).unwrap();
            }
        }
        out
    }

    const LONG: &str = "# 行情\n\n今日金价**上涨**，每克801.5元。\n\n近期走势平稳，成交清淡，市场等待数据。\n\n建议观望。";

    #[test]
    fn a_job_chooses_before_its_target() {
        let target = r##"
quotes = "drop"
links = "append"
code = "bare"
tables = "rows"
heading_marks = ["甲", "", "", "", "", ""]
"##;
        let job = r##"
links = "drop"
tables = "records"
heading_marks = ["■", "", "", "", "", ""]
"##;
        let markdown = "# 题\n\n[名](https://example.com)\n\n> 引\n\n```sh\nls\n```\n\n|甲|乙|\n|-|-|\n|1|2|\n";
        let both = of(&config("", target, job), &answer(markdown));
        insta::assert_snapshot!(shown(&both), @r"
        金价
        ■ 题
        名

        ls

        • 甲：1
          乙：2
        ");
        let target_alone = of(&config("", target, ""), &answer(markdown));
        insta::assert_snapshot!(shown(&target_alone), @r"
        金价
        甲 题
        名 (https://example.com)

        ls

        甲 | 乙
        1 | 2
        ");
    }

    #[test]
    fn the_width_decides_between_rows_and_records() {
        let markdown = "|品种|价格|\n|-|-|\n|黄金|801.5|\n";
        let text = |job| {
            of(&config("", "width = 30", job), &answer(markdown))[0]
                .message
                .message
                .clone()
        };
        insta::assert_snapshot!(text(""), @r"
        品种 | 价格
        黄金 | 801.5
        ");
        insta::assert_snapshot!(text("width = 10"), @r"
        • 品种：黄金
          价格：801.5
        ");
    }

    #[test]
    fn a_long_answer_is_split_or_truncated_or_attached() {
        let with = |top: &str, long: &str| {
            let target = format!("max_bytes = 100\nmax_parts = 3\nlong = \"{long}\"");
            shown(&of(&config(top, &target, ""), &answer(LONG)))
        };
        insta::assert_snapshot!(with("", "split"), @r"
        金价 (1/2)
        📌 行情
        今日金价上涨，每克801.5元。
        金价 (2/2)
        近期走势平稳，成交清淡，市场等待数据。

        建议观望。
        ");
        insta::assert_snapshot!(with("", "truncate"), @r"
        金价
        📌 行情
        今日金价上涨，每克801.5元。… (26 more characters)
        ");
        insta::assert_snapshot!(with("language = \"zh\"", "truncate"), @r"
        金价
        📌 行情
        今日金价上涨，每克801.5元。…（还有 26 个字）
        ");
        insta::assert_snapshot!(with("", "attach"), @r"
        金价
        📌 行情
        今日金价上涨，每克801.5元。…
        file 金价-早报.md
        # 行情

        今日金价**上涨**，每克801.5元。

        近期走势平稳，成交清淡，市场等待数据。

        建议观望。
        instead: 金价 (1/2)
        📌 行情
        今日金价上涨，每克801.5元。
        instead: 金价 (2/2)
        近期走势平稳，成交清淡，市场等待数据。

        建议观望。
        ");
    }

    #[test]
    fn an_answer_that_fits_is_never_a_file() {
        let parcels = of(
            &config("", "long = \"attach\"", ""),
            &answer("金价 **801**"),
        );
        insta::assert_snapshot!(shown(&parcels), @r"
        金价
        金价 801
        ");
    }

    #[test]
    fn a_file_has_the_sources_that_the_push_leaves_out() {
        let source = |number, title: &str| Source {
            number,
            title: title.to_owned(),
            url: format!("https://example.com/{number}"),
        };
        let searched = Answer {
            sources: vec![source(1, "行情"), source(2, "分析 [深度]")],
            ..answer(LONG)
        };
        let target = "max_bytes = 100\nlong = \"attach\"";
        let parcels = of(&config("language = \"zh\"", target, ""), &searched);
        let file = parcels[0].file.as_ref().unwrap();
        insta::assert_snapshot!(file.text, @r"
        # 行情

        今日金价**上涨**，每克801.5元。

        近期走势平稳，成交清淡，市场等待数据。

        建议观望。

        来源：

        1. [行情](<https://example.com/1>)
        2. [分析 \[深度\]](<https://example.com/2>)
        ");
        let pushed = parcels
            .iter()
            .flat_map(|p| p.instead.iter().chain([&p.message]));
        for message in pushed {
            assert!(
                !message.message.contains("example.com"),
                "{}",
                message.message
            );
        }
    }

    #[test]
    fn beside_an_attachment_of_its_own_an_answer_is_split() {
        let target = "max_bytes = 100\nlong = \"attach\"";
        let job = "attach = \"https://example.com/a.png\"";
        let parcels = of(&config("", target, job), &answer(LONG));
        assert_eq!(parcels.len(), 2);
        assert!(parcels.iter().all(|parcel| parcel.file.is_none()));
        let first = parcels[0].message.attach.as_deref();
        assert_eq!(first, Some("https://example.com/a.png"));
    }

    #[test]
    fn an_answer_that_the_ai_did_not_finish_says_so() {
        let cut = Answer {
            truncated: true,
            ..answer("金价 **801** 元，接")
        };
        insta::assert_snapshot!(shown(&of(&config("", "", ""), &cut)), @r"
        金价
        金价 801 元，接

        (cut off: the AI stopped at its length limit)
        ");
        insta::assert_snapshot!(shown(&of(&config("language = \"zh\"", "", ""), &cut)), @r"
        金价
        金价 801 元，接

        （回答不完整：AI 达到长度上限而中断）
        ");
        let long = Answer {
            text: LONG.to_owned(),
            ..cut
        };
        let target = "max_bytes = 100\nlong = \"attach\"";
        let parcels = of(&config("language = \"zh\"", target, ""), &long);
        let file = parcels[0].file.as_ref().unwrap();
        assert!(
            file.text
                .ends_with("建议观望。\n\n（回答不完整：AI 达到长度上限而中断）"),
            "{}",
            file.text
        );
    }
}
