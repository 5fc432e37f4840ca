//! Where in the file a piece of a TOML string stands: what is read has no escapes any more, and other offsets. Pure.

/// The offset in `literal`, which begins with the string's opening quotes, of an offset in what it means.
pub(super) fn place(literal: &str, meant: usize) -> usize {
    let quotes = match literal {
        _ if literal.starts_with("\"\"\"") || literal.starts_with("'''") => 3,
        _ => 1,
    };
    let mut at = quotes;
    if quotes == 3 {
        // A line end right behind the quotes is no part of the string.
        let rest = &literal[at..];
        let line_end = ["\r\n", "\n"].iter().find(|end| rest.starts_with(**end));
        at += line_end.map_or(0, |end| end.len());
    }
    if literal.starts_with('\'') {
        return (at + meant).min(literal.len());
    }
    let mut passed = 0;
    while passed < meant {
        let Some(first) = literal[at..].chars().next() else {
            break;
        };
        let (length, means) = match first {
            '\\' => escape(&literal[at..]),
            other => (other.len_utf8(), other.len_utf8()),
        };
        at += length;
        passed += means;
    }
    at
}

/// The length of an escape sequence, and that of what it means.
fn escape(text: &str) -> (usize, usize) {
    let digits = match text[1..].chars().next() {
        Some('x') => 2,
        Some('u') => 4,
        Some('U') => 8,
        // A backslash at a line's end swallows it and the blanks of the next one.
        Some(' ' | '\t' | '\r' | '\n') => {
            let rest = text[1..].trim_start_matches([' ', '\t', '\r', '\n']);
            return (text.len() - rest.len(), 0);
        }
        _ => return (2.min(text.len()), 1),
    };
    let end = (2 + digits).min(text.len());
    let code = text
        .get(2..end)
        .and_then(|hex| u32::from_str_radix(hex, 16).ok());
    let means = code.and_then(char::from_u32).map_or(1, char::len_utf8);
    (end, means)
}

#[cfg(test)]
mod tests {
    use toml::de::DeTable;

    use super::*;

    /// Every character of each string is found where it stands.
    #[test]
    fn a_piece_of_a_string_is_found_however_it_is_written() {
        for literal in [
            r#""plain {{ x }}""#,
            r#"'literal \n {{ x }}'"#,
            "\"\"\"\n上海\n金价 {{ x }}\"\"\"",
            "'''\r\n上海\n\\金价 {{ x }}'''",
            r#""tab\t quote\" uni\u4e2d \U0001F4B0 {{ x }}""#,
            "\"\"\"one \\\n     two \\\\ {{ x }}\"\"\"",
            "\"\"\"\"quoted\" {{ x }}\"\"\"",
        ] {
            let text = format!("a = {literal}");
            let table = DeTable::parse(&text).unwrap();
            let meant = table
                .get_ref()
                .get("a")
                .unwrap()
                .get_ref()
                .as_str()
                .unwrap();
            let at = place(literal, meant.find("{{").unwrap());
            assert!(
                literal[at..].starts_with("{{ x }}"),
                "{literal}: {}",
                &literal[at..]
            );
        }
    }
}
