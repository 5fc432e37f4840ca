//! A question to an AI endpoint; an answer or a typed error back.
//!
//! - [`Client`]: one endpoint; one request, one [`Answer`] or one [`AskError`]. It decides nothing.
//! - [`AskError`]: what went wrong, in words a user can act on, and what follows for the token and the run.
//! - [`Pool`]: the tokens of one endpoint and what is known of each. Pure: every method is told the instant.
//! - [`ask_along`]: one attempt along a job's chain of endpoints, with one token after the other, until one gets an
//!   answer.
//!
//! `kimi` and `openai` hold the two wire forms, `wire` stands before both; `stream` gathers an answer that comes in
//! pieces, `sources` tells search results from the text, `http` knows what is below. Nothing here knows the ledger:
//! whoever asks keeps what each [`Pool`] has learned.

mod advice;
mod chain;
mod classify;
mod client;
mod completion;
mod continuation;
mod error;
mod http;
mod kimi;
mod kind;
mod openai;
mod pool;
mod redact;
mod rotate;
mod sources;
mod stream;
mod wire;

use std::{sync::Arc, time::Duration};

pub use chain::{Attempt, Link, Try, ask_along};
pub use client::{Client, ClientError, Probe, RESERVED_PARAMS};
pub use error::AskError;
pub use kind::{ErrorKind, Next, Pause, TokenEffect};
pub use pool::{
    Asked, Availability, EndpointChange, EndpointState, Health, Learned, Pool, Standing, Take,
    TokenChange, TokenEvent, TokenState, TokenWord,
};
pub use sources::Source;
pub use wire::read_stream;

/// What is asked, and what differs from the endpoint's own settings.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Question {
    /// The user's message.
    pub prompt: String,
    /// A system message before it.
    pub system: Option<String>,
    /// Instead of the endpoint's model.
    pub model: Option<String>,
    /// Instead of the endpoint's setting (kimi only).
    pub use_search: Option<bool>,
    /// Whether the service is to remember what was said (kimi only).
    pub conversation: Conversation,
    /// What was said before, the oldest first; kimi knows that by itself in a conversation that it keeps.
    pub history: Vec<Turn>,
}

/// What a service that remembers is told of a question's conversation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Conversation {
    /// The question stands alone.
    #[default]
    None,
    /// One begins with it, and is kept.
    Begin,
    /// One goes on.
    GoOn {
        /// Its id there.
        id: String,
        /// The fingerprint of the token whose account it belongs to: no other one is answered in it.
        token: Arc<str>,
    },
}

/// A conversation that the service keeps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Its id there, for the next question of it.
    pub id: String,
    /// The fingerprint of the token whose account it belongs to.
    pub token: Arc<str>,
}

/// One question and its answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Turn {
    /// What was asked.
    pub prompt: String,
    /// What was answered.
    pub answer: String,
}

impl Question {
    /// A question with nothing but a prompt.
    #[must_use]
    pub fn new(prompt: impl Into<String>) -> Self {
        Self {
            prompt: prompt.into(),
            ..Self::default()
        }
    }
}

/// What came back: never empty, never a refusal.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// The `[ai.NAME]` that gave it.
    pub endpoint: Arc<str>,
    /// The Markdown as the service sent it, any thinking included, and without kimi's search results.
    pub text: String,
    /// kimi: the pages that its search found, in the order in which it lists them.
    pub sources: Vec<Source>,
    /// kimi: the conversation that it is part of.
    pub conversation: Option<Kept>,
    /// The service stopped at its length limit (`finish_reason` `length`), twice: the text is cut off.
    pub truncated: bool,
    /// The model that answered, as the service names it, else the one that was asked.
    pub model: String,
    /// The tokens it cost; None where the service does not say (kimi's figures are constants).
    pub usage: Option<Usage>,
    /// From the request's start to the answer's last byte.
    pub asked: Duration,
}

/// The price of one answer, in the model's tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize)]
pub struct Usage {
    /// In the question.
    #[serde(default)]
    pub prompt_tokens: u64,
    /// In the answer.
    #[serde(default)]
    pub completion_tokens: u64,
    /// Together.
    #[serde(default)]
    pub total_tokens: u64,
}
