//! Columns on a terminal: wide characters count two.

use unicode_width::UnicodeWidthStr;

/// Lines whose columns are as wide as their widest cell, two spaces between them.
pub(super) fn lines(rows: &[Vec<String>]) -> Vec<String> {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        rows.iter()
            .filter_map(|row| row.get(column))
            .map(|cell| cell.width())
            .max()
            .unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    rows.iter()
        .map(|row| {
            let cells = row
                .iter()
                .zip(&widths)
                .map(|(cell, width)| format!("{cell}{}", " ".repeat(width - cell.width())));
            cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wide_character_counts_two_columns() {
        let rows = [
            vec!["金价".into(), "a".into()],
            vec!["gold".into(), "b".into()],
            vec!["x".into(), "c".into()],
        ];
        assert_eq!(lines(&rows), ["金价  a", "gold  b", "x     c"]);
    }
}
