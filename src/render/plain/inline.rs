//! One run of inline text, from the nodes of a paragraph, heading or cell to its lines.

use std::ops::Range;

use comrak::{
    Node,
    arena_tree::NodeEdge,
    nodes::{NodeLink, NodeValue},
};

use super::{citations, html, lines, math, shield};
use crate::render::{Links, TextOptions};

/// A `<br>` until the lines are made: unlike other line ends, two of them leave a blank line.
pub(super) const HARD_BREAK: char = '\u{FDE0}';

/// Room for most paragraphs and items.
const USUAL_BYTES: usize = 256;

/// Inline text while it is written.
pub(super) struct Inline<'o> {
    options: &'o TextOptions,
    out: String,
    /// What of `out` is code, mathematics or an address: no citation mark is looked for there.
    literal: Vec<Range<usize>>,
    /// Where each open `<sup>` (true) and `<sub>` began.
    raised: Vec<(usize, bool)>,
    /// Where each open link and image began.
    links: Vec<usize>,
    images: usize,
}

impl<'o> Inline<'o> {
    pub(super) fn new(options: &'o TextOptions) -> Self {
        let (literal, raised, links) = Default::default();
        Self {
            options,
            out: String::with_capacity(USUAL_BYTES),
            literal,
            raised,
            links,
            images: 0,
        }
    }

    /// Writes what is inside a node.
    ///
    /// The walk is a loop, not a recursion: emphasis can be nested ten thousand deep.
    pub(super) fn children_of(&mut self, parent: Node<'_>) {
        for edge in parent.traverse() {
            match edge {
                NodeEdge::Start(node) => self.enter(node),
                NodeEdge::End(node) => self.leave(node),
            }
        }
    }

    /// The finished lines, joined by line ends; empty where nothing is left.
    pub(super) fn finish(self) -> String {
        let text = citations::drop(self.out, &self.literal);
        lines::tidy(text)
    }

    fn enter(&mut self, node: Node<'_>) {
        match &node.data().value {
            NodeValue::Text(text) => self.text(text),
            NodeValue::SoftBreak | NodeValue::LineBreak => self.newline(),
            NodeValue::Code(code) => self.literal(&code.literal),
            NodeValue::HtmlInline(source) => html::tag(self, source),
            NodeValue::Math(math) => self.literal(&math::lighten(&math.literal)),
            NodeValue::FootnoteReference(reference) => self.literal(&format!("[{}]", reference.ix)),
            NodeValue::Emph | NodeValue::Strong => self.literal_mark(node),
            NodeValue::Link(_) => self.links.push(self.out.len()),
            NodeValue::Image(_) => {
                self.links.push(self.out.len());
                self.images += 1;
            }
            _ => {}
        }
    }

    fn leave(&mut self, node: Node<'_>) {
        match &node.data().value {
            NodeValue::Emph | NodeValue::Strong => self.literal_mark(node),
            NodeValue::Link(link) => {
                let start = self.links.pop().unwrap_or(self.out.len());
                self.link(start, link);
            }
            NodeValue::Image(_) => {
                let start = self.links.pop().unwrap_or(self.out.len());
                self.images -= 1;
                self.alt_text(start);
            }
            _ => {}
        }
    }

    /// Text that may hold citation marks.
    pub(super) fn text(&mut self, text: &str) {
        let odd = ['\u{A0}', shield::ESCAPE];
        if text.is_ascii() || !text.contains(odd) {
            self.out.push_str(text);
            return;
        }
        for c in text.chars() {
            match c {
                '\u{A0}' => self.out.push(' '),
                shield::ESCAPE => {}
                _ => self.out.push(c),
            }
        }
    }

    /// Text that stays as it is.
    fn literal(&mut self, text: &str) {
        let start = self.out.len();
        self.out.push_str(text);
        self.literal.push(start..self.out.len());
    }

    pub(super) fn newline(&mut self) {
        self.out.push('\n');
    }

    pub(super) fn hard_break(&mut self) {
        self.out.push(HARD_BREAK);
    }

    /// A cell of an HTML table begins: its words do not run into the last one's.
    pub(super) fn cell(&mut self) {
        if !self.out.is_empty() && !self.out.ends_with(char::is_whitespace) {
            self.out.push(' ');
        }
    }

    /// A `<sup>` (or `<sub>`) begins.
    pub(super) fn raise(&mut self, is_sup: bool) {
        self.raised.push((self.out.len(), is_sup));
    }

    /// The last `<sup>` or `<sub>` ends.
    pub(super) fn lower(&mut self) {
        let Some((start, is_sup)) = self.raised.pop() else {
            return;
        };
        let content = self.out.split_off(start.min(self.out.len()));
        let digits = if is_sup {
            "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻"
        } else {
            "₀₁₂₃₄₅₆₇₈₉₊₋"
        };
        let raised = |c| digits.chars().nth("0123456789+-".find(c)?);
        match content.chars().map(raised).collect::<Option<String>>() {
            Some(raised) => self.out.push_str(&raised),
            None if citations::is_mark(&content) => self.out.push_str(&content),
            None => {
                self.out.push(if is_sup { '^' } else { '_' });
                self.out.push_str(&content);
            }
        }
        self.literal.retain(|range| range.end <= start);
    }

    /// An image from HTML.
    pub(super) fn image(&mut self, alt: &str) {
        let start = self.out.len();
        self.text(alt);
        self.alt_text(start);
    }

    /// Marks what was written since `start` as the words of an image; no words, no image.
    fn alt_text(&mut self, start: usize) {
        if self.out[start..].trim().is_empty() {
            self.truncate(start);
        } else if self.images == 0 {
            let alt = lines::tidy(self.out.split_off(start)).replace('\n', " ");
            self.truncate(start);
            self.out.extend(["🖼 ", &alt]);
        }
    }

    /// A link ends whose text began at `start`.
    fn link(&mut self, start: usize, link: &NodeLink) {
        let text = self.out[start..].trim();
        if self.images > 0 {
            return;
        }
        if text.is_empty() {
            self.truncate(start);
            self.literal(&link.url);
        } else if let Some(number) = reference_number(&shield::unshield(text)) {
            let reference = format!("[{number}]");
            self.truncate(start);
            self.literal(&reference);
        } else if citations::is_bracket_mark(text) || citations::is_mark(text) {
            self.truncate(start);
            self.out.push(citations::DROPPED);
        } else if self.options.links == Links::Append && !is_same_address(text, &link.url) {
            self.literal(&format!(" ({})", link.url));
        }
    }

    fn truncate(&mut self, length: usize) {
        self.out.truncate(length);
        self.literal.retain(|range| range.end <= length);
    }

    /// Shows the stars of what only looks like emphasis.
    ///
    /// A single star is literal where either delimiter stands between ASCII letters or digits; two
    /// where either stands between digits, or both between letters or digits; three where either
    /// stands between digits. An underscore never delimits there, so that these are stars.
    fn literal_mark(&mut self, node: Node<'_>) {
        let opening = (
            beside(node, |node| node.previous_sibling()).and_then(last_char),
            inside(node, |node| node.first_child()).and_then(first_char),
        );
        let closing = (
            inside(node, |node| node.last_child()).and_then(last_char),
            beside(node, |node| node.next_sibling()).and_then(first_char),
        );
        let squeezed = |(before, after): (Option<char>, Option<char>), test: fn(&char) -> bool| {
            before.is_some_and(|c| test(&c)) && after.is_some_and(|c| test(&c))
        };
        let is_word = |pair| squeezed(pair, char::is_ascii_alphanumeric);
        let is_number = |pair| squeezed(pair, char::is_ascii_digit);
        let is_one = matches!(node.data().value, NodeValue::Emph);
        let is_literal = match (is_one_of_three(node), is_one) {
            (true, _) => is_number(opening) || is_number(closing),
            (false, true) => is_word(opening) || is_word(closing),
            (false, false) => {
                is_number(opening) || is_number(closing) || is_word(opening) && is_word(closing)
            }
        };
        if is_literal {
            self.out.push_str(if is_one { "*" } else { "**" });
        }
    }
}

/// How many marks that stand side by side are looked through: `***` is two.
const MARKS: usize = 2;

fn is_emphasis(node: Node<'_>) -> bool {
    matches!(node.data().value, NodeValue::Emph | NodeValue::Strong)
}

/// True if the emphasis and another one begin and end together: `***a***`.
fn is_one_of_three(node: Node<'_>) -> bool {
    let is_alone = |node: Node<'_>| {
        is_emphasis(node) && node.previous_sibling().is_none() && node.next_sibling().is_none()
    };
    node.first_child().is_some_and(is_alone)
        || is_alone(node) && node.parent().is_some_and(is_emphasis)
}

/// What stands on one side of an emphasis, outside of those that begin or end with it.
fn beside<'a>(node: Node<'a>, step: fn(Node<'a>) -> Option<Node<'a>>) -> Option<Node<'a>> {
    let marks = std::iter::successors(Some(node), |node| {
        node.parent().filter(|parent| is_emphasis(parent))
    });
    marks.take(MARKS).find_map(step)
}

/// What an emphasis begins or ends with, inside of those that begin or end with it.
fn inside<'a>(node: Node<'a>, step: fn(Node<'a>) -> Option<Node<'a>>) -> Option<Node<'a>> {
    let within = std::iter::successors(step(node), |node| step(node).filter(|_| is_emphasis(node)));
    within.take(MARKS).last()
}

fn first_char(node: Node<'_>) -> Option<char> {
    match &node.data().value {
        NodeValue::Text(text) => text.chars().next(),
        _ => None,
    }
}

fn last_char(node: Node<'_>) -> Option<char> {
    match &node.data().value {
        NodeValue::Text(text) => text.chars().next_back(),
        _ => None,
    }
}

/// The number of a reference: `1` or `[1]`.
fn reference_number(text: &str) -> Option<&str> {
    let inside = text
        .strip_prefix('[')
        .and_then(|text| text.strip_suffix(']'));
    let number = inside.unwrap_or(text);
    let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then_some(number)
}

/// True where the address would say what the text already says, or leads nowhere from a phone.
fn is_same_address(text: &str, url: &str) -> bool {
    fn bare(address: &str) -> &str {
        let address = ["https://", "http://", "mailto:"]
            .iter()
            .find_map(|scheme| {
                let (start, rest) = address.split_at_checked(scheme.len())?;
                start.eq_ignore_ascii_case(scheme).then_some(rest)
            })
            .unwrap_or(address);
        address.trim_end_matches('/')
    }
    // The case of a host says nothing, that of a path does.
    fn halves(address: &str) -> (String, &str) {
        let (host, path) = address.split_at(address.find('/').unwrap_or(address.len()));
        (host.to_ascii_lowercase(), path)
    }
    url.is_empty() || url.starts_with('#') || halves(bare(text)) == halves(bare(url))
}
