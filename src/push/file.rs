//! A message with a file. ntfy takes the file as the body then, and everything else in headers.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde::{Deserialize, Serialize};

use super::message::Message;

/// A text that goes with a message as a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct File {
    /// What the phone calls it, such as `gold.md`.
    pub name: String,
    /// What it holds.
    pub text: String,
}

/// Keeps ntfy, which turns `\n` in a header into a line break, from doing so in an answer's own text.
const WORD_JOINER: char = '\u{2060}';

/// The headers that say what the JSON says, but for the topic (the path) and `attach` (the body).
///
/// The names begin with `X-` because a CDN may write a `Priority` of its own (RFC 9218).
pub(super) fn headers(message: &Message, file: &File) -> Vec<(&'static str, String)> {
    let broken = message.message.replace("\\n", &format!("\\{WORD_JOINER}n"));
    let mut headers = vec![
        ("x-filename", encoded(&file.name)),
        ("x-message", encoded(&broken)),
    ];
    let texts = [
        ("x-title", &message.title),
        ("x-click", &message.click),
        ("x-icon", &message.icon),
        ("x-delay", &message.delay),
        ("x-email", &message.email),
        ("x-call", &message.call),
        ("x-cache", &message.cache),
        ("x-firebase", &message.firebase),
        ("x-sequence-id", &message.sequence_id),
    ];
    let given = texts.into_iter().filter_map(|(name, text)| {
        let text = text.as_deref().filter(|text| !text.is_empty())?;
        Some((name, encoded(text)))
    });
    headers.extend(given);
    if let Some(priority) = message.priority {
        headers.push(("x-priority", priority.to_string()));
    }
    if !message.tags.is_empty() {
        // Each on its own: older servers split at the commas first and decode then.
        let tags: Vec<String> = message.tags.iter().map(|tag| encoded(tag)).collect();
        headers.push(("x-tags", tags.join(",")));
    }
    if !message.actions.is_empty() {
        // Strings and maps of strings: always JSON.
        let actions = serde_json::to_string(&message.actions).unwrap_or_default();
        headers.push(("x-actions", encoded(&actions)));
    }
    if message.markdown {
        headers.push(("x-markdown", "yes".to_owned()));
    }
    headers
}

/// A header's value: plain where it is ASCII, else as RFC 2047 has it.
fn encoded(text: &str) -> String {
    let is_plain = text.bytes().all(|byte| (b' '..=b'~').contains(&byte));
    if is_plain && !text.contains("=?") {
        return text.to_owned();
    }
    format!("=?UTF-8?B?{}?=", BASE64_STANDARD.encode(text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Action;

    fn shown(message: &Message) -> String {
        let file = File {
            name: "金价.md".to_owned(),
            text: "# 金价".to_owned(),
        };
        let headers = headers(message, &file);
        let lines = headers
            .iter()
            .map(|(name, value)| format!("{name}: {value}\n"));
        lines.collect()
    }

    #[test]
    fn every_field_has_the_header_ntfy_reads() {
        let text = |text: &str| Some(text.to_owned());
        let message = Message {
            topic: "hotine".to_owned(),
            message: "801\nand more…".to_owned(),
            title: text("gold"),
            priority: Some(4),
            tags: vec!["moneybag".to_owned(), "金".to_owned()],
            click: text("https://example.com/"),
            actions: vec![Action::Copy {
                label: "Copy".to_owned(),
                value: "801".to_owned(),
                clear: false,
            }],
            attach: None,
            filename: None,
            icon: text("https://example.com/i.png"),
            markdown: true,
            delay: text("30m"),
            email: text("a@example.com"),
            call: text("yes"),
            cache: text("no"),
            firebase: text("no"),
            sequence_id: text("pc-17"),
        };
        insta::assert_snapshot!(shown(&message), @r#"
        x-filename: =?UTF-8?B?6YeR5Lu3Lm1k?=
        x-message: =?UTF-8?B?ODAxCmFuZCBtb3Jl4oCm?=
        x-title: gold
        x-click: https://example.com/
        x-icon: https://example.com/i.png
        x-delay: 30m
        x-email: a@example.com
        x-call: yes
        x-cache: no
        x-firebase: no
        x-sequence-id: pc-17
        x-priority: 4
        x-tags: moneybag,=?UTF-8?B?6YeR?=
        x-actions: [{"action":"copy","label":"Copy","value":"801"}]
        x-markdown: yes
        "#);
    }

    #[test]
    fn what_a_server_would_read_as_something_else_is_shielded() {
        let message = Message {
            message: r"C:\new".to_owned(),
            title: Some("=?a?= b".to_owned()),
            ..Message::default()
        };
        insta::assert_snapshot!(shown(&message), @r"
        x-filename: =?UTF-8?B?6YeR5Lu3Lm1k?=
        x-message: =?UTF-8?B?Qzpc4oGgbmV3?=
        x-title: =?UTF-8?B?PT9hPz0gYg==?=
        ");
    }
}
