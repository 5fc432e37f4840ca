//! What both wire forms share: one HTTP client per endpoint, bounded replies, failures below the protocol.

use std::{error::Error, time::Duration};

use chrono::{DateTime, Utc};
use reqwest::{
    RequestBuilder, StatusCode,
    header::{self, HeaderMap},
    redirect,
};
use tokio::time;
use url::Url;

use super::{error::Failure, kind::ErrorKind};
use crate::config::types::{Limits, Network};

/// A kimi server closes idle connections after 5 s; one that we close first is never found dead.
const POOL_IDLE_TIMEOUT: Duration = Duration::from_secs(3);
/// The longest reply that is read, and the longest answer in a stream.
pub(super) const MAX_BODY: usize = 8 * 1024 * 1024;

/// A client for one endpoint.
pub(super) fn client(
    base_url: &Url,
    network: &Network,
    limits: &Limits,
) -> reqwest::Result<reqwest::Client> {
    let builder = reqwest::Client::builder()
        .user_agent(concat!("promptcron/", env!("CARGO_PKG_VERSION")))
        .redirect(redirect::Policy::none())
        .connect_timeout(limits.connect)
        .timeout(limits.whole)
        .pool_idle_timeout(POOL_IDLE_TIMEOUT);
    network.way_to(base_url).client(builder)
}

/// The endpoint's address with `path` behind it; a query of its own (`?api-version=`) stays.
pub(super) fn join(base_url: &Url, path: &[&str]) -> Url {
    let mut url = base_url.clone();
    if let Ok(mut segments) = url.path_segments_mut() {
        segments.pop_if_empty().extend(path);
    }
    url
}

/// A whole reply, whatever its status.
#[derive(Debug, Default)]
pub(super) struct Reply {
    pub(super) status: StatusCode,
    pub(super) retry_after: Option<Duration>,
    pub(super) location: Option<String>,
    pub(super) body: Vec<u8>,
}

impl Reply {
    /// A failure of this reply.
    pub(super) fn failure(&self, kind: ErrorKind, words: impl Into<String>) -> Failure {
        Failure {
            retry_after: self.retry_after,
            ..Failure::new(kind, Some(self.status.as_u16()), words)
        }
    }
}

/// A reply whose body is still coming.
pub(super) struct Incoming {
    /// Its head; the body is empty.
    pub(super) head: Reply,
    response: reqwest::Response,
}

impl Incoming {
    /// Sends a request and waits for the reply's head, where a limit is given no longer than that.
    pub(super) async fn open(
        request: RequestBuilder,
        limit: Option<Duration>,
    ) -> Result<Self, Failure> {
        let sent = within(limit, request.send()).await;
        let response = sent
            .ok_or_else(|| late(None))?
            .map_err(|error| transport(&error, None))?;
        let head = Reply {
            status: response.status(),
            retry_after: retry_after(response.headers(), Utc::now()),
            location: text(response.headers(), header::LOCATION).map(str::to_owned),
            body: Vec::new(),
        };
        Ok(Self { head, response })
    }

    /// True for an answer in a stream of events; an error is told as JSON instead.
    pub(super) fn is_stream(&self) -> bool {
        let content_type = text(self.response.headers(), header::CONTENT_TYPE);
        self.head.status.is_success()
            && content_type.is_some_and(|value| {
                let value = value.trim_start().to_ascii_lowercase();
                value.starts_with("text/event-stream")
            })
    }

    /// The next bytes; None at the end. Where a limit is given, they come within it or not at all.
    pub(super) async fn chunk(
        &mut self,
        limit: Option<Duration>,
    ) -> Result<Option<impl AsRef<[u8]> + use<>>, Failure> {
        let status = Some(self.head.status.as_u16());
        let chunk = within(limit, self.response.chunk()).await;
        let chunk = chunk.ok_or_else(|| late(status))?;
        chunk.map_err(|error| transport(&error, status))
    }

    /// Reads the reply to its end.
    pub(super) async fn whole(mut self) -> Result<Reply, Failure> {
        let mut body = Vec::new();
        while let Some(chunk) = self.chunk(None).await? {
            if body.len() + chunk.as_ref().len() > MAX_BODY {
                let words = "the reply is longer than 8 MB";
                return Err(self.head.failure(ErrorKind::Garbled, words));
            }
            body.extend_from_slice(chunk.as_ref());
        }
        Ok(Reply { body, ..self.head })
    }
}

/// Sends a request and reads its reply to the end.
pub(super) async fn send(request: RequestBuilder) -> Result<Reply, Failure> {
    Incoming::open(request, None).await?.whole().await
}

/// None: it took longer than the limit.
async fn within<T>(limit: Option<Duration>, work: impl Future<Output = T>) -> Option<T> {
    match limit {
        Some(limit) => time::timeout(limit, work).await.ok(),
        None => Some(work.await),
    }
}

/// The answer has not begun in time.
fn late(status: Option<u16>) -> Failure {
    let words = "no answer had begun in time";
    Failure::new(ErrorKind::Late, status, words)
}

/// A failure below HTTP: no connection, none in time, one that broke.
fn transport(error: &reqwest::Error, status: Option<u16>) -> Failure {
    let cause = root_cause(error);
    let (kind, words) = if error.is_connect() && error.is_timeout() {
        (
            ErrorKind::Connect,
            "cannot connect: no connection in time".to_owned(),
        )
    } else if error.is_connect() {
        (ErrorKind::Connect, format!("cannot connect: {cause}"))
    } else if error.is_timeout() {
        (ErrorKind::Timeout, "no whole answer in time".to_owned())
    } else if error.is_builder() {
        (
            ErrorKind::BadRequest,
            format!("cannot make the request: {cause}"),
        )
    } else {
        (ErrorKind::Cut, format!("the connection broke: {cause}"))
    };
    Failure::new(kind, status, words)
}

/// The innermost error: the outer ones repeat the URL and say nothing else.
pub(super) fn root_cause(error: &dyn Error) -> String {
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}

fn text(headers: &HeaderMap, name: header::HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok()
}

/// `Retry-After` in both its forms; a date counts from the server's own `Date`, so that no clock but its own matters.
fn retry_after(headers: &HeaderMap, now: DateTime<Utc>) -> Option<Duration> {
    let value = text(headers, header::RETRY_AFTER)?.trim();
    if let Ok(seconds) = value.parse::<f64>() {
        return Duration::try_from_secs_f64(seconds.ceil()).ok();
    }
    let until = DateTime::parse_from_rfc2822(value).ok()?;
    let from = text(headers, header::DATE)
        .and_then(|date| DateTime::parse_from_rfc2822(date).ok())
        .map_or(now, |date| date.to_utc());
    Some((until.to_utc() - from).to_std().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    fn headers(pairs: &[(header::HeaderName, &str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (name.clone(), value.parse().unwrap()))
            .collect()
    }

    #[test]
    fn retry_after_is_read_in_both_forms() {
        let now = "2026-11-23T08:00:00Z".parse().unwrap();
        let wait = |value: &str| retry_after(&headers(&[(header::RETRY_AFTER, value)]), now);
        assert_eq!(wait("120"), Some(Duration::from_secs(120)));
        assert_eq!(wait("0.2"), Some(Duration::from_secs(1)));
        assert_eq!(
            wait("Mon, 23 Nov 2026 08:05:00 GMT"),
            Some(Duration::from_secs(300))
        );
        assert_eq!(
            wait("Mon, 23 Nov 2026 07:00:00 GMT"),
            Some(Duration::ZERO),
            "a date in the past"
        );
        assert_eq!(wait("-1"), None);
        assert_eq!(wait("soon"), None);
        assert_eq!(wait("NaN"), None);
    }

    #[test]
    fn a_retry_after_date_counts_from_the_servers_clock() {
        let now = "2026-11-23T08:00:00Z".parse().unwrap();
        let headers = headers(&[
            (header::RETRY_AFTER, "Mon, 23 Nov 2026 09:01:00 GMT"),
            (header::DATE, "Mon, 23 Nov 2026 09:00:00 GMT"),
        ]);
        assert_eq!(retry_after(&headers, now), Some(Duration::from_secs(60)));
    }

    #[test]
    fn paths_are_joined_whatever_the_base_looks_like() {
        let path = ["chat", "completions"];
        for (base, joined) in [
            ("http://h/v1", "http://h/v1/chat/completions"),
            ("http://h/v1/", "http://h/v1/chat/completions"),
            ("http://h", "http://h/chat/completions"),
            ("http://h/v1?a=b", "http://h/v1/chat/completions?a=b"),
        ] {
            assert_eq!(join(&url(base), &path).as_str(), joined);
        }
    }
}
