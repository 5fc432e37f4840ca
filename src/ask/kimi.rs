//! The wire form of kimi-free-api and its successors: HTTP 200 for everything, one token per request, and failures
//! that look like answers.

use serde_json::{Map, Value};
use url::Url;

use super::{
    Conversation, Question,
    classify::{self, Said},
    completion::Completion,
    error::Failure,
    http::Reply,
    kind::ErrorKind,
    openai, sources,
};

/// What the server appends when Kimi breaks an answer off, for censorship and overload alike.
const STOPPED: &str = "[内容由于不合规被停止生成，我们换个话题吧]";

/// An empty answer by which the account is limited or busy, or the conversation is not its own.
const HIDDEN: &str = "an empty answer, which hides a refusal of Kimi";

/// The request, in the order clients of this server have always sent it. `use_search` must be a real boolean, as
/// `stream` must, which follows: the server takes the text `"false"` for true.
pub(super) fn request(
    question: &Question,
    model: &str,
    use_search: Option<bool>,
) -> Map<String, Value> {
    let mut body = Map::new();
    body.insert("model".to_owned(), model.into());
    if let Some(id) = conversation_id(&question.conversation) {
        body.insert("conversation_id".to_owned(), id.into());
    }
    body.insert("messages".to_owned(), messages(question));
    if let Some(use_search) = use_search {
        body.insert("use_search".to_owned(), use_search.into());
    }
    body
}

/// A conversation that goes on knows all that was said: the server would run every message into one.
fn messages(question: &Question) -> Value {
    match question.conversation {
        Conversation::GoOn { .. } => openai::messages(&Question::new(question.prompt.as_str())),
        Conversation::None | Conversation::Begin => openai::messages(question),
    }
}

/// Without one the server deletes the conversation when it has answered.
fn conversation_id(conversation: &Conversation) -> Option<&str> {
    match conversation {
        Conversation::None => None,
        Conversation::Begin => Some("none"),
        Conversation::GoOn { id, .. } => Some(id),
    }
}

/// The answer in `reply`, or what it really says.
pub(super) fn read(reply: &Reply) -> Result<Completion, Failure> {
    let Some(body) = openai::json(&reply.body) else {
        return Err(classify::unspoken(reply));
    };
    if body.get("choices").is_some() && reply.status.is_success() {
        return completion(reply, Completion::whole(&body));
    }
    Err(spoken_error(reply, &body))
}

/// An error in the server's own shape, `{"code":<negative>,"message":…}`, or in that of whatever stands before it.
pub(super) fn spoken_error(reply: &Reply, body: &Value) -> Failure {
    match (body.get("code").and_then(Value::as_i64), Said::read(body)) {
        (Some(code @ ..0), Some(said)) => Failure {
            code: Some(code.to_string()),
            ..reply.failure(kind_of(code, &said.words), said.words)
        },
        (_, Some(said)) => classify::spoken(reply, said),
        (_, None) => classify::unspoken(reply),
    }
}

/// A completion that was sent whole: its search results stand at its end.
fn completion(reply: &Reply, mut whole: Completion) -> Result<Completion, Failure> {
    let (text, sources) = sources::split_trailer(&whole.text);
    (whole.text, whole.sources) = (text.to_owned(), sources);
    if whole.is_truncated() {
        // Not streaming, the server has fetched and joined the rest by itself, and leaves the reason as it was.
        whole.finish_reason = None;
    }
    let hides_a_refusal = whole.segment_id.as_deref() == Some("");
    judge(reply, whole, hides_a_refusal)
}

/// What a stream came to. One that ends as the protocol says, but without a word and a reason, hides a refusal.
pub(super) fn judge_stream(
    head: &Reply,
    completion: Completion,
    is_done: bool,
) -> Result<Completion, Failure> {
    let is_finished = completion.finish_reason.is_some();
    let hides_a_refusal = is_done && !is_finished && completion.is_empty();
    let judged = judge(head, completion, hides_a_refusal);
    match judged {
        Ok(_) if !is_finished => Err(openai::unfinished(head)),
        Err(failure) if failure.kind == ErrorKind::Empty && !is_finished => {
            Err(openai::unfinished(head))
        }
        judged => judged,
    }
}

/// Empty answers and broken-off ones are failures that the server does not tell as such.
fn judge(
    reply: &Reply,
    completion: Completion,
    hides_a_refusal: bool,
) -> Result<Completion, Failure> {
    if completion.text.contains(STOPPED) {
        return Err(reply.failure(ErrorKind::Stopped, STOPPED));
    }
    if completion.is_empty() {
        return Err(match hides_a_refusal {
            true => reply.failure(ErrorKind::Limited, HIDDEN),
            false => reply.failure(ErrorKind::Empty, "an empty answer"),
        });
    }
    // Constants here, whatever was asked.
    let usage = None;
    Ok(Completion {
        usage,
        ..completion
    })
}

/// The error table of kimi-free-api, by code and words; what is in no row may pass by itself.
fn kind_of(code: i64, words: &str) -> ErrorKind {
    let says = |needles: &[&str]| needles.iter().any(|needle| words.contains(needle));
    if says(&["余额不足", "欠费"]) {
        return ErrorKind::OutOfCredit;
    }
    match code {
        -1000 if says(&["[请求有误]"]) => ErrorKind::NotFound,
        -1000 if is_programming_error(words) => ErrorKind::BadRequest,
        -2000 => ErrorKind::BadRequest,
        -2001 if words == "请求失败" => ErrorKind::TokenRefused,
        -2001 => kind_of_upstream(&says),
        -2002 => ErrorKind::TokenRefused,
        -2005 => ErrorKind::Limited,
        -2006 => ErrorKind::OutOfDailyQuota,
        _ => ErrorKind::Unavailable,
    }
}

/// -2001 carries the words of the real Kimi.
fn kind_of_upstream(says: &impl Fn(&[&str]) -> bool) -> ErrorKind {
    if says(&["授权", "重新登录", "请登录"]) {
        ErrorKind::TokenRefused
    } else if says(&[
        "封禁",
        "封号",
        "冻结",
        "禁用",
        "停用",
        "banned",
        "suspended",
    ]) {
        ErrorKind::AccountBanned
    } else if says(&["频繁"]) {
        ErrorKind::Limited
    } else if says(&["找不到对应的KimiPlus"]) {
        ErrorKind::NotFound
    } else if says(&["获取用户信息失败", "稍后", "繁忙", "unavailable", "timeout"])
        || !says(&["[请求kimi失败]"])
    {
        ErrorKind::Unavailable
    } else {
        ErrorKind::AccountRefused
    }
}

/// -1000 also carries the server's own JavaScript errors about a request it cannot read.
fn is_programming_error(words: &str) -> bool {
    const JSON: [&str; 5] = [
        "in JSON at position",
        "Unexpected token",
        "Unexpected end of JSON",
        "Cannot read properties of",
        "is not a function",
    ];
    !words.starts_with("Stream response invalid") && JSON.iter().any(|text| words.contains(text))
}

/// The server's root, where `ping` and `token/check` are: `base_url` without its version.
pub(super) fn root(base_url: &Url) -> Url {
    let mut root = base_url.clone();
    if root.path().trim_end_matches('/').ends_with("/v1")
        && let Ok(mut segments) = root.path_segments_mut()
    {
        segments.pop_if_empty().pop();
    }
    root
}

/// A reply to `ping` that is not `pong`.
pub(super) fn no_pong(reply: &Reply) -> Failure {
    let failure = match openai::json(&reply.body) {
        Some(body) => spoken_error(reply, &body),
        None => classify::unspoken(reply),
    };
    if failure.kind == ErrorKind::Garbled {
        return reply.failure(ErrorKind::NotTheApi, failure.words);
    }
    failure
}

/// Reads the reply to `token/check`: `{"live":true}`. Anything that is not alive is `false` there, a limited account too.
pub(super) fn read_check(reply: &Reply) -> Result<(), Failure> {
    let Some(body) = openai::json(&reply.body) else {
        return Err(classify::unspoken(reply));
    };
    match body.get("live") {
        Some(Value::Bool(true)) => Ok(()),
        Some(Value::Bool(false)) => Err(reply.failure(
            ErrorKind::TokenRefused,
            "the token's check says that it is not live",
        )),
        _ => Err(spoken_error(reply, &body)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_root_is_the_base_without_its_version() {
        for (base, expected) in [
            ("http://h:8000/v1", "http://h:8000/"),
            ("http://h:8000/v1/", "http://h:8000/"),
            ("http://h/kimi/v1", "http://h/kimi"),
            ("http://h/kimi", "http://h/kimi"),
        ] {
            assert_eq!(root(&Url::parse(base).unwrap()).as_str(), expected);
        }
    }

    fn body(question: &Question, use_search: Option<bool>) -> String {
        serde_json::to_string(&request(question, "kimi", use_search)).unwrap()
    }

    #[test]
    fn the_request_is_the_one_of_the_seed() {
        let mut question = Question::new("金价？");
        assert_eq!(
            body(&question, Some(true)),
            r#"{"model":"kimi","messages":[{"role":"user","content":"金价？"}],"use_search":true}"#
        );
        question.conversation = Conversation::Begin;
        question.system = Some("简短".to_owned());
        assert_eq!(
            body(&question, None),
            r#"{"model":"kimi","conversation_id":"none","messages":[{"role":"system","content":"简短"},{"role":"user","content":"金价？"}]}"#
        );
        question.conversation = Conversation::GoOn {
            id: "cud6d330699d1b4d19fb".to_owned(),
            token: "fingerprint".into(),
        };
        assert_eq!(
            body(&question, None),
            r#"{"model":"kimi","conversation_id":"cud6d330699d1b4d19fb","messages":[{"role":"user","content":"金价？"}]}"#
        );
    }

    #[test]
    fn each_row_of_the_error_table_has_its_kind() {
        use ErrorKind as K;
        for (code, words, expected) in [
            (-2000, "Params headers.authorization invalid", K::BadRequest),
            (-2000, "Params body.messages invalid", K::BadRequest),
            (-2000, "Params body.conversation_id invalid", K::BadRequest),
            (
                -1000,
                "Expected double-quoted property name in JSON at position 18",
                K::BadRequest,
            ),
            (
                -1000,
                "[请求有误]: 正确请求为 POST -> /v1/chat/completions，当前请求为 GET -> /nope 请纠正",
                K::NotFound,
            ),
            (-2001, "请求失败", K::TokenRefused),
            (
                -2001,
                "[请求kimi失败]: 您的授权已过期，请重新登录",
                K::TokenRefused,
            ),
            (-2001, "[请求kimi失败]: 您的账号已被封禁", K::AccountBanned),
            (-2001, "[请求kimi失败]: 未知的原因", K::AccountRefused),
            (
                -2001,
                "[请求kimi失败]: 当前聊天过于频繁，请稍后再试",
                K::Limited,
            ),
            (-2001, "[请求kimi失败]: service unavailable", K::Unavailable),
            (-2001, "获取用户信息失败", K::Unavailable),
            (-2001, "[请求kimi失败]: 找不到对应的KimiPlus", K::NotFound),
            (-2002, "Token已失效", K::TokenRefused),
            (-2005, "已有对话流正在输出", K::Limited),
            (-2006, "探索版使用量已达到上限", K::OutOfDailyQuota),
            (
                -1000,
                "connect ECONNREFUSED 127.0.0.1:18011",
                K::Unavailable,
            ),
            (-1000, "timeout of 15000ms exceeded", K::Unavailable),
            (
                -1000,
                "getaddrinfo EAI_AGAIN kimi.moonshot.cn",
                K::Unavailable,
            ),
            (-1000, "aborted", K::Unavailable),
            (-1000, "socket hang up", K::Unavailable),
            (
                -1000,
                "Stream response invalid: this is not json",
                K::Unavailable,
            ),
            (
                -1000,
                "Cannot read properties of null (reading 'indexOf')",
                K::BadRequest,
            ),
            (-1000, "model.indexOf is not a function", K::BadRequest),
            (-2003, "远程文件URL非法", K::Unavailable),
        ] {
            assert_eq!(kind_of(code, words), expected, "{code} {words}");
        }
    }
}
