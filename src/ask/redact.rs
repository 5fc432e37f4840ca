//! What a service said, made fit to be quoted: bounded, on one line, and without our secrets.

use secrecy::{ExposeSecret, SecretString};
use url::Url;

use crate::config::types::{Endpoint, Token};

/// The longest quotation of a service, in characters.
const QUOTE: usize = 300;
/// What is looked at before it is cut, so that a huge body costs nothing.
const LOOK: usize = 64 * 1024;
/// Shorter ones are placeholders such as `x`: hiding them would only garble the text.
const SHORTEST_SECRET: usize = 4;

/// The secrets that must not come back in a quotation.
pub(super) struct Redactor(Vec<SecretString>);

impl Redactor {
    /// All secrets of an endpoint: its tokens and what its URLs carry.
    pub(super) fn new(endpoint: &Endpoint) -> Self {
        let mut secrets: Vec<String> = endpoint
            .tokens
            .iter()
            .map(|token| token.secret.expose_secret().to_owned())
            .collect();
        for url in [Some(&endpoint.base_url), endpoint.network.proxy.as_ref()] {
            secrets.extend(url.into_iter().flat_map(secrets_of));
        }
        secrets.retain(|secret| secret.chars().count() >= SHORTEST_SECRET);
        // The longest first: one may contain another.
        secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        Self(secrets.into_iter().map(SecretString::from).collect())
    }

    /// `text` on one line, without secrets, at most 300 characters.
    pub(super) fn quote(&self, text: &str, token: Option<&Token>) -> String {
        let mut text = text[..text.floor_char_boundary(LOOK)].to_owned();
        let asked_with = token.map(|token| &token.secret);
        for secret in self.0.iter().chain(asked_with) {
            let secret = secret.expose_secret();
            if secret.chars().count() >= SHORTEST_SECRET && text.contains(secret) {
                text = text.replace(secret, "[redacted]");
            }
        }
        one_line(&text)
    }
}

/// The passwords and query values of a URL, as written and as decoded.
fn secrets_of(url: &Url) -> Vec<String> {
    let mut secrets: Vec<String> = url.query_pairs().map(|(_, v)| v.into_owned()).collect();
    if let Some(password) = url.password() {
        secrets.push(password.to_owned());
        // A query string is decoded as a password is, but for `+`.
        let pair = format!("p={}", password.replace('+', "%2B"));
        secrets.extend(
            url::form_urlencoded::parse(pair.as_bytes()).map(|(_, value)| value.into_owned()),
        );
    }
    secrets
}

/// White space of any kind and length becomes one space; cut with `…`.
fn one_line(text: &str) -> String {
    let mut line = String::new();
    let words = text.split(|c: char| c.is_whitespace() || c.is_control());
    for word in words.filter(|word| !word.is_empty()) {
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    match line.char_indices().nth(QUOTE) {
        Some((at, _)) => format!("{}…", &line[..at]),
        None => line,
    }
}

/// A URL fit to be shown: no credentials, no query, no trailing slash.
pub(super) fn shown(url: &Url) -> String {
    let mut url = url.clone();
    url.set_query(None);
    url.set_fragment(None);
    // Both fail only for URLs without a host, which carry no credentials.
    if url.set_username("").is_ok() && url.set_password(None).is_ok() {
        url.as_str().trim_end_matches('/').to_owned()
    } else {
        url.scheme().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn redactor(secrets: &[&str]) -> Redactor {
        Redactor(secrets.iter().map(|s| SecretString::from(*s)).collect())
    }

    #[test]
    fn an_echoed_secret_is_never_quoted() {
        let quoted = redactor(&["SECRET-TOKEN"]).quote("bad key SECRET-TOKEN, SECRET-TOKEN!", None);
        assert_eq!(quoted, "bad key [redacted], [redacted]!");
    }

    #[test]
    fn a_secret_at_the_cut_leaves_no_part_of_itself() {
        let text = format!("{}SECRET-TOKEN", "好".repeat(QUOTE - 6));
        let quoted = redactor(&["SECRET-TOKEN"]).quote(&text, None);
        assert!(!quoted.contains("SEC"), "{quoted}");
    }

    #[test]
    fn a_quotation_is_one_bounded_line() {
        let quoted = redactor(&[]).quote(&"请求\r\n\t 失败\u{0}".repeat(200), None);
        assert!(quoted.starts_with("请求 失败 请求 失败"));
        assert_eq!(quoted.chars().count(), QUOTE + 1);
        assert!(quoted.ends_with('…'));
    }

    #[test]
    fn a_shown_url_has_neither_credentials_nor_query() {
        let url = Url::parse("https://me:pass@host:8000/v1/?key=abc").unwrap();
        assert_eq!(shown(&url), "https://host:8000/v1");
        assert!(secrets_of(&url).contains(&"pass".to_owned()));
        assert!(secrets_of(&url).contains(&"abc".to_owned()));
    }

    #[test]
    fn an_encoded_password_is_known_in_both_forms() {
        let url = Url::parse("http://me:p%40ss+w@host").unwrap();
        assert_eq!(secrets_of(&url), ["p%40ss+w", "p@ss+w"]);
    }
}
