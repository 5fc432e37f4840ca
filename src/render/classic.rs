//! The classic style: byte for byte what the JavaScript function `md_to_txt` makes of an answer.
//!
//! One pass per rule of the original, in its order, each linear. The passes are written by hand
//! because no `regex` pattern means what these mean in JavaScript: there `^` matches after `\n`,
//! `\r`, U+2028 and U+2029 (also between `\r` and `\n`), and `\s` knows U+FEFF but not U+0085.

use memchr::{memchr, memchr3, memmem};

/// The text of `md_to_txt(markdown)`.
pub(super) fn render(markdown: &str) -> String {
    let mut text = delete_quotes(markdown);
    text = mark_headings(text);
    text = delete_emphasis(text);
    text = delete_links(text);
    text = mark_items(text, b"-*+", bullet);
    text = mark_items(text, b"0123456789", number);
    delete_citations(text)
}

/// `/^>.*\n?/gm` to nothing.
fn delete_quotes(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = String::with_capacity(text.len());
    let (mut kept, mut at) = (0, 0);
    while let Some(start) = line_starting_with(text, at, b">") {
        out.push_str(&text[kept..start]);
        let end = line_end(text, start).map_or(text.len(), |(end, _)| end);
        kept = end + usize::from(bytes.get(end) == Some(&b'\n'));
        at = kept;
    }
    out.push_str(&text[kept..]);
    out
}

/// `/^####\s*/gm` to 🔸, then `/^###\s*/gm` to 🔶, then `/^#{1,2}\s*/gm` to nothing, in one pass.
///
/// The white space that a match swallows may end in a line end; what follows it is then a line
/// start for the same rule and the rules before it, but not for the later ones, which see the mark
/// of this one there. `weakest` is the fewest hashes that still count at such a place.
fn mark_headings(text: String) -> String {
    let mut out = String::new();
    let (mut kept, mut at, mut weakest) = (0, 0, 1);
    while let Some(start) = line_starting_with(&text, at, b"#") {
        let weakest_here = if start == at { weakest } else { 1 };
        let hashes = run_of(&text, start, b'#').min(4);
        if hashes < weakest_here {
            (at, weakest) = (start + 1, 1);
            continue;
        }
        let (taken, mark, next) = match hashes {
            4 => (4, "🔸 ", 4),
            3 => (3, "🔶 ", 3),
            few => (few, "", 1),
        };
        out.push_str(&text[kept..start]);
        out.push_str(mark);
        kept = skip_space(&text, start + taken);
        (at, weakest) = (kept, next);
    }
    rest(out, text, kept)
}

/// `/\*\*|\*|__|_|~~/g` to nothing.
fn delete_emphasis(text: String) -> String {
    let bytes = text.as_bytes();
    let mut out = String::new();
    let (mut kept, mut at) = (0, 0);
    while let Some(found) = memchr3(b'*', b'_', b'~', &bytes[at..]) {
        let start = at + found;
        let length = match &bytes[start..] {
            [b'~', b'~', ..] => 2,
            [b'~', ..] => 0,
            _ => 1,
        };
        if length > 0 {
            out.push_str(&text[kept..start]);
            kept = start + length;
        }
        at = start + length.max(1);
    }
    rest(out, text, kept)
}

/// `/\[.*?\]\(.*?\)/g` to nothing: from the first bracket of a line, whatever is between.
fn delete_links(text: String) -> String {
    let bytes = text.as_bytes();
    let middle = memmem::Finder::new("](");
    let mut out = String::new();
    let (mut kept, mut at) = (0, 0);
    while let Some(found) = memchr(b'[', &bytes[at..]) {
        let start = at + found;
        let (end, next) = line_end(&text, start).unwrap_or((text.len(), text.len()));
        let mut from = start;
        // Where the first bracket of a line finds no end, no later one does.
        while let Some(link) = link_in(&bytes[..end], from, &middle) {
            out.push_str(&text[kept..link.0]);
            (kept, from) = (link.1, link.1);
        }
        at = next;
    }
    rest(out, text, kept)
}

/// Start and end of the first link at or after `from`, in bytes that end with the line.
fn link_in(line: &[u8], from: usize, middle: &memmem::Finder<'_>) -> Option<(usize, usize)> {
    let start = from + memchr(b'[', &line[from..])?;
    let address = start + 1 + middle.find(&line[start + 1..])? + 2;
    let end = address + memchr(b')', &line[address..])? + 1;
    Some((start, end))
}

/// `/^\s*X\s/gm` to what `item` makes of X, where X begins with one of `first`.
///
/// `item` looks at X and gives its length and what is written instead, the space included.
fn mark_items(text: String, first: &[u8], item: fn(&str) -> Option<(usize, &str)>) -> String {
    let mut out = String::new();
    let (mut kept, mut at) = (0, 0);
    while let Some(start) = line_start(&text, at) {
        let content = skip_space(&text, start);
        let begins = text
            .as_bytes()
            .get(content)
            .is_some_and(|byte| first.contains(byte));
        let found = if begins { item(&text[content..]) } else { None };
        // No line start inside a run of white space can do better than the first one did.
        at = content + 1;
        if let Some((length, written)) = found
            && let Some(space) = space_at(&text, content + length)
        {
            out.push_str(&text[kept..start]);
            out.push_str(written);
            out.push(' ');
            kept = content + length + space;
            at = kept;
        }
        if at > text.len() {
            break;
        }
    }
    rest(out, text, kept)
}

fn bullet(_: &str) -> Option<(usize, &str)> {
    Some((1, "-"))
}

fn number(text: &str) -> Option<(usize, &str)> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let number = text.get(..=digits)?;
    number.ends_with('.').then_some((digits + 1, number))
}

/// `/\[\^[^\]]+\^]/g` to nothing.
fn delete_citations(text: String) -> String {
    let bytes = text.as_bytes();
    let opening = memmem::Finder::new("[^");
    let mut out = String::new();
    let (mut kept, mut at, mut closing) = (0, 0, 0);
    while let Some(found) = opening.find(&bytes[at..]) {
        let start = at + found;
        if closing < start + 2 {
            let Some(bracket) = memchr(b']', &bytes[start + 2..]) else {
                break;
            };
            closing = start + 2 + bracket;
        }
        // At least one character between the two carets.
        if bytes[closing - 1] == b'^' && closing > start + 3 {
            out.push_str(&text[kept..start]);
            kept = closing + 1;
            at = kept;
        } else {
            at = start + 2;
        }
    }
    rest(out, text, kept)
}

/// What was written and the untouched rest; the text itself where nothing was found.
fn rest(mut out: String, text: String, kept: usize) -> String {
    if kept == 0 && out.is_empty() {
        return text;
    }
    out.push_str(&text[kept..]);
    out
}

/// The first line start at or after `at` that is followed by `byte`.
fn line_starting_with(text: &str, mut at: usize, byte: &[u8; 1]) -> Option<usize> {
    let bytes = text.as_bytes();
    loop {
        let found = at + memchr(byte[0], bytes.get(at..)?)?;
        if is_line_start(bytes, found) {
            return Some(found);
        }
        at = found + 1;
    }
}

/// The first line start at or after `at`.
fn line_start(text: &str, at: usize) -> Option<usize> {
    if is_line_start(text.as_bytes(), at) {
        return Some(at);
    }
    line_end(text, at).map(|(_, next)| next)
}

fn is_line_start(bytes: &[u8], at: usize) -> bool {
    matches!(
        bytes[..at],
        [] | [.., b'\n' | b'\r'] | [.., 0xE2, 0x80, 0xA8 | 0xA9]
    )
}

/// Where the first line terminator at or after `at` begins and ends; a terminator is one
/// character, so that CRLF is two.
fn line_end(text: &str, mut at: usize) -> Option<(usize, usize)> {
    let bytes = text.as_bytes();
    loop {
        let found = at + memchr3(b'\n', b'\r', 0xE2, bytes.get(at..)?)?;
        match bytes[found..] {
            [0xE2, 0x80, 0xA8 | 0xA9, ..] => return Some((found, found + 3)),
            [0xE2, ..] => at = found + 1,
            _ => return Some((found, found + 1)),
        }
    }
}

fn run_of(text: &str, at: usize, byte: u8) -> usize {
    text.as_bytes()[at..]
        .iter()
        .take_while(|&&b| b == byte)
        .count()
}

/// The end of the run of JavaScript's `\s` that begins at `at`.
fn skip_space(text: &str, mut at: usize) -> usize {
    while let Some(length) = space_at(text, at) {
        at += length;
    }
    at
}

/// The length of the character of JavaScript's `\s` at `at`.
fn space_at(text: &str, at: usize) -> Option<usize> {
    match text.as_bytes().get(at..)? {
        [b'\t'..=b'\r' | b' ', ..] => Some(1),
        [0xC2, 0xA0, ..] => Some(2),
        [0xE1, 0x9A, 0x80, ..]
        | [0xE2, 0x80, 0x80..=0x8A | 0xA8 | 0xA9 | 0xAF, ..]
        | [0xE2, 0x81, 0x9F, ..]
        | [0xE3, 0x80, 0x80, ..]
        | [0xEF, 0xBB, 0xBF, ..] => Some(3),
        _ => None,
    }
}
