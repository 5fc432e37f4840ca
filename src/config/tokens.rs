//! A pool of tokens, as people paste them.

use std::{collections::HashMap, sync::Arc};

use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::{
    item::{Fault, Item},
    jwt, secrets,
    types::{Api, Token},
};

/// Below this length a token's last characters would be too much of it.
const SHOWN_FROM: usize = 8;

/// Reads `tokens`, `tokens_env` or `tokens_file`; a token that comes twice is used once.
pub(super) fn read(item: &Item<'_>, api: Api) -> Result<Vec<Token>, Fault> {
    let pasted = match item.elements() {
        Some(elements) => from_list(&elements, api)?,
        None if item.value.as_str().is_some() => split(&secrets::text(item)?, api)?,
        None => return Err(item.unlike("a string or a list of strings").into()),
    };
    let mut pool = Vec::with_capacity(pasted.len());
    let mut seen = HashMap::new();
    for (i, text) in pasted.iter().enumerate() {
        let secret = clean(text).map_err(|why| format!("token #{} {why}", i + 1))?;
        if let Some(first) = seen.get(&secret) {
            let message = format!(
                "{}: token #{} is the same as #{first}; it is used once",
                item.key,
                i + 1
            );
            item.reading.warn(item.at, message);
            continue;
        }
        pool.push(token(&secret, pool.len() + 1));
        seen.insert(secret, i + 1);
    }
    Ok(pool)
}

/// The elements of a TOML list: strings are tokens, a list inside is one token in pieces.
fn from_list(elements: &[Item<'_>], api: Api) -> Result<Vec<String>, Fault> {
    let mut tokens = Vec::new();
    for element in elements {
        match element.elements() {
            Some(pieces) => {
                let pieces = pieces.iter().map(Item::own_word);
                tokens.push(pieces.collect::<Result<Vec<_>, _>>()?.join("."));
            }
            None => {
                let found = split(&element.own_word()?, api);
                tokens.extend(found.map_err(|message| element.blame(message))?);
            }
        }
    }
    Ok(tokens)
}

/// Splits pasted text: commas and lines separate tokens, `#` begins a line of comment, and JSON is
/// understood.
fn split(text: &str, api: Api) -> Result<Vec<String>, String> {
    let text = text.trim();
    if text.starts_with('[')
        && let Ok(json) = serde_json::from_str(text)
    {
        return from_json(&json, api);
    }
    let mut tokens = Vec::new();
    for line in text.lines().map(str::trim) {
        if line.starts_with('#') {
            continue;
        }
        if line.starts_with('[') {
            let json = serde_json::from_str(line).map_err(|_| {
                "a token begins with [ but is no JSON list; write the list's strings in double quotes, or no list"
                    .to_owned()
            })?;
            tokens.extend(from_json(&json, api)?);
            continue;
        }
        let parts = line.split([',', '，']).map(str::trim);
        tokens.extend(parts.filter(|part| !part.is_empty()).map(str::to_owned));
    }
    Ok(tokens)
}

/// A JSON list: of lists, each one token in pieces; or of strings, which are the pieces of one kimi
/// token.
///
/// kimi's web page shows a refresh token as such a list, its pieces split at the dots; strings that
/// hold dots themselves, and those of other APIs, are whole tokens.
fn from_json(json: &Value, api: Api) -> Result<Vec<String>, String> {
    let wrong =
        || "a token in JSON is a list of strings; put it in double quotes and brackets".to_owned();
    let strings = |list: &[Value]| -> Option<Vec<String>> {
        list.iter()
            .map(|part| part.as_str().map(str::to_owned))
            .collect()
    };
    let list = json.as_array().ok_or_else(wrong)?;
    if let Some(parts) = strings(list) {
        let are_whole = api == Api::Openai || parts.iter().any(|part| part.contains('.'));
        return Ok(if are_whole || parts.is_empty() {
            parts
        } else {
            vec![parts.join(".")]
        });
    }
    list.iter()
        .map(|entry| match entry {
            Value::String(token) => Some(token.clone()),
            Value::Array(pieces) => strings(pieces).map(|pieces| pieces.join(".")),
            _ => None,
        })
        .collect::<Option<_>>()
        .ok_or_else(wrong)
}

/// Takes off what came along when the token was copied, and checks that a header can carry the rest.
pub(super) fn clean(pasted: &str) -> Result<String, String> {
    let token = unquoted(pasted.trim());
    let token = without(token, "authorization:").map_or(token, str::trim_start);
    let token = match without(token, "bearer") {
        Some(rest) if rest.is_empty() || rest.starts_with(char::is_whitespace) => rest.trim(),
        _ => token,
    };
    let token = unquoted(token);
    if token.is_empty() {
        return Err("is empty; remove it or paste it again".to_owned());
    }
    if !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(
            "holds blanks or characters that no HTTP header can carry; paste it again".to_owned(),
        );
    }
    Ok(token.to_owned())
}

/// What follows a prefix in any case.
fn without<'t>(text: &'t str, prefix: &str) -> Option<&'t str> {
    let (head, rest) = text.split_at_checked(prefix.len())?;
    head.eq_ignore_ascii_case(prefix).then_some(rest.trim_end())
}

fn unquoted(text: &str) -> &str {
    ['"', '\'']
        .into_iter()
        .find_map(|quote| text.strip_prefix(quote)?.strip_suffix(quote))
        .unwrap_or(text)
        .trim()
}

fn token(secret: &str, position: usize) -> Token {
    // `clean` lets ASCII alone through, so that bytes are characters here.
    let tail = (secret.len() >= SHOWN_FROM).then(|| &secret[secret.len() - 4..]);
    Token {
        label: tail.map_or_else(
            || Arc::from(format!("#{position}")),
            |tail| Arc::from(format!("#{position} …{tail}")),
        ),
        fingerprint: fingerprint(secret),
        expires_at: jwt::expires_at(secret),
        secret: SecretString::from(secret),
    }
}

/// 16 hexadecimal digits of a hash: the same in every version, since the ledger keeps them.
fn fingerprint(secret: &str) -> Arc<str> {
    let hash = Sha256::new()
        .chain_update(b"promptcron token 1\0")
        .chain_update(secret.as_bytes())
        .finalize();
    let hex: String = hash[..8].iter().map(|byte| format!("{byte:02x}")).collect();
    Arc::from(hex)
}

/// Whether two optional secrets are the same.
pub(super) fn same(one: &SecretString, other: &SecretString) -> bool {
    one.expose_secret() == other.expose_secret()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pasted_text_becomes_tokens() {
        for (text, wanted) in [
            ("T1,T2", vec!["T1", "T2"]),
            (" T1 ,\n\n# old\nT2\r\nT3,", vec!["T1", "T2", "T3"]),
            ("T1，T2", vec!["T1", "T2"]),
            (r#"["a", "b", "c"]"#, vec!["a.b.c"]),
            ("[\n\"a\",\n\"b\"\n]", vec!["a.b"]),
            (r#"[["a","b"],["c","d"]]"#, vec!["a.b", "c.d"]),
            (r#"["a.b.c","d.e.f"]"#, vec!["a.b.c", "d.e.f"]),
            ("[\"a\",\"b\"]\n[\"c\",\"d\"]\nT3", vec!["a.b", "c.d", "T3"]),
        ] {
            assert_eq!(split(text, Api::Kimi).unwrap(), wanted, "{text}");
        }
        assert_eq!(
            split(r#"["sk-a","sk-b"]"#, Api::Openai).unwrap(),
            ["sk-a", "sk-b"]
        );
    }

    #[test]
    fn what_was_copied_along_is_taken_off() {
        for pasted in [
            "T1",
            " 'T1' ",
            "Bearer T1",
            "\"bearer  T1\"",
            "Authorization: Bearer T1",
        ] {
            assert_eq!(clean(pasted).as_deref(), Ok("T1"), "{pasted}");
        }
        for pasted in ["", "\"\"", "Bearer ", "two words", "令牌"] {
            assert!(clean(pasted).is_err(), "{pasted}");
        }
    }

    #[test]
    fn a_label_shows_four_characters_of_a_long_token_and_none_of_a_short_one() {
        assert_eq!(&*token("eyJhbGciTOKEN1", 2).label, "#2 …KEN1");
        assert_eq!(&*token("TOKEN1", 1).label, "#1");
        assert_eq!(
            format!("{:?}", token("eyJhbGciTOKEN1", 2)),
            "Token(#2 …KEN1)"
        );
    }

    #[test]
    fn a_fingerprint_never_changes() {
        assert_eq!(&*fingerprint("TOKEN1"), "44f9ecee1c3fab64");
        assert_ne!(fingerprint("TOKEN1"), fingerprint("TOKEN2"));
    }
}
