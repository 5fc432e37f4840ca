//! Why a push was not accepted, and what that means for the next attempt.

use std::{error::Error, fmt, time::Duration};

use chrono::{NaiveTime, TimeDelta};

use super::{advice, redact::redact};
use crate::{
    config::{Ntfy, Service, Target},
    model::Timestamp,
};

/// ntfy gives a visitor one request more every five seconds.
const RATE_LIMIT_WAIT: Duration = Duration::from_secs(5);

/// ntfy forgives one failed login a minute; five make room for the other targets on this address.
const AUTH_FAILURES_WAIT: Duration = Duration::from_secs(5 * 60);

/// Limits of topics, bandwidth and the like move slowly.
const OTHER_LIMIT_WAIT: Duration = Duration::from_secs(60 * 60);

/// A sign-in page of a network goes away when its user signs in.
const CAPTIVE_WAIT: Duration = Duration::from_secs(60);

/// The longest `Retry-After` that is believed.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(24 * 60 * 60);

/// The most characters of a server's own words that are shown.
const MAX_DETAIL_CHARS: usize = 300;

/// What kept a push from being accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// 400 and the 4xx without a kind of their own: the message as it is is refused.
    BadRequest,
    /// 401: the credentials are wrong.
    Unauthorized,
    /// 403: the topic may not be written to.
    Forbidden,
    /// 404: nothing is at this address.
    NotFound,
    /// 413: too many bytes.
    TooLarge,
    /// 429, 42901, or without a code of ntfy's: too many requests.
    RateLimited,
    /// 429, 42908: today's messages are used up.
    DailyQuota,
    /// 429, 42909: too many wrong credentials from this address.
    AuthFailures,
    /// Any other 429: topics, bandwidth, mail, calls.
    OtherLimit,
    /// 507, 50701: a `UnifiedPush` topic that nobody has subscribed to.
    NoSubscriber,
    /// 5xx.
    ServerError,
    /// No connection: certainly not delivered.
    Unreachable,
    /// The request was sent and no answer came: it may have been delivered.
    Ambiguous,
    /// 301 or 308: the server lives elsewhere.
    Moved,
    /// Any other 3xx, such as a network's sign-in page.
    Redirect,
    /// A reply that is not ntfy's.
    NotNtfy,
    /// A webhook's reply that does not hold what its config expects.
    Unexpected,
    /// Accepted, but the text became an attached file.
    BecameFile,
    /// Accepted into another topic than the one asked for.
    WrongTopic,
    /// The request could not be made at all, such as a token with a line break.
    Unsendable,
}

impl Kind {
    pub(super) fn is_redirect(self) -> bool {
        matches!(self, Self::Moved | Self::Redirect)
    }
}

/// What the outbox does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disposition {
    /// It was refused for now: try again, never before this instant.
    Retry {
        /// The earliest instant; the caller's own backoff may be later.
        not_before: Timestamp,
    },
    /// It may have been delivered: look for its `sequence_id` where that can be read, else try
    /// again.
    Ambiguous,
    /// Trying again would end the same, or show it twice.
    GiveUp,
}

/// Why a push was not accepted. Its text names the target and the next step, and holds no secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PushError {
    kind: Kind,
    who: Box<str>,
    /// It is a webhook, whose service has words of its own.
    is_webhook: bool,
    redacted: Box<str>,
    anonymous: bool,
    status: Option<u16>,
    code: Option<u32>,
    link: Option<Box<str>>,
    retry_after: Option<Duration>,
}

impl PushError {
    /// An error of one target, in its server's words or ours.
    pub(super) fn new(target: &Target, kind: Kind, detail: &str) -> Self {
        Self {
            kind,
            who: who(target).into(),
            is_webhook: target.webhook().is_some(),
            redacted: one_line(&redact(target, detail)).into(),
            anonymous: target.ntfy().is_some_and(|ntfy| ntfy.auth.is_none()),
            status: None,
            code: None,
            link: None,
            retry_after: None,
        }
    }

    pub(super) fn status(self, status: u16) -> Self {
        Self {
            status: Some(status),
            ..self
        }
    }

    pub(super) fn code(self, code: u32) -> Self {
        Self {
            code: Some(code),
            ..self
        }
    }

    /// Keeps ntfy's link to its documentation; anything that is no link is dropped.
    pub(super) fn link(self, link: Option<String>) -> Self {
        let link = link.filter(|link| link.starts_with("https://ntfy.sh/"));
        Self {
            link: link.map(|link| one_line(&link).into()),
            ..self
        }
    }

    pub(super) fn retry_after(self, wait: Option<Duration>) -> Self {
        Self {
            retry_after: wait.map(|wait| wait.min(MAX_RETRY_AFTER)),
            ..self
        }
    }

    /// The same for a request without effect: what is in doubt did not happen.
    pub(super) fn certain(self) -> Self {
        match self.kind {
            Kind::Ambiguous => Self {
                kind: Kind::Unreachable,
                ..self
            },
            _ => self,
        }
    }

    fn advice(&self) -> &'static str {
        match self.is_webhook {
            true => advice::of_webhook(self.kind),
            false => advice::of_ntfy(self.kind, self.code, self.anonymous),
        }
    }

    /// What kept it from being accepted.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// ntfy's own code of the error, such as 42908.
    #[must_use]
    pub fn ntfy_code(&self) -> Option<u32> {
        self.code
    }

    /// The HTTP status, where a reply came.
    #[must_use]
    pub fn http_status(&self) -> Option<u16> {
        self.status
    }

    /// Whether every push to this target would meet the same limit now.
    #[must_use]
    pub fn holds_target(&self) -> bool {
        matches!(
            self.kind,
            Kind::RateLimited | Kind::DailyQuota | Kind::AuthFailures | Kind::OtherLimit
        )
    }

    /// Whether the server answers and refuses this message as an accident of its own: 500 and the like, but
    /// for those of a gateway whose server is away.
    #[must_use]
    pub fn is_about_the_message(&self) -> bool {
        self.kind == Kind::ServerError && !matches!(self.status, Some(502..=504))
    }

    /// Whether no message at all would be taken: the target itself is wrong, not what is sent.
    #[must_use]
    pub fn is_about_the_target(&self) -> bool {
        !matches!(
            self.kind,
            Kind::BadRequest | Kind::TooLarge | Kind::BecameFile | Kind::ServerError
        )
    }

    /// Whether it may be the file beside a message that is not taken, so that the text alone may pass.
    ///
    /// Servers without attachments (40014), their limits of size (413) and of traffic (42905), and
    /// proxies that do not let that many headers through (431, or a 400 that is not ntfy's).
    #[must_use]
    pub fn refuses_file(&self) -> bool {
        matches!(
            (self.status, self.code),
            (_, Some(40014 | 42905)) | (Some(413 | 431), _) | (Some(400), None)
        )
    }

    /// What the outbox does next. No 4xx is tried again but 429.
    #[must_use]
    pub fn disposition(&self, now: Timestamp) -> Disposition {
        let wait = match self.kind {
            Kind::Ambiguous => return Disposition::Ambiguous,
            // A gateway that lost its server cannot say how far the request came.
            Kind::ServerError if matches!(self.status, Some(502 | 504)) => {
                return Disposition::Ambiguous;
            }
            Kind::BadRequest
            | Kind::Unauthorized
            | Kind::Forbidden
            | Kind::NotFound
            | Kind::TooLarge
            | Kind::NoSubscriber
            | Kind::Moved
            | Kind::BecameFile
            | Kind::WrongTopic
            | Kind::Unsendable => return Disposition::GiveUp,
            Kind::Unreachable | Kind::ServerError => Duration::ZERO,
            Kind::RateLimited => RATE_LIMIT_WAIT,
            Kind::AuthFailures => AUTH_FAILURES_WAIT,
            Kind::OtherLimit => OTHER_LIMIT_WAIT,
            Kind::Redirect | Kind::NotNtfy | Kind::Unexpected => CAPTIVE_WAIT,
            Kind::DailyQuota => until_quota(now),
        };
        Disposition::Retry {
            not_before: now + wait.max(self.retry_after.unwrap_or_default()),
        }
    }
}

impl fmt::Display for PushError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.who)?;
        match (self.status, self.code) {
            (Some(status), Some(code)) => write!(f, "HTTP {status}, code {code}: ")?,
            (Some(status), None) => write!(f, "HTTP {status}: ")?,
            (None, _) => {}
        }
        write!(f, "{} — {}", self.redacted, self.advice())?;
        match &self.link {
            Some(link) => write!(f, "; see {link}"),
            None => Ok(()),
        }
    }
}

impl Error for PushError {}

/// `ntfy.phone (https://ntfy.sh, topic hotine)`; an inline target has no name to show, and of a
/// webhook's address the host alone is.
pub(super) fn who(target: &Target) -> String {
    match &target.service {
        Service::Webhook(webhook) => format!("{} ({})", target.label(), webhook.url.origin()),
        Service::Ntfy(Ntfy { server, topic, .. }) => {
            let origin = server.origin().ascii_serialization();
            let server = format!("{origin}{}", server.path().trim_end_matches('/'));
            match target.name.contains('/') {
                true => format!("ntfy ({server}, topic {topic})"),
                false => format!("{} ({server}, topic {topic})", target.label()),
            }
        }
    }
}

fn one_line(text: &str) -> String {
    let visible = text.split(|c: char| c.is_whitespace() || c.is_control());
    let words: Vec<&str> = visible.filter(|word| !word.is_empty()).collect();
    let line = words.join(" ");
    match line.char_indices().nth(MAX_DETAIL_CHARS) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

/// The server's clock may be behind ours by this much: who comes too early waits for another day.
const CLOCKS_DIFFER: TimeDelta = TimeDelta::minutes(1);

/// Refused so soon after a new day has begun, a quota is yesterday's still.
const STILL_YESTERDAY: TimeDelta = TimeDelta::minutes(10);

/// ntfy's quotas begin anew at 00:00 UTC.
fn until_quota(now: Timestamp) -> Duration {
    let today = now.date_naive().and_time(NaiveTime::MIN).and_utc();
    let begins = match now - today < STILL_YESTERDAY {
        true => today + STILL_YESTERDAY,
        false => today + chrono::Days::new(1),
    };
    (begins + CLOCKS_DIFFER - now).to_std().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quota_is_waited_for_until_the_servers_day_has_begun_too() {
        for (refused, granted) in [
            ("2026-11-26T08:00:00Z", "2026-11-27T00:01:00Z"),
            ("2026-11-26T23:59:59.9Z", "2026-11-27T00:01:00Z"),
            // By our clock it is the next day already, by the server's not yet.
            ("2026-11-27T00:00:00.1Z", "2026-11-27T00:11:00Z"),
            ("2026-11-27T00:10:00Z", "2026-11-28T00:01:00Z"),
        ] {
            let at: Timestamp = refused.parse().unwrap();
            assert_eq!(at + until_quota(at), granted.parse::<Timestamp>().unwrap());
        }
    }
}
