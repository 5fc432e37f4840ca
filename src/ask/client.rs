//! One endpoint: a question in, an answer or a typed error out.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use reqwest::{
    RequestBuilder,
    header::{AUTHORIZATION, HeaderMap, HeaderValue},
};
use secrecy::ExposeSecret;
use serde_json::json;

use super::{
    Answer, Conversation, Kept, Question,
    completion::Completion,
    continuation,
    error::{AskError, Asked, Failure},
    http::{self, Reply},
    kimi,
    kind::{ErrorKind, Next},
    openai,
    redact::{Redactor, shown},
    wire,
};
use crate::{
    config::types::{Api, Endpoint, Token},
    model::Timestamp,
};

/// The keys of a request that params cannot set: promptcron sets them itself.
pub const RESERVED_PARAMS: [&str; 4] = ["model", "messages", "conversation_id", "stream"];
/// How long a probe may take: a kimi server gives up on Kimi after 15 s.
const PROBE_TIMEOUT: Duration = Duration::from_secs(30);

/// Why an endpoint of the config cannot be used at all.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// A param that would change what promptcron itself sends.
    #[error("ai.{endpoint}: params.{param} is set by promptcron itself: remove it from params")]
    ReservedParam {
        /// The endpoint's name.
        endpoint: Arc<str>,
        /// The key.
        param: String,
    },
    /// TLS or the proxy cannot be set up, such as without any CA certificates on the machine.
    #[error(
        "ai.{endpoint}: cannot prepare the connection: {reason} — check proxy and ca_file, and that the system's CA certificates are installed"
    )]
    Setup {
        /// The endpoint's name.
        endpoint: Arc<str>,
        /// What the TLS or proxy layer said.
        reason: String,
    },
}

/// What a probe found out; a token that is refused is an [`AskError`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Probe {
    /// openai: whether the server lists the endpoint's model; None where its list says nothing.
    pub model_listed: Option<bool>,
}

/// One AI endpoint. Cheap to share by reference; its connections are its own.
pub struct Client {
    http: reqwest::Client,
    endpoint: Arc<Endpoint>,
    redactor: Redactor,
}

impl Client {
    /// Prepares an endpoint; nothing is sent.
    ///
    /// # Errors
    /// Params that are promptcron's own, and TLS or a proxy that cannot be set up.
    pub fn new(endpoint: Arc<Endpoint>) -> Result<Self, ClientError> {
        let reserved = |key: &&String| RESERVED_PARAMS.contains(&key.as_str());
        if let Some(param) = endpoint.params.keys().find(reserved) {
            return Err(ClientError::ReservedParam {
                endpoint: endpoint.name.clone(),
                param: param.clone(),
            });
        }
        let redactor = Redactor::new(&endpoint);
        let http = http::client(&endpoint.base_url, &endpoint.network, &endpoint.limits).map_err(
            |error| ClientError::Setup {
                endpoint: endpoint.name.clone(),
                reason: redactor.quote(&http::root_cause(&error), None),
            },
        )?;
        Ok(Self {
            http,
            endpoint,
            redactor,
        })
    }

    /// The endpoint it asks.
    #[must_use]
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Asks once, with one token.
    ///
    /// # Errors
    /// Everything that is not a whole answer.
    pub async fn ask(
        &self,
        question: &Question,
        token: Option<&Token>,
    ) -> Result<Answer, AskError> {
        let model = question.model.as_deref().unwrap_or(&self.endpoint.model);
        let started = Instant::now();
        let asked = self.exchange(question, model, token).await;
        let mut completion = asked.map_err(|failure| self.error(failure, model, token))?;
        if completion.is_truncated() {
            completion = self.complete(completion, question, model, token).await;
        }
        Ok(Answer {
            endpoint: self.endpoint.name.clone(),
            truncated: completion.is_truncated(),
            text: completion.text,
            sources: completion.sources,
            conversation: self.kept(completion.id, token),
            model: completion.model.unwrap_or_else(|| model.to_owned()),
            usage: completion.usage,
            asked: started.elapsed(),
        })
    }

    /// The conversation of an answer with this id.
    fn kept(&self, id: Option<String>, token: Option<&Token>) -> Option<Kept> {
        let id = id.filter(|_| self.endpoint.api == Api::Kimi)?;
        let token = token?.fingerprint.clone();
        Some(Kept { id, token })
    }

    /// Asks once for the rest of an answer that was cut off; half of it is better than none.
    async fn complete(
        &self,
        half: Completion,
        question: &Question,
        model: &str,
        token: Option<&Token>,
    ) -> Completion {
        let rest = continuation::question(question, &half);
        match self.exchange(&rest, model, token).await {
            Ok(rest) => continuation::join(half, rest),
            Err(failure) => {
                let error = self.error(failure, model, token).to_string();
                tracing::warn!(
                    error,
                    "the rest of an answer that was cut off could not be had"
                );
                half
            }
        }
    }

    async fn exchange(
        &self,
        question: &Question,
        model: &str,
        token: Option<&Token>,
    ) -> Result<Completion, Failure> {
        let headers = token.map(authorization).transpose()?.unwrap_or_default();
        let path = ["chat", "completions"];
        let request = self
            .http
            .post(http::join(&self.endpoint.base_url, &path))
            .headers(headers)
            .json(&wire::request(&self.endpoint, question, model));
        let answered = wire::exchange(&self.endpoint, model, request).await;
        answered.map_err(|failure| lost(question, failure))
    }

    /// Finds out whether the endpoint is there and takes the token, without asking the AI anything.
    ///
    /// # Errors
    /// An endpoint that is not there, is not this API, or refuses the token.
    pub async fn probe(&self, token: Option<&Token>) -> Result<Probe, AskError> {
        let probed = match self.endpoint.api {
            Api::Kimi => self.probe_kimi(token).await,
            Api::Openai => self.probe_openai(token).await,
        };
        probed.map_err(|failure| self.error(failure, &self.endpoint.model, token))
    }

    /// The server's own `ping`, then its check of the token: one attempt, no retry inside.
    async fn probe_kimi(&self, token: Option<&Token>) -> Result<Probe, Failure> {
        let root = kimi::root(&self.endpoint.base_url);
        let reply = self.probing(self.http.get(http::join(&root, &["ping"])), None);
        let reply = reply.await?;
        if reply.body.trim_ascii() != b"pong" {
            return Err(kimi::no_pong(&reply));
        }
        if let Some(token) = token {
            let check = json!({ "token": token.secret.expose_secret() });
            let url = http::join(&root, &["token", "check"]);
            let reply = self.probing(self.http.post(url).json(&check), None).await?;
            kimi::read_check(&reply)?;
        }
        Ok(Probe::default())
    }

    async fn probe_openai(&self, token: Option<&Token>) -> Result<Probe, Failure> {
        let url = http::join(&self.endpoint.base_url, &["models"]);
        let reply = self.probing(self.http.get(url), token).await?;
        let body = openai::json(&reply.body);
        let listed = body.as_ref().filter(|_| reply.status.is_success());
        if let Some(models) = listed.and_then(openai::models) {
            let model_listed = Some(models.contains(&self.endpoint.model));
            return Ok(Probe { model_listed });
        }
        Err(openai::spoken_error(&reply, &body.unwrap_or_default()))
    }

    async fn probing(
        &self,
        request: RequestBuilder,
        token: Option<&Token>,
    ) -> Result<Reply, Failure> {
        let timeout = PROBE_TIMEOUT.min(self.endpoint.limits.whole);
        let headers = token.map(authorization).transpose()?.unwrap_or_default();
        http::send(request.timeout(timeout).headers(headers)).await
    }

    fn error(&self, failure: Failure, model: &str, token: Option<&Token>) -> AskError {
        let quoted = |text: &str| self.redactor.quote(text, token);
        let failure = Failure {
            words: quoted(&failure.words),
            code: failure.code.as_deref().map(quoted),
            ..failure
        };
        AskError::new(failure, self.asked(model, token))
    }

    /// Nothing was asked, because no token may be used; `words` says why of each.
    pub(super) fn exhausted(&self, question: &Question, words: String) -> AskError {
        let model = question.model.as_deref().unwrap_or(&self.endpoint.model);
        self.error(Failure::new(ErrorKind::Exhausted, None, words), model, None)
    }

    /// Nothing was asked, because the conversation waits for its token; `words` says so.
    pub(super) fn waits(&self, question: &Question, words: String) -> AskError {
        let model = question.model.as_deref().unwrap_or(&self.endpoint.model);
        self.error(Failure::new(ErrorKind::Waits, None, words), model, None)
    }

    /// Nothing was asked, because the endpoint failed so often in a row that it is left alone until `until`.
    pub(super) fn cooling(&self, question: &Question, failures: u32, until: Timestamp) -> AskError {
        let model = question.model.as_deref().unwrap_or(&self.endpoint.model);
        let until_text = until.format("%Y-%m-%dT%H:%M:%SZ");
        let words =
            format!("failed {failures} times in a row and is left alone until {until_text}");
        let failure = Failure::new(ErrorKind::Cooling, None, words);
        self.error(failure, model, None)
            .with_next(Next::NextAttempt, Some(until))
    }

    fn asked(&self, model: &str, token: Option<&Token>) -> Arc<Asked> {
        Arc::new(Asked {
            api: self.endpoint.api,
            endpoint: self.endpoint.name.clone(),
            base_url: shown(&self.endpoint.base_url),
            model: model.to_owned(),
            limits: self.endpoint.limits,
            first_byte: wire::first_byte(&self.endpoint, model),
            proxy: self.endpoint.network.proxy.as_ref().map(shown),
            token: token.map(|token| token.label.clone()),
        })
    }
}

/// In a conversation that was to go on, a refusal that says nothing may mean that it is gone there.
fn lost(question: &Question, failure: Failure) -> Failure {
    let hides_why = failure.kind == ErrorKind::Limited && failure.code.is_none();
    match question.conversation {
        Conversation::GoOn { .. } if hides_why && failure.status == Some(200) => Failure {
            kind: ErrorKind::ConversationLost,
            ..failure
        },
        _ => failure,
    }
}

/// The header with one token: a list would make a kimi server pick one at random, with no failover.
fn authorization(token: &Token) -> Result<HeaderMap, Failure> {
    let value = format!("Bearer {}", token.secret.expose_secret());
    let mut value = HeaderValue::try_from(value).map_err(|_| {
        let words = "the token holds characters that no token has (a line break?)";
        Failure::new(ErrorKind::TokenRefused, None, words)
    })?;
    value.set_sensitive(true);
    Ok(HeaderMap::from_iter([(AUTHORIZATION, value)]))
}
