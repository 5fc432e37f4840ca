//! The answer before it is parsed: one kind of line end, no thinking, no search lists, and the
//! slips of models put right. No code is touched.

use std::{borrow::Cow, cell::LazyCell};

use super::{code::CodeLines, thinking};
use crate::render::{Sources, fence};

/// The line that the list of search results begins with.
const TRAILER: &str = "搜索结果来自：";

/// The Markdown that is worth parsing.
pub(super) fn clean(markdown: &str, sources: Sources) -> String {
    let text = markdown.trim_start_matches('\u{FEFF}');
    let text = unify_line_ends(text);
    let text = thinking::cut(&text);
    clean_lines(text, sources)
}

/// CRLF, CR, U+2028 and U+2029 to LF.
fn unify_line_ends(text: &str) -> Cow<'_, str> {
    let other = ['\r', '\u{2028}', '\u{2029}'];
    if !text.contains(other) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.replace("\r\n", "\n").replace(other, "\n"))
}

/// Drops search lists, and writes headings and breaks as a parser wants them.
fn clean_lines(text: &str, sources: Sources) -> String {
    let mut out = String::with_capacity(text.len() + 16);
    // Which lines are code is found out for the first line that would be changed: few texts have one.
    let code = LazyCell::new(|| CodeLines::of(text, may_change));
    let (mut cuts, mut is_blank_so_far) = (sources == Sources::Cut, true);
    let mut lines = text.split_inclusive('\n').enumerate().peekable();
    while let Some((i, line)) = lines.next() {
        let content = line.trim_end_matches('\n');
        if !may_change(content) {
            out.push_str(line);
            is_blank_so_far &= content.trim().is_empty();
            continue;
        }
        if code.holds(i) {
            out.push_str(line);
            is_blank_so_far = false;
            continue;
        }
        // A parser takes U+3000 alone for a word.
        if content.trim().is_empty() {
            out.push('\n');
            continue;
        }
        if cuts && content == TRAILER && line.ends_with('\n') {
            if !is_blank_so_far {
                break;
            }
            // Nothing but sources: they are the answer.
            cuts = false;
        }
        if cuts && is_search_result(content) {
            continue;
        }
        is_blank_so_far = false;
        let indent = line.len() - line.trim_start_matches(' ').len();
        match gap_of_heading(line) {
            Some(at) if code.allows_heading(i, indent) => {
                out.extend([&line[..at], " ", &line[at..]]);
            }
            _ => out.push_str(line),
        }
        let is_next_blank = lines.peek().is_none_or(|(_, next)| next.trim().is_empty());
        if is_break_alone(content) && !is_next_blank {
            out.push('\n');
        }
    }
    out
}

/// True for a line that is not written as it is, unless it is code.
fn may_change(line: &str) -> bool {
    let is_odd_blank = !line.is_ascii() && line.trim().is_empty();
    is_odd_blank
        || line == TRAILER
        || is_search_result(line)
        || gap_of_heading(line).is_some()
        || is_break_alone(line)
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
