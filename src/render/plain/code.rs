//! Which lines of an answer are code, as the parser sees it.

use std::ops::RangeInclusive;

use comrak::{Arena, Node, nodes::NodeValue};

use super::{MAX_BYTES, parser, shield};

/// For each line of a text that is parsed, whether it belongs to a code block; the lines that
/// open and close a fence do.
pub(super) struct CodeLines(Vec<bool>);

impl CodeLines {
    /// Parses the text; only an item, a quote and a paragraph around it tell what a fence is.
    pub(super) fn of(text: &str) -> Self {
        let mut lines = Self(Vec::new());
        if !["```", "~~~", "    ", "\t"]
            .iter()
            .any(|mark| text.contains(mark))
        {
            return lines;
        }
        let shielded = shield::shield(&text[..text.floor_char_boundary(MAX_BYTES)]);
        lines.0.resize(shielded.split('\n').count(), false);
        let mut options = parser();
        // Mathematics makes no block, and its search for an end takes its time.
        options.extension.math_dollars = false;
        options.extension.math_latex = false;
        let arena = Arena::new();
        for node in comrak::parse_document(&arena, &shielded, &options).descendants() {
            if matches!(node.data().value, NodeValue::CodeBlock(_)) {
                lines.mark(node);
            }
        }
        lines
    }

    /// Whether the line of this index, counted from 0, is code.
    pub(super) fn holds(&self, line: usize) -> bool {
        self.0.get(line).copied().unwrap_or_default()
    }

    /// Whether the last line is code.
    pub(super) fn holds_last(&self) -> bool {
        self.0.last().copied().unwrap_or_default()
    }

    fn mark(&mut self, node: Node<'_>) {
        if let Some(lines) = self.0.get_mut(lines_of(node)) {
            lines.fill(true);
        }
    }
}

/// The indices of the lines of a block, counted from 0.
fn lines_of(node: Node<'_>) -> RangeInclusive<usize> {
    let position = node.data().sourcepos;
    position.start.line.saturating_sub(1)..=position.end.line.saturating_sub(1)
}
