//! Where addresses are in the source of an answer.

use super::math;

/// True if a `<` after this text is the bracket of a link's address: `[a](<b c>)`, `[a]: <b c>`.
pub(super) fn begins_destination(before: &str) -> bool {
    if before.ends_with("](") {
        return true;
    }
    let label = before.trim_end();
    // Looking for the line's start takes its time: only where it may be a definition.
    if label.len() == before.len() || !label.ends_with("]:") {
        return false;
    }
    let line = label.rsplit('\n').next().unwrap_or(label);
    line.trim_start().starts_with('[')
}

/// The end of an address: ASCII only (Chinese punctuation follows it without a space), brackets
/// balanced, without the marks of emphasis that may close behind it.
pub(super) fn end(bytes: &[u8], start: usize) -> usize {
    let (mut end, mut depth) = (start, 0_usize);
    for &byte in &bytes[start..] {
        match byte {
            b'(' => depth += 1,
            b')' if depth == 0 => break,
            b')' => depth -= 1,
            b'!' | b'#'..=b'\'' | b'*'..=b';' | b'=' | b'?'..=b'Z' | b'_' | b'a'..=b'z' | b'~' => {}
            _ => break,
        }
        end += 1;
    }
    while end > start && matches!(bytes[end - 1], b'*' | b'_' | b'~' | b'$') {
        end -= 1;
    }
    end
}

/// True if a text that begins with `[` begins no definition of an address but a note such as
/// `[1]: 新浪财经`, which the parser would take for one and drop.
pub(super) fn is_note(text: &str) -> bool {
    let line = text.split('\n').next().unwrap_or(text);
    let Some((label, note)) = line.split_once("]:") else {
        return false;
    };
    let note = note.trim_start_matches([' ', '\t']);
    let is_word = |c: char| c.is_ascii_digit() || math::is_cjk(c);
    !label.starts_with("[^") && note.starts_with(is_word) && !note.contains(['/', ':'])
}
