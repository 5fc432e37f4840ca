//! A config file's text, and offsets in it as people count: lines and columns.

use std::{ops::Range, path::Path, sync::Arc};

/// The text with its line starts, so that a position costs a binary search.
pub(super) struct Source<'t> {
    pub(super) file: Arc<str>,
    text: &'t str,
    line_starts: Vec<usize>,
}

impl<'t> Source<'t> {
    pub(super) fn new(file: &Path, text: &'t str) -> Self {
        let breaks = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        Self {
            file: Arc::from(file.display().to_string()),
            text,
            line_starts: std::iter::once(0)
                .chain(breaks.map(|(at, _)| at + 1))
                .collect(),
        }
    }

    /// A piece of the text.
    pub(super) fn text(&self, span: Range<usize>) -> &'t str {
        self.text.get(span).unwrap_or_default()
    }

    /// Where the string that begins at `at` holds its text as it is: behind its quotes.
    pub(super) fn verbatim(&self, at: usize, text: &str) -> Option<usize> {
        /// Three quotes and a line end.
        const MOST: usize = 5;
        let rest = self.text.get(at..)?;
        let begins = rest
            .find(|c: char| !"\"'\r\n".contains(c))
            .unwrap_or(0)
            .min(MOST);
        // The text itself may begin with a quote or a line end.
        (1..=begins)
            .rev()
            .map(|skipped| at + skipped)
            .find(|begins| {
                self.text
                    .get(*begins..)
                    .is_some_and(|rest| rest.starts_with(text))
            })
    }

    /// All of it from an offset on.
    pub(super) fn rest(&self, at: usize) -> &'t str {
        self.text.get(at..).unwrap_or_default()
    }

    /// The line that an offset is in.
    pub(super) fn line(&self, offset: usize) -> &'t str {
        let (line, _) = self.position(offset);
        let start = self.line_starts[line - 1];
        self.rest(start).lines().next().unwrap_or_default()
    }

    /// Line and column of a byte offset, both from 1; columns count characters, not bytes.
    pub(super) fn position(&self, offset: usize) -> (usize, usize) {
        let line = self.line_starts.partition_point(|start| *start <= offset);
        let start = self.line_starts[line - 1];
        let before = self.text(start..offset);
        (
            line,
            before.trim_start_matches('\u{feff}').chars().count() + 1,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_count_characters() {
        let text = "a = 1\n名 = \"金价\" # x\n";
        let source = Source::new(Path::new("c.toml"), text);
        let at = |needle| source.position(text.find(needle).unwrap());
        assert_eq!(at("a ="), (1, 1));
        assert_eq!(at("\"金"), (2, 5));
        assert_eq!(at("# x"), (2, 10));
        assert_eq!(source.position(text.len()), (3, 1));
    }

    #[test]
    fn a_byte_order_mark_is_no_column() {
        let source = Source::new(Path::new("c.toml"), "\u{feff}a = 1");
        assert_eq!(source.position("\u{feff}a".len()), (1, 2));
    }
}
