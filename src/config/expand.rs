//! `${VAR}` in a string: taken from the environment.

use std::{borrow::Cow, env::VarError};

use super::env::Env;

/// What a text became, and which variables went into it.
pub(super) struct Expanded<'t> {
    pub(super) text: Cow<'t, str>,
    /// Name and value of each variable used, so that errors can leave the values out.
    pub(super) used: Vec<(String, String)>,
}

/// Puts the environment's values in the place of each `${VAR}`; `$${` becomes `${`.
pub(super) fn expand<'t>(text: &'t str, env: &dyn Env) -> Result<Expanded<'t>, String> {
    let mut used = Vec::new();
    if !text.contains("${") {
        let text = Cow::Borrowed(text);
        return Ok(Expanded { text, used });
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        if let Some(before) = rest[..at].strip_suffix('$') {
            out.push_str(before);
            out.push_str("${");
            rest = &rest[at + 2..];
            continue;
        }
        out.push_str(&rest[..at]);
        let (name, after) = reference(&rest[at + 2..])?;
        let value = variable(name, env)?;
        out.push_str(&value);
        used.push((name.to_owned(), value));
        rest = after;
    }
    out.push_str(rest);
    let text = Cow::Owned(out);
    Ok(Expanded { text, used })
}

/// The name up to the closing brace, and what follows it.
fn reference(text: &str) -> Result<(&str, &str), String> {
    const ADVICE: &str = "write $${ for a literal ${";
    let (name, after) = text
        .split_once('}')
        .ok_or_else(|| format!("${{ has no closing brace; {ADVICE}"))?;
    if is_name(name) {
        Ok((name, after))
    } else {
        Err(format!(
            "${{{name}}} names no variable: letters, digits and _ are allowed; {ADVICE}"
        ))
    }
}

fn is_name(name: &str) -> bool {
    !name.starts_with(|first: char| first.is_ascii_digit())
        && !name.is_empty()
        && name
            .chars()
            .all(|char| char.is_ascii_alphanumeric() || char == '_')
}

/// A variable's value, or how to set it.
pub(super) fn variable(name: &str, env: &dyn Env) -> Result<String, String> {
    env.var(name).map_err(|why| match why {
        VarError::NotPresent => format!(
            "the environment variable {name} is not set; set it where promptcron is started"
        ),
        VarError::NotUnicode(_) => {
            format!("the environment variable {name} is not UTF-8 text; set it again")
        }
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn expanded(text: &str) -> Result<String, String> {
        let env = BTreeMap::from([("TOPIC".to_owned(), "金价".to_owned())]);
        expand(text, &env).map(|expanded| expanded.text.into_owned())
    }

    #[test]
    fn variables_take_their_place() {
        for (text, wanted) in [
            ("plain", "plain"),
            ("${TOPIC}", "金价"),
            ("a-${TOPIC}-${TOPIC}", "a-金价-金价"),
            ("$${TOPIC}", "${TOPIC}"),
            ("$$${TOPIC}", "$${TOPIC}"),
            ("$TOPIC $ {", "$TOPIC $ {"),
            ("$${ ${TOPIC}", "${ 金价"),
        ] {
            assert_eq!(expanded(text).as_deref(), Ok(wanted), "{text}");
        }
    }

    #[test]
    fn what_cannot_be_taken_is_an_error() {
        for text in ["${NONE}", "${TOPIC", "${}", "${1A}", "${A:-b}"] {
            assert!(expanded(text).is_err(), "{text}");
        }
    }
}
