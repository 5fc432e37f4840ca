//! Mathematics: what of an answer is TeX, and how TeX reads on a phone.

/// Finds where mathematics ends, as the parser will, and tells money from it.
pub(super) struct Dollars<'t> {
    text: &'t str,
    /// The next `\)` and `\]` at or after a place, and the next blank line: found once each.
    parens: Ahead,
    brackets: Ahead,
    blank_lines: Ahead,
}

/// The first occurrence of something at or after a place that only moves forward.
struct Ahead {
    needle: &'static str,
    found: Option<usize>,
    from: usize,
}

impl Ahead {
    const fn new(needle: &'static str) -> Self {
        Self {
            needle,
            found: None,
            from: usize::MAX,
        }
    }

    fn next(&mut self, text: &str, at: usize) -> usize {
        let is_known = self.from <= at && self.found.is_none_or(|found| found >= at);
        if !is_known {
            self.from = at;
            self.found = text[at..].find(self.needle).map(|found| at + found);
        }
        self.found.unwrap_or(text.len())
    }
}

impl<'t> Dollars<'t> {
    pub(super) const fn new(text: &'t str) -> Self {
        let (parens, brackets) = (Ahead::new("\\)"), Ahead::new("\\]"));
        Self {
            text,
            parens,
            brackets,
            blank_lines: Ahead::new("\n\n"),
        }
    }

    /// The end of the mathematics that the `$` at `at` opens; None for money and the like.
    pub(super) fn end(&mut self, at: usize) -> Option<usize> {
        let bytes = self.text.as_bytes();
        let block_end = self.blank_lines.next(self.text, at);
        let mut close = at + 1;
        loop {
            close += memchr::memchr(b'$', bytes.get(close..block_end)?)?;
            if bytes[close - 1] != b'\\' {
                break;
            }
            close += 1;
        }
        let content = &self.text[at + 1..close];
        let before = self.text[..at].chars().next_back();
        let after = self.text[close + 1..].chars().next();
        let is_tight = !content.is_empty()
            && !content.starts_with(char::is_whitespace)
            && !content.ends_with(char::is_whitespace);
        (is_tight && !is_money(before, content, after)).then_some(close + 1)
    }

    /// True if there is nothing but these bytes in their lines.
    fn is_line(&self, start: usize, end: usize) -> bool {
        let blanks = [' ', '\t'];
        let before = self.text[..start].trim_end_matches(blanks);
        let after = self.text[end..].trim_start_matches(blanks);
        (before.is_empty() || before.ends_with('\n'))
            && (after.is_empty() || after.starts_with('\n'))
    }

    /// True if the `\(` or `\[` at `at` opens mathematics and is no mere escaped bracket.
    pub(super) fn is_latex(&mut self, at: usize) -> bool {
        let is_paren = self.text.as_bytes()[at + 1] == b'(';
        let closing = if is_paren {
            &mut self.parens
        } else {
            &mut self.brackets
        };
        let close = closing.next(self.text, at + 2);
        if close >= self.blank_lines.next(self.text, at).min(self.text.len()) || close == at + 2 {
            return false;
        }
        let content = &self.text[at + 2..close];
        if content.starts_with('^') || content.contains("\\(") || content.contains("\\[") {
            return false;
        }
        let is_plain = !content.contains(TEX_SIGNS) && !content.starts_with(char::is_whitespace);
        // `\[1\]` in a sentence and `\(注\)` are escaped brackets, `\(n\)` is a variable, and so
        // is `\[x\]` in a line of its own.
        let is_variable = is_paren || self.is_line(at, close + 2);
        !is_plain || is_variable && !content.contains(is_cjk)
    }
}

/// What plain words and numbers do not contain.
const TEX_SIGNS: [char; 13] = [
    '\\', '^', '_', '=', '{', '}', '+', '-', '*', '/', '<', '>', '|',
];

/// True where two dollar signs stand for money or a shell's variables.
fn is_money(before: Option<char>, content: &str, after: Option<char>) -> bool {
    let follows = |test: fn(&char) -> bool| after.is_some_and(|c| test(&c));
    let is_currency_code = before.is_some_and(|c| c.is_ascii_uppercase());
    let is_sum = content.starts_with(|c: char| c.is_ascii_digit())
        && !content.contains(['\\', '^', '_', '=', '{'])
        && (content.contains(is_cjk) || has_word(content));
    // `$速度$` is a variable, `$表示美元，A$` are words between two dollar signs.
    let is_prose = content.contains(is_cjk)
        && !content.contains(TEX_SIGNS)
        && !content.chars().all(|c| is_cjk(c) && c.is_alphabetic());
    let is_variable = follows(|c| c.is_ascii_alphabetic() || *c == '_')
        && content.bytes().take_while(u8::is_ascii_uppercase).count() > 1;
    // One of the two stands in code.
    let is_code = content.contains('`');
    is_currency_code
        || is_sum
        || is_between_prices(before, content)
        || is_prose
        || is_variable
        || is_code
        || follows(char::is_ascii_digit)
}

/// True for what stands between the signs of two prices and in no formula: emphasis, `829$/克，8$`,
/// `1$=7.2元，2$`, `7.2元/$，14元/$`.
fn is_between_prices(before: Option<char>, content: &str) -> bool {
    let stops = ['，', '。', '、', '；', '：', '！', '？'];
    let is_emphasis = content.contains("**") || content.starts_with('*') && content.len() > 1;
    let is_rate = content.starts_with('=') && before.is_some_and(|c| c.is_ascii_digit());
    let is_unit = content.starts_with('/') || content.ends_with('/');
    is_emphasis || is_rate || is_unit || content.starts_with(stops)
}

/// True if two letters stand side by side.
fn has_word(text: &str) -> bool {
    text.as_bytes()
        .windows(2)
        .any(|pair| pair.iter().all(u8::is_ascii_alphabetic))
}

/// Chinese, Japanese and Korean letters and their punctuation, roughly.
pub(super) fn is_cjk(c: char) -> bool {
    matches!(c, '\u{2E80}'..='\u{9FFF}' | '\u{AC00}'..='\u{D7A3}' | '\u{F900}'..='\u{FAFF}' | '\u{FF00}'..='\u{FFEF}')
}

/// How deep fractions and texts may be nested; deeper ones stay as they are.
const MAX_DEPTH: usize = 16;

/// TeX without its commonest commands; an unknown one stays as it is.
pub(super) fn lighten(tex: &str) -> String {
    let mut out = String::with_capacity(tex.len());
    lighten_into(&mut out, tex.trim(), MAX_DEPTH);
    out
}

fn lighten_into(out: &mut String, tex: &str, depth: usize) {
    let mut rest = tex;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        let command = &rest[at + 1..];
        let length = command.bytes().take_while(u8::is_ascii_alphabetic).count();
        let (name, after) = command.split_at(length);
        rest = match name {
            "" => escaped(out, after),
            "frac" | "text" if depth > 0 => arguments(out, name, after, depth - 1),
            _ => {
                match symbol(name) {
                    Some(symbol) => out.push(symbol),
                    None => out.extend(["\\", name]),
                }
                after
            }
        };
    }
    out.push_str(rest);
}

fn symbol(name: &str) -> Option<char> {
    Some(match name {
        "times" => '×',
        "div" => '÷',
        "pm" => '±',
        "le" | "leq" => '≤',
        "ge" | "geq" => '≥',
        "ne" | "neq" => '≠',
        "approx" => '≈',
        "cdot" => '·',
        "to" | "rightarrow" => '→',
        _ => return None,
    })
}

/// `\%` and its like without the backslash.
fn escaped<'t>(out: &mut String, after: &'t str) -> &'t str {
    let mut rest = after.chars();
    match rest.next() {
        Some(c @ ('%' | '$' | '&' | '#')) => out.push(c),
        Some(c) => out.extend(['\\', c]),
        None => out.push('\\'),
    }
    rest.as_str()
}

/// `\frac{a}{b}` as `a/b` and `\text{a}` as `a`; without their braces they stay as they are.
fn arguments<'t>(out: &mut String, name: &str, after: &'t str, depth: usize) -> &'t str {
    let Some((first, rest)) = group(after) else {
        out.extend(["\\", name]);
        return after;
    };
    if name == "text" {
        lighten_into(out, first, depth);
        return rest;
    }
    let Some((second, rest)) = group(rest) else {
        out.push_str("\\frac");
        return after;
    };
    operand(out, first, depth);
    out.push('/');
    operand(out, second, depth);
    rest
}

/// One side of a fraction, in brackets unless it is letters and digits alone.
fn operand(out: &mut String, tex: &str, depth: usize) {
    let mut light = String::with_capacity(tex.len());
    lighten_into(&mut light, tex.trim(), depth);
    if light.chars().all(char::is_alphanumeric) {
        out.push_str(&light);
    } else {
        out.extend(["(", &light, ")"]);
    }
}

/// What is between the braces that the text begins with, and what follows them.
fn group(text: &str) -> Option<(&str, &str)> {
    let inside = text.trim_start().strip_prefix('{')?;
    let mut depth = 1_usize;
    for (at, byte) in inside.bytes().enumerate() {
        match byte {
            b'{' => depth += 1,
            b'}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Some((&inside[..at], &inside[at + 1..]));
        }
    }
    None
}
