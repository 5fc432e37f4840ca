//! Who may see and change what: every request passes here before any page.
//!
//! A reader is known by the web's token (`Authorization: Bearer`, for scripts), by the cookie of a
//! session that the token began (for people), or, where no token is set, by being on this machine.

mod host;
mod keys;
mod origin;
mod rate;
mod session;

use std::{net::SocketAddr, time::Duration};

use axum::{
    extract::{ConnectInfo, Request, State},
    http::{HeaderMap, HeaderValue, Method, header},
    middleware::Next,
    response::{IntoResponse, Redirect, Response},
};
use secrecy::{ExposeSecret, SecretString};

pub(super) use self::{
    keys::{Keys, equal},
    rate::Rates,
    session::{begin, end},
};
use super::{app::Shared, pages::Page, refusal::Refusal, words};
use crate::config::Web;

/// How long an answer may take: the slowest looks at a large ledger on a slow disk.
const PATIENCE: Duration = Duration::from_secs(30);

/// No script but our own, no style but our own, nothing from elsewhere, no frame around it.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
    connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// What anybody may ask for: it tells nothing of jobs and answers, or is a key of its own.
const OPEN: [&str; 7] = [
    "/healthz", "/readyz", "/login", "/static/", "/r/", "/a/", "/f/",
];

/// Probes are sent to whatever name a machine has just now.
const PROBES: [&str; 2] = ["/healthz", "/readyz"];

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Caller {
    /// Somebody who sent the token itself: a script, which no other page can make send it.
    Token,
    /// A browser with a session, named by its hash.
    Session(String),
    /// Anybody on this machine, where no token is set.
    Local,
    /// Nobody known.
    Nobody,
}

impl Caller {
    /// May see everything.
    pub(super) fn is_known(&self) -> bool {
        *self != Self::Nobody
    }

    /// What its forms' token is made of.
    fn name(&self) -> &str {
        match self {
            Self::Session(hash) => hash,
            Self::Token | Self::Local => "local",
            Self::Nobody => "nobody",
        }
    }

    /// What every form of its pages carries: another site cannot know it.
    pub(super) fn csrf(&self, keys: &Keys) -> String {
        keys.sign(&["form", self.name()])
    }

    /// Whether a form carries it.
    pub(super) fn signed(&self, keys: &Keys, sent: &str) -> bool {
        keys.verify(&["form", self.name()], sent)
    }
}

/// Lets a request through to its page, or refuses it.
pub(super) async fn guard(
    State(shared): State<Shared>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    mut request: Request,
    next: Next,
) -> Response {
    let web = shared.web();
    let is_api = is_api(request.uri().path());
    let language = words::language(request.headers());
    let checked = check(&shared, &web, peer, &mut request).await;
    let mut response = match checked {
        Ok(()) => tokio::time::timeout(PATIENCE, next.run(request))
            .await
            .unwrap_or_else(|_| Refusal::slow().into_response()),
        Err(refused) => refused.into_response(),
    };
    if let Some(refused) = response.extensions_mut().remove::<Refusal>() {
        response = refused.show(is_api, Page::bare(language));
    }
    harden(response.headers_mut());
    response
}

async fn check(
    shared: &Shared,
    web: &Web,
    peer: SocketAddr,
    request: &mut Request,
) -> Result<(), Refusal> {
    let now = std::time::Instant::now();
    if !shared.rates.request(peer.ip(), now) {
        return Err(Refusal::busy());
    }
    let caller = caller(shared, web, peer, request.headers()).await?;
    let path = request.uri().path();
    if caller != Caller::Token && !PROBES.contains(&path) {
        check_host(web, request.headers(), request.uri().host())?;
    }
    if !is_safe(request.method()) && caller != Caller::Token && !path.starts_with("/a/") {
        origin::check(request.headers(), web.public_url.as_ref())?;
    }
    if !caller.is_known() && !is_open(path) {
        return Err(Refusal::unknown(wanted(request)));
    }
    request.extensions_mut().insert(caller);
    Ok(())
}

/// Who asks; a token or a session that is wrong is refused, and counted, where a token is sent.
async fn caller(
    shared: &Shared,
    web: &Web,
    peer: SocketAddr,
    headers: &HeaderMap,
) -> Result<Caller, Refusal> {
    if let Some(sent) = bearer(headers) {
        return match &web.token {
            Some(token) => {
                try_token(shared, peer, sent, token)?;
                Ok(Caller::Token)
            }
            None => Ok(Caller::Local),
        };
    }
    let Some(token) = &web.token else {
        return Ok(Caller::Local);
    };
    let Some(cookie) = session::cookie(headers) else {
        return Ok(Caller::Nobody);
    };
    let hash = session::hash(token, cookie);
    let now = shared.handle.clock.now();
    match shared.handle.records.has_session(&hash, now).await {
        Ok(true) => Ok(Caller::Session(hash)),
        Ok(false) => Ok(Caller::Nobody),
        Err(error) => Err(error.into()),
    }
}

/// Compares a token that somebody sent, in constant time; who guesses is slowed down.
pub(super) fn try_token(
    shared: &Shared,
    peer: SocketAddr,
    sent: &str,
    token: &SecretString,
) -> Result<(), Refusal> {
    let now = std::time::Instant::now();
    if !shared.rates.may_guess(peer.ip(), now) {
        return Err(Refusal::guessing());
    }
    if equal(sent, token.expose_secret()) {
        return Ok(());
    }
    shared.rates.guessed(peer.ip(), now);
    tracing::warn!(peer = %peer.ip(), "somebody sent a wrong token to the page");
    Err(Refusal::wrong_token())
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

fn check_host(web: &Web, headers: &HeaderMap, absolute: Option<&str>) -> Result<(), Refusal> {
    let sent = headers
        .get(header::HOST)
        .and_then(|host| host.to_str().ok());
    let host = sent.or(absolute).unwrap_or_default();
    let public = web.public_url.as_ref().and_then(|url| url.host_str());
    if host::is_allowed(host, public, &web.hosts) {
        return Ok(());
    }
    Err(Refusal::host(host))
}

fn is_safe(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}

pub(super) fn is_api(path: &str) -> bool {
    path.starts_with("/api/") || path == "/metrics"
}

fn is_open(path: &str) -> bool {
    OPEN.iter().any(|open| match open.strip_suffix('/') {
        Some(_) => path.starts_with(open),
        None => path == *open,
    })
}

/// Where somebody wanted to go: for a change, whose address shows nothing, the page above it.
fn wanted(request: &Request) -> String {
    let uri = request.uri();
    if is_safe(request.method()) {
        let path = uri.path_and_query();
        return path.map_or_else(|| "/".to_owned(), ToString::to_string);
    }
    match uri.path().rsplit_once('/') {
        Some((page, _)) if !page.is_empty() => page.to_owned(),
        _ => "/".to_owned(),
    }
}

/// What every reply says to a browser.
fn harden(headers: &mut HeaderMap) {
    let mut say = |name: &'static str, value: &'static str| {
        headers.insert(name, HeaderValue::from_static(value));
    };
    say("content-security-policy", POLICY);
    say("x-content-type-options", "nosniff");
    say("referrer-policy", "no-referrer");
    say("x-robots-tag", "noindex, nofollow");
    say("cross-origin-opener-policy", "same-origin");
    say("cross-origin-resource-policy", "same-origin");
    headers
        .entry(header::CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
}

/// Where a person is sent who is not known.
pub(super) fn to_login(wanted: &str) -> Response {
    let next: String = url::form_urlencoded::byte_serialize(wanted.as_bytes()).collect();
    Redirect::to(&format!("/login?next={next}")).into_response()
}
