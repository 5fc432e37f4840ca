//! From an HTTP status, a service's code and its words to the kind of failure: what both wire forms share.

use serde_json::Value;

use super::{error::Failure, http::Reply, kind::ErrorKind};

/// What a service said about an error, wherever in the body it said it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Said {
    pub(super) code: Option<String>,
    pub(super) words: String,
}

impl Said {
    /// Reads `{"error":{message,type,code}}`, `{"error":"…"}`, and the flat forms with `message`, `detail` or `msg`.
    /// None where the body speaks of no error at all.
    pub(super) fn read(body: &Value) -> Option<Self> {
        let error = body.get("error").filter(|error| !error.is_null());
        if let Some(Value::String(words)) = error {
            return Some(Self {
                code: None,
                words: words.clone(),
            });
        }
        let object = error.unwrap_or(body);
        let words = ["message", "detail", "msg"]
            .iter()
            .find_map(|key| object.get(key))
            .filter(|words| !words.is_null());
        if error.is_none() && words.is_none() {
            return None;
        }
        Some(Self {
            code: ["code", "type"]
                .iter()
                .find_map(|key| scalar(object.get(key)?)),
            words: words.map_or_else(|| object.to_string(), text),
        })
    }

    fn says(&self, needles: &[&str]) -> bool {
        let words = self.words.to_lowercase();
        needles.iter().any(|needle| words.contains(needle))
    }

    fn has_code(&self, codes: &[&str]) -> bool {
        self.code
            .as_deref()
            .is_some_and(|code| codes.contains(&code))
    }
}

fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// A reply that speaks of an error, judged by its code and words first: a wrong key may be a 400, an empty account
/// a 429, anything at all a 200.
pub(super) fn spoken(reply: &Reply, said: Said) -> Failure {
    let status = effective_status(reply, &said);
    let kind = by_words(&said).unwrap_or_else(|| by_status(status));
    Failure {
        code: said.code,
        ..reply.failure(kind, said.words)
    }
}

/// The status that is meant: proxies answer 200 and put the real one into the error's code.
fn effective_status(reply: &Reply, said: &Said) -> u16 {
    let status = reply.status.as_u16();
    let meant = match said.code.as_deref() {
        Some("invalid_request_error" | "context_length_exceeded") => Some(400),
        Some(code) => code.parse().ok(),
        None => None,
    };
    match meant {
        Some(meant @ 400..=599) if status < 400 => meant,
        _ => status,
    }
}

fn by_words(said: &Said) -> Option<ErrorKind> {
    let quota = [
        "insufficient_quota",
        "insufficient_balance",
        // Moonshot's, for an account without money; others say "exceeded your current quota" of mere rates.
        "exceeded_current_quota_error",
        "billing_not_active",
    ];
    let key = [
        "invalid_api_key",
        "authentication_error",
        "invalid_authentication_error",
    ];
    let filter = [
        "content_filter",
        "content_policy_violation",
        "data_inspection_failed",
    ];
    let limit = [
        "rate_limit_exceeded",
        "rate_limit_error",
        "rate_limit_reached_error",
    ];
    let busy = [
        "server_error",
        "overloaded_error",
        "engine_overloaded_error",
        "api_error",
    ];
    if said.has_code(&quota) || said.says(&["余额不足", "欠费", "insufficient balance"]) {
        Some(ErrorKind::OutOfCredit)
    } else if said.has_code(&key)
        || said.says(&["api key not valid", "incorrect api key", "invalid api key"])
    {
        Some(ErrorKind::TokenRefused)
    } else if said.has_code(&filter) {
        Some(ErrorKind::Filtered)
    } else if said.has_code(&limit) {
        Some(ErrorKind::Limited)
    } else if said.has_code(&busy) {
        Some(ErrorKind::Unavailable)
    } else if said.has_code(&["model_not_found"]) {
        Some(ErrorKind::NotFound)
    } else {
        None
    }
}

/// The policy's rows by HTTP status; a success that tells of an error is the service's fault.
fn by_status(status: u16) -> ErrorKind {
    match status {
        401 | 403 => ErrorKind::TokenRefused,
        402 => ErrorKind::OutOfCredit,
        404 | 405 | 410 => ErrorKind::NotFound,
        407 => ErrorKind::Blocked,
        429 => ErrorKind::Limited,
        408 | 409 | 425 => ErrorKind::Unavailable,
        300..=399 => ErrorKind::NotTheApi,
        400..=499 => ErrorKind::BadRequest,
        _ => ErrorKind::Unavailable,
    }
}

/// A reply that is neither an answer nor a spoken error: a page, a redirect, plain text, nothing.
pub(super) fn unspoken(reply: &Reply) -> Failure {
    let status = reply.status.as_u16();
    let body = String::from_utf8_lossy(&reply.body);
    let body = body.trim_start_matches('\u{feff}').trim();
    if let Some(location) = reply
        .location
        .as_deref()
        .filter(|_| reply.status.is_redirection())
    {
        return reply.failure(ErrorKind::NotTheApi, format!("a redirect to {location}"));
    }
    if is_html(body) {
        let kind = match status {
            200..=299 => ErrorKind::NotTheApi,
            401 | 403 => ErrorKind::Blocked,
            _ => by_status(status),
        };
        return reply.failure(kind, page(body));
    }
    let kind = if reply.status.is_success() {
        ErrorKind::Garbled
    } else {
        by_status(status)
    };
    let words = if body.is_empty() {
        "an empty reply"
    } else {
        body
    };
    reply.failure(kind, words)
}

fn is_html(body: &str) -> bool {
    let start: String = body.chars().take(256).collect::<String>().to_lowercase();
    start.starts_with("<!doctype html") || start.starts_with("<html") || start.starts_with("<head")
}

/// A page by its title; the rest of it is markup.
fn page(body: &str) -> String {
    let lower = body.to_ascii_lowercase();
    let title = lower
        .find("<title")
        .and_then(|at| Some(at + lower[at..].find('>')? + 1))
        .and_then(|from| Some(&body[from..from + lower[from..].find("</title")?]))
        .map(str::trim)
        .filter(|title| !title.is_empty());
    match title {
        Some(title) => format!("a web page, \"{title}\""),
        None => "a web page".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use reqwest::StatusCode;
    use serde_json::json;

    use super::*;

    fn reply(status: u16, body: &str) -> Reply {
        Reply {
            status: StatusCode::from_u16(status).unwrap(),
            retry_after: None,
            location: None,
            body: body.as_bytes().to_vec(),
        }
    }

    fn kind(status: u16, body: Value) -> ErrorKind {
        spoken(&reply(status, ""), Said::read(&body).unwrap()).kind
    }

    #[test]
    fn errors_are_found_in_every_shape_services_use() {
        for (body, code, words) in [
            (
                json!({"error": {"message": "no", "type": "t", "code": null}}),
                Some("t"),
                "no",
            ),
            (
                json!({"error": {"message": "no", "type": "t", "code": "c"}}),
                Some("c"),
                "no",
            ),
            (json!({"error": "no"}), None, "no"),
            (json!({"detail": "no"}), None, "no"),
            (
                json!({"code": 20012, "message": "no", "data": null}),
                Some("20012"),
                "no",
            ),
            (json!({"error": {"status": 3}}), None, r#"{"status":3}"#),
        ] {
            let said = Said::read(&body).unwrap();
            assert_eq!(
                (said.code.as_deref(), said.words.as_str()),
                (code, words),
                "{body}"
            );
        }
        assert_eq!(Said::read(&json!({"choices": [], "error": null})), None);
    }

    #[test]
    fn a_status_without_a_telling_code_decides() {
        for (status, expected) in [
            (400, ErrorKind::BadRequest),
            (401, ErrorKind::TokenRefused),
            (402, ErrorKind::OutOfCredit),
            (403, ErrorKind::TokenRefused),
            (404, ErrorKind::NotFound),
            (408, ErrorKind::Unavailable),
            (422, ErrorKind::BadRequest),
            (429, ErrorKind::Limited),
            (500, ErrorKind::Unavailable),
            (503, ErrorKind::Unavailable),
            (529, ErrorKind::Unavailable),
            (200, ErrorKind::Unavailable),
        ] {
            assert_eq!(
                kind(status, json!({"error": {"message": "m"}})),
                expected,
                "{status}"
            );
        }
    }

    #[test]
    fn a_telling_code_or_word_stands_before_the_status() {
        for (status, error, expected) in [
            (
                429,
                json!({"code": "insufficient_quota"}),
                ErrorKind::OutOfCredit,
            ),
            (
                403,
                json!({"message": "账户余额不足，请充值"}),
                ErrorKind::OutOfCredit,
            ),
            (
                400,
                json!({"message": "您的账户已欠费"}),
                ErrorKind::OutOfCredit,
            ),
            (
                400,
                json!({"message": "API key not valid. Please pass a valid API key."}),
                ErrorKind::TokenRefused,
            ),
            (
                400,
                json!({"code": "content_filter", "message": "m"}),
                ErrorKind::Filtered,
            ),
            (
                400,
                json!({"code": "context_length_exceeded", "message": "m"}),
                ErrorKind::BadRequest,
            ),
            (
                200,
                json!({"code": 429, "message": "m"}),
                ErrorKind::Limited,
            ),
            (
                200,
                json!({"code": 502, "message": "m"}),
                ErrorKind::Unavailable,
            ),
            (
                200,
                json!({"type": "invalid_request_error", "message": "m"}),
                ErrorKind::BadRequest,
            ),
            (
                200,
                json!({"type": "rate_limit_exceeded", "message": "m"}),
                ErrorKind::Limited,
            ),
        ] {
            assert_eq!(
                kind(status, json!({ "error": error })),
                expected,
                "{status} {error}"
            );
        }
    }

    #[test]
    fn a_page_is_told_by_its_title_and_blames_no_token() {
        let html = "<!DOCTYPE html>\n<html><head><TITLE> 502 Bad Gateway </TITLE></head>";
        for (status, expected) in [
            (200, ErrorKind::NotTheApi),
            (403, ErrorKind::Blocked),
            (404, ErrorKind::NotFound),
            (502, ErrorKind::Unavailable),
        ] {
            let failure = unspoken(&reply(status, html));
            assert_eq!(failure.kind, expected, "{status}");
            assert_eq!(failure.words, "a web page, \"502 Bad Gateway\"");
        }
    }

    #[test]
    fn a_redirect_is_not_followed_but_named() {
        let mut reply = reply(301, "");
        reply.location = Some("https://ai.example/v1".to_owned());
        let failure = unspoken(&reply);
        assert_eq!(failure.kind, ErrorKind::NotTheApi);
        assert_eq!(failure.words, "a redirect to https://ai.example/v1");
    }

    #[test]
    fn what_is_no_protocol_at_all_is_quoted() {
        assert_eq!(unspoken(&reply(200, "pong")).kind, ErrorKind::Garbled);
        assert_eq!(unspoken(&reply(200, " ")).words, "an empty reply");
        assert_eq!(
            unspoken(&reply(500, "Internal Server Error")).kind,
            ErrorKind::Unavailable
        );
    }
}
