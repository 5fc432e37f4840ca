//! Lines on their way out, each behind the bars and indentation of what it is in.

use crate::render::lines;

/// The bar of a quote. Nested bars stand side by side.
const BAR: &str = "▎ ";
/// What each level of a list adds before its lines.
const INDENT: &str = "  ";

/// Writes lines behind a prefix that grows and shrinks with the blocks.
#[derive(Default)]
pub(super) struct Writer {
    out: String,
    /// What stands before a line here.
    prefix: String,
    /// What stands before the next line instead: the mark of an item that has no line yet.
    lead: Option<String>,
    /// A blank line that comes before the next line, with its bars.
    gap: Option<String>,
}

/// What a block changed, to be put back at its end.
pub(super) struct Outer {
    prefix: usize,
    had_space: bool,
    lead: Option<String>,
    start: usize,
}

impl Writer {
    /// The number of bytes written so far: it tells whether a block wrote anything.
    pub(super) const fn len(&self) -> usize {
        self.out.len()
    }

    /// Takes back what was written after the first `length` bytes.
    pub(super) fn truncate(&mut self, length: usize) {
        self.out.truncate(length);
    }

    pub(super) fn into_text(self) -> String {
        self.out
    }

    /// Asks for a blank line before the next line. What was asked for before is given back.
    pub(super) fn gap(&mut self) -> Option<String> {
        self.gap.replace(self.prefix.trim_end().to_owned())
    }

    /// Puts back what was asked for before a block that wrote nothing.
    pub(super) fn restore_gap(&mut self, gap: Option<String>) {
        self.gap = gap;
    }

    /// Writes each line of a text.
    pub(super) fn lines(&mut self, text: &str) {
        for line in lines(text) {
            self.line(line);
        }
    }

    /// Writes one line; its own white space at the end stays.
    pub(super) fn line(&mut self, text: &str) {
        if let Some(bars) = self.gap.take() {
            self.out.push_str(&bars);
            self.out.push('\n');
        }
        let lead = self.lead.take();
        let prefix = lead.as_deref().unwrap_or(&self.prefix);
        self.out.push_str(if text.is_empty() {
            prefix.trim_end()
        } else {
            prefix
        });
        self.out.push_str(text);
        self.out.push('\n');
    }

    /// Gives the mark of an item that has no line yet a line of its own.
    pub(super) fn end_mark(&mut self) {
        if self.lead.is_some() {
            self.line("");
        }
    }

    /// A quote begins.
    pub(super) fn begin_quote(&mut self) -> Outer {
        let outer = self.outer();
        if let Some(lead) = &mut self.lead {
            push_bar(lead);
        }
        let had_space = push_bar(&mut self.prefix);
        Outer {
            prefix: outer.prefix - usize::from(had_space),
            had_space,
            ..outer
        }
    }

    /// An item of a list begins; its first line stands behind `mark`.
    pub(super) fn begin_item(&mut self, mark: &str) -> Outer {
        let outer = self.outer();
        let before = self.lead.take().unwrap_or_else(|| self.prefix.clone());
        self.lead = Some(before + mark);
        self.prefix.push_str(INDENT);
        outer
    }

    /// A note begins; its first line stands behind `mark`, the others behind nothing.
    pub(super) fn begin_note(&mut self, mark: &str) -> Outer {
        let outer = self.outer();
        self.lead = Some(mark.to_owned());
        outer
    }

    /// The block ends. True if it wrote anything; else what it had before its first line is gone.
    pub(super) fn end(&mut self, outer: Outer) -> bool {
        self.prefix.truncate(outer.prefix);
        if outer.had_space {
            self.prefix.push(' ');
        }
        let has_written = self.out.len() > outer.start;
        if !has_written {
            self.lead = outer.lead;
        }
        has_written
    }

    fn outer(&self) -> Outer {
        let (prefix, lead) = (self.prefix.len(), self.lead.clone());
        Outer {
            prefix,
            had_space: false,
            lead,
            start: self.out.len(),
        }
    }
}

/// Adds a bar, directly after the last one if there is one. True if that one lost its space.
fn push_bar(prefix: &mut String) -> bool {
    let is_nested = prefix.ends_with(BAR);
    if is_nested {
        prefix.pop();
    }
    prefix.push_str(BAR);
    is_nested
}
