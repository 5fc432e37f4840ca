//! An answer that comes in pieces: from the bytes of a stream of server-sent events to a completion. Pure.
//!
//! Tolerated: comments, keep-alives, other fields, a byte order mark, CR LF, chunks without choices or without a role,
//! reasoning. The answer is over at `[DONE]`; it is whole when a finish reason has come.

use std::num::NonZeroUsize;

use serde_json::Value;
use sse_core::{MessageEvent, SseDecoder, SseEvent};

use super::{
    completion::{self, Completion},
    http::MAX_BODY,
    sources::SearchLines,
};
use crate::config::types::Api;

/// The most bytes of one stream: each word of an answer, and of the thinking before it, comes in some 300 bytes.
const MAX_STREAM: usize = 8 * MAX_BODY;

/// Why a stream is given up before its end.
#[derive(Debug, PartialEq)]
pub(super) enum Broken {
    /// The service tells of an error inside it.
    Error(Value),
    /// It is not such a stream, or beyond all measure.
    Garbled(String),
}

/// A stream so far.
pub(super) struct Gatherer {
    api: Api,
    decoder: SseDecoder,
    search: SearchLines,
    completion: Completion,
    bytes: usize,
    has_spoken: bool,
    is_done: bool,
}

impl Gatherer {
    /// Nothing has come yet.
    pub(super) fn new(api: Api) -> Self {
        // One chunk may hold a whole answer.
        let limit = NonZeroUsize::new(MAX_BODY).unwrap_or(NonZeroUsize::MIN);
        Self {
            api,
            decoder: SseDecoder::with_limit(limit),
            search: SearchLines::default(),
            completion: Completion::default(),
            bytes: 0,
            has_spoken: false,
            is_done: false,
        }
    }

    /// Reads on; true when nothing more is to be read.
    pub(super) fn push(&mut self, mut bytes: &[u8]) -> Result<bool, Broken> {
        self.bytes += bytes.len();
        if self.bytes > MAX_STREAM {
            return Err(Broken::Garbled(
                "the stream is longer than 64 MB".to_owned(),
            ));
        }
        while !self.is_done
            && let Some(event) = self.decoder.next(&mut bytes)
        {
            match event {
                Ok(SseEvent::Message(message)) => self.message(&message)?,
                Ok(SseEvent::Retry(_)) => {}
                Err(_) => return Err(too_long()),
            }
        }
        Ok(self.is_done)
    }

    /// The connection is closed: what came last may lack its empty line.
    pub(super) fn close(&mut self) -> Result<(), Broken> {
        match self.push(b"\n\n") {
            // Half a chunk is no nonsense: the connection broke in it.
            Ok(_) | Err(Broken::Garbled(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// True once the model has said anything, in thought or in words.
    pub(super) fn has_spoken(&self) -> bool {
        self.has_spoken
    }

    /// True once a finish reason has come: what may follow is no part of the answer.
    pub(super) fn is_finished(&self) -> bool {
        self.completion.finish_reason.is_some()
    }

    /// True where it ended as the protocol says.
    pub(super) fn is_done(&self) -> bool {
        self.is_done
    }

    /// What has come.
    pub(super) fn into_completion(self) -> Completion {
        self.completion
    }

    fn message(&mut self, message: &MessageEvent) -> Result<(), Broken> {
        let data = message.data.trim();
        if data == "[DONE]" {
            self.is_done = true;
            return Ok(());
        }
        if data.is_empty() {
            return Ok(());
        }
        let Ok(chunk) = serde_json::from_str::<Value>(data) else {
            return Err(Broken::Garbled(data.to_owned()));
        };
        if is_error(&chunk, &message.event) {
            return Err(Broken::Error(chunk));
        }
        self.chunk(&chunk)
    }

    fn chunk(&mut self, chunk: &Value) -> Result<(), Broken> {
        self.completion.note(chunk);
        let choices = chunk["choices"].as_array().map_or(&[][..], Vec::as_slice);
        let of_the_first = |choice: &&Value| choice["index"].as_u64().unwrap_or(0) == 0;
        for choice in choices.iter().filter(of_the_first) {
            self.choice(choice);
        }
        if self.completion.text.len() > MAX_BODY {
            return Err(too_long());
        }
        Ok(())
    }

    fn choice(&mut self, choice: &Value) {
        let delta = &choice["delta"];
        let said = completion::content(&delta["content"]);
        let thinks = ["reasoning_content", "reasoning"]
            .iter()
            .any(|key| delta[key].as_str().is_some_and(|text| !text.is_empty()));
        let text = match self.api {
            Api::Kimi => self.search.take(&said, &mut self.completion.sources),
            Api::Openai => &said,
        };
        // The pages it has found are not its words: kimi-research reads them in silence, for minutes.
        self.has_spoken |= thinks || !text.is_empty();
        self.completion.text.push_str(text);
        let refusal = completion::text(&delta["refusal"]);
        self.completion.refusal.push_str(&refusal);
        if let Some(reason) = completion::finish_reason(choice) {
            self.completion.finish_reason = Some(reason);
        }
    }
}

/// An error object, in `OpenAI`'s shape or kimi's, or whatever an event of that name holds.
fn is_error(chunk: &Value, event: &str) -> bool {
    let holds = |key: &str| chunk.get(key).is_some_and(|value| !value.is_null());
    holds("error") || (!holds("choices") && (event == "error" || holds("code")))
}

fn too_long() -> Broken {
    Broken::Garbled("the answer is longer than 8 MB".to_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::ask::{ErrorKind, read_stream};

    /// One frame with what a choice says.
    fn frame(choice: &Value) -> String {
        format!("data: {}\n\n", json!({ "choices": [choice] }))
    }

    fn said(text: &str) -> String {
        frame(&json!({ "index": 0, "delta": { "content": text } }))
    }

    fn end() -> String {
        frame(&json!({ "delta": {}, "finish_reason": "stop" })) + "data: [DONE]\n\n"
    }

    fn text(api: Api, stream: &str) -> Result<String, ErrorKind> {
        read_stream(api, [stream]).map(|(text, _)| text)
    }

    #[test]
    fn what_services_send_besides_an_answer_is_passed_over() {
        let stream = [
            "\u{feff}: OPENROUTER PROCESSING\r\n\r\n",
            "retry: 3000\n\n",
            ":\n\n",
            "event: message\nid: 7\ndata: {\"choices\":[{\"delta\":{\"role\":\"assistant\",\"content\":null}}]}\n\n",
            "data: {\"choices\":[{\"delta\":{\"reasoning_content\":\"hm\"},\"finish_reason\":\"\"}]}\r\n\r\n",
            "data:{\"choices\":[{\"delta\":{\"content\":\"金\"},\"finish_reason\":null}]}\r\r",
            "data: {\"choices\":[{\"index\":1,\"delta\":{\"content\":\"二\"}}]}\n\n",
            "data: {\"choices\":[{\"delta\":{\"content\":[{\"type\":\"text\",\"text\":\"价\"}]}}],\"error\":null}\n\n",
            "data: {\"choices\":[],\"usage\":{\"total_tokens\":3}}\n\n",
            "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n",
            "data: [DONE]\n\n",
            "data: and this is not read any more\n\n",
        ];
        assert_eq!(text(Api::Openai, &stream.concat()).as_deref(), Ok("金价"));
    }

    #[test]
    fn each_end_of_a_stream_is_judged() {
        use ErrorKind as K;
        let done = "data: [DONE]\n\n";
        let reason = |reason: &str| frame(&json!({ "delta": {}, "finish_reason": reason }));
        let error = "data: {\"error\":{\"message\":\"busy\",\"code\":503}}\n\n";
        let kimi_error = "data: {\"code\":-1000,\"message\":\"aborted\",\"data\":null}\n\n";
        let stopped = said("\n[内容由于不合规被停止生成，我们换个话题吧]");
        for (api, stream, expected) in [
            (Api::Openai, said("半") + done, Err(K::Cut)),
            (Api::Openai, said("半"), Err(K::Cut)),
            (Api::Openai, said("整") + &reason("stop"), Ok("整")),
            // The last frame lacks its empty line.
            (
                Api::Openai,
                (said("整") + &reason("stop")).trim_end().to_owned(),
                Ok("整"),
            ),
            (
                Api::Openai,
                said("半") + "data: {\"choices\":[{\"del",
                Err(K::Cut),
            ),
            (Api::Openai, said("半") + error, Err(K::Unavailable)),
            (
                Api::Openai,
                said("整") + &reason("stop") + error,
                Err(K::Unavailable),
            ),
            (
                Api::Openai,
                said("半") + "event: error\ndata: {\"message\":\"no\"}\n\n",
                Err(K::Unavailable),
            ),
            (
                Api::Openai,
                said("半") + &reason("content_filter"),
                Err(K::Filtered),
            ),
            (Api::Openai, reason("stop") + done, Err(K::Empty)),
            (
                Api::Openai,
                said("半个") + &reason("length") + done,
                Ok("半个"),
            ),
            (
                Api::Openai,
                said("<think>想") + &reason("length") + done,
                Err(K::Empty),
            ),
            (
                Api::Openai,
                "data: this is not json\n\n".to_owned(),
                Err(K::Garbled),
            ),
            (Api::Openai, String::new(), Err(K::Cut)),
            (Api::Kimi, said("") + done, Err(K::Limited)),
            (Api::Kimi, said(""), Err(K::Cut)),
            (Api::Kimi, said("半") + done, Err(K::Cut)),
            (Api::Kimi, said("") + &end(), Err(K::Empty)),
            (
                Api::Kimi,
                said("【检索 1】 [题](https://a.example)\n") + &end(),
                Err(K::Empty),
            ),
            (
                Api::Kimi,
                said("【检索 1】 [题](https://a.example)\n") + &said("\n整") + &end(),
                Ok("整"),
            ),
            (Api::Kimi, said("半") + &stopped + &end(), Err(K::Stopped)),
            (Api::Kimi, said("半") + &stopped + done, Err(K::Stopped)),
            (Api::Kimi, said("半") + kimi_error, Err(K::Unavailable)),
        ] {
            let expected = expected.map(str::to_owned);
            assert_eq!(text(api, &stream), expected, "{stream}");
        }
    }

    #[test]
    fn a_stream_beyond_all_measure_is_given_up() {
        let piece = said(&"x".repeat(1 << 20));
        let long = read_stream(Api::Openai, std::iter::repeat_n(piece, 9));
        assert_eq!(long.err(), Some(ErrorKind::Garbled));
        let comments = std::iter::repeat_n(":".repeat(1 << 20) + "\n", 65);
        assert_eq!(
            read_stream(Api::Openai, comments).err(),
            Some(ErrorKind::Garbled)
        );
        let endless = std::iter::repeat_n("data: ".to_owned() + &"x".repeat(1 << 20), 9);
        assert_eq!(
            read_stream(Api::Openai, endless).err(),
            Some(ErrorKind::Garbled)
        );
    }

    proptest! {
        #[test]
        fn an_answer_does_not_depend_on_how_its_bytes_arrive(
            pieces in prop::collection::vec("[金价a-z\n【】🟡\\[\\]()]{0,5}", 0..6),
            cuts in prop::collection::vec(0..400_usize, 0..12),
        ) {
            let stream: String = pieces.iter().map(|piece| said(piece)).collect::<String>() + &end();
            let mut cuts: Vec<usize> = cuts.into_iter().filter(|cut| *cut < stream.len()).collect();
            cuts.extend([0, stream.len()]);
            cuts.sort_unstable();
            let parts = cuts.windows(2).map(|cut| &stream.as_bytes()[cut[0]..cut[1]]);
            prop_assert_eq!(read_stream(Api::Kimi, parts), read_stream(Api::Kimi, [&stream]));
        }

        #[test]
        fn nothing_a_server_sends_is_a_panic(bytes: Vec<u8>) {
            for api in [Api::Kimi, Api::Openai] {
                prop_assert!(read_stream(api, bytes.chunks(7)).is_err());
            }
        }
    }
}
