//! Marks that a Markdown parser would misread in an answer, put out of its sight.
//!
//! Each such character is replaced before parsing and put back in the output, wherever it went: in
//! text, code and addresses alike. So nothing has to be known here about where code is; a character
//! shielded in vain comes back as it was.
//!
//! What replaces it is punctuation of the East to the parser, beside which marks of emphasis both
//! open and close, whatever is on their other side: `**5%**~10%` and `现价**$829**` are bold.

use std::borrow::Cow;

use super::{address, delimiter, html, math};
use crate::render::lines;

/// What is shielded, each behind the shield of the same place.
const MEANT: [char; 15] = [
    '~', '_', '*', '$', '<', '[', '\\', ':', '.', ',', ';', '!', '?', '%', '-',
];

/// The first of as many symbols of the Canon of Supreme Mystery: the shields. No others are both
/// punctuation and of the East, and as rare.
const FIRST_SHIELD: char = '\u{1D340}';

/// The first of as many noncharacters, which stand for the same symbols where the text has them.
const FIRST_SYMBOL: char = '\u{FDD0}';

/// The backslash of an escape: nothing in text, itself in code.
pub(super) const ESCAPE: char = '\u{1D346}';

/// The first three bytes of every shield.
const LEAD: [u8; 3] = [0xF0, 0x9D, 0x8D];

/// The first two bytes of every noncharacter of U+FDD0..U+FDEF.
const NONCHARACTER_LEAD: [u8; 2] = [0xEF, 0xB7];

/// The text without noncharacters of its own and with every misleading mark shielded.
pub(in crate::render) fn shield(text: &str) -> String {
    let out = String::with_capacity(text.len() + 64);
    let mut shielder = Shielder {
        text,
        out,
        kept: 0,
        partners: html::Partners::of(text),
        references: address::References::of(text),
        bold: None,
    };
    let mut dollars = math::Dollars::new(text);
    let mut at = 0;
    while let Some(found) = text.as_bytes()[at..]
        .iter()
        .position(|&byte| IS_SPECIAL[byte as usize])
    {
        let start = at + found;
        at = match text.as_bytes()[start] {
            b'\\' => shielder.backslash(start, &mut dollars),
            b'~' => shielder.tilde(start),
            b'_' => shielder.underscores(start),
            b'$' => shielder.dollar(start, &mut dollars),
            b'<' => shielder.tag(start),
            b':' => shielder.address(start),
            b'*' => shielder.stars(start),
            b'[' => shielder.bracket(start),
            b'\n' => shielder.line_end(start),
            0xEF => shielder.noncharacter(start),
            _ => shielder.symbol(start),
        };
    }
    shielder.out.push_str(&text[shielder.kept..]);
    shielder.out
}

/// The text with every shielded character back in its place.
pub(in crate::render) fn unshield(text: &str) -> Cow<'_, str> {
    if memchr::memmem::find(text.as_bytes(), &NONCHARACTER_LEAD).is_some() {
        return Cow::Owned(text.chars().map(unshield_char).collect());
    }
    let mut leads = memchr::memmem::find_iter(text.as_bytes(), &LEAD).peekable();
    if leads.peek().is_none() {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut kept = 0;
    for at in leads {
        let end = at + FIRST_SHIELD.len_utf8();
        out.push_str(&text[kept..at]);
        out.extend(text[at..end].chars().map(unshield_char));
        kept = end;
    }
    out.push_str(&text[kept..]);
    Cow::Owned(out)
}

/// As [`unshield`], for text where escapes have done their work.
pub(in crate::render) fn unshield_text(text: &str) -> Cow<'_, str> {
    if !text.contains(ESCAPE) {
        return unshield(text);
    }
    Cow::Owned(
        text.chars()
            .filter(|&c| c != ESCAPE)
            .map(unshield_char)
            .collect(),
    )
}

/// As [`unshield`], for the source of HTML, where a shielded `<` is no tag.
pub(in crate::render) fn unshield_html(html: &str) -> String {
    let mut out = String::with_capacity(html.len());
    for c in html.chars() {
        match unshield_char(c) {
            '<' if c != '<' => out.push_str("&lt;"),
            meant => out.push(meant),
        }
    }
    out
}

/// The character that a shield stands for; any other character itself.
pub(super) fn unshield_char(c: char) -> char {
    let place = |first| usize::try_from(u32::from(c).checked_sub(u32::from(first))?).ok();
    let meant = place(FIRST_SHIELD).and_then(|place| MEANT.get(place).copied());
    let symbol = || shields().nth(place(FIRST_SYMBOL)?);
    meant.or_else(symbol).unwrap_or(c)
}

/// What stands for a character: a shield for what is shielded, a noncharacter for a shield's symbol.
fn shielded(c: char) -> Option<char> {
    let shield = || shields().nth(MEANT.iter().position(|meant| *meant == c)?);
    let symbol = || (FIRST_SYMBOL..).nth(shields().position(|shield| shield == c)?);
    shield().or_else(symbol)
}

fn shields() -> impl Iterator<Item = char> {
    (FIRST_SHIELD..).take(MEANT.len())
}

const IS_SPECIAL: [bool; 256] = {
    let mut table = [false; 256];
    let special = b"\\~_$<:*[\n\xEF\xF0";
    let mut i = 0;
    while i < special.len() {
        table[special[i] as usize] = true;
        i += 1;
    }
    table
};

struct Shielder<'t> {
    text: &'t str,
    out: String,
    /// How far the text has been copied to `out`.
    kept: usize,
    partners: html::Partners<'t>,
    references: address::References<'t>,
    /// Where the last `**` that may open bold text ended, if none has closed it.
    bold: Option<usize>,
}

impl Shielder<'_> {
    /// Replaces the bytes of `mark` at `at`; `length` bytes of the text go.
    fn replace(&mut self, at: usize, length: usize, mark: char) {
        self.out.push_str(&self.text[self.kept..at]);
        self.out.push(shielded(mark).unwrap_or(mark));
        self.kept = at + length;
    }

    /// An escape hides its character from here too; `\(` and `\[` are looked at as mathematics.
    fn backslash(&mut self, at: usize, dollars: &mut math::Dollars<'_>) -> usize {
        let bytes = self.text.as_bytes();
        match bytes.get(at + 1) {
            Some(b'(' | b'[') if !dollars.is_latex(at) => {
                self.replace(at, 1, '\\');
                if bytes[at + 1] == b'[' {
                    self.replace(at + 1, 1, '[');
                }
                at + 2
            }
            Some(b'~') if bytes.get(at + 2) == Some(&b'~') && bytes.get(at + 3) != Some(&b'~') => {
                self.replace(at + 2, 1, '~');
                at + 3
            }
            Some(next) if next.is_ascii() => at + 2,
            _ => at + 1,
        }
    }

    /// A single `~` is a range in Chinese, never a deletion.
    fn tilde(&mut self, at: usize) -> usize {
        let length = self.run(at, b'~');
        if length == 1 {
            self.replace(at, 1, '~');
        }
        at + length
    }

    /// `__lower_case_1__` is a name, not bold.
    fn underscores(&mut self, at: usize) -> usize {
        let is_part =
            |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || *byte == b'_';
        let length = self.text.as_bytes()[at..]
            .iter()
            .take_while(|byte| is_part(byte))
            .count();
        let name = &self.text[at..at + length];
        let is_name =
            name.starts_with("__") && name.ends_with("__") && name.bytes().any(|b| b != b'_');
        if is_name {
            for (i, _) in name.match_indices('_') {
                self.replace(at + i, 1, '_');
            }
        }
        at + length
    }

    /// `**涨幅:**2.4%` is bold: a parser wants a space between punctuation that ends bold text
    /// and a word after it. Behind a shield the punctuation needs none. `2**10` is a power.
    fn stars(&mut self, at: usize) -> usize {
        let end = at + self.run(at, b'*');
        if end != at + 2 {
            return end;
        }
        let after = self.text[end..].chars().next();
        let before = self.text[..at].chars().next_back();
        let is_digit = |c: Option<char>| c.is_some_and(|c| c.is_ascii_digit());
        let is_open = |start: usize| !self.text[start..at].contains('\n');
        if !self.bold.take().is_some_and(is_open) {
            if is_digit(before) && is_digit(after) {
                self.replace(at, 1, '*');
                self.replace(at + 1, 1, '*');
                return end;
            }
            self.bold = after.is_some_and(|c| !c.is_whitespace()).then_some(end);
        } else if at > self.kept
            && after.is_some_and(|c| c.is_ascii_alphanumeric())
            && let Some(mark) = before
            && ":.,;!?%".contains(mark)
        {
            self.replace(at - 1, 1, mark);
        }
        end
    }

    /// A line of one or two dashes below a line of text makes no table of them.
    fn line_end(&mut self, at: usize) -> usize {
        let start = at + 1;
        let line = lines(&self.text[start..]).next().unwrap_or_default();
        // Looking at the line above takes its time: only where it may matter.
        if !delimiter::may_be_row(line) {
            return start;
        }
        let above = self.text[..at].rsplit('\n').next().unwrap_or_default();
        let Some(mark) = delimiter::stray(above, line) else {
            return start;
        };
        let dash_or_colon = if line[mark..].starts_with('-') {
            '-'
        } else {
            ':'
        };
        self.replace(start + mark, 1, dash_or_colon);
        start + mark + 1
    }

    /// What begins like the definition of an address and is none is text.
    fn bracket(&mut self, at: usize) -> usize {
        if address::begins_line(&self.text[..at]) && self.references.is_note(at) {
            self.replace(at, 1, '[');
        }
        at + 1
    }

    /// Money is not mathematics.
    fn dollar(&mut self, at: usize, dollars: &mut math::Dollars<'_>) -> usize {
        let length = self.run(at, b'$');
        if length > 1 {
            return at + length;
        }
        match dollars.end(at) {
            Some(end) => end,
            None => {
                self.replace(at, 1, '$');
                at + 1
            }
        }
    }

    /// A tag that is none of HTML's usual ones is text: `Vec<String>`, `<你的名字>`.
    fn tag(&mut self, at: usize) -> usize {
        if !address::begins_destination(&self.text[..at])
            && html::is_foreign(self.text, at, &self.partners)
        {
            self.replace(at, 1, '<');
        }
        at + 1
    }

    /// A bare address keeps its underscores, stars, tildes and dollar signs.
    fn address(&mut self, colon: usize) -> usize {
        let scheme = &self.text[..colon];
        let is_web = scheme.ends_with("http") || scheme.ends_with("https");
        if !is_web || !self.text[colon..].starts_with("://") {
            return colon + 1;
        }
        let end = address::end(self.text.as_bytes(), colon + 3);
        let address = &self.text[colon..end];
        for (i, mark) in address.char_indices() {
            if matches!(mark, '_' | '*' | '~' | '$') {
                self.replace(colon + i, 1, mark);
            }
        }
        end
    }

    /// Noncharacters are not text; one in the answer would be taken for a shield.
    fn noncharacter(&mut self, at: usize) -> usize {
        if matches!(self.text.as_bytes()[at..], [0xEF, 0xB7, 0x90..=0xAF, ..]) {
            self.replace(at, 3, char::REPLACEMENT_CHARACTER);
        }
        at + 3
    }

    /// A symbol that is used as a shield is hidden behind a noncharacter itself.
    fn symbol(&mut self, at: usize) -> usize {
        let end = at + FIRST_SHIELD.len_utf8();
        let symbol = self.text[at..end].chars().next();
        if let Some(symbol) = symbol.filter(|_| self.text.as_bytes()[at..].starts_with(&LEAD))
            && shielded(symbol).is_some()
        {
            self.replace(at, end - at, symbol);
        }
        end
    }

    fn run(&self, at: usize, mark: u8) -> usize {
        self.text.as_bytes()[at..]
            .iter()
            .take_while(|&&byte| byte == mark)
            .count()
    }
}
