//! The lines of the source: an answer keeps its own spacing.

use comrak::Node;

use crate::render::lines;

/// The lines of the source, and for each how many quote marks it consists of, if of nothing else.
pub(super) struct Layout<'s>(Vec<(&'s str, Option<usize>)>);

impl<'s> Layout<'s> {
    pub(super) fn of(source: &'s str) -> Self {
        let marks_of = |line: &str| {
            let mut marks = 0;
            for byte in line.bytes() {
                match byte {
                    b'>' => marks += 1,
                    b' ' | b'\t' => {}
                    _ => return None,
                }
            }
            Some(marks)
        };
        Self(lines(source).map(|line| (line, marks_of(line))).collect())
    }

    /// The line that the node begins in.
    pub(super) fn first_line(&self, node: Node<'_>) -> &'s str {
        let start = node.data().sourcepos.start;
        let line = self.0.get(start.line.saturating_sub(1));
        line.map(|(line, _)| *line).unwrap_or_default()
    }

    /// What of the node's last line follows the node.
    pub(super) fn rest_of_line(&self, node: Node<'_>) -> &'s str {
        let end = node.data().sourcepos.end;
        let line = self.0.get(end.line.saturating_sub(1));
        line.and_then(|(line, _)| line.get(end.column..))
            .unwrap_or_default()
    }

    /// True if a blank line stands between two siblings that are inside `quotes` quotes.
    pub(super) fn has_gap(&self, last: Node<'_>, next: Node<'_>, quotes: usize) -> bool {
        // Lines count from 1. A list or HTML block may end behind the blank lines below it, so
        // that the line directly above the next block is looked at in any case.
        let end = last.data().sourcepos.end.line;
        let start = next.data().sourcepos.start.line;
        let is_blank = |line: usize| {
            let marks = line
                .checked_sub(1)
                .and_then(|index| self.0.get(index))
                .and_then(|(_, marks)| *marks);
            marks.is_some_and(|marks| marks <= quotes)
        };
        let above = start.saturating_sub(1);
        is_blank(above) || (end + 1..above).any(is_blank)
    }
}
