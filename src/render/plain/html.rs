//! HTML in an answer: which tags are markup, and what each becomes.

use std::collections::HashSet;

use super::inline::Inline;

/// Tags that leave nothing behind; the break, the image and the raised ones are told apart below.
const DROPPED: [&str; 43] = [
    "b",
    "strong",
    "i",
    "em",
    "u",
    "s",
    "del",
    "ins",
    "mark",
    "small",
    "big",
    "span",
    "font",
    "a",
    "code",
    "pre",
    "kbd",
    "center",
    "details",
    "summary",
    "table",
    "thead",
    "tbody",
    "tfoot",
    "caption",
    "colgroup",
    "col",
    "ul",
    "ol",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "blockquote",
    "hr",
    "sup",
    "sub",
    "br",
    "img",
    "td",
    "th",
];
const LINES: [&str; 4] = ["p", "div", "li", "tr"];
/// Attributes that HTML knows without a value.
const FLAGS: [&str; 9] = [
    "open", "hidden", "checked", "disabled", "nowrap", "compact", "noshade", "reversed", "controls",
];

/// One tag: `<name attributes>` or `</name>`.
struct Tag<'t> {
    name: &'t str,
    is_closing: bool,
    attributes: Vec<(&'t str, Option<&'t str>)>,
    length: usize,
}

/// The names of the closing tags of a text that are not in small letters.
///
/// `<B>` and `<Table>` that nothing closes are type parameters and components, no tags.
pub(super) struct Partners<'t>(HashSet<&'t str>);

impl<'t> Partners<'t> {
    pub(super) fn of(text: &'t str) -> Self {
        let closing = memchr::memmem::find_iter(text.as_bytes(), "</");
        let names = closing.map(|at| name_of(&text[at + 2..]));
        Self(names.filter(|name| is_type_name(name)).collect())
    }

    fn has(&self, name: &str) -> bool {
        !is_type_name(name) || self.0.contains(name)
    }
}

/// True for `B` and `Table`, which may be types; nobody writes a type `BR` or `table`.
fn is_type_name(name: &str) -> bool {
    let is_void = ["br", "hr", "img"]
        .iter()
        .any(|void| name.eq_ignore_ascii_case(void));
    let begins_as_type = name.starts_with(|c: char| c.is_ascii_uppercase());
    begins_as_type && !is_void && (name.len() == 1 || !name.bytes().all(|b| b.is_ascii_uppercase()))
}

/// True if the `<` at `at` begins what a parser takes for a tag or an address, and is text.
pub(super) fn is_foreign(text: &str, at: usize, partners: &Partners<'_>) -> bool {
    let rest = &text[at + 1..];
    let rest = rest.strip_prefix('/').unwrap_or(rest);
    let name = name_of(rest);
    let after = &rest[name.len()..];
    if name.is_empty() {
        return false;
    }
    if after.starts_with(':') {
        return !after.starts_with("://") && !matches!(name, "mailto" | "tel" | "sms" | "magnet");
    }
    if !after.starts_with(|c: char| c.is_ascii_whitespace() || c == '/' || c == '>') {
        return false;
    }
    if !is_known(name) || !partners.has(name) {
        return true;
    }
    parse(&text[at..]).is_none_or(|tag| tag.attributes.iter().any(is_word))
}

/// True for an attribute such as those of `a <b and c> d`.
fn is_word((name, value): &(&str, Option<&str>)) -> bool {
    value.is_none() && !FLAGS.iter().any(|flag| name.eq_ignore_ascii_case(flag))
}

fn is_known(name: &str) -> bool {
    DROPPED
        .iter()
        .chain(&LINES)
        .any(|known| name.eq_ignore_ascii_case(known))
}

/// Writes what a tag of inline HTML stands for.
pub(super) fn tag(out: &mut Inline<'_>, source: &str) {
    let is_comment = source.starts_with("<!--");
    match parse(source) {
        Some(tag) if is_known(tag.name) => apply(out, &tag),
        _ if is_comment => {}
        _ => out.text(source),
    }
}

/// Writes the words of an HTML block; a comment that nothing closes is text.
pub(super) fn block(out: &mut Inline<'_>, source: &str) {
    let mut rest = source;
    let mut text = 0;
    // Once no comment is closed, none of the later ones is: they are not looked for again.
    let mut has_comments = true;
    while let Some(found) = memchr::memchr(b'<', &rest.as_bytes()[text..]) {
        let at = text + found;
        let begins_comment = has_comments && rest[at..].starts_with("<!--");
        let length = if begins_comment {
            rest[at..].find("-->").map(|end| end + "-->".len())
        } else {
            parse(&rest[at..])
                .filter(|tag| is_known(tag.name))
                .map(|tag| tag.length)
        };
        has_comments &= !begins_comment || length.is_some();
        let Some(length) = length else {
            text = at + 1;
            continue;
        };
        out.text(&html_escape::decode_html_entities(&rest[..at]));
        tag(out, &rest[at..at + length]);
        (rest, text) = (&rest[at + length..], 0);
    }
    out.text(&html_escape::decode_html_entities(rest));
}

fn apply(out: &mut Inline<'_>, tag: &Tag<'_>) {
    let name = tag.name.to_ascii_lowercase();
    match name.as_str() {
        "br" => out.hard_break(),
        "td" | "th" if !tag.is_closing => out.cell(),
        "sup" | "sub" if tag.is_closing => out.lower(),
        "sup" | "sub" => out.raise(name == "sup"),
        "img" => {
            let alt = tag
                .attributes
                .iter()
                .find(|(name, _)| name.eq_ignore_ascii_case("alt"));
            if let Some((_, Some(alt))) = alt {
                out.image(&html_escape::decode_html_entities(alt));
            }
        }
        line if LINES.contains(&line) => out.newline(),
        _ => {}
    }
}

/// The tag that the text begins with.
fn parse(text: &str) -> Option<Tag<'_>> {
    let inside = text.strip_prefix('<')?;
    let is_closing = inside.starts_with('/');
    let inside = inside.strip_prefix('/').unwrap_or(inside);
    let name = name_of(inside);
    let mut rest = &inside[name.len()..];
    let mut attributes = Vec::new();
    loop {
        let next = rest.trim_ascii_start();
        if let Some(after) = next.strip_prefix('>').or_else(|| next.strip_prefix("/>")) {
            let length = text.len() - after.len();
            return (!name.is_empty()).then_some(Tag {
                name,
                is_closing,
                attributes,
                length,
            });
        }
        if next.len() == rest.len() {
            return None;
        }
        let (attribute, after) = attribute(next)?;
        attributes.push(attribute);
        rest = after;
    }
}

fn attribute(text: &str) -> Option<((&str, Option<&str>), &str)> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || "_:@.-".contains(c);
    let length = text.find(|c| !is_part(c))?;
    let (name, after) = text.split_at(length);
    if name.is_empty() {
        return None;
    }
    let Some(value) = after.trim_ascii_start().strip_prefix('=') else {
        return Some(((name, None), after));
    };
    let value = value.trim_ascii_start();
    let quote = value.chars().next().filter(|c| "\"'".contains(*c));
    let (value, after) = match quote {
        Some(quote) => value[1..].split_once(quote)?,
        None => {
            let end = value.find(|c: char| c.is_ascii_whitespace() || "\"'=<>`".contains(c))?;
            value
                .split_at_checked(end)
                .filter(|(value, _)| !value.is_empty())?
        }
    };
    Some(((name, Some(value)), after))
}

fn name_of(text: &str) -> &str {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '-';
    let length = text.find(|c| !is_part(c)).unwrap_or(text.len());
    if text.starts_with(|c: char| c.is_ascii_alphabetic()) {
        &text[..length]
    } else {
        ""
    }
}
