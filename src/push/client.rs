//! The HTTP side: one request, its reply read within bounds.

use std::{error::Error, fmt, time::Duration};

use anyhow::Context as _;
use chrono::Utc;
use reqwest::{Method, RequestBuilder, Response, header, redirect};
use secrecy::ExposeSecret as _;
use url::Url;

use super::{
    error::{Kind, PushError},
    file::{self, File},
    message::Message,
    reply::{self, Receipt, Reply},
};
use crate::config::{Auth, Target, Way};

/// How long a server may take to accept a connection, with the name's lookup and TLS.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a whole request may take.
const TIMEOUT: Duration = Duration::from_secs(30);

/// How long a connection waits for the next part of an answer.
///
/// Short, because a server that closes an idle connection while it is used again leaves us not
/// knowing whether the push arrived.
const IDLE: Duration = Duration::from_secs(15);

/// The most of a reply that is read: ntfy echoes the message, at most 8 KiB of JSON, in which Go
/// writes `<`, `>` and `&` as six bytes.
const MAX_REPLY_BYTES: usize = 64 * 1024;

/// A client for the servers that lie on one [`Way`]; cheap to clone.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
}

/// Says nothing of the proxy, whose address may hold a password.
impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").finish_non_exhaustive()
    }
}

impl Client {
    /// Sets it up: proxy, certificates, limits of time.
    ///
    /// # Errors
    /// A proxy or certificate that cannot be used, and a system without any CA certificates.
    pub fn new(way: &Way) -> anyhow::Result<Self> {
        Self::with_timeout(way, TIMEOUT)
    }

    /// The same with a limit of its own for the whole request.
    ///
    /// # Errors
    /// As [`Client::new`].
    pub fn with_timeout(way: &Way, timeout: Duration) -> anyhow::Result<Self> {
        let builder = reqwest::Client::builder()
            .user_agent(concat!("promptcron/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(timeout)
            .pool_idle_timeout(IDLE)
            // A redirected POST becomes a GET in most clients, and nothing is pushed.
            .redirect(redirect::Policy::none());
        let http = way.client(builder).map_err(reqwest::Error::without_url).context(
            "cannot prepare the connection: check proxy and ca_file, and that the system's CA certificates are installed",
        )?;
        Ok(Self { http })
    }

    /// Publishes a message, once.
    ///
    /// # Errors
    /// Whatever keeps ntfy from saying that it has the message as text in its topic.
    pub async fn push(&self, target: &Target, message: &Message) -> Result<Receipt, PushError> {
        let request = self.http.post(target.url().clone()).json(message);
        let reply = send(target, request).await?;
        reply::judge_push(target, message, message.asks_for_a_file(), &reply)
    }

    /// Publishes a message with a file beside it, once; its own `attach` and `filename` do not count.
    ///
    /// # Errors
    /// As [`Client::push`]; [`PushError::refuses_file`] tells where the message alone may pass.
    pub async fn push_with_file(
        &self,
        target: &Target,
        message: &Message,
        file: &File,
    ) -> Result<Receipt, PushError> {
        let url = address(target, &message.topic)?;
        let headers = file::headers(message, file);
        let request = headers
            .into_iter()
            .fold(self.http.post(url), |request, (name, value)| {
                request.header(name, value)
            });
        let reply = send(target, request.body(file.text.clone())).await?;
        reply::judge_push(target, message, true, &reply)
    }

    pub(super) fn post_to(&self, url: Url) -> RequestBuilder {
        self.http.post(url)
    }

    pub(super) fn get_of(&self, url: Url) -> RequestBuilder {
        self.http.get(url)
    }

    pub(super) fn head_of(&self, url: Url) -> RequestBuilder {
        self.http.head(url)
    }

    /// Reads one of ntfy's JSON pages below the server's root.
    pub(super) async fn get(&self, target: &Target, path: &str) -> Result<Reply, PushError> {
        self.get_up_to(target, path, MAX_REPLY_BYTES).await
    }

    /// The same with a bound of its own.
    pub(super) async fn get_up_to(
        &self,
        target: &Target,
        path: &str,
        most: usize,
    ) -> Result<Reply, PushError> {
        let url = address(target, path)?;
        let sent = send_up_to(target, self.http.request(Method::GET, url), most).await;
        // Reading has no effect that could be in doubt.
        sent.map_err(PushError::certain)
    }
}

/// A page below the server's root.
fn address(target: &Target, path: &str) -> Result<Url, PushError> {
    target.url().join(path).map_err(|e| {
        let detail = format!("{path:?} does not fit the server's address: {e}");
        PushError::new(target, Kind::Unsendable, &detail)
    })
}

/// A request to ntfy, with the target's credentials.
async fn send(target: &Target, request: RequestBuilder) -> Result<Reply, PushError> {
    send_up_to(target, request, MAX_REPLY_BYTES).await
}

async fn send_up_to(
    target: &Target,
    request: RequestBuilder,
    most: usize,
) -> Result<Reply, PushError> {
    let Some(ntfy) = target.ntfy() else {
        return Err(PushError::new(
            target,
            Kind::Unsendable,
            "it is no topic on ntfy",
        ));
    };
    let request = match &ntfy.auth {
        None => request,
        Some(Auth::Token(token)) => request.bearer_auth(token.expose_secret()),
        Some(Auth::Basic { user, password }) => {
            request.basic_auth(user, Some(password.expose_secret()))
        }
    };
    exchange_up_to(target, request, most).await
}

/// One request as it is, and its reply.
pub(super) async fn exchange(target: &Target, request: RequestBuilder) -> Result<Reply, PushError> {
    exchange_up_to(target, request, MAX_REPLY_BYTES).await
}

async fn exchange_up_to(
    target: &Target,
    request: RequestBuilder,
    most: usize,
) -> Result<Reply, PushError> {
    let response = request.send().await.map_err(|e| lost(target, e))?;
    read(target, response, most).await
}

/// What an error of the transport means for the message.
fn lost(target: &Target, error: reqwest::Error) -> PushError {
    let (kind, what) = if error.is_builder() {
        (Kind::Unsendable, "cannot make the request")
    } else if error.is_connect() {
        (Kind::Unreachable, "cannot connect")
    } else {
        (Kind::Ambiguous, "no whole answer")
    };
    let cause = root_cause(&error.without_url());
    PushError::new(target, kind, &format!("{what}: {cause}"))
}

/// What an error comes down to; the layers above it only say that a request failed.
pub(super) fn root_cause(error: &dyn Error) -> String {
    let mut cause = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause.to_string()
}

async fn read(target: &Target, mut response: Response, most: usize) -> Result<Reply, PushError> {
    let status = response.status();
    let text_of = |name| -> Option<String> {
        let value = response.headers().get(name)?;
        Some(String::from_utf8_lossy(value.as_bytes()).into_owned())
    };
    let (location, retry_after) = (text_of(header::LOCATION), text_of(header::RETRY_AFTER));
    let mut body = Vec::new();
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) => body.extend_from_slice(&chunk),
            Ok(None) => break,
            // A status that refuses stands without its body; one that accepts does not.
            Err(e) if status.is_success() => return Err(lost(target, e)),
            Err(_) => break,
        }
        if body.len() >= most {
            body.truncate(most);
            break;
        }
    }
    Ok(Reply {
        status: status.as_u16(),
        body,
        location,
        retry_after,
        at: Utc::now(),
    })
}
