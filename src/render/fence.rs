//! Which lines of a finished text are fenced code, whatever its style.

use std::ops::Range;

/// Follows a text line by line and knows whether it is inside a fence.
#[derive(Debug, Default)]
pub(super) struct Fences {
    open: Option<Fence>,
}

#[derive(Clone, Copy, Debug)]
struct Fence {
    mark: u8,
    length: usize,
    /// How many quote marks stood before it; a line with fewer ends the quote and the fence.
    quotes: usize,
}

impl Fences {
    /// True where the next line is inside a fence, or closes it.
    pub(super) const fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// True if the line belongs to a fence, the lines that open and close it included.
    pub(super) fn holds(&mut self, line: &str) -> bool {
        let Some(fence) = self.open else {
            self.open = opening(line);
            return self.open.is_some();
        };
        let Some(content) = without_quotes(line, fence.quotes) else {
            self.open = opening(line);
            return self.open.is_some();
        };
        if closes(content, fence) {
            self.open = None;
        }
        true
    }
}

/// Where the fences of a text are, from the start of the opening line to the end of the closing
/// one (its line end not included).
pub(super) fn ranges(text: &str) -> Vec<Range<usize>> {
    let mut ranges: Vec<Range<usize>> = Vec::new();
    if !text.contains("```") && !text.contains("~~~") {
        return ranges;
    }
    let (mut fences, mut start, mut is_inside) = (Fences::default(), 0, false);
    for line in super::lines(text) {
        let end = start + line.len();
        let was_inside = is_inside && fences.open.is_some();
        is_inside = fences.holds(line);
        if is_inside && was_inside {
            if let Some(last) = ranges.last_mut() {
                last.end = end;
            }
        } else if is_inside {
            ranges.push(start..end);
        }
        start = end + 1;
    }
    ranges
}

/// A line of a fence without the quote marks before it; None where there are too few.
fn without_quotes(line: &str, quotes: usize) -> Option<&str> {
    let mut rest = line.trim_start();
    for _ in 0..quotes {
        rest = rest.strip_prefix(['>', '▎'])?.trim_start();
    }
    Some(rest)
}

/// A line without what quotes, items and indentation put before its content, and the number of
/// quote marks among it.
pub(super) fn content_of(line: &str) -> (&str, usize) {
    let (mut rest, mut quotes) = (line, 0);
    loop {
        rest = rest.trim_start_matches([' ', '\t']);
        if let Some(after) = rest.strip_prefix(['>', '▎']) {
            quotes += 1;
            rest = after;
        } else if let Some(after) = after_item_mark(rest) {
            rest = after;
        } else {
            return (rest, quotes);
        }
    }
}

/// What follows `- `, `* `, `+ `, `1. ` or `1) `.
fn after_item_mark(line: &str) -> Option<&str> {
    let after = match line.as_bytes().first()? {
        b'-' | b'*' | b'+' => &line[1..],
        b'0'..=b'9' => {
            let digits = line.bytes().take_while(u8::is_ascii_digit).count();
            line[digits..].strip_prefix(['.', ')'])?
        }
        _ => return None,
    };
    after.strip_prefix([' ', '\t'])
}

fn opening(line: &str) -> Option<Fence> {
    memchr::memchr2(b'`', b'~', line.as_bytes())?;
    let (content, quotes) = content_of(line);
    let mark = *content.as_bytes().first()?;
    if mark != b'`' && mark != b'~' {
        return None;
    }
    let length = run(content, mark);
    let is_fence = length >= 3 && (mark == b'~' || !content[length..].contains('`'));
    is_fence.then_some(Fence {
        mark,
        length,
        quotes,
    })
}

fn closes(content: &str, fence: Fence) -> bool {
    let length = run(content, fence.mark);
    length >= fence.length && content[length..].trim().is_empty()
}

fn run(text: &str, mark: u8) -> usize {
    text.bytes().take_while(|&byte| byte == mark).count()
}
