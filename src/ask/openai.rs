//! The chat completions that hundreds of services speak: real HTTP codes, `{"error":{…}}`.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{
    Question, Usage,
    classify::{self, Said},
    error::Failure,
    http::Reply,
    kind::ErrorKind,
};

/// What a completion says, in either wire form.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Parsed {
    pub(super) text: String,
    pub(super) conversation_id: Option<String>,
    pub(super) truncated: bool,
    pub(super) model: Option<String>,
    pub(super) usage: Option<Usage>,
}

/// The request without the endpoint's params.
pub(super) fn request(question: &Question, model: &str) -> Map<String, Value> {
    let mut body = Map::new();
    body.insert("model".to_owned(), model.into());
    body.insert("messages".to_owned(), messages(question));
    body.insert("stream".to_owned(), false.into());
    body
}

/// The system message, where there is one, and the user's.
pub(super) fn messages(question: &Question) -> Value {
    let message = |role: &str, content: &str| json!({ "role": role, "content": content });
    question
        .system
        .iter()
        .map(|system| message("system", system))
        .chain([message("user", &question.prompt)])
        .collect()
}

/// The answer in `reply`, or what it says instead of one.
pub(super) fn read(reply: &Reply) -> Result<Parsed, Failure> {
    let Some(body) = json(&reply.body) else {
        return Err(classify::unspoken(reply));
    };
    let has_error = body.get("error").is_some_and(|error| !error.is_null());
    if reply.status.is_success() && !has_error && body.get("choices").is_some() {
        return completion(reply, &body);
    }
    Err(match Said::read(&body) {
        Some(said) => classify::spoken(reply, said),
        None => classify::unspoken(reply),
    })
}

fn completion(reply: &Reply, body: &Value) -> Result<Parsed, Failure> {
    let choice = &body["choices"][0];
    if let Some(refusal) = choice["message"]["refusal"]
        .as_str()
        .filter(|s| !s.is_empty())
    {
        return Err(reply.failure(ErrorKind::Filtered, refusal));
    }
    let parsed = parsed(body);
    match choice["finish_reason"].as_str() {
        Some("content_filter") => {
            let words = "the answer was stopped by a content filter";
            Err(reply.failure(ErrorKind::Filtered, words))
        }
        Some("error") => Err(reply.failure(ErrorKind::Unavailable, "the answer broke off")),
        _ if is_empty(&parsed.text) => Err(reply.failure(ErrorKind::Empty, empty_words(&parsed))),
        _ => Ok(parsed),
    }
}

fn empty_words(parsed: &Parsed) -> &'static str {
    if parsed.truncated {
        "an empty answer: the length limit was reached before its first word"
    } else {
        "an empty answer"
    }
}

/// True for a text that says nothing: white space, or thinking that led to no answer.
pub(super) fn is_empty(text: &str) -> bool {
    let text = text.trim();
    text.is_empty() || text.ends_with("</think>")
}

/// Reads a completion's fields; what is missing stays empty.
pub(super) fn parsed(body: &Value) -> Parsed {
    let choice = &body["choices"][0];
    Parsed {
        text: content(&choice["message"]["content"]),
        conversation_id: None,
        truncated: choice["finish_reason"] == "length",
        model: body["model"].as_str().map(str::to_owned),
        usage: Usage::deserialize(&body["usage"]).ok(),
    }
}

/// A content: text, or a list of parts of which the text ones count.
fn content(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(parts) => parts
            .iter()
            .filter_map(|part| part["text"].as_str())
            .collect(),
        _ => String::new(),
    }
}

/// The body as a JSON object; a byte order mark before it is forgiven.
pub(super) fn json(body: &[u8]) -> Option<Value> {
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    serde_json::from_slice(body).ok().filter(Value::is_object)
}

/// The ids of a `models` reply; None where it is none.
pub(super) fn models(body: &Value) -> Option<Vec<String>> {
    let models = body.get("data")?.as_array()?;
    let ids = models.iter().filter_map(|model| model["id"].as_str());
    Some(ids.map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use reqwest::StatusCode;

    use super::*;

    fn read_body(body: &Value) -> Result<Parsed, Failure> {
        read(&Reply {
            status: StatusCode::OK,
            retry_after: None,
            location: None,
            body: body.to_string().into_bytes(),
        })
    }

    fn choice(message: Value, finish_reason: Value) -> Value {
        json!({ "choices": [{ "index": 0, "message": message, "finish_reason": finish_reason }] })
    }

    #[test]
    fn an_answer_at_the_length_limit_is_marked_as_cut() {
        let body = choice(json!({"content": "半个"}), json!("length"));
        let parsed = read_body(&body).unwrap();
        assert!(parsed.truncated);
        assert_eq!(parsed.text, "半个");
    }

    #[test]
    fn content_in_parts_is_joined() {
        let parts = json!([{"type": "thinking"}, {"type": "text", "text": "金"}, {"type": "text", "text": "价"}]);
        let body = choice(json!({ "content": parts }), json!("stop"));
        assert_eq!(read_body(&body).unwrap().text, "金价");
    }

    #[test]
    fn what_is_no_answer_is_a_failure_of_its_kind() {
        for (message, finish_reason, expected) in [
            (json!({"content": null}), json!("stop"), ErrorKind::Empty),
            (json!({"content": " \n"}), json!("stop"), ErrorKind::Empty),
            (json!({"content": ""}), json!("length"), ErrorKind::Empty),
            (
                json!({"content": "<think>hm</think>\n"}),
                json!("stop"),
                ErrorKind::Empty,
            ),
            (
                json!({"content": "half"}),
                json!("content_filter"),
                ErrorKind::Filtered,
            ),
            (
                json!({"content": null, "refusal": "I can't"}),
                json!("stop"),
                ErrorKind::Filtered,
            ),
            (
                json!({"content": "half"}),
                json!("error"),
                ErrorKind::Unavailable,
            ),
        ] {
            let failure = read_body(&choice(message.clone(), finish_reason)).unwrap_err();
            assert_eq!(failure.kind, expected, "{message}");
        }
        assert_eq!(
            read_body(&json!({"choices": []})).unwrap_err().kind,
            ErrorKind::Empty
        );
        assert_eq!(
            read_body(&json!({"ok": true})).unwrap_err().kind,
            ErrorKind::Garbled
        );
    }

    #[test]
    fn a_byte_order_mark_is_forgiven() {
        assert!(json(b"\xef\xbb\xbf{}").is_some());
        assert!(json(b"[]").is_none());
    }
}
