//! `[web]`: the page, the API and the figures; where they listen and who may see them.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    time::Duration,
};

use secrecy::{ExposeSecret, SecretString};
use url::Url;

use super::{item::Item, secrets, section::Section, types::Web, urls};

const LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8080);
const LINK_FOR: Duration = Duration::from_hours(7 * 24);
const TOKENS: &[&str] = &["token", "token_env", "token_file", "token_credential"];

/// Fewer characters could be guessed; `openssl rand -hex 24` makes 48.
const SHORTEST: usize = 16;

/// Reads the table; None where something is wrong with it, which is reported.
pub(super) fn web(section: &Section<'_>) -> Option<Web> {
    let listen = section.read("listen", |item| listen(&item.word()?));
    let has_token = TOKENS.iter().any(|key| section.has(key));
    let token = token(section);
    let public_url = section.read("public_url", |item| public_url(&item.word()?));
    let hosts = section.read("hosts", hosts);
    let link_for = section.read("link_for", Item::positive);
    if !has_token {
        demand_token(section, listen);
    }
    let listen = match section.has("listen") {
        true => listen?,
        false => LISTEN,
    };
    Some(Web {
        listen,
        token,
        public_url,
        hosts: hosts.unwrap_or_default(),
        link_for: link_for.unwrap_or(LINK_FOR),
    })
}

/// Whoever can reach it can run jobs and read answers, so others are kept out by a token.
fn demand_token(section: &Section<'_>, listen: Option<SocketAddr>) {
    const ADVICE: &str = "add token_env, token_file or token with a secret of your own (`openssl rand -hex 24` makes one)";
    if let (Some(item), Some(listen)) = (section.item("listen"), listen)
        && !listen.ip().is_loopback()
    {
        item.fault(&format!(
            "{listen} is reached from other machines, which needs a token; {ADVICE}, or listen on 127.0.0.1"
        ));
    } else if let Some(item) = section.item("public_url") {
        item.fault(&format!(
            "an address for others needs a token; {ADVICE} beside it"
        ));
    }
}

fn listen(text: &str) -> Result<SocketAddr, String> {
    let numeric = match text.strip_prefix("localhost:") {
        Some(port) => format!("127.0.0.1:{port}"),
        None => text.to_owned(),
    };
    numeric.parse().map_err(|_| {
        "is no address with a port; write it like \"127.0.0.1:8080\", \"0.0.0.0:8080\" or \"[::1]:8080\"".to_owned()
    })
}

fn token(section: &Section<'_>) -> Option<SecretString> {
    let token = secrets::one(section, TOKENS)?;
    let item = TOKENS.iter().find_map(|key| section.item(key))?;
    let text = token.expose_secret();
    if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        item.fault(
            "holds blanks or characters that no HTTP header can carry; use letters and digits",
        );
    } else if text.len() < SHORTEST {
        item.fault(&format!(
            "has fewer than {SHORTEST} characters, which could be guessed; `openssl rand -hex 24` makes a good one"
        ));
    }
    Some(token)
}

fn public_url(text: &str) -> Result<Url, String> {
    let url = urls::server(text)?;
    match url.path() {
        "/" => Ok(url),
        _ => Err("ends in a path; give promptcron a name or a port of its own, such as \"https://promptcron.example.com\"".to_owned()),
    }
}

fn hosts(item: &Item<'_>) -> Result<Vec<String>, super::item::Fault> {
    let elements = item
        .elements()
        .ok_or_else(|| item.unlike("a list such as [\"promptcron.lan\"]"))?;
    elements
        .iter()
        .map(|element| {
            let host = element.own_word()?.to_lowercase();
            match host.contains([':', '/', '*']) {
                true => Err(element.blame(
                    "a host is a name alone, without scheme, port or *; such as \"promptcron.lan\""
                        .to_owned(),
                )),
                false => Ok(host),
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_a_host_and_a_port() {
        for (text, wanted) in [
            ("127.0.0.1:8080", "127.0.0.1:8080"),
            ("localhost:0", "127.0.0.1:0"),
            ("[::1]:80", "[::1]:80"),
        ] {
            assert_eq!(listen(text).unwrap().to_string(), wanted);
        }
        for text in [
            "8080",
            ":8080",
            "127.0.0.1",
            "promptcron.lan:8080",
            "localhost:",
        ] {
            assert!(listen(text).is_err(), "{text}");
        }
    }
}
