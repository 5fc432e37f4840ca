//! What a Chinese keyboard or a word processor writes where TOML wants a sign of its own. Pure.

/// Each sign, and TOML's.
const LOOKALIKES: [(char, char); 17] = [
    ('＝', '='),
    ('“', '"'),
    ('”', '"'),
    ('„', '"'),
    ('＂', '"'),
    ('‘', '\''),
    ('’', '\''),
    ('［', '['),
    ('］', ']'),
    ('【', '['),
    ('】', ']'),
    ('｛', '{'),
    ('｝', '}'),
    ('，', ','),
    ('＃', '#'),
    ('\u{3000}', ' '),
    ('\u{a0}', ' '),
];

/// The first of them in a line outside its strings and its comment, as a hint; what follows a string is not looked at.
pub(super) fn hint(line: &str) -> Option<String> {
    let outside = line.split(['"', '\'', '#']).next()?;
    let known = |c| LOOKALIKES.iter().find(|(written, _)| *written == c);
    let (written, meant) = outside.chars().find_map(known)?;
    Some(match meant {
        ' ' => format!(
            "a space in this line is no plain one (U+{:04X}); type it again",
            u32::from(*written)
        ),
        _ => format!("this line has {written} where TOML wants {meant}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sign_of_another_keyboard_is_named_outside_of_strings_and_comments() {
        for (line, wanted) in [
            ("name＝\"金价\"", "this line has ＝ where TOML wants ="),
            ("name = “金价”", "this line has “ where TOML wants \""),
            ("［［job］］", "this line has ［ where TOML wants ["),
            ("【ai.kimi】", "this line has 【 where TOML wants ["),
            (
                "name\u{3000}= \"a\"",
                "a space in this line is no plain one (U+3000); type it again",
            ),
        ] {
            assert_eq!(hint(line).as_deref(), Some(wanted));
        }
        for line in [
            "",
            "name = \"他说：“好”，走。",
            "x # “好”",
            "名字 = 1",
            "a = 'b，",
        ] {
            assert_eq!(hint(line), None, "{line}");
        }
    }
}
