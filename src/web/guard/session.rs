//! Sessions of people: a random cookie, of which the ledger keeps a hash.

use std::fmt::Write as _;

use aws_lc_rs::{
    hmac::{self, HMAC_SHA256},
    rand,
};
use axum::http::{HeaderMap, header};
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use chrono::TimeDelta;
use secrecy::{ExposeSecret, SecretString};

use super::super::{app::Shared, refusal::Refusal};
use crate::config::Web;

/// The cookie's name.
const COOKIE: &str = "promptcron_session";

/// How long a person stays logged in.
const LASTS: TimeDelta = TimeDelta::days(30);

/// The cookie's text, where a browser sent one.
pub(super) fn cookie(headers: &HeaderMap) -> Option<&str> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(name, _)| *name == COOKIE)
        .map(|(_, value)| value)
}

/// What the ledger knows a session by.
pub(super) fn hash(token: &SecretString, cookie: &str) -> String {
    let key = hmac::Key::new(HMAC_SHA256, token.expose_secret().as_bytes());
    let mut hex = String::with_capacity(64);
    for byte in hmac::sign(&key, cookie.as_bytes()).as_ref() {
        // Writing to a string cannot fail.
        write!(hex, "{byte:02x}").ok();
    }
    hex
}

/// Begins a session, and returns the header that hands it to the browser.
pub(in crate::web) async fn begin(
    shared: &Shared,
    web: &Web,
    token: &SecretString,
    headers: &HeaderMap,
) -> Result<String, Refusal> {
    let mut random = [0; 32];
    rand::fill(&mut random).map_err(|_| Refusal::no_random())?;
    let cookie = BASE64_URL_SAFE_NO_PAD.encode(random);
    let now = shared.handle.clock.now();
    let until = now + LASTS;
    let hash = hash(token, &cookie);
    shared
        .handle
        .ledger
        .begin_session(&hash, now, until)
        .await?;
    Ok(set(&cookie, LASTS.num_seconds(), is_secure(web, headers)))
}

/// Ends a session, and returns the header that takes it from the browser.
pub(in crate::web) async fn end(
    shared: &Shared,
    web: &Web,
    hash: &str,
    headers: &HeaderMap,
) -> Result<String, Refusal> {
    shared.handle.ledger.end_session(hash).await?;
    Ok(set("", 0, is_secure(web, headers)))
}

fn set(value: &str, seconds: i64, secure: bool) -> String {
    let secure = if secure { "; Secure" } else { "" };
    format!("{COOKIE}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Strict{secure}")
}

/// Over the public address the cookie goes encrypted or not at all; on the machine itself there is
/// no encryption to ask for.
fn is_secure(web: &Web, headers: &HeaderMap) -> bool {
    let host = headers
        .get(header::HOST)
        .and_then(|host| host.to_str().ok());
    web.public_url.as_ref().is_some_and(|url| {
        let name = host.map(|host| host.split(':').next().unwrap_or_default());
        url.scheme() == "https" && name == url.host_str()
    })
}
