//! A push as the phone would show it, drawn in the terminal. Pure.

use unicode_segmentation::UnicodeSegmentation as _;
use unicode_width::UnicodeWidthStr as _;

use crate::{push::Message, render::visible};

/// The least columns of text: two wide characters and what belongs to them.
const MIN_TEXT_COLUMNS: usize = 8;

/// The frame and the space after it.
const FRAME_COLUMNS: usize = 2;

/// What must not begin a line: closers and stops, Chinese and Western.
const CLOSERS: &str = "，。、；：？！…”’」』）】》〉,.;:?!)]}%";

/// Draws a notification within `width` columns, each line ended; wide characters count as two.
///
/// Open on the right, because terminals do not agree on the width of every emoji.
#[must_use]
pub fn draw(message: &Message, width: usize) -> String {
    let columns = width.saturating_sub(FRAME_COLUMNS).max(MIN_TEXT_COLUMNS);
    let (emoji, words): (Vec<_>, Vec<_>) = message
        .tags
        .iter()
        .map(|tag| (tag, emojis::get_by_shortcode(tag)))
        .partition(|(_, emoji)| emoji.is_some());
    let prefix: String = emoji
        .iter()
        .flat_map(|(_, emoji)| *emoji)
        .map(|e| format!("{e} "))
        .collect();
    let mut lines = Vec::new();
    match message.title.as_deref().filter(|title| !title.is_empty()) {
        // As the apps do it: the emoji stand before the title, or before the text without one.
        Some(title) => {
            wrap(&format!("{prefix}{title}"), columns, &mut lines);
            lines.push(String::new());
            wrap(&message.message, columns, &mut lines);
        }
        None => wrap(&format!("{prefix}{}", message.message), columns, &mut lines),
    }
    if !words.is_empty() {
        let words: Vec<_> = words.iter().map(|(tag, _)| tag.as_str()).collect();
        lines.push(String::new());
        wrap(&format!("Tags: {}", words.join(", ")), columns, &mut lines);
    }
    frame(message, &lines, columns)
}

fn frame(message: &Message, lines: &[String], columns: usize) -> String {
    let label = match message.priority {
        Some(1) => " · min",
        Some(2) => " · low",
        Some(4) => " · high",
        Some(5) => " · max",
        _ => "",
    };
    let head = format!("─ {}{label} ", visible(&message.topic));
    let rest = "─".repeat((columns + 1).saturating_sub(head.width()));
    let mut card = format!("╭{head}{rest}\n");
    for line in lines {
        card += format!("│ {line}").trim_end();
        card.push('\n');
    }
    card + "╰" + &"─".repeat(columns + 1) + "\n"
}

/// Breaks each line of a text where it may be broken, at words or between ideographs.
fn wrap(text: &str, columns: usize, lines: &mut Vec<String>) {
    for line in text.lines() {
        let mut current = String::new();
        for piece in pieces(&visible(line), columns) {
            if !current.is_empty() && current.width() + piece.trim_end().width() > columns {
                lines.push(current.trim_end().to_owned());
                current.clear();
                current += piece.trim_start();
            } else {
                current += &piece;
            }
        }
        lines.push(current);
    }
}

/// What stays together: a word with the closers after it; none wider than the line.
fn pieces(line: &str, columns: usize) -> Vec<String> {
    let mut pieces: Vec<String> = Vec::new();
    for word in line.split_word_bounds() {
        let closes = word.chars().all(|c| CLOSERS.contains(c));
        match pieces.last_mut() {
            Some(last) if closes && last.width() + word.width() <= columns => last.push_str(word),
            _ if word.width() > columns => split(word, columns, &mut pieces),
            _ => pieces.push(word.to_owned()),
        }
    }
    pieces
}

fn split(word: &str, columns: usize, pieces: &mut Vec<String>) {
    pieces.push(String::new());
    for cluster in word.graphemes(true) {
        match pieces.last_mut() {
            Some(last) if last.width() + cluster.width() <= columns => last.push_str(cluster),
            _ => pieces.push(cluster.to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(title: &str, text: &str, tags: &[&str]) -> Message {
        Message {
            topic: "hotine".to_owned(),
            title: Some(title.to_owned()),
            message: text.to_owned(),
            tags: tags.iter().map(|&tag| tag.to_owned()).collect(),
            ..Message::default()
        }
    }

    #[test]
    fn a_card_shows_what_the_phone_shows() {
        let text = "🔶 今日金价\n上海黄金交易所 AU9999 报 801.5 元/克，较上一交易日上涨 1.2%。\n\n- 支撑位：795\n- 阻力位：810";
        let message = message("金价分析", text, &["moneybag", "gold", "每日"]);
        insta::assert_snapshot!(draw(&message, 40), @r"
        ╭─ hotine ──────────────────────────────
        │ 💰 金价分析
        │
        │ 🔶 今日金价
        │ 上海黄金交易所 AU9999 报 801.5 元/克，
        │ 较上一交易日上涨 1.2%。
        │
        │ - 支撑位：795
        │ - 阻力位：810
        │
        │ Tags: gold, 每日
        ╰───────────────────────────────────────
        ");
    }

    #[test]
    fn without_a_title_the_emoji_stand_before_the_text() {
        let message = Message {
            priority: Some(5),
            ..message(
                "",
                "The gold price rose by one per cent today.",
                &["warning", "tada"],
            )
        };
        insta::assert_snapshot!(draw(&message, 24), @r"
        ╭─ hotine · max ────────
        │ ⚠️ 🎉 The gold price
        │ rose by one per cent
        │ today.
        ╰───────────────────────
        ");
    }

    #[test]
    fn a_card_holds_no_control_character() {
        let message = message("\u{1B}]0;x\u{7}金价", "a\tb\n\u{9B}2J\u{7F}", &["\u{1B}c"]);
        insta::assert_snapshot!(draw(&message, 24), @r"
        ╭─ hotine ──────────────
        │ ␛]0;x␇金价
        │
        │ a       b
        │ �2J␡
        │
        │ Tags: ␛c
        ╰───────────────────────
        ");
    }

    #[test]
    fn no_line_is_wider_than_asked_and_nothing_is_lost() {
        let text = "分析一下当前国内上海金价格，较上日变化。https://example.com/a/very/long/address?with=query 👨‍👩‍👧‍👦🇨🇳 end";
        for width in 10..80 {
            let card = draw(&message("金价分析（一）", text, &["💰"]), width);
            let bare = |text: &str| text.replace([' ', '│', '\n'], "");
            assert!(bare(&card).contains(&bare(text)), "{card}");
            for line in card.lines().filter(|line| line.starts_with('│')) {
                assert!(line.width() <= width, "{width}: {line}");
            }
        }
    }
}
