//! Citation marks: references to sources that a phone does not show.

use std::{borrow::Cow, ops::Range};

/// Stands for a linked citation mark that was dropped already.
pub(super) const DROPPED: char = '\u{FDE1}';

/// Longer than any mark; what is longer between brackets is text.
const MAX_BYTES: usize = 120;

/// The text without its citation marks outside of `literal`.
///
/// The space before a mark goes too, unless a letter or digit follows the mark.
pub(super) fn drop(text: String, literal: &[Range<usize>]) -> String {
    let openings = ['[', '【', DROPPED];
    let mut out = String::new();
    let (mut kept, mut at) = (0, 0);
    let mut literal = literal.iter().peekable();
    while let Some(found) = text[at..].find(openings) {
        let start = at + found;
        while literal.next_if(|range| range.end <= start).is_some() {}
        let wall = literal.peek().map_or(text.len(), |range| range.start);
        let end = start + run_length(&text[start..wall.max(start)]);
        if end == start {
            at = start + text[start..].chars().next().map_or(1, char::len_utf8);
            continue;
        }
        out.push_str(&text[kept..start]);
        if !text[end..].starts_with(char::is_alphanumeric) {
            out.truncate(out.trim_end_matches([' ', '\t', '\u{3000}']).len());
        }
        (kept, at) = (end, end);
    }
    if kept == 0 {
        return text;
    }
    out.push_str(&text[kept..]);
    out
}

/// True if the text is citation marks and nothing else.
pub(super) fn is_mark(text: &str) -> bool {
    !text.is_empty() && run_length(text) == text.len()
}

/// The length of the marks that the text begins with, one directly after another.
fn run_length(text: &str) -> usize {
    let mut length = 0;
    while let Some(mark) = mark_length(&text[length..]) {
        length += mark;
    }
    length
}

fn mark_length(text: &str) -> Option<usize> {
    if text.starts_with(DROPPED) {
        return Some(DROPPED.len_utf8());
    }
    let (inside, closing) = match text.strip_prefix('[') {
        Some(inside) => (inside, ']'),
        None => (text.strip_prefix('【')?, '】'),
    };
    let inside = &inside[..inside.floor_char_boundary(MAX_BYTES)];
    let inside = &inside[..inside.find([closing, '\n', '['])?];
    let is_closed = text[opening_length(closing) + inside.len()..].starts_with(closing);
    let is_mark = if closing == ']' {
        is_bracket_mark(inside)
    } else {
        is_lens_mark(inside)
    };
    (is_closed && is_mark).then(|| inside.len() + 2 * closing.len_utf8())
}

/// `[` is as long as `]`, and `【` as `】`.
const fn opening_length(closing: char) -> usize {
    closing.len_utf8()
}

/// Kimi's `^1^`, the `^1` of a footnote without a definition, `DeepSeek`'s `citation:3`.
pub(super) fn is_bracket_mark(inside: &str) -> bool {
    if let Some(numbers) = inside.strip_prefix("citation:") {
        return is_numbers(numbers);
    }
    let Some(name) = inside.strip_prefix('^') else {
        return false;
    };
    match name.strip_suffix('^') {
        Some(name) => !name.is_empty(),
        None => is_label(name),
    }
}

/// True for a footnote's label. `[^0-9]` and `[^a-z]` are none: they are read as patterns.
fn is_label(name: &str) -> bool {
    let mut pieces = name.split(['-', ',']);
    let is_word =
        |piece: &str| !piece.is_empty() && piece.chars().all(|c| c.is_alphanumeric() || c == '_');
    let is_numbers = is_numbers(name) && !name.contains('-');
    is_numbers || is_word(name) || {
        let first = pieces.next().unwrap_or_default();
        first.chars().count() > 1 && is_word(first) && pieces.all(is_word)
    }
}

/// The `1†source` of `OpenAI` and GLM, in whatever language the source is named.
fn is_lens_mark(inside: &str) -> bool {
    inside
        .split_once('†')
        .is_some_and(|(number, _)| is_numbers(&Cow::from(number).replace(':', ",")))
}

fn is_numbers(text: &str) -> bool {
    text.contains(|c: char| c.is_ascii_digit())
        && text
            .chars()
            .all(|c| c.is_ascii_digit() || matches!(c, ',' | ' ' | '-' | '，'))
}
