//! The next step, at the end of every error.

use super::error::Kind;

/// What the user can do, or what happens by itself; `anonymous` where no credentials were sent.
pub(super) fn of_ntfy(kind: Kind, code: Option<u32>, anonymous: bool) -> &'static str {
    match (kind, code) {
        (Kind::BadRequest, Some(40014)) => {
            "this server takes no files, and a text of 4096 bytes or more is one to ntfy: set max_bytes to 4000 or less"
        }
        (Kind::BadRequest, _) => "correct what it names in the job or the target",
        (Kind::Unauthorized, _) => {
            "the token or password is wrong: create a token (`ntfy token add USER`, or Account in the web app) and set it"
        }
        (Kind::Forbidden, _) if anonymous => {
            "the topic is protected: set a token, or user and password"
        }
        (Kind::Forbidden, _) => {
            "this user may not write here: allow it on the server (`ntfy access USER TOPIC write-only`)"
        }
        (Kind::NotFound, _) => "server must be ntfy's own root, without topic or path",
        (Kind::TooLarge, _) => "set max_bytes to 4000 or less, and shorten title and tags",
        (Kind::RateLimited, _) => "the next attempt waits; push less often, or in fewer parts",
        (Kind::DailyQuota, _) => {
            "the next attempt waits for 00:00 UTC; a paid account or a server of your own has more"
        }
        (Kind::AuthFailures, _) => {
            "the credentials are probably wrong: correct them, then wait some minutes"
        }
        (Kind::OtherLimit, _) => "the next attempt waits an hour; the server's owner can raise it",
        (Kind::NoSubscriber, _) => {
            "up and 12 characters is a UnifiedPush topic: choose another topic"
        }
        (Kind::ServerError, _) => "the server's own log says more",
        (Kind::Unreachable, _) => {
            "is the server running, and are its address, proxy and certificate right?"
        }
        (Kind::Ambiguous, _) => "it may have arrived all the same",
        (Kind::Moved, _) => "redirects would lose the message: set server to where it leads",
        (Kind::Redirect, _) => {
            "redirects would lose the message: is there a sign-in page in between?"
        }
        (Kind::NotNtfy | Kind::Unexpected, _) => {
            "that is no ntfy server: check server, and sign in if the network asks for it"
        }
        (Kind::BecameFile, _) => "it was too long for one message: set max_bytes to 4000 or less",
        (Kind::WrongTopic, _) => "something between here and ntfy rewrites requests",
        (Kind::Unsendable, _) => "check server, token, user and password",
    }
}

/// The same for a webhook, of whose service nothing is known but HTTP.
pub(super) fn of_webhook(kind: Kind) -> &'static str {
    match kind {
        Kind::Unauthorized | Kind::Forbidden => "check the secret in url or headers",
        Kind::NotFound => "check url, with the key or token that may be in it",
        Kind::TooLarge => "set max_bytes lower",
        Kind::RateLimited => "the next attempt waits; set pace to what the service allows",
        Kind::Moved | Kind::Redirect => {
            "redirects would lose the message: set url to where it leads"
        }
        Kind::Unexpected => "expect_json says what success is; the next attempt waits",
        Kind::Unreachable => {
            "is the service running, and are its address, proxy and certificate right?"
        }
        Kind::Ambiguous => "it may have arrived all the same",
        Kind::ServerError => "the service's own log says more",
        _ => "correct what it names in body, headers or expect",
    }
}
