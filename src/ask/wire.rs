//! The two wire forms behind one face, and the exchange of one request for one completion.

use std::time::Duration;

use reqwest::RequestBuilder;
use serde_json::{Map, Value};

use super::{
    Question,
    completion::Completion,
    error::Failure,
    http::{Incoming, Reply},
    kimi,
    kind::ErrorKind,
    openai,
    sources::Source,
    stream::{Broken, Gatherer},
};
use crate::config::{
    kimi as models,
    types::{Api, Endpoint},
};

/// The limit until an answer's first word, where neither config nor model say otherwise.
const FIRST_BYTE: Duration = Duration::from_mins(2);
/// How long the end of a stream is waited for once the answer is whole.
const LAST_WORD: Duration = Duration::from_secs(5);

/// The request's JSON; the user's params stand before our defaults.
pub(super) fn request(endpoint: &Endpoint, question: &Question, model: &str) -> Map<String, Value> {
    let mut body = match endpoint.api {
        Api::Kimi => {
            let own = (question.model.as_deref(), question.use_search);
            let use_search = models::use_search(endpoint, own.0, own.1);
            kimi::request(question, model, use_search)
        }
        Api::Openai => openai::request(question, model),
    };
    body.insert("stream".to_owned(), endpoint.stream.into());
    body.extend(endpoint.params.clone());
    body
}

/// How long the beginning of an answer is waited for.
pub(super) fn first_byte(endpoint: &Endpoint, model: &str) -> Duration {
    let thinks_in_silence = endpoint.api == Api::Kimi && models::thinks_in_silence(model);
    endpoint
        .limits
        .first_byte
        .unwrap_or(match thinks_in_silence {
            true => endpoint.limits.whole,
            false => FIRST_BYTE,
        })
}

/// Sends a question and reads the answer, in whichever form it comes.
pub(super) async fn exchange(
    endpoint: &Endpoint,
    model: &str,
    request: RequestBuilder,
) -> Result<Completion, Failure> {
    let api = endpoint.api;
    let first_byte = endpoint.stream.then(|| first_byte(endpoint, model));
    let mut incoming = Incoming::open(request, first_byte).await?;
    if !incoming.is_stream() {
        // An error, or the answer of a server that does not stream.
        return read(api, &incoming.whole().await?);
    }
    let mut stream = Gatherer::new(api);
    while let Some(bytes) = next(&mut incoming, &stream, first_byte, endpoint.limits.idle).await? {
        let pushed = stream.push(bytes.as_ref());
        if pushed.map_err(|broken| failure(api, &incoming.head, broken))? {
            break;
        }
    }
    judge(api, &incoming.head, stream)
}

/// The next bytes of a stream; None when nothing more is worth waiting for.
async fn next(
    incoming: &mut Incoming,
    stream: &Gatherer,
    first_byte: Option<Duration>,
    idle: Duration,
) -> Result<Option<impl AsRef<[u8]> + use<>>, Failure> {
    let limit = match stream.has_spoken() {
        _ if stream.is_finished() => Some(LAST_WORD),
        true => Some(idle),
        false => first_byte,
    };
    match incoming.chunk(limit).await {
        // The answer is whole; a service that forgets to say goodbye, or a connection that breaks now, harms nothing.
        Err(_) if stream.is_finished() => Ok(None),
        Err(late) if late.kind == ErrorKind::Late && stream.has_spoken() => {
            let words = "the answer fell silent before its end";
            Err(incoming.head.failure(ErrorKind::Stalled, words))
        }
        chunk => chunk,
    }
}

/// Reads a reply that was sent whole; some servers stream without saying so in its head.
pub(super) fn read(api: Api, reply: &Reply) -> Result<Completion, Failure> {
    if reply.status.is_success() && is_events(&reply.body) {
        let mut stream = Gatherer::new(api);
        let pushed = stream.push(&reply.body);
        pushed.map_err(|broken| failure(api, reply, broken))?;
        return judge(api, reply, stream);
    }
    match api {
        Api::Kimi => kimi::read(reply),
        Api::Openai => openai::read(reply),
    }
}

fn is_events(body: &[u8]) -> bool {
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    let body = body.trim_ascii_start();
    body.starts_with(b"data:") || body.starts_with(b"event:")
}

/// What a stream came to, after its last byte.
fn judge(api: Api, head: &Reply, mut stream: Gatherer) -> Result<Completion, Failure> {
    stream
        .close()
        .map_err(|broken| failure(api, head, broken))?;
    let is_done = stream.is_done();
    let completion = stream.into_completion();
    match api {
        Api::Kimi => kimi::judge_stream(head, completion, is_done),
        Api::Openai => openai::judge_stream(head, completion),
    }
}

fn failure(api: Api, head: &Reply, broken: Broken) -> Failure {
    match (broken, api) {
        (Broken::Garbled(words), _) => head.failure(ErrorKind::Garbled, words),
        (Broken::Error(body), Api::Kimi) => kimi::spoken_error(head, &body),
        (Broken::Error(body), Api::Openai) => openai::spoken_error(head, &body),
    }
}

/// Reads a recorded stream, cut into pieces in any way: its text and sources, or what kind of failure it is.
///
/// Pure: for tests and fuzzing of what a server may send.
///
/// # Errors
/// It holds no whole answer.
pub fn read_stream<B: AsRef<[u8]>>(
    api: Api,
    pieces: impl IntoIterator<Item = B>,
) -> Result<(String, Vec<Source>), ErrorKind> {
    let head = Reply::default();
    let mut stream = Gatherer::new(api);
    for piece in pieces {
        let pushed = stream.push(piece.as_ref());
        if pushed.map_err(|broken| failure(api, &head, broken).kind)? {
            break;
        }
    }
    let completion = judge(api, &head, stream).map_err(|failure| failure.kind)?;
    Ok((completion.text, completion.sources))
}
