//! The addresses in a config. No message quotes one: it may hold a password.

use url::Url;

/// An AI endpoint's base, up to and with the version, without a trailing slash.
///
/// A pasted `.../v1/chat/completions` is cut back to `.../v1`.
pub(super) fn base(text: &str) -> Result<Url, String> {
    let mut url = http(text, "http://127.0.0.1:8000/v1")?;
    no_credentials(&url, "put the token in tokens")?;
    no_query(&url)?;
    let path = url.path().trim_end_matches('/');
    let path = path.strip_suffix("/chat/completions").unwrap_or(path);
    let path = path.trim_end_matches('/').to_owned();
    url.set_path(&path);
    Ok(url)
}

/// An ntfy server's root with exactly one trailing slash.
pub(super) fn server(text: &str) -> Result<Url, String> {
    let mut url = http(text, "https://ntfy.sh")?;
    no_credentials(&url, "use the keys user and password")?;
    no_query(&url)?;
    let path = format!("{}/", url.path().trim_end_matches('/'));
    url.set_path(&path);
    Ok(url)
}

/// A proxy's address; it alone may carry credentials.
pub(super) fn proxy(text: &str) -> Result<Url, String> {
    let url = absolute(text, "http://127.0.0.1:3128")?;
    match url.scheme() {
        "http" | "https" | "socks5" | "socks5h" if url.has_host() => Ok(url),
        _ => Err(
            "a proxy begins with http://, https://, socks5:// or socks5h:// and a host".to_owned(),
        ),
    }
}

/// The URL of an attachment or an icon: ntfy takes `^https?://` alone.
pub(super) fn fetched(text: &str) -> Result<String, String> {
    http(text, "https://example.com/icon.png").map(|_| text.to_owned())
}

/// Where a webhook is posted: all of it counts, and its path or query may hold a secret.
pub(super) fn webhook(text: &str) -> Result<Url, String> {
    let url = http(text, "https://example.com/push")?;
    no_credentials(&url, "write headers = { Authorization = \"Basic …\" }")?;
    Ok(url)
}

/// Where a monitor listens: all of it counts, and its path is a secret.
pub(super) fn heartbeat(text: &str) -> Result<Url, String> {
    http(text, "https://hc-ping.com/YOUR-UUID")
}

/// The URL that a tap opens: any scheme.
pub(super) fn click(text: &str) -> Result<String, String> {
    absolute(text, "https://example.com").map(|_| text.to_owned())
}

fn http(text: &str, example: &str) -> Result<Url, String> {
    let url = absolute(text, example)?;
    match url.scheme() {
        "http" | "https" => Ok(url),
        scheme => Err(format!(
            "{scheme}: is not supported here; use http:// or https://, such as {example:?}"
        )),
    }
}

fn absolute(text: &str, example: &str) -> Result<Url, String> {
    Url::parse(text).map_err(|why| match why {
        url::ParseError::RelativeUrlWithoutBase => {
            format!("is no whole URL: it has no scheme; write it like {example:?}")
        }
        why => format!("is no URL: {why}; write it like {example:?}"),
    })
}

fn no_credentials(url: &Url, advice: &str) -> Result<(), String> {
    if url.username().is_empty() && url.password().is_none() {
        return Ok(());
    }
    Err(format!(
        "holds a user or a password before the @; {advice} instead"
    ))
}

fn no_query(url: &Url) -> Result<(), String> {
    if url.query().is_none() && url.fragment().is_none() {
        return Ok(());
    }
    Err("ends in a query or a fragment; cut it from the ? or # on".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pasted_endpoint_becomes_its_base() {
        for (text, wanted) in [
            ("http://127.0.0.1:8000/v1", "http://127.0.0.1:8000/v1"),
            ("http://127.0.0.1:8000/v1/", "http://127.0.0.1:8000/v1"),
            ("http://h/v1/chat/completions", "http://h/v1"),
            ("http://h/v1/chat/completions/", "http://h/v1"),
            ("https://h/chat/completions", "https://h/"),
            ("https://h/api/paas/v4//", "https://h/api/paas/v4"),
        ] {
            assert_eq!(base(text).unwrap().as_str(), wanted, "{text}");
        }
    }

    #[test]
    fn a_server_ends_in_one_slash() {
        for (text, wanted) in [
            ("https://ntfy.sh", "https://ntfy.sh/"),
            ("https://ntfy.sh//", "https://ntfy.sh/"),
            ("http://h:8080/ntfy", "http://h:8080/ntfy/"),
        ] {
            assert_eq!(server(text).unwrap().as_str(), wanted, "{text}");
        }
    }

    #[test]
    fn errors_never_quote_a_url() {
        let secret = "geheim";
        for text in [
            "https://u:geheim@h/v1",
            "https://h/v1?key=geheim",
            "ftp://u:geheim@h/",
            "u:geheim@h",
            "https://u:geheim@h:x/",
        ] {
            for message in [base(text), server(text)] {
                let message = message.unwrap_err();
                assert!(!message.contains(secret), "{message}");
            }
        }
        assert!(proxy("socks5://u:geheim@h:1080").is_ok());
    }
}
