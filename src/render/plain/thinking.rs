//! What a model wrote for itself before its answer.

use std::{cell::LazyCell, iter};

use memchr::memmem;

use super::code::CodeLines;

/// The text without its thinking.
///
/// A block counts at the very start only, after white space. A closing tag that nothing opened
/// takes what is before it along. Elsewhere such tags are text, and an opening tag that nothing
/// closes loses the tag alone: an empty push helps nobody.
pub(in crate::render) fn cut(text: &str) -> &str {
    let mut rest = cut_kimi(text);
    loop {
        rest = match begin(rest) {
            Begin::Closed(after) => after,
            Begin::Open(inside) => return inside,
            Begin::Other => match cut_orphan(rest) {
                Some(after) => after,
                None => return rest,
            },
        };
    }
}

/// How a text begins.
enum Begin<'t> {
    /// With a thinking block; what follows it.
    Closed(&'t str),
    /// With an opening tag that nothing closes; what follows the tag.
    Open(&'t str),
    Other,
}

/// After `开始思考`, its lines, and `思考结束` or `思考完成`, each alone on its line.
fn cut_kimi(text: &str) -> &str {
    let start = text.trim_start();
    let Some(mut rest) = start.strip_prefix("开始思考\n") else {
        return text;
    };
    while !rest.is_empty() {
        let (line, after) = rest.split_once('\n').unwrap_or((rest, ""));
        if matches!(line.trim_end(), "思考结束" | "思考完成") {
            return after;
        }
        rest = after;
    }
    text
}

fn begin(text: &str) -> Begin<'_> {
    let Some((is_long, inside)) = text.trim_start().strip_prefix("<think").and_then(name_end)
    else {
        return Begin::Other;
    };
    let (closing, other) = match is_long {
        true => ("</thinking>", "</think>"),
        false => ("</think>", "</thinking>"),
    };
    let parts = inside.split_once(closing);
    match parts.or_else(|| inside.split_once(other)) {
        Some((_, after)) => Begin::Closed(after),
        None => Begin::Open(inside),
    }
}

/// After a closing tag that nothing before it opened, unless it stands in code.
fn cut_orphan(text: &str) -> Option<&str> {
    let at = memmem::find(text.as_bytes(), b"</think")?;
    let (before, tag) = text.split_at(at);
    let (_, after) = name_end(&tag["</think".len()..])?;
    let is_orphan = !before.contains("<think>") && !before.contains("<thinking>");
    (is_orphan && !is_code(text, at)).then_some(after)
}

/// Whether a tag is the long one, and what follows it; from after `<think`.
fn name_end(text: &str) -> Option<(bool, &str)> {
    let long = text.strip_prefix("ing>").map(|after| (true, after));
    long.or_else(|| text.strip_prefix('>').map(|after| (false, after)))
}

/// True where the tag at `at` stands in a code block or between backticks.
fn is_code(text: &str, at: usize) -> bool {
    // A block of code needs a last line that is not blank: the tag's own bracket makes it so.
    is_in_span(text, at) || CodeLines::parsed(&text[..=at]).holds_last()
}

/// True where backticks before `at` open a code span that as many behind it close, in one paragraph.
fn is_in_span(text: &str, at: usize) -> bool {
    let mut from = text[..at].rfind("\n\n").unwrap_or_default();
    let end = LazyCell::new(|| text[at..].find("\n\n").map_or(text.len(), |end| at + end));
    while let Some((inside, length)) = ticks(&text[..at], from) {
        let paragraph = &text[..*end];
        let mut later = iter::successors(ticks(paragraph, inside), |(end_of_run, _)| {
            ticks(paragraph, *end_of_run)
        });
        from = match later.find(|(_, other)| *other == length) {
            Some((closed, _)) if closed > at => return true,
            Some((closed, _)) => closed,
            None => inside,
        };
    }
    false
}

/// Where the first run of backticks at or after a place ends, and how long it is.
fn ticks(text: &str, from: usize) -> Option<(usize, usize)> {
    let start = from + memchr::memchr(b'`', &text.as_bytes()[from..])?;
    let is_tick = |byte: &&u8| **byte == b'`';
    let length = text.as_bytes()[start..].iter().take_while(is_tick).count();
    Some((start + length, length))
}
