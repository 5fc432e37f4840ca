//! The blocks of a parsed answer, written line by line.

use std::collections::HashSet;

use comrak::{
    Node,
    nodes::{ListDelimType, ListType, NodeCodeBlock, NodeList, NodeValue},
};

use super::{html, inline::Inline, layout::Layout, table, writer::Writer};
use crate::render::{Code, Quotes, TextOptions, lines};

/// How deep quotes and lists are shown. What is nested deeper is written at this depth, and the
/// walk needs no more stack than that.
const MAX_DEPTH: usize = 32;
const RULE: &str = "──────";
const BULLETS: [&str; 3] = ["• ", "◦ ", "▪ "];

/// Writes the blocks of one answer.
pub(super) struct Blocks<'o> {
    options: &'o TextOptions,
    layout: Layout<'o>,
    writer: Writer,
}

/// Where a block stands.
#[derive(Clone, Copy, Default)]
struct Place {
    /// How many quotes and items are around it.
    depth: usize,
    /// How many quotes of those.
    quotes: usize,
    /// How many lists.
    lists: usize,
}

impl<'o> Blocks<'o> {
    /// `source` is what `document` was parsed from.
    pub(super) fn new(source: &'o str, options: &'o TextOptions) -> Self {
        Self {
            options,
            layout: Layout::of(source),
            writer: Writer::default(),
        }
    }

    /// The text of a whole document.
    pub(super) fn document(mut self, document: Node<'_>) -> String {
        let mut last = None;
        // Where the rules at the end begin, if the last blocks were rules.
        let mut rules = None;
        for block in document.children() {
            let start = self.writer.len();
            let is_rule = matches!(block.data().value, NodeValue::ThematicBreak);
            if matches!(block.data().value, NodeValue::FootnoteDefinition(_))
                || is_rule && start == 0
            {
                continue;
            }
            self.block_after(last, block, Place::default());
            if self.writer.len() > start {
                last = Some(block);
                rules = if is_rule { rules.or(Some(start)) } else { None };
            }
        }
        if let Some(start) = rules {
            self.writer.truncate(start);
        }
        self.notes(document);
        self.writer.into_text()
    }

    /// The notes that the text refers to; the parser has put them last, in that order. Of two with
    /// one label the first counts.
    fn notes(&mut self, document: Node<'_>) {
        let mut labels = HashSet::new();
        let is_first = |block: &Node<'_>| match &block.data().value {
            NodeValue::FootnoteDefinition(note) => labels.insert(note.name.to_lowercase()),
            _ => false,
        };
        for (i, note) in document.children().filter(is_first).enumerate() {
            if i == 0 && self.writer.len() > 0 {
                self.writer.gap();
            }
            let outer = self.writer.begin_note(&format!("[{}] ", i + 1));
            self.children(
                note,
                Place {
                    depth: 1,
                    ..Place::default()
                },
            );
            self.writer.end(outer);
        }
    }

    fn children(&mut self, parent: Node<'_>, place: Place) {
        if place.depth >= MAX_DEPTH {
            return self.leaves(parent, place);
        }
        let mut last = None;
        for block in parent.children() {
            let start = self.writer.len();
            self.block_after(last, block, place);
            if self.writer.len() > start {
                last = Some(block);
            }
        }
    }

    /// What is nested too deep, without its nesting.
    fn leaves(&mut self, parent: Node<'_>, place: Place) {
        for node in parent.descendants() {
            let is_leaf = matches!(
                node.data().value,
                NodeValue::Paragraph
                    | NodeValue::Heading(_)
                    | NodeValue::CodeBlock(_)
                    | NodeValue::HtmlBlock(_)
                    | NodeValue::Table(_)
            );
            if is_leaf {
                self.block(node, place);
            }
        }
    }

    /// A block below the last one that wrote anything: a heading has a blank line before it and
    /// none after it, other blocks have one where the source has.
    fn block_after(&mut self, last: Option<Node<'_>>, block: Node<'_>, place: Place) {
        let Some(last) = last else {
            return self.block(block, place);
        };
        let is_heading = |block: Node<'_>| matches!(block.data().value, NodeValue::Heading(_));
        let has_gap = !is_heading(last)
            && (is_heading(block) || self.layout.has_gap(last, block, place.quotes));
        if !has_gap {
            return self.block(block, place);
        }
        let start = self.writer.len();
        let outer_gap = self.writer.gap();
        self.block(block, place);
        // A block that is dropped takes its blank line along.
        if self.writer.len() == start {
            self.writer.restore_gap(outer_gap);
        }
    }

    fn block(&mut self, block: Node<'_>, place: Place) {
        match &block.data().value {
            NodeValue::Paragraph => {
                let text = self.inline(block);
                self.lines(&text);
            }
            NodeValue::Heading(heading) => self.heading(block, heading.level),
            NodeValue::BlockQuote => self.quote(block, place),
            NodeValue::List(list) => self.list(block, list, place),
            NodeValue::CodeBlock(code) => self.code(code),
            NodeValue::HtmlBlock(source) => {
                let mut inline = Inline::new(self.options);
                html::block(&mut inline, &source.literal);
                self.lines(&inline.finish());
            }
            NodeValue::Table(_) => {
                let lines = table::lines(block, &self.layout, self.options);
                lines.iter().for_each(|line| self.writer.line(line));
            }
            NodeValue::ThematicBreak => self.writer.line(RULE),
            _ => self.children(block, place),
        }
    }

    fn inline(&self, block: Node<'_>) -> String {
        let mut inline = Inline::new(self.options);
        inline.children_of(block);
        inline.finish()
    }

    fn lines(&mut self, text: &str) {
        if !text.is_empty() {
            self.writer.lines(text);
        }
    }

    fn heading(&mut self, block: Node<'_>, level: u8) {
        let text = self.inline(block).replace('\n', " ");
        let mark = self
            .options
            .heading_marks
            .get(usize::from(level).saturating_sub(1));
        match mark.map(String::as_str) {
            _ if text.is_empty() => {}
            None | Some("") => self.writer.line(&text),
            Some(mark) => self.writer.line(&[mark, " ", &text].concat()),
        }
    }

    fn quote(&mut self, block: Node<'_>, place: Place) {
        if self.options.quotes == Quotes::Drop {
            return;
        }
        let outer = self.writer.begin_quote();
        let inside = Place {
            depth: place.depth + 1,
            quotes: place.quotes + 1,
            ..place
        };
        match block.first_child().and_then(|first| self.alert(first)) {
            Some(text) => {
                self.lines(&text);
                let mut last = block.first_child();
                for block in block.children().skip(1) {
                    let start = self.writer.len();
                    self.block_after(last, block, inside);
                    if self.writer.len() > start {
                        last = Some(block);
                    }
                }
            }
            None => self.children(block, inside),
        }
        self.writer.end(outer);
    }

    /// The first paragraph of a `> [!NOTE]`, its label in capitals without the brackets.
    fn alert(&self, first: Node<'_>) -> Option<String> {
        if !matches!(first.data().value, NodeValue::Paragraph) {
            return None;
        }
        let text = self.inline(first);
        let (label, rest) = text.strip_prefix("[!")?.split_once(']')?;
        let is_label = !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_alphabetic());
        is_label.then(|| label.to_ascii_uppercase() + rest)
    }

    fn list(&mut self, block: Node<'_>, list: &NodeList, place: Place) {
        let inside = Place {
            depth: place.depth + 1,
            lists: place.lists + 1,
            ..place
        };
        let is_loose = !list.tight
            && block
                .children()
                .any(|item| item.children().nth(1).is_some());
        for (i, item) in block.children().enumerate() {
            if is_loose && i > 0 {
                self.writer.gap();
            }
            let outer = self.writer.begin_item(&mark(item, list, i, place.lists));
            self.children(item, inside);
            self.writer.end_mark();
            self.writer.end(outer);
        }
    }

    /// Code, byte for byte; only the line end before the closing fence is the fence's.
    fn code(&mut self, code: &NodeCodeBlock) {
        self.writer.end_mark();
        let content = code.literal.strip_suffix('\n').unwrap_or(&code.literal);
        if !code.fenced {
            for line in lines(content) {
                let is_blank = line.trim().is_empty();
                self.writer.line(&if is_blank {
                    String::new()
                } else {
                    ["    ", line].concat()
                });
            }
            return;
        }
        let has_fence = self.options.code == Code::Fence;
        let fence = "`".repeat(longest_run(content, '`').max(2) + 1);
        if has_fence {
            let language = code.info.split_whitespace().next().unwrap_or_default();
            self.writer
                .line(&format!("{fence}{}", language.replace('`', "")));
        }
        if !code.literal.is_empty() {
            self.writer.lines(content);
        }
        if has_fence {
            self.writer.line(&fence);
        }
    }
}

/// What stands before an item: its number, its box or its bullet.
fn mark(item: Node<'_>, list: &NodeList, index: usize, level: usize) -> String {
    let task = match &item.data().value {
        NodeValue::TaskItem(task) if task.symbol.is_some() => "☑ ",
        NodeValue::TaskItem(_) => "☐ ",
        _ => "",
    };
    match list.list_type {
        ListType::Bullet if task.is_empty() => BULLETS[level.min(BULLETS.len() - 1)].to_owned(),
        ListType::Bullet => task.to_owned(),
        ListType::Ordered => {
            let delimiter = if list.delimiter == ListDelimType::Paren {
                ')'
            } else {
                '.'
            };
            format!("{}{delimiter} {task}", list.start.saturating_add(index))
        }
    }
}

/// The length of the longest run of `mark`, if it is three or longer.
fn longest_run(text: &str, mark: char) -> usize {
    let runs = text.split(|c| c != mark).map(str::len);
    runs.filter(|&length| length > 2).max().unwrap_or_default()
}
