//! The chat completions that hundreds of services speak: real HTTP codes, `{"error":{…}}`.

use serde_json::{Map, Value, json};

use super::{
    Question,
    classify::{self, Said},
    completion::{Completion, End},
    error::Failure,
    http::Reply,
    kind::ErrorKind,
};

/// The request without what both wire forms share.
pub(super) fn request(question: &Question, model: &str) -> Map<String, Value> {
    let mut body = Map::new();
    body.insert("model".to_owned(), model.into());
    body.insert("messages".to_owned(), messages(question));
    body
}

/// The system message, where there is one, what was said before, and the user's message.
pub(super) fn messages(question: &Question) -> Value {
    let message = |role: &str, content: &str| json!({ "role": role, "content": content });
    let system = question.system.iter().map(|text| message("system", text));
    let before = question.history.iter().flat_map(|turn| {
        [
            message("user", &turn.prompt),
            message("assistant", &turn.answer),
        ]
    });
    system
        .chain(before)
        .chain([message("user", &question.prompt)])
        .collect()
}

/// The answer in `reply`, or what it says instead of one.
pub(super) fn read(reply: &Reply) -> Result<Completion, Failure> {
    let Some(body) = json(&reply.body) else {
        return Err(classify::unspoken(reply));
    };
    let has_error = body.get("error").is_some_and(|error| !error.is_null());
    if reply.status.is_success() && !has_error && body.get("choices").is_some() {
        return judge(reply, Completion::whole(&body));
    }
    Err(spoken_error(reply, &body))
}

/// An error object, of a reply or in a stream.
pub(super) fn spoken_error(reply: &Reply, body: &Value) -> Failure {
    match Said::read(body) {
        Some(said) => classify::spoken(reply, said),
        None => classify::unspoken(reply),
    }
}

/// What a stream came to: without a reason for its end, it is none.
pub(super) fn judge_stream(head: &Reply, completion: Completion) -> Result<Completion, Failure> {
    match completion.finish_reason {
        Some(_) => judge(head, completion),
        None => Err(unfinished(head)),
    }
}

/// A stream that ended, and not because the answer did.
pub(super) fn unfinished(head: &Reply) -> Failure {
    head.failure(ErrorKind::Cut, "the stream ended without a finish_reason")
}

fn judge(reply: &Reply, completion: Completion) -> Result<Completion, Failure> {
    if !completion.refusal.is_empty() {
        return Err(reply.failure(ErrorKind::Filtered, completion.refusal));
    }
    match completion.end() {
        Some(End::Filtered) => {
            let words = "the answer was stopped by a content filter";
            Err(reply.failure(ErrorKind::Filtered, words))
        }
        Some(End::Broken("error")) => {
            Err(reply.failure(ErrorKind::Unavailable, "the answer broke off"))
        }
        Some(End::Broken(reason)) => {
            let words = format!("the answer broke off: its finish_reason is {reason:?}");
            Err(reply.failure(ErrorKind::Cut, words))
        }
        _ if completion.is_empty() => {
            Err(reply.failure(ErrorKind::Empty, empty_words(&completion)))
        }
        None | Some(End::Whole | End::Length) => Ok(completion),
    }
}

fn empty_words(completion: &Completion) -> &'static str {
    if completion.is_truncated() {
        "an empty answer: the length limit was reached before its first word"
    } else {
        "an empty answer"
    }
}

/// The body as a JSON object; a byte order mark before it is forgiven, and so is a list of that object
/// alone, in which Gemini wraps its errors.
pub(super) fn json(body: &[u8]) -> Option<Value> {
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    let value = match serde_json::from_slice(body).ok()? {
        Value::Array(mut alone) if alone.len() == 1 => alone.remove(0),
        value => value,
    };
    Some(value).filter(Value::is_object)
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

    fn read_body(body: &Value) -> Result<Completion, Failure> {
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
        assert!(parsed.is_truncated());
        assert_eq!(parsed.text, "半个");
    }

    #[test]
    fn services_have_words_of_their_own_for_the_end_of_a_whole_answer() {
        for reason in ["stop", "STOP", "eos", "eos_token", "end_turn", "COMPLETE"] {
            let body = choice(json!({"content": "好"}), json!(reason));
            let parsed = read_body(&body).unwrap();
            assert!(!parsed.is_truncated(), "{reason}");
        }
        for reason in ["length", "max_tokens", "model_length"] {
            let body = choice(json!({"content": "半"}), json!(reason));
            assert!(read_body(&body).unwrap().is_truncated(), "{reason}");
        }
    }

    #[test]
    fn an_error_in_a_list_of_its_own_is_read() {
        let failure = read_body(&json!([
            {"error": {"code": 400, "message": "API key not valid. Please pass a valid API key."}}
        ]));
        assert_eq!(failure.unwrap_err().kind, ErrorKind::TokenRefused);
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
            (
                json!({"content": "half"}),
                json!("sensitive"),
                ErrorKind::Filtered,
            ),
            (
                json!({"content": "half"}),
                json!("insufficient_system_resource"),
                ErrorKind::Cut,
            ),
            (json!({"content": "half"}), json!("abort"), ErrorKind::Cut),
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
