//! What a server said, made fit to be quoted: it may repeat the request, and with it what is secret.

use std::sync::LazyLock;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use regex::Regex;
use secrecy::ExposeSecret as _;

use crate::config::{Action, Auth, Button, Ntfy, Service, Target};

/// Pieces of a webhook's address and body, and of a button's request, that are this long may be its secret.
const HIDDEN_FROM: usize = 8;

/// Takes the target's secrets out of a server's words, which may echo the request.
pub(super) fn redact(target: &Target, text: &str) -> String {
    secrets(target)
        .iter()
        .filter(|secret| !secret.is_empty())
        .fold(without_links(text), |text, secret| {
            text.replace(secret, "[secret]")
        })
}

/// Takes the signature out of links to promptcron's own page (`RUN.UNTIL.SIGNATURE`, of which the last is 32 bytes in
/// base64url): whoever has such a link may open it.
fn without_links(text: &str) -> String {
    static LINK: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r"\b([0-9]+)\.[0-9]+\.[A-Za-z0-9_-]{43}").expect("the pattern is right")
    });
    LINK.replace_all(text, "$1.[secret]").into_owned()
}

/// What must not be shown of a target.
fn secrets(target: &Target) -> Vec<String> {
    let buttons = target.notification.extras().actions.iter().flatten();
    let of_buttons = buttons.filter_map(Button::own).flat_map(Action::secrets);
    let of_buttons = of_buttons.filter(|secret| secret.len() >= HIDDEN_FROM);
    let of_buttons = of_buttons.map(str::to_owned);
    of_service(&target.service)
        .into_iter()
        .chain(of_buttons)
        .collect()
}

fn of_service(service: &Service) -> Vec<String> {
    match service {
        Service::Ntfy(Ntfy { auth: None, .. }) => Vec::new(),
        Service::Ntfy(Ntfy {
            auth: Some(Auth::Token(token)),
            ..
        }) => vec![token.expose_secret().to_owned()],
        Service::Ntfy(Ntfy {
            auth: Some(Auth::Basic { user, password }),
            ..
        }) => {
            let password = password.expose_secret();
            let header = BASE64_STANDARD.encode(format!("{user}:{password}"));
            vec![header, password.to_owned()]
        }
        Service::Webhook(webhook) => {
            let url = webhook.url.expose();
            let path = url.path_segments().into_iter().flatten().map(str::to_owned);
            let query = url.query_pairs().map(|(_, value)| value.into_owned());
            let headers = webhook.headers.iter().flat_map(|header| {
                let value = header.value.expose_secret();
                // `Bearer X`: X alone is one too.
                let last = value.rsplit(' ').next().unwrap_or(value);
                [value.to_owned(), last.to_owned()]
            });
            // Shorter ones are words such as `push` or `v1`, and would garble what is shown.
            let written = webhook.body.written().into_iter().map(str::to_owned);
            let pieces = path
                .chain(query)
                .chain(written)
                .filter(|piece| piece.len() >= HIDDEN_FROM);
            headers.chain(pieces).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_that_repeat_a_link_open_nothing() {
        let signature = "kZ3-_".repeat(9);
        let echoed = format!(
            "bad click \"https://mine.example/a/again/12.1795000000.{}\", 1.25.6",
            &signature[..43]
        );
        let hidden = "bad click \"https://mine.example/a/again/12.[secret]\", 1.25.6";
        assert_eq!(without_links(&echoed), hidden);
    }
}
