//! What a server's reply means. Pure.

use std::time::Duration;

use chrono::DateTime;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{
    error::{Kind, PushError},
    message::Message,
    redact::redact,
};
use crate::{config::Target, model::Timestamp};

/// Proof that ntfy has a message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// The server's own id of it, 12 characters.
    pub id: String,
    /// When the server took it, in whole seconds.
    pub time: Timestamp,
    /// The `sequence_id` it was stored under; None where one was sent tells a server before 2.16.
    pub sequence_id: Option<String>,
}

/// A reply as it came, its body cut at the most that is read.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) body: Vec<u8>,
    pub(super) location: Option<String>,
    pub(super) retry_after: Option<String>,
    /// When it came, by the clock that an HTTP date is held against.
    pub(super) at: Timestamp,
}

/// The message as ntfy sends it back.
#[derive(Deserialize)]
struct Published {
    id: String,
    time: i64,
    event: String,
    topic: String,
    sequence_id: Option<String>,
    attachment: Option<Attachment>,
}

#[derive(Deserialize)]
struct Attachment {
    #[serde(default)]
    name: String,
}

/// The body of ntfy's errors.
#[derive(Deserialize)]
struct Refusal {
    code: u32,
    error: String,
    link: Option<String>,
}

/// Success only where ntfy says that it has this message, as text, in this topic; with a file only
/// where one is `meant`.
pub(super) fn judge_push(
    target: &Target,
    sent: &Message,
    meant: bool,
    reply: &Reply,
) -> Result<Receipt, PushError> {
    let got: Published = parse(target, reply)?;
    let fail = |kind, detail: &str| Err(PushError::new(target, kind, detail).status(200));
    if got.event != "message" || got.id.is_empty() {
        let detail = format!("it answered with the event {:?}", got.event);
        return fail(Kind::NotNtfy, &detail);
    }
    if got.topic != sent.topic {
        let detail = format!("the message went to the topic {:?}", got.topic);
        return fail(Kind::WrongTopic, &detail);
    }
    if let Some(attachment) = got.attachment.filter(|_| !meant) {
        let (bytes, name) = (sent.message.len(), attachment.name);
        let detail = format!("the text of {bytes} bytes arrived as a file, {name}");
        return fail(Kind::BecameFile, &detail);
    }
    let Some(time) = DateTime::from_timestamp(got.time, 0) else {
        return fail(Kind::NotNtfy, "it answered with a time out of range");
    };
    Ok(Receipt {
        id: got.id,
        time,
        sequence_id: got.sequence_id,
    })
}

/// Reads the JSON of a 200; everything else is the error it says.
pub(super) fn parse<T: DeserializeOwned>(target: &Target, reply: &Reply) -> Result<T, PushError> {
    if reply.status != 200 {
        return Err(refusal(target, reply));
    }
    serde_json::from_slice(&reply.body).map_err(|_| {
        let detail = format!("it answered with {}", describe(target, &reply.body));
        PushError::new(target, Kind::NotNtfy, &detail).status(200)
    })
}

/// What a reply says that is no success.
pub(super) fn refusal(target: &Target, reply: &Reply) -> PushError {
    let told: Option<Refusal> = serde_json::from_slice(&reply.body).ok();
    let kind = kind_of(reply.status, told.as_ref().map(|told| told.code));
    let error = match (&told, &reply.location) {
        (Some(told), _) => PushError::new(target, kind, &told.error).code(told.code),
        (None, Some(place)) if kind.is_redirect() => {
            PushError::new(target, kind, &format!("it redirects to {place}"))
        }
        (None, _) => PushError::new(target, kind, &describe(target, &reply.body)),
    };
    error
        .status(reply.status)
        .link(told.and_then(|told| told.link))
        .retry_after(
            reply
                .retry_after
                .as_deref()
                .and_then(|text| wait_of(text, reply.at)),
        )
}

fn kind_of(status: u16, code: Option<u32>) -> Kind {
    match (status, code) {
        (301 | 308, _) => Kind::Moved,
        (300..=399, _) => Kind::Redirect,
        (401, _) => Kind::Unauthorized,
        (403, _) => Kind::Forbidden,
        (404, _) => Kind::NotFound,
        (413, _) => Kind::TooLarge,
        (429, Some(42901) | None) => Kind::RateLimited,
        (429, Some(42908)) => Kind::DailyQuota,
        (429, Some(42909)) => Kind::AuthFailures,
        (429, _) => Kind::OtherLimit,
        (507, Some(50701)) => Kind::NoSubscriber,
        (408 | 425, _) => Kind::ServerError,
        (400..=499, _) => Kind::BadRequest,
        (500..=599, _) => Kind::ServerError,
        _ => Kind::NotNtfy,
    }
}

/// A proxy's `Retry-After`, in seconds or as an HTTP date; ntfy itself sends none.
fn wait_of(text: &str, at: Timestamp) -> Option<Duration> {
    if let Ok(seconds) = text.trim().parse() {
        return Some(Duration::from_secs(seconds));
    }
    let until = DateTime::parse_from_rfc2822(text.trim()).ok()?;
    (until.to_utc() - at).to_std().ok()
}

/// What a body is that is not ntfy's: its page's title, or how it begins.
///
/// Secrets go first: half of one, or one in quotes, would not be found any more.
pub(super) fn describe(target: &Target, body: &[u8]) -> String {
    let text = redact(target, &String::from_utf8_lossy(body));
    let text = text.trim();
    if text.is_empty() {
        return "an empty body".to_owned();
    }
    if !text.starts_with('<') {
        return text.chars().take(200).collect();
    }
    match title(text) {
        Some(title) => format!("an HTML page, {title:?}"),
        None => "an HTML page".to_owned(),
    }
}

fn title(html: &str) -> Option<&str> {
    let lower = html.to_ascii_lowercase();
    let open = lower.find("<title")?;
    let start = open + lower[open..].find('>')? + 1;
    let end = start + lower[start..].find("</title")?;
    Some(html[start..end].trim()).filter(|title| !title.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let at = "2026-11-23T07:28:00Z".parse().unwrap();
        let wait = |text| wait_of(text, at).map(|wait| wait.as_secs());
        assert_eq!(wait(" 120 "), Some(120));
        assert_eq!(wait("Mon, 23 Nov 2026 07:30:00 GMT"), Some(120));
        assert_eq!(wait("Mon, 23 Nov 2026 07:27:00 GMT"), None);
        assert_eq!(wait("soon"), None);
    }
}
