//! The names in a template's tags, each with its place: the template engine finds an unknown one only when it comes to
//! it, and does not say where an undeclared one stands. Pure.

use minijinja::{Environment, ErrorKind};

use super::{BUILT_IN, INSTANTS, NAMES, PromptError};

/// One word or sign inside a tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Token<'t> {
    at: usize,
    text: &'t str,
}

impl Token<'_> {
    fn is_name(&self) -> bool {
        self.text
            .starts_with(|c: char| c.is_alphabetic() || c == '_')
    }
}

/// The first name, filter or test that there is none of; `used` are the names that the template looks up.
pub(super) fn unknown(text: &str, used: &[String], env: &Environment<'_>) -> Option<PromptError> {
    let tokens = tokens(text);
    let is_known = |name: &str| NAMES.contains(&name) || BUILT_IN.contains(&name);
    let names = used
        .iter()
        .filter(|name| !is_known(name) && !is_method(name))
        .map(|name| PromptError {
            at: place(&tokens, name),
            message: format!("there is no {name}; {}", known(name)),
        });
    let words = tokens.windows(2).filter_map(|pair| {
        let [before, word] = pair else { return None };
        let (sample, unknown) = match before.text {
            _ if !word.is_name() => return None,
            "|" => (
                format!("{{{{ ''|{} }}}}", word.text),
                ErrorKind::UnknownFilter,
            ),
            "is" if word.text != "not" => (
                format!("{{{{ '' is {} }}}}", word.text),
                ErrorKind::UnknownTest,
            ),
            _ => return None,
        };
        let error = env.render_str(&sample, ()).err()?;
        let what = if unknown == ErrorKind::UnknownFilter {
            "filter"
        } else {
            "test"
        };
        (error.kind() == unknown).then(|| PromptError {
            at: word.at,
            message: format!("there is no {what} {}", word.text),
        })
    });
    names.chain(words).min_by_key(|error| error.at)
}

/// True for what may follow a name behind a dot.
fn is_method(name: &str) -> bool {
    name.rsplit_once('.').is_some_and(|(head, method)| {
        BUILT_IN.contains(&head) || (INSTANTS.contains(&head) && method == "format")
    })
}

/// What there is instead of an unknown name.
fn known(name: &str) -> String {
    let head = name.rsplit_once('.').map(|(head, _)| head);
    match head.filter(|head| NAMES.contains(head) && *head != "last") {
        Some(head) if INSTANTS.contains(&head) => {
            format!("{head} knows format, such as {head}.format(\"%Y-%m-%d\")")
        }
        Some(head) => format!("{head} is a text; filters change it, such as {head}|upper"),
        None => format!(
            "a prompt knows {}, last.answer and last.delivered_at",
            NAMES[..6].join(", ")
        ),
    }
}

/// Where a name such as `last.anser` stands first.
fn place(tokens: &[Token<'_>], name: &str) -> usize {
    let parts: Vec<&str> = name.split('.').collect();
    let wanted = parts.len() * 2 - 1;
    let found = tokens.windows(wanted).find(|window| {
        let words = window.iter().step_by(2).map(|token| token.text);
        let dots = window.iter().skip(1).step_by(2);
        words.eq(parts.iter().copied()) && dots.into_iter().all(|dot| dot.text == ".")
    });
    found
        .and_then(|window| window.first())
        .map_or(0, |token| token.at)
}

/// Everything inside of tags but texts in quotes; comments and raw stretches are left out.
fn tokens(text: &str) -> Vec<Token<'_>> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(open) = text[at..].find('{').map(|open| at + open) {
        let rest = &text[open..];
        at = if rest.starts_with("{#") {
            rest.find("#}").map_or(text.len(), |end| open + end + 2)
        } else if rest.starts_with("{{") || rest.starts_with("{%") {
            let first = found.len();
            let end = tag(text, open + 2, &mut found);
            match found.get(first) {
                Some(token) if token.text == "raw" => after_raw(text, end),
                _ => end,
            }
        } else {
            open + 1
        };
    }
    found
}

/// Reads a tag from behind its opening; returns where it ends.
fn tag<'t>(text: &'t str, from: usize, found: &mut Vec<Token<'t>>) -> usize {
    let mut at = from;
    while let Some(first) = text[at..].chars().next() {
        let rest = &text[at..];
        if rest.starts_with("}}") || rest.starts_with("%}") {
            return at + 2;
        }
        let length = if first == '"' || first == '\'' {
            quoted(rest, first)
        } else if first.is_alphanumeric() || first == '_' {
            let length = rest
                .find(|c: char| !c.is_alphanumeric() && c != '_')
                .unwrap_or(rest.len());
            found.push(Token {
                at,
                text: &rest[..length],
            });
            length
        } else {
            if !first.is_whitespace() && first != '-' {
                found.push(Token {
                    at,
                    text: &rest[..first.len_utf8()],
                });
            }
            first.len_utf8()
        };
        at += length;
    }
    at
}

/// The length of a text in quotes, with them.
fn quoted(text: &str, quote: char) -> usize {
    let mut is_escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            _ if c == quote => return at + c.len_utf8(),
            _ => {}
        }
    }
    text.len()
}

/// Behind the tag that ends a raw stretch.
fn after_raw(text: &str, from: usize) -> usize {
    let mut at = from;
    while let Some(open) = text[at..].find("{%").map(|open| at + open) {
        let inner = text[open + 2..].trim_start_matches('-').trim_start();
        if inner.starts_with("endraw") {
            return text[open..]
                .find("%}")
                .map_or(text.len(), |end| open + end + 2);
        }
        at = open + 2;
    }
    text.len()
}
