//! What a completion says, sent whole or gathered from a stream, before its wire form judges it.

use serde::Deserialize;
use serde_json::Value;

use super::{Usage, sources::Source};

/// A completion's fields; what is missing stays empty.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Completion {
    pub(super) text: String,
    /// What the model says instead of an answer.
    pub(super) refusal: String,
    /// Why the service stopped; None where it did not say, in a stream: before it was whole.
    pub(super) finish_reason: Option<String>,
    /// kimi: the conversation's id.
    pub(super) id: Option<String>,
    /// kimi, where it was sent whole: empty where a refusal of Kimi's is hidden.
    pub(super) segment_id: Option<String>,
    pub(super) model: Option<String>,
    pub(super) usage: Option<Usage>,
    /// kimi: what it found and used.
    pub(super) sources: Vec<Source>,
}

impl Completion {
    /// Reads one that was sent whole.
    pub(super) fn whole(body: &Value) -> Self {
        let choice = &body["choices"][0];
        let mut completion = Self {
            text: content(&choice["message"]["content"]),
            refusal: text(&choice["message"]["refusal"]),
            finish_reason: finish_reason(choice),
            segment_id: body["segment_id"].as_str().map(str::to_owned),
            ..Self::default()
        };
        completion.note(body);
        completion
    }

    /// Takes up what stands around the text; a stream repeats it with each chunk.
    pub(super) fn note(&mut self, body: &Value) {
        for (field, key) in [(&mut self.id, "id"), (&mut self.model, "model")] {
            if let Some(value) = body[key].as_str() {
                *field = Some(value.to_owned());
            }
        }
        if let Ok(usage) = Usage::deserialize(&body["usage"]) {
            self.usage = Some(usage);
        }
    }

    /// Why it ended, where it says so.
    pub(super) fn end(&self) -> Option<End<'_>> {
        self.finish_reason.as_deref().map(End::of)
    }

    /// True where the length limit cut it off.
    pub(super) fn is_truncated(&self) -> bool {
        self.end() == Some(End::Length)
    }

    /// True for a text that says nothing: white space, or thinking that led to no answer.
    pub(super) fn is_empty(&self) -> bool {
        let text = self.text.trim();
        let is_thinking = text.starts_with("<think>") && !text.contains("</think>");
        text.is_empty() || text.ends_with("</think>") || is_thinking
    }
}

/// What a reason for the end means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End<'r> {
    /// All is said.
    Whole,
    /// The length limit was reached.
    Length,
    /// A filter stopped it.
    Filtered,
    /// Something else stopped it, in the service's own word: what has come may be half an answer.
    Broken(&'r str),
}

impl<'r> End<'r> {
    /// Services have words of their own beside `OpenAI`'s. One that is in no list is no proof of a whole
    /// answer: `DeepSeek` says `insufficient_system_resource`, vLLM `abort`.
    fn of(reason: &'r str) -> Self {
        const WHOLE: [&str; 12] = [
            "stop",
            "eos",
            "eos_token",
            "end_turn",
            "stop_sequence",
            "stop_token",
            "complete",
            "completed",
            "done",
            "finished",
            "tool_calls",
            "function_call",
        ];
        const LENGTH: [&str; 4] = ["length", "max_tokens", "max_length", "model_length"];
        const FILTERED: [&str; 4] = ["content_filter", "sensitive", "safety", "recitation"];
        let is_in = |list: &[&str]| list.iter().any(|known| known.eq_ignore_ascii_case(reason));
        if is_in(&WHOLE) {
            Self::Whole
        } else if is_in(&LENGTH) {
            Self::Length
        } else if is_in(&FILTERED) {
            Self::Filtered
        } else {
            Self::Broken(reason)
        }
    }
}

/// Why it stopped, where a choice says so: some services send an empty reason with each chunk.
pub(super) fn finish_reason(choice: &Value) -> Option<String> {
    let reason = choice["finish_reason"].as_str()?;
    (!reason.is_empty()).then(|| reason.to_owned())
}

/// A content: text, or a list of parts of which the text ones count.
pub(super) fn content(value: &Value) -> String {
    match value {
        Value::Array(parts) => parts
            .iter()
            .filter_map(|part| part["text"].as_str())
            .collect(),
        value => text(value),
    }
}

/// A text, or nothing.
pub(super) fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
