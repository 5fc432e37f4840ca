//! Which lines of an answer are code, or too deep for a heading, as the parser sees it.

use std::ops::RangeInclusive;

use comrak::{Arena, Node, nodes::NodeValue};

use super::{MAX_BYTES, parser, shield};
use crate::render::{self, fence};

/// What is known of the lines of a text; of a text that holds no code, there are none.
pub(super) struct CodeLines(Vec<Line>);

#[derive(Clone, Copy, Default)]
struct Line {
    /// Whether it belongs to a code block; the lines that open and close a fence do.
    is_code: bool,
    /// From how many spaces on a line inside a paragraph goes on with it, whatever it begins with.
    limit: Option<usize>,
}

impl CodeLines {
    /// What is known of the lines that `matters` tells of. Parses the text where it has to: where such a
    /// line or a fence is indented, only the item, quote and paragraph around it tell what it is.
    pub(super) fn of(text: &str, matters: impl Fn(&str) -> bool) -> Self {
        let text = &text[..text.floor_char_boundary(MAX_BYTES)];
        Self::at_first_sight(text, matters).unwrap_or_else(|| Self::parsed(text))
    }

    /// What can be told without a parser: all fences at the start of their lines, where they end
    /// whatever was before them; no HTML that might swallow one, and of what is indented by four
    /// only lines that do not matter.
    fn at_first_sight(text: &str, matters: impl Fn(&str) -> bool) -> Option<Self> {
        let mut lines = Vec::new();
        let (mut fences, mut is_html) = (fence::Fences::default(), false);
        for line in render::lines(text) {
            let was_open = fences.is_open();
            let is_code = fences.holds(line);
            is_html = !was_open && !is_blank(line) && (is_html || may_begin_html(line));
            let is_simple = if was_open {
                // An indented fence may close this one, and wide spaces after one may not.
                !has_fence(line) || line.is_ascii() && !line.starts_with([' ', '\t'])
            } else if is_html {
                !has_fence(line) && !matters(line) && !is_lasting_html(line)
            } else {
                let is_indented = line.starts_with("    ") || line.contains('\t');
                !(is_indented && matters(line))
                    && (is_code && line.starts_with(['`', '~']) || !may_be_fence(line))
            };
            if !is_simple {
                return None;
            }
            lines.push(Line {
                is_code,
                limit: None,
            });
        }
        Some(Self(lines))
    }

    pub(super) fn parsed(text: &str) -> Self {
        let mut lines = Self(Vec::new());
        let is_indented = text.contains("    ") || text.contains('\t');
        if !is_indented && !has_fence(text) {
            return lines;
        }
        let shielded = shield::shield(text);
        lines
            .0
            .resize(shielded.split('\n').count(), Line::default());
        let mut options = parser();
        // Mathematics makes no block, and its search for an end takes its time.
        options.extension.math_dollars = false;
        options.extension.math_latex = false;
        let arena = Arena::new();
        for node in comrak::parse_document(&arena, &shielded, &options).descendants() {
            lines.mark(node);
        }
        lines
    }

    /// Whether the line of this index, counted from 0, is code.
    pub(super) fn holds(&self, line: usize) -> bool {
        self.0.get(line).is_some_and(|line| line.is_code)
    }

    /// Whether a line of this index, indented by so many spaces, may be a heading.
    pub(super) fn allows_heading(&self, line: usize, indent: usize) -> bool {
        let limit = self.0.get(line).and_then(|line| line.limit);
        limit.is_none_or(|limit| indent < limit)
    }

    /// Whether the last line is code.
    pub(super) fn holds_last(&self) -> bool {
        self.0.last().is_some_and(|line| line.is_code)
    }

    fn mark(&mut self, node: Node<'_>) {
        let is_code = matches!(node.data().value, NodeValue::CodeBlock(_));
        let is_paragraph = matches!(node.data().value, NodeValue::Paragraph);
        if !is_code && !is_paragraph {
            return;
        }
        let Some(lines) = self.0.get_mut(lines_of(node)) else {
            return;
        };
        if is_code {
            lines.iter_mut().for_each(|line| line.is_code = true);
        } else {
            let limit = Some(content_column(node) + 4);
            lines.iter_mut().skip(1).for_each(|line| line.limit = limit);
        }
    }
}

fn is_blank(line: &str) -> bool {
    line.bytes().all(|byte| matches!(byte, b' ' | b'\t'))
}

fn may_begin_html(line: &str) -> bool {
    line.trim_start().starts_with('<')
}

/// True for HTML that a blank line does not end.
fn is_lasting_html(line: &str) -> bool {
    let line = line.trim_start();
    let begins = |tag: &str| {
        let head = line.get(..tag.len());
        head.is_some_and(|head| head.eq_ignore_ascii_case(tag))
    };
    ["<!", "<?", "<script", "<pre", "<style", "<textarea"]
        .iter()
        .any(|tag| begins(tag))
}

/// Whether a line may open a fence: not where words stand before it, but for a footnote's label.
fn may_be_fence(line: &str) -> bool {
    let Some(at) = first_fence(line) else {
        return false;
    };
    let before = line[..at].trim_start();
    before.starts_with('[') || !before.contains(char::is_alphabetic)
}

fn has_fence(text: &str) -> bool {
    first_fence(text).is_some()
}

fn first_fence(text: &str) -> Option<usize> {
    let is_fence = |&at: &usize| text[at..].starts_with("```") || text[at..].starts_with("~~~");
    memchr::memchr2_iter(b'`', b'~', text.as_bytes()).find(is_fence)
}

/// How many bytes of indentation stand before the content of what the block is in.
fn content_column(block: Node<'_>) -> usize {
    let Some(parent) = block.parent() else {
        return 0;
    };
    let data = parent.data();
    let start = data.sourcepos.start.column.saturating_sub(1);
    match &data.value {
        NodeValue::Item(item) => start + item.padding,
        // The box of a task is content: the bullet before it takes two.
        NodeValue::TaskItem(_) => start + 2,
        _ => 0,
    }
}

/// The indices of the lines of a block, counted from 0.
fn lines_of(node: Node<'_>) -> RangeInclusive<usize> {
    let position = node.data().sourcepos;
    position.start.line.saturating_sub(1)..=position.end.line.saturating_sub(1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(3000))]

        #[test]
        fn what_is_seen_at_first_sight_is_what_the_parser_says(
            lines in prop::collection::vec(
                prop::sample::select(vec![
                    "```", "```rust", "````", "~~~", "~~~ a", "``` `a`", "甲", "##乙", "- 丙", "> 丁", "", " ",
                    "1. 戊", "  己", "    己", "    ##己", "      - ##己", "\t##己", "   - 己", "| a |", "|-|", "[a]: u", "[^1]: n", "$$", "a ~~~ b", "<think>", "<div>甲", "</div>", "<!-- 甲", "- <div>", "- 甲 ``` 乙", "1. ```", "   ```", "  ##庚", "***",
                ]),
                0..14,
            )
        ) {
            let text = lines.join("\n");
            let matters = |line: &str| line.contains("##");
            let Some(seen) = CodeLines::at_first_sight(&text, matters) else {
                return Ok(());
            };
            let parsed = CodeLines::parsed(&text);
            for (i, line) in lines.iter().enumerate() {
                let is_indented = line.starts_with("    ") || line.contains('\t');
                // The parser's block ends above blank lines that nothing follows.
                if line.trim().is_empty() || is_indented && !matters(line) {
                    continue;
                }
                prop_assert_eq!(seen.holds(i), parsed.holds(i), "line {} of {:?}", i, text);
                let indent = line.len() - line.trim_start_matches(' ').len();
                let allows = (seen.allows_heading(i, indent), parsed.allows_heading(i, indent));
                prop_assert_eq!(allows.0, allows.1, "line {} of {:?}", i, text);
            }
        }
    }
}
