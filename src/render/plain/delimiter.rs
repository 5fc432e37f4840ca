//! Lines of dashes that a parser takes for the row below a table's header.

use crate::render::fence;

/// What may stand before a line inside a quote or an item.
const BEFORE: [char; 3] = [' ', '\t', '>'];

/// True for a line that begins as such a row does.
pub(super) fn may_be_row(line: &str) -> bool {
    line.trim_start_matches(BEFORE).starts_with(['-', ':'])
}

/// Where in a line the mark stands that makes a table of one column of it and the line above, where
/// neither has a bar: nobody means one. Three dashes and more are a rule.
pub(super) fn stray(above: &str, line: &str) -> Option<usize> {
    let row = line.trim_start_matches(BEFORE);
    let (prefix, row) = (&line[..line.len() - row.len()], row.trim_end());
    let dashes = row.strip_prefix(':').unwrap_or(row);
    let dashes = dashes.strip_suffix(':').unwrap_or(dashes);
    let is_row = !dashes.is_empty() && dashes.bytes().all(|byte| byte == b'-');
    let is_rule = row == dashes && dashes.len() > 2;
    let is_text = row != "-" || continues_paragraph(above, prefix);
    (is_row && !is_rule && is_text && !above.contains('|')).then_some(prefix.len())
}

/// True where a dash behind `prefix` goes on with the paragraph above; else it is an empty item.
fn continues_paragraph(above: &str, prefix: &str) -> bool {
    let (content, quotes) = fence::content_of(above);
    let hashes = content.trim_start_matches('#');
    let is_heading = hashes.len() < content.len() && hashes.starts_with([' ', '\t']);
    let is_fence_or_rule = ["```", "~~~", "---"]
        .iter()
        .any(|mark| content.starts_with(mark));
    let is_empty = matches!(content.trim_end(), "" | "-" | "*" | "+");
    let is_below = above.len() - content.len() <= prefix.len();
    let is_beside = prefix.matches('>').count() == quotes;
    !(is_heading || is_fence_or_rule || is_empty) && is_below && is_beside
}
