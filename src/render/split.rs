//! A text to parts that each fit one message, cut where a reader would pause.

use std::ops::Range;

use serde::{Deserialize, Serialize};
use unicode_segmentation::UnicodeSegmentation;

use super::fence;
use crate::model::Language;

/// The smallest limit that is honoured: a character takes up to four bytes, … takes three.
const LEAST_BYTES: usize = 7;

/// What closes a quotation or a bracket after the end of a sentence.
const CLOSERS: &str = "”’」』）】》";
/// What ends a sentence wherever it stands.
const ENDS: &str = "。！？；…";
/// What ends a sentence before white space only: there are 3.14 and U.S.
const LATIN_ENDS: &str = ".!?;";

/// How long and how many the parts may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SplitLimits {
    /// The most bytes of UTF-8 in one part, its title not counted; below 7 counts as 7.
    pub max_bytes: usize,
    /// The most parts; below 1 counts as 1.
    pub max_parts: usize,
}

/// One message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// The title, with `(1/3)` where there are several parts.
    pub title: Option<String>,
    /// The text, never blank.
    pub text: String,
}

/// What becomes of an answer that is too long for one message.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, clap::ValueEnum,
)]
#[serde(rename_all = "lowercase")]
pub enum Long {
    /// It becomes several messages.
    #[default]
    Split,
    /// It is cut, and says how much is missing.
    Truncate,
    /// Its first part is the message and the whole is a file beside it.
    Attach,
}

/// The message of an answer that may need a file beside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attached {
    /// The message: the whole text, or its first part with … at its end.
    pub part: Part,
    /// Whether the whole answer has to go with it as a file.
    pub needs_file: bool,
}

/// Cuts a text into parts at paragraph, line, sentence, word or grapheme, in this order.
///
/// Joined again, the parts lose nothing but white space, unless there would be more than
/// `max_parts`: then the last one ends with … and says in `language` how much is missing.
/// A blank text has no parts.
#[must_use]
pub fn split(
    text: &str,
    title: Option<&str>,
    limits: &SplitLimits,
    language: Language,
) -> Vec<Part> {
    let texts = Cutter::new(text, limits.max_bytes).texts(limits.max_parts.max(1), language);
    let count = texts.len();
    let part = |(index, text)| Part {
        title: numbered(title, index, count),
        text,
    };
    texts.into_iter().enumerate().map(part).collect()
}

/// One part of at most `max_bytes` that says in `language` how much is missing; None for a
/// blank text.
#[must_use]
pub fn truncate(
    text: &str,
    title: Option<&str>,
    max_bytes: usize,
    language: Language,
) -> Option<Part> {
    split(
        text,
        title,
        &SplitLimits {
            max_bytes,
            max_parts: 1,
        },
        language,
    )
    .pop()
}

/// The message for a target that takes the whole answer as a file; None for a blank text.
#[must_use]
pub fn attach(text: &str, title: Option<&str>, max_bytes: usize) -> Option<Attached> {
    let cutter = Cutter::new(text, max_bytes);
    if cutter.text.is_empty() {
        return None;
    }
    let needs_file = cutter.text.len() > cutter.max_bytes;
    let text = if needs_file {
        format!("{}…", cutter.piece(0, cutter.max_bytes - "…".len()))
    } else {
        cutter.text.to_owned()
    };
    Some(Attached {
        part: Part {
            title: title.map(str::to_owned),
            text,
        },
        needs_file,
    })
}

/// The title of one of `count` parts; the suffix is not counted in the limit.
fn numbered(title: Option<&str>, index: usize, count: usize) -> Option<String> {
    if count == 1 {
        return title.map(str::to_owned);
    }
    let suffix = format!("({}/{count})", index + 1);
    Some(title.map_or_else(|| suffix.clone(), |title| format!("{title} {suffix}")))
}

/// A trimmed text on its way into pieces.
struct Cutter<'t> {
    text: &'t str,
    max_bytes: usize,
    /// Where fenced code begins and ends, in order: better not to cut there.
    fences: Vec<Range<usize>>,
}

/// The places to cut, the best one first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Break {
    Paragraph,
    Line,
    /// Before an indented line: inside a table record or an item.
    InnerLine,
    Sentence,
    FencedLine,
    Word,
    Grapheme,
    /// The next part would begin with what closes a sentence.
    Orphan,
}

impl<'t> Cutter<'t> {
    fn new(text: &'t str, max_bytes: usize) -> Self {
        let text = trim_end(trim_start(text));
        Self {
            text,
            max_bytes: max_bytes.max(LEAST_BYTES),
            fences: fence::ranges(text),
        }
    }

    fn texts(&self, max_parts: usize, language: Language) -> Vec<String> {
        let mut texts = Vec::new();
        let mut at = 0;
        while at < self.text.len() {
            let rest = &self.text[at..];
            if rest.len() <= self.max_bytes {
                texts.push(rest.to_owned());
                break;
            }
            if texts.len() + 1 == max_parts {
                texts.push(self.last(at, language));
                break;
            }
            let piece = self.piece(at, self.max_bytes);
            texts.push(piece.to_owned());
            let after = &rest[piece.len()..];
            at = self.text.len() - trim_start(after).len();
        }
        texts
    }

    /// The piece at `at` with … and how much of the text is missing after it.
    fn last(&self, at: usize, language: Language) -> String {
        let missing_from = |at: usize| trim_start(&self.text[at..]).graphemes(true).count();
        let widest = notice(missing_from(at), language);
        let room = self.max_bytes.saturating_sub(widest.len());
        // Too narrow for the words: the ellipsis alone has to do.
        if room < LEAST_BYTES {
            return format!("{}…", self.piece(at, self.max_bytes - "…".len()));
        }
        let piece = self.piece(at, room);
        format!(
            "{piece}{}",
            notice(missing_from(at + piece.len()), language)
        )
    }

    /// The text from `at` to the best place to cut, without white space at its end.
    ///
    /// Only a place in the second half of the room counts; that half is never empty, as its last
    /// place is the end of the last grapheme that fits.
    fn piece(&self, at: usize, max_bytes: usize) -> &'t str {
        let rest = &self.text[at..];
        let places = boundaries(rest, max_bytes);
        let Some(&window) = places.last() else {
            // One grapheme longer than the room, which takes one of its characters at least.
            return &rest[..rest.floor_char_boundary(max_bytes)];
        };
        let second_half = places.iter().rev().take_while(|&&place| place * 2 > window);
        let best = second_half.min_by_key(|&&place| self.rate(at, place));
        trim_end(&rest[..best.copied().unwrap_or(window)])
    }

    /// What kind of place the end of `length` bytes after `at` is.
    fn rate(&self, at: usize, length: usize) -> Break {
        let (before, after) = self.text[at..].split_at(length);
        let is_fenced = self.is_fenced(at + length);
        if after.starts_with('\n') {
            return match after.as_bytes() {
                _ if is_fenced => Break::FencedLine,
                [_, b'\n', ..] => Break::Paragraph,
                [_, b' ', ..] => Break::InnerLine,
                _ => Break::Line,
            };
        }
        let next = after.chars().next();
        if next.is_some_and(|c| CLOSERS.contains(c) || ENDS.contains(c) || LATIN_ENDS.contains(c)) {
            return Break::Orphan;
        }
        let is_space_next = next.is_none_or(char::is_whitespace);
        let sentence = before.trim_end_matches(|c| CLOSERS.contains(c));
        if !is_fenced
            && (sentence.ends_with(|c| ENDS.contains(c))
                || is_space_next && sentence.ends_with(|c| LATIN_ENDS.contains(c)))
        {
            Break::Sentence
        } else if is_space_next
            || before.ends_with(|c: char| c.is_whitespace() || "，、：".contains(c))
        {
            Break::Word
        } else {
            Break::Grapheme
        }
    }

    fn is_fenced(&self, at: usize) -> bool {
        let next = self.fences.partition_point(|fence| fence.end <= at);
        self.fences.get(next).is_some_and(|fence| fence.start <= at)
    }
}

/// The ends of the graphemes that fit into `max_bytes`, in order.
///
/// One character more than fits is looked at: whether a grapheme ends depends on the next one.
fn boundaries(text: &str, max_bytes: usize) -> Vec<usize> {
    let seen = &text[..text.ceil_char_boundary(max_bytes + 1)];
    let ends = seen
        .grapheme_indices(true)
        .map(|(start, grapheme)| start + grapheme.len());
    ends.take_while(|&end| end <= max_bytes).collect()
}

/// The text from its first grapheme that is more than white space.
///
/// A space that carries an accent is one grapheme with it and stays.
fn trim_start(text: &str) -> &str {
    let first = text
        .grapheme_indices(true)
        .find(|(_, grapheme)| !grapheme.trim().is_empty());
    first.map_or("", |(start, _)| &text[start..])
}

/// The text up to its last grapheme that is more than white space.
fn trim_end(text: &str) -> &str {
    let mut graphemes = text.grapheme_indices(true).rev();
    let last = graphemes.find(|(_, grapheme)| !grapheme.trim().is_empty());
    last.map_or("", |(start, grapheme)| &text[..start + grapheme.len()])
}

fn notice(missing: usize, language: Language) -> String {
    let count = grouped(missing);
    match language {
        Language::En if missing == 1 => "… (1 more character)".to_owned(),
        Language::En => format!("… ({count} more characters)"),
        Language::Zh => format!("…（还有 {count} 个字）"),
    }
}

/// A number with commas between its thousands.
pub(super) fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() * 4 / 3);
    for (i, digit) in digits.char_indices() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The texts of the parts, without a limit on their number.
    fn texts(text: &str, max_bytes: usize) -> Vec<String> {
        let limits = SplitLimits {
            max_bytes,
            max_parts: usize::MAX,
        };
        split(text, None, &limits, Language::En)
            .into_iter()
            .map(|part| part.text)
            .collect()
    }

    #[test]
    fn what_fits_is_one_part_with_its_title_alone() {
        let limits = SplitLimits {
            max_bytes: 9,
            max_parts: 6,
        };
        let parts = split("  金价涨\n", Some("金价"), &limits, Language::Zh);
        assert_eq!(
            parts,
            [Part {
                title: Some("金价".to_owned()),
                text: "金价涨".to_owned()
            }]
        );
        assert!(split(" \n\u{3000}", Some("金价"), &limits, Language::Zh).is_empty());
    }

    #[test]
    fn parts_are_numbered_after_the_title() {
        let limits = SplitLimits {
            max_bytes: 7,
            max_parts: 6,
        };
        let titles = |title| -> Vec<Option<String>> {
            split("一二三四", title, &limits, Language::Zh)
                .into_iter()
                .map(|part| part.title)
                .collect()
        };
        assert_eq!(
            titles(Some("金价")),
            [Some("金价 (1/2)".to_owned()), Some("金价 (2/2)".to_owned())]
        );
        assert_eq!(
            titles(None),
            [Some("(1/2)".to_owned()), Some("(2/2)".to_owned())]
        );
    }

    #[test]
    fn the_best_place_in_the_second_half_is_taken() {
        let cases: [(&str, usize, &[&str]); 14] = [
            ("aaaa b\n\ncc dd ee", 12, &["aaaa b", "cc dd ee"]),
            ("aaaaaaaa\n\nbb\nccc ddd", 14, &["aaaaaaaa", "bb\nccc ddd"]),
            ("aaaaaa\ncc. dd ee", 14, &["aaaaaa\ncc.", "dd ee"]),
            ("aaaaaaaa\ncc. dd ee", 14, &["aaaaaaaa", "cc. dd ee"]),
            ("aaaaa bb. cc dd", 12, &["aaaaa bb.", "cc dd"]),
            ("甲甲。乙乙丙", 15, &["甲甲。", "乙乙丙"]),
            ("甲甲甲。”乙乙", 18, &["甲甲甲。”", "乙乙"]),
            ("圆周率是3.14159多", 16, &["圆周率是3.14", "159多"]),
            ("甲甲甲，乙乙", 15, &["甲甲甲，", "乙乙"]),
            ("甲甲甲甲。", 12, &["甲甲甲", "甲。"]),
            ("甲。乙丙丁", 12, &["甲。乙丙", "丁"]),
            ("ab\n\ncdefghijkl", 10, &["ab\n\ncdefgh", "ijkl"]),
            ("🇨🇳🇺🇸🇯🇵", 20, &["🇨🇳🇺🇸", "🇯🇵"]),
            (
                "• 甲：1\n  乙：2\n• 甲：3\n  乙：4",
                36,
                &["• 甲：1\n  乙：2", "• 甲：3\n  乙：4"],
            ),
        ];
        for (text, max_bytes, expected) in cases {
            assert_eq!(texts(text, max_bytes), expected, "{text:?} at {max_bytes}");
        }
    }

    #[test]
    fn code_is_cut_last() {
        let text = "甲甲甲甲甲。\n乙乙。\n```\na\nb\n```";
        assert_eq!(texts(text, 38), ["甲甲甲甲甲。\n乙乙。", "```\na\nb\n```"]);
        assert_eq!(
            texts("```\naaaa aaaa\nbbbb bbbb\n```", 20),
            ["```\naaaa aaaa", "bbbb bbbb\n```"]
        );
    }

    #[test]
    fn the_narrowest_limit_holds_too() {
        let limits = SplitLimits {
            max_bytes: 0,
            max_parts: 1,
        };
        let parts = split("👍👍👍", None, &limits, Language::En);
        assert_eq!(parts[0].text, "👍…");
    }

    #[test]
    fn one_endless_grapheme_is_cut_between_characters() {
        let zalgo = format!("e{}", "\u{301}".repeat(10));
        let parts = texts(&zalgo, 8);
        assert_eq!(parts.concat(), zalgo);
        assert!(parts.iter().all(|part| part.len() <= 8));
    }

    #[test]
    fn the_last_of_too_many_parts_says_how_much_is_missing() {
        let limits = SplitLimits {
            max_bytes: 60,
            max_parts: 2,
        };
        let text = "one two three four five. ".repeat(60);
        let parts = split(&text, None, &limits, Language::En);
        assert_eq!(parts.len(), 2);
        assert_eq!(
            parts[1].text,
            "one two three four five.… (1,424 more characters)"
        );
    }

    #[test]
    fn a_single_missing_character_is_told_in_the_singular() {
        // Longer than the words that stand in its place.
        let family = "👨‍👩‍👧‍👦";
        let part = truncate(&format!("abcdefg{family}"), None, 30, Language::En);
        let text = part.expect("a message").text;
        assert_eq!(text, "abcdefg… (1 more character)");
    }

    #[test]
    fn an_attached_answer_says_whether_its_file_is_needed() {
        let short = attach("金价涨", None, 9).expect("a message");
        assert!(!short.needs_file && short.part.text == "金价涨");
        let long = attach("金价涨。银价跌。", None, 18).expect("a message");
        assert!(long.needs_file);
        assert_eq!(long.part.text, "金价涨。…");
    }

    #[test]
    fn thousands_are_grouped() {
        let cases = [
            (0, "0"),
            (999, "999"),
            (1000, "1,000"),
            (1_234_567, "1,234,567"),
        ];
        for (number, expected) in cases {
            assert_eq!(grouped(number), expected);
        }
    }
}
