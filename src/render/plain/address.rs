//! Where addresses are in the source of an answer.

use std::{cell::OnceCell, collections::HashSet};

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

/// What the text refers to in brackets, looked for once it matters.
pub(super) struct References<'t> {
    text: &'t str,
    labels: OnceCell<HashSet<String>>,
}

impl<'t> References<'t> {
    pub(super) const fn of(text: &'t str) -> Self {
        Self {
            text,
            labels: OnceCell::new(),
        }
    }

    /// True if the `[` at `at` begins what the parser would take for the definition of an address,
    /// and drop, and is a note such as `[1]: 新浪财经` or `[时间]: 10:30`.
    pub(super) fn is_note(&self, at: usize) -> bool {
        let Some((label, after)) = label(&self.text[at..]) else {
            return false;
        };
        let Some(note) = after.strip_prefix(':').filter(|_| !label.starts_with('^')) else {
            return false;
        };
        let blank = [' ', '\t'];
        let note = note.trim_start_matches(blank);
        let is_word = |c: char| c.is_ascii_digit() || math::is_cjk(c);
        let line = note.split('\n').next().unwrap_or(note);
        if note.starts_with(is_word) && !line.contains(['/', ':']) {
            return true;
        }
        let below = note.strip_prefix('\n').unwrap_or(note);
        let destination = below.trim_start_matches(blank);
        let length = destination.find(char::is_whitespace);
        let destination = &destination[..length.unwrap_or(destination.len())];
        !destination.is_empty() && !is_address(destination) && !self.has(label)
    }

    fn has(&self, label: &str) -> bool {
        let labels = self.labels.get_or_init(|| self.labels());
        labels.contains(&normal(label))
    }

    /// The labels in brackets, without those of definitions, and without the numbers that stand
    /// alone: `[1]` reads the same whether it leads anywhere or not.
    fn labels(&self) -> HashSet<String> {
        let openings = memchr::memchr_iter(b'[', self.text.as_bytes());
        let reference = |at: usize| {
            let (label, after) = label(&self.text[at..])?;
            let is_number = label.bytes().all(|byte| byte.is_ascii_digit());
            let is_bare = is_number && !self.text[..at].ends_with(']');
            let is_definition = after.starts_with(':') && begins_line(&self.text[..at]);
            (!is_bare && !is_definition).then(|| normal(label))
        };
        openings.filter_map(reference).collect()
    }
}

/// True if nothing but what quotes and items begin with stands in the line after this text.
pub(super) fn begins_line(before: &str) -> bool {
    let is_mark = |c: char| {
        matches!(
            c,
            ' ' | '\t' | '>' | '-' | '*' | '+' | '.' | ')' | '0'..='9'
        )
    };
    let before = before.trim_end_matches(is_mark);
    before.is_empty() || before.ends_with('\n')
}

/// The label that a text begins with, and what follows its bracket.
fn label(text: &str) -> Option<(&str, &str)> {
    let inside = text.strip_prefix('[')?;
    let (label, after) = inside.split_at(inside.find(['[', ']'])?);
    Some((label, after.strip_prefix(']')?))
}

/// A label as it is compared: neither its case nor its spaces matter.
fn normal(label: &str) -> String {
    let words: Vec<&str> = label.split_whitespace().collect();
    words.join(" ").to_lowercase()
}

/// True for what looks like an address where one is defined: with a scheme, in brackets, a path that
/// says so, or a host and its path.
fn is_address(destination: &str) -> bool {
    let starts = ["mailto:", "tel:", "www.", "/", "#", "./", "../", "<"];
    let has_scheme = destination.contains("://");
    has_scheme || starts.iter().any(|start| destination.starts_with(start)) || {
        let (host, _) = destination.split_once('/').unwrap_or_default();
        let (_, domain) = host.rsplit_once('.').unwrap_or_default();
        domain.len() > 1 && domain.bytes().all(|byte| byte.is_ascii_alphabetic())
    }
}
