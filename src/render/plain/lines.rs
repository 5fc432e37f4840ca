//! The lines of a finished run of text.

use super::inline::HARD_BREAK;
use crate::render::lines;

/// Trims every line on both sides and drops those that lost all their words.
///
/// A blank line stays only where `<br>` asks for it, and never two in a row.
pub(super) fn tidy(text: String) -> String {
    let blank = char::is_whitespace;
    let is_tidy =
        |line: &str| !(line.is_empty() || line.starts_with(blank) || line.ends_with(blank));
    if !text.contains(HARD_BREAK) && lines(&text).all(is_tidy) {
        return text;
    }
    let mut out = String::with_capacity(text.len());
    let mut has_break = false;
    for line in lines(&text) {
        let line = line.trim();
        // A break at the end of a line and one at the start of the next are two.
        let is_second = has_break && line.starts_with(HARD_BREAK);
        has_break = line.ends_with(HARD_BREAK);
        let words = line.trim_matches(|c: char| c == HARD_BREAK || c.is_whitespace());
        if is_second || words.is_empty() && !line.is_empty() {
            push(&mut out, "");
        }
        if !words.is_empty() {
            words
                .split(HARD_BREAK)
                .for_each(|line| push(&mut out, line.trim()));
        }
    }
    out.truncate(out.trim_end().len());
    out
}

fn push(out: &mut String, line: &str) {
    if out.is_empty() {
        out.push_str(line);
    } else if !line.is_empty() || !out.ends_with('\n') {
        out.push('\n');
        out.push_str(line);
    }
}
