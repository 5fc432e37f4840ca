//! A line as a terminal may draw it.

use std::borrow::Cow;

use unicode_width::UnicodeWidthStr as _;

/// How far apart a terminal's tab stops are.
const TAB_COLUMNS: usize = 8;

/// The line with tabs as spaces and other control characters as their pictures.
///
/// An answer may hold any character. Drawn as it is, an escape would command the terminal, and a tab
/// break the frame.
#[must_use]
pub fn visible(line: &str) -> Cow<'_, str> {
    if !line.contains(char::is_control) {
        return Cow::Borrowed(line);
    }
    let mut out = String::with_capacity(line.len() + TAB_COLUMNS);
    let mut columns = 0;
    for (i, piece) in line.split('\t').enumerate() {
        if i > 0 {
            let fill = TAB_COLUMNS - columns % TAB_COLUMNS;
            out.extend(std::iter::repeat_n(' ', fill));
            columns += fill;
        }
        let piece: String = piece.chars().map(picture).collect();
        columns += piece.width();
        out.push_str(&piece);
    }
    Cow::Owned(out)
}

/// `␛` for an escape and so on; those beyond ASCII have no picture.
fn picture(c: char) -> char {
    const PICTURES: u32 = 0x2400;
    match c {
        '\0'..='\u{1F}' => char::from_u32(PICTURES + u32::from(c)).unwrap_or(c),
        '\u{7F}' => '\u{2421}',
        '\u{80}'..='\u{9F}' => char::REPLACEMENT_CHARACTER,
        _ => c,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_pictures_and_tabs_are_spaces() {
        let cases = [
            ("金价 829", "金价 829"),
            ("\u{1B}[31m红\u{1B}[0m", "␛[31m红␛[0m"),
            ("\0\u{7}\u{8}\r\u{1F}\u{7F}", "␀␇␈␍␟␡"),
            ("\u{80}\u{9B}\u{9F}\u{A0}", "\u{FFFD}\u{FFFD}\u{FFFD}\u{A0}"),
            ("a\tb", "a       b"),
            ("金价\t8\t\t9", "金价    8               9"),
            ("12345678\tb", "12345678        b"),
        ];
        for (line, expected) in cases {
            assert_eq!(visible(line), expected, "{line:?}");
        }
    }
}
