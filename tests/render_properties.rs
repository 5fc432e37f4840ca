//! Laws of phone text that hold for every answer.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::HashSet;

use promptcron::{
    model::Language,
    render::{
        Code, Links, Part, Quotes, Sources, SplitLimits, Style, Tables, TextOptions, attach, page,
        render, split, truncate,
    },
};
use proptest::prelude::*;
use unicode_segmentation::UnicodeSegmentation;

fn plain(markdown: &str) -> String {
    render(
        markdown,
        Style::Plain,
        Sources::Cut,
        &TextOptions::default(),
    )
}

/// Pieces that answers are made of, the awkward ones included.
fn answer() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        "[a-z]{1,6}",
        "[0-9]{1,4}(\\.[0-9]{1,2})?%?",
        "[\u{4E00}-\u{4E20}]{1,5}",
        prop::sample::select(vec![
            "**",
            "*",
            "_",
            "__",
            "~",
            "~~",
            "`",
            "```\n",
            "> ",
            "- ",
            "1. ",
            "# ",
            "### ",
            "\n",
            "\n\n",
            " ",
            "，",
            "。",
            "|",
            "\n|-|-|\n",
            "[",
            "](",
            ")",
            "![",
            "<b>",
            "</b>",
            "<br>",
            "<sup>",
            "</sup>",
            "<",
            ">",
            "$",
            "$$",
            "\\(",
            "\\)",
            "\\",
            "&amp;",
            "&",
            "<!--",
            "-->",
            "【",
            "】",
            "    ",
            "\t",
            "\u{3000}",
            "\r\n",
            "\u{2028}",
            "👨‍👩‍👧",
            "🇨🇳",
            "a\u{301}",
            "[^1]",
            "[^1]: ",
            "---\n",
            "\\*",
            "~~~\n",
            "<think>",
            "</think>",
            "搜索结果来自：",
            "—",
            "^",
            "1)",
            "+ ",
        ])
        .prop_map(str::to_owned),
        ".{0,3}",
    ];
    prop::collection::vec(piece, 0..60).prop_map(|pieces| pieces.concat())
}

/// Sentences and figures with the marks that models put around them, no code, URL or citation.
fn report() -> impl Strategy<Value = String> {
    let figure = "[0-9]{1,5}(\\.[0-9]{1,2})?(~[0-9]{1,3})?(\\*[0-9]{1,3})?(元|%|℃|%~[0-9]+%)?";
    let words = "[\u{4E00}-\u{4E20}]{1,6}";
    let piece = (words, figure, 0..9_u8).prop_map(|(words, figure, form)| match form {
        0 => format!("**{words}**{figure}，"),
        1 => format!("{words}**{figure}**。"),
        2 => format!("- {words}{figure}\n"),
        3 => format!("\n### {words}{figure}\n"),
        4 => format!("\n| {words} | {figure} |\n|---|---|\n| {figure} | {words} |\n\n"),
        5 => format!("> {words} *{figure}*\n\n"),
        6 => format!("{words}${figure}，"),
        7 => format!("\n| {words} |\n|---|\n| {words} | {figure} |\n\n"),
        _ => format!("{words}{figure} "),
    });
    prop::collection::vec(piece, 1..12).prop_map(|pieces| pieces.concat())
}

fn digit_runs(text: &str) -> Vec<&str> {
    text.split(|c: char| !c.is_ascii_digit())
        .filter(|run| !run.is_empty())
        .collect()
}

fn without_space(text: &str) -> String {
    text.split_whitespace().collect()
}

fn limits(max_bytes: usize, max_parts: usize) -> SplitLimits {
    SplitLimits {
        max_bytes,
        max_parts,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn no_answer_panics_and_none_is_lost(markdown in answer(), choices in any::<[bool; 5]>()) {
        let options = TextOptions {
            quotes: if choices[0] { Quotes::Drop } else { Quotes::Keep },
            links: if choices[1] { Links::Append } else { Links::Drop },
            code: if choices[2] { Code::Bare } else { Code::Fence },
            tables: if choices[3] { Tables::Records } else { Tables::Auto },
            ..TextOptions::default()
        };
        let sources = if choices[4] { Sources::Keep } else { Sources::Cut };
        let text = render(&markdown, Style::Plain, sources, &options);
        prop_assert_eq!(text.trim(), &text);
        let marked = markdown.trim_start_matches('\u{FEFF}');
        prop_assert_eq!(text.is_empty(), marked.trim().is_empty());
        let classic = render(&markdown, Style::Classic, sources, &options);
        prop_assert!(classic.len() <= 2 * markdown.len() + 8);
        prop_assert!(!page(&markdown, None).contains("<script"));
    }

    #[test]
    fn every_number_survives(markdown in report()) {
        let text = plain(&markdown);
        let shown: HashSet<&str> = digit_runs(&text).into_iter().collect();
        for run in digit_runs(&markdown) {
            prop_assert!(shown.contains(run), "{run} is missing in {text:?}");
        }
    }

    #[test]
    fn plain_text_stays_as_it_is(text in "[a-z\u{4E00}-\u{4E20}，。！？：]{1,30}([ \n][a-z\u{4E00}-\u{4E20}0-9%，。！？：]{1,30}){0,8}") {
        let once = plain(&text);
        prop_assert_eq!(&once, &text);
        prop_assert_eq!(plain(&once), once);
    }

    #[test]
    fn parts_fit_and_lose_nothing_but_white_space(text in answer(), max in 7_usize..80) {
        let parts = split(&text, None, &limits(max, usize::MAX), Language::En);
        let joined: String = parts.iter().map(|part| without_space(&part.text)).collect();
        prop_assert_eq!(joined, without_space(&text));
        for part in &parts {
            prop_assert!(part.text.len() <= max && !part.text.trim().is_empty(), "{part:?}");
        }
    }

    #[test]
    fn no_grapheme_is_cut(text in answer(), max in 40_usize..120) {
        let whole = |text: &str| -> Vec<String> {
            let graphemes = text.graphemes(true).filter(|grapheme| !grapheme.trim().is_empty());
            graphemes.map(str::to_owned).collect()
        };
        prop_assume!(text.graphemes(true).all(|grapheme| grapheme.len() <= max));
        let parts = split(&text, None, &limits(max, usize::MAX), Language::En);
        let graphemes: Vec<String> = parts.iter().flat_map(|part| whole(&part.text)).collect();
        prop_assert_eq!(graphemes, whole(text.trim()));
    }

    #[test]
    fn too_many_parts_end_with_what_is_missing(text in "[a-z\u{4E00}-\u{4E20}]{200,400}", max_parts in 1_usize..4) {
        let parts = split(&text, Some("题"), &limits(60, max_parts), Language::Zh);
        prop_assert_eq!(parts.len(), max_parts);
        let last = &parts[max_parts - 1].text;
        let (shown, notice) = last.rsplit_once("…（还有 ").expect("a notice");
        let missing: usize = notice.strip_suffix(" 个字）").expect("its end").parse().expect("a number");
        let others: usize = parts[..max_parts - 1].iter().map(|part| part.text.chars().count()).sum();
        prop_assert_eq!(others + shown.chars().count() + missing, text.chars().count());
        prop_assert!(parts.iter().all(|part| part.text.len() <= 60));
        let one = truncate(&text, Some("题"), 60, Language::Zh).expect("a part");
        prop_assert_eq!(one.title.as_deref(), Some("题"));
    }

    #[test]
    fn an_attached_answer_begins_as_its_message_does(text in "[a-z\u{4E00}-\u{4E20}。 ]{1,200}", max in 12_usize..200) {
        let Some(attached) = attach(&text, None, max) else {
            prop_assert!(text.trim().is_empty());
            return Ok(());
        };
        let Part { text: message, .. } = attached.part;
        prop_assert!(message.len() <= max);
        prop_assert_eq!(attached.needs_file, text.trim().len() > max);
        let begin = if attached.needs_file { message.trim_end_matches('…') } else { &message };
        prop_assert!(text.trim().starts_with(begin));
    }
}

/// Each case of Unicode's `GraphemeBreakTest`, between letters and over and over, in parts of all
/// sizes: every grapheme comes out whole.
#[test]
fn unicodes_own_graphemes_stay_whole() {
    let cases = include_str!("vectors/unicode/GraphemeBreakTest.txt");
    let cases: Vec<&str> = cases.lines().filter(|line| line.starts_with('÷')).collect();
    assert_eq!(cases.len(), 766);
    for case in cases {
        let graphemes: Vec<String> = case
            .split('÷')
            .map(characters)
            .filter(|g| !g.is_empty())
            .collect();
        let text = format!("x{}", format!("{}x", graphemes.concat()).repeat(8));
        // Beside the letter a grapheme may grow; the case's own places to cut stay inside it.
        let expected: Vec<&str> = text
            .graphemes(true)
            .filter(|grapheme| !grapheme.trim().is_empty())
            .collect();
        let longest = expected
            .iter()
            .map(|grapheme| grapheme.len())
            .max()
            .unwrap_or_default();
        for max in longest.max(7)..longest + 9 {
            let parts = split(&text, None, &limits(max, usize::MAX), Language::En);
            let got: Vec<&str> = parts
                .iter()
                .flat_map(|part| part.text.graphemes(true))
                .collect();
            let got: Vec<&str> = got
                .into_iter()
                .filter(|grapheme| !grapheme.trim().is_empty())
                .collect();
            assert_eq!(got, expected, "{case} at {max} bytes");
        }
    }
}

fn characters(codes: &str) -> String {
    let code = |code: &str| char::from_u32(u32::from_str_radix(code, 16).ok()?);
    codes.split([' ', '×']).filter_map(code).collect()
}
