//! The answer before it is parsed: one kind of line end, no thinking, no search lists, and the
//! slips of models put right. No code is touched.

use std::{borrow::Cow, cell::LazyCell};

use memchr::memmem;

use super::{code::CodeLines, thinking};
use crate::render::{Sources, fence, lines};

/// The words of the line that the list of search results begins with.
const TRAILER: &str = "搜索结果来自";

/// The Markdown that is worth parsing.
pub(super) fn clean(markdown: &str, sources: Sources) -> String {
    let text = markdown.trim_start_matches('\u{FEFF}');
    let text = unify_line_ends(text);
    let text = thinking::cut(&text);
    clean_lines(text, sources)
}

/// CRLF, CR, U+2028 and U+2029 to LF.
fn unify_line_ends(text: &str) -> Cow<'_, str> {
    let mut text = Cow::Borrowed(text);
    for end in ["\r\n", "\r", "\u{2028}", "\u{2029}"] {
        if memmem::find(text.as_bytes(), end.as_bytes()).is_some() {
            text = Cow::Owned(text.replace(end, "\n"));
        }
    }
    text
}

/// Drops search lists, and writes headings and breaks as a parser wants them.
fn clean_lines(text: &str, sources: Sources) -> String {
    let mut out = String::with_capacity(text.len() + 16);
    // Which lines are code is found out for the first line that would be changed: few texts have one.
    let code = LazyCell::new(|| CodeLines::of(text, may_change));
    let (mut cuts, mut is_blank_so_far) = (sources == Sources::Cut, true);
    let mut lines = lines(text).enumerate().peekable();
    while let Some((i, line)) = lines.next() {
        let end = if lines.peek().is_some() { "\n" } else { "" };
        if !may_change(line) {
            out.extend([line, end]);
            is_blank_so_far = is_blank_so_far && line.trim().is_empty();
            continue;
        }
        if code.holds(i) {
            out.extend([line, end]);
            is_blank_so_far = false;
            continue;
        }
        // A parser takes U+3000 alone for a word.
        if line.trim().is_empty() {
            out.push_str(end);
            continue;
        }
        if cuts && is_trailer(line) && !end.is_empty() {
            if !is_blank_so_far {
                break;
            }
            // Nothing but sources: they are the answer.
            cuts = false;
        }
        if cuts && is_search_result(line) {
            continue;
        }
        is_blank_so_far = false;
        let indent = line.len() - line.trim_start_matches(' ').len();
        match gap_of_heading(line) {
            Some(at) if code.allows_heading(i, indent) => {
                out.extend([&line[..at], " ", &line[at..], end]);
            }
            _ => out.extend([line, end]),
        }
        let is_next_blank = lines.peek().is_none_or(|(_, next)| next.trim().is_empty());
        if is_break_alone(line) && !is_next_blank {
            out.push('\n');
        }
    }
    out
}

/// True for a line that is not written as it is, unless it is code. Its first character tells of
/// most that they are.
fn may_change(line: &str) -> bool {
    match line.trim_start().chars().next() {
        None => !line.is_ascii(),
        Some('搜' | '_') => is_trailer(line),
        Some('【') => is_search_result(line),
        Some('<') => is_break_alone(line),
        Some('#' | '>' | '▎' | '-' | '*' | '+' | '0'..='9') => {
            gap_of_heading(line).is_some() || is_trailer(line)
        }
        Some(_) => false,
    }
}

/// True for the line that the list of search results begins with, in bold or as a heading too.
fn is_trailer(line: &str) -> bool {
    let is_mark = |c: char| c.is_whitespace() || matches!(c, '*' | '_' | '#');
    let colons = ['：', ':'];
    let words = line.trim_matches(is_mark);
    let label = words.trim_end_matches(colons).trim_end_matches(is_mark);
    label == TRAILER && words[label.len()..].contains(colons)
}

/// True for a whole line `【检索 N】 [title](url)`.
fn is_search_result(line: &str) -> bool {
    let Some((number, link)) = line
        .trim()
        .strip_prefix("【检索")
        .and_then(|rest| rest.split_once('】'))
    else {
        return false;
    };
    let (number, link) = (number.trim(), link.trim());
    let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    is_number && link.starts_with('[') && link.ends_with(')') && link.contains("](")
}

/// Where hashes directly followed by text lack their space, unless it is a single one: a hashtag. A
/// wide or fixed space alone is none to the parser.
fn gap_of_heading(line: &str) -> Option<usize> {
    if !line.contains('#') {
        return None;
    }
    let (content, _) = fence::content_of(line);
    let hashes = content.bytes().take_while(|&byte| byte == b'#').count();
    let rest = &content[hashes..];
    let is_wide = rest.starts_with(['\u{3000}', '\u{A0}']) && !rest.trim().is_empty();
    let begins_text = rest.starts_with(|c: char| !c.is_whitespace());
    let lacks = (1..=6).contains(&hashes) && is_wide || (2..=6).contains(&hashes) && begins_text;
    lacks.then(|| line.len() - content.len() + hashes)
}

/// True for a line of nothing but `<br>`: a parser would take the text below it for HTML.
fn is_break_alone(line: &str) -> bool {
    let mut rest = line.trim();
    if rest.is_empty() {
        return false;
    }
    while let Some(tag) = rest.strip_prefix('<') {
        let Some((name, after)) = tag.split_once('>') else {
            return false;
        };
        if !name
            .trim_end_matches('/')
            .trim_end()
            .eq_ignore_ascii_case("br")
        {
            return false;
        }
        rest = after.trim_start();
    }
    rest.is_empty()
}
