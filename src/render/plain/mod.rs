//! The plain style: an answer as a phone shows it best.
//!
//! `source` cleans the answer, `shield` hides what a parser would misread, comrak parses,
//! `blocks` walks the document and `inline` the words in it, and `writer` writes the lines.

mod address;
mod blocks;
mod citations;
mod code;
mod delimiter;
mod html;
mod inline;
mod layout;
mod lines;
mod math;
pub(super) mod shield;
mod source;
mod table;
pub(super) mod thinking;
mod writer;

use comrak::Arena;

use super::{Sources, TextOptions, split::grouped};

/// The longest answer that is rendered, in bytes; what is longer is cut and says so.
const MAX_BYTES: usize = 256 * 1024;

/// The text of an answer; its trimmed Markdown where no text would be left.
pub(super) fn render(markdown: &str, sources: Sources, options: &TextOptions) -> String {
    let source = source::clean(markdown, sources);
    let (source, note) = cap(&source);
    let shielded = shield::shield(source);
    let arena = Arena::new();
    let document = comrak::parse_document(&arena, &shielded, &parser());
    let text = blocks::Blocks::new(&shielded, options).document(document);
    let text = shield::unshield(text.trim());
    let text = if text.is_empty() {
        markdown.trim_start_matches('\u{FEFF}').trim()
    } else {
        &text
    };
    match note {
        Some(note) => format!("{text}\n\n{note}"),
        None => text.to_owned(),
    }
}

/// What is parsed of a text, and what to say about the rest.
fn cap(text: &str) -> (&str, Option<String>) {
    if text.len() <= MAX_BYTES {
        return (text, None);
    }
    let limit = text.floor_char_boundary(MAX_BYTES);
    let at = text[..limit]
        .rfind('\n')
        .filter(|at| at * 2 > limit)
        .unwrap_or(limit);
    let missing = grouped(text[at..].chars().count());
    let note = if is_chinese(text) {
        format!("…（太长，后面 {missing} 个字未显示）")
    } else {
        format!("… (too long: {missing} more characters are not shown)")
    };
    (&text[..at], Some(note))
}

/// True if a text holds Chinese characters: the language of an answer, as far as its script tells.
pub(super) fn is_chinese(text: &str) -> bool {
    text.chars().any(|c| matches!(c, '\u{4E00}'..='\u{9FFF}'))
}

/// What answers are written in: GitHub's Markdown with mathematics, emphasis that Chinese
/// punctuation does not hinder, and no underlined headings, which models never mean.
pub(super) fn parser() -> comrak::Options<'static> {
    let mut options = comrak::Options::default();
    options.extension.strikethrough = true;
    options.extension.table = true;
    options.extension.tasklist = true;
    options.extension.footnotes = true;
    options.extension.math_dollars = true;
    options.extension.math_latex = true;
    options.extension.cjk_friendly_emphasis = true;
    options.parse.ignore_setext = true;
    options
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text_of(markdown: &str) -> String {
        render(markdown, Sources::Cut, &TextOptions::default())
    }

    #[test]
    fn a_longer_answer_than_is_rendered_says_how_much_is_missing() {
        let chinese = text_of(&"金价上涨。\n\n".repeat(20_000));
        assert!(chinese.len() <= MAX_BYTES + 100);
        let (_, missing) = chinese.rsplit_once("\n\n…（太长，后面 ").expect("a note");
        assert_eq!(missing, "32,061 个字未显示）");
        let english = text_of(&"gold rises. ".repeat(30_000));
        assert!(english.ends_with("… (too long: 97,856 more characters are not shown)"));
        assert!(!text_of(&"a".repeat(MAX_BYTES)).contains('…'));
    }

    #[test]
    fn the_deepest_nesting_needs_no_more_stack_than_a_thread_has() {
        let threads = [">", "> ", "- ", "1. ", "*_", "[", "![", "<b>", "<sup>"].map(|mark| {
            let deep = mark.repeat(20_000) + "甲";
            std::thread::Builder::new()
                .stack_size(512 * 1024)
                .spawn(move || assert!(text_of(&deep).contains('甲')))
        });
        for thread in threads {
            thread
                .expect("a thread starts")
                .join()
                .expect("no overflow and no panic");
        }
    }
}
