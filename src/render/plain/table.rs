//! Tables: rows where they fit the phone, else a record a row.

use std::iter::repeat;

use comrak::{Arena, Node, nodes::NodeValue};
use unicode_width::UnicodeWidthStr;

use super::{inline::Inline, layout::Layout, parser, shield};
use crate::render::{Tables, TextOptions};

/// One line of a table's source.
struct Row {
    cells: Vec<String>,
    /// Whether it has no bar: a parser ends a table at a blank line alone, but these are words below.
    is_text: bool,
}

/// The lines of a table.
pub(super) fn lines(table: Node<'_>, layout: &Layout<'_>, options: &TextOptions) -> Vec<String> {
    let has_columns = table
        .first_child()
        .is_some_and(|row| row.children().count() > 1);
    let row = |row: Node<'_>| {
        let mut cells = cells(row, options);
        let is_text = has_columns && !layout.first_line(row).contains('|');
        if is_text {
            cells.truncate(1);
            cells.retain(|text| !text.is_empty());
        } else if let Some(last) = row.last_child() {
            cells.extend(excess(layout.rest_of_line(last), options));
        }
        Row { cells, is_text }
    };
    let rows: Vec<Row> = table.children().map(row).collect();
    let is_wide = |row: &Row| !row.is_text && width(&joined(&row.cells)) > options.width;
    let is_records = match options.tables {
        _ if rows.iter().filter(|row| !row.is_text).count() < 2 => false,
        Tables::Rows => false,
        Tables::Records => true,
        Tables::Auto => rows.iter().any(is_wide),
    };
    let labels = rows.first().filter(|_| is_records);
    let lines = |row: &Row| match labels {
        _ if row.is_text => row.cells.clone(),
        Some(labels) => record(&labels.cells, &row.cells),
        None => vec![joined(&row.cells)],
    };
    rows.iter()
        .skip(usize::from(is_records))
        .flat_map(lines)
        .collect()
}

fn cells(row: Node<'_>, options: &TextOptions) -> Vec<String> {
    let cell = |cell| {
        let mut inline = Inline::new(options);
        inline.children_of(cell);
        let text = inline.finish();
        let words: Vec<&str> = text.split('\n').filter(|line| !line.is_empty()).collect();
        words.join(" / ")
    };
    row.children().map(cell).collect()
}

/// The cells that a row has more than the header. A parser drops them; an answer loses no words.
fn excess(rest: &str, options: &TextOptions) -> Vec<String> {
    if rest.trim_matches(['|', ' ', '\t']).is_empty() {
        return Vec::new();
    }
    let columns = rest.matches('|').count();
    let table = format!("{0}\n{0}\n{rest}", "|-".repeat(columns));
    let arena = Arena::new();
    let document = comrak::parse_document(&arena, &table, &parser());
    let is_row = |node: &Node<'_>| matches!(node.data().value, NodeValue::TableRow(false));
    let row = document.descendants().find(is_row);
    let mut cells = row.map_or_else(Vec::new, |row| cells(row, options));
    let last = cells.iter().rposition(|cell| !cell.is_empty());
    cells.truncate(last.map_or(0, |last| last + 1));
    cells
}

fn joined(row: &[String]) -> String {
    let cells: Vec<&str> = row
        .iter()
        .map(|cell| if cell.is_empty() { "-" } else { cell })
        .collect();
    cells.join(" | ")
}

/// `• label：value` and so on for the cells that are not empty.
fn record(labels: &[String], row: &[String]) -> Vec<String> {
    let labels = labels.iter().map(String::as_str).chain(repeat(""));
    let cells = labels.zip(row).filter(|(_, value)| !value.is_empty());
    let lines = cells.enumerate().map(|(i, (label, value))| {
        let mark = if i == 0 { "• " } else { "  " };
        let label = label.trim_end_matches([':', '：', ' ']);
        match label {
            "" => format!("{mark}{value}"),
            _ if is_ascii(label) => format!("{mark}{label}: {value}"),
            _ => format!("{mark}{label}：{value}"),
        }
    });
    lines.collect()
}

/// True if a label is ASCII once its shielded characters are back.
fn is_ascii(label: &str) -> bool {
    label.chars().all(|c| shield::unshield_char(c).is_ascii())
}

/// Columns of a line: wide characters take two, ambiguous ones one.
fn width(line: &str) -> usize {
    shield::unshield(line).width()
}
