//! Endpoints and clients for tests of the asking layer.
#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test binary uses a part of it"
)]

use std::{sync::Arc, time::Duration};

use promptcron::{
    ask::{AskError, Client, Pool, Question},
    config::types::{Api, Endpoint, Limits, Network, Pace, Token},
};
use secrecy::SecretString;

/// A token with a label as the config makes it.
pub fn token(n: usize, secret: &str) -> Token {
    let last_four: String = secret
        .chars()
        .skip(secret.chars().count().saturating_sub(4))
        .collect();
    Token {
        label: format!("#{n} …{last_four}").into(),
        fingerprint: format!("fingerprint-{secret}").into(),
        secret: SecretString::from(secret),
        expires_at: None,
    }
}

pub fn endpoint(api: Api, base_url: &str, tokens: &[&str]) -> Endpoint {
    let tokens = tokens
        .iter()
        .enumerate()
        .map(|(n, secret)| token(n + 1, secret));
    let (name, model) = match api {
        Api::Kimi => ("kimi", "kimi"),
        Api::Openai => ("local", "gpt-test"),
    };
    Endpoint {
        name: name.into(),
        api,
        base_url: base_url.parse().expect("a URL"),
        model: model.to_owned(),
        tokens: tokens.collect(),
        pace: Pace::default(),
        use_search: (api == Api::Kimi).then_some(true),
        stream: true,
        limits: Limits {
            whole: Duration::from_secs(30),
            ..Limits::default()
        },
        params: serde_json::Map::new(),
        network: Network::default(),
    }
}

pub fn client(endpoint: Endpoint) -> Client {
    Client::new(Arc::new(endpoint)).expect("a usable endpoint")
}

/// A port that nobody listens on and, while this lives, nobody else gets.
pub struct ClosedPort(tokio::net::TcpSocket);

impl ClosedPort {
    pub fn new() -> Self {
        let socket = tokio::net::TcpSocket::new_v4().expect("a socket");
        let any = "127.0.0.1:0".parse().expect("an address");
        socket.bind(any).expect("a port on loopback");
        Self(socket)
    }

    pub fn address(&self) -> std::net::SocketAddr {
        self.0.local_addr().expect("a bound address")
    }
}

pub fn pool(client: &Client) -> std::sync::Mutex<Pool> {
    std::sync::Mutex::new(Pool::new(&client.endpoint().tokens, client.endpoint().pace))
}

/// Asks once with the endpoint's first token, and expects a failure.
pub async fn failure(client: &Client) -> AskError {
    let question = Question::new("今天的金价？");
    client
        .ask(&question, client.endpoint().tokens.first())
        .await
        .expect_err("a failure")
}

/// The failure's text with the port taken out.
pub fn shown(client: &Client, error: &AskError) -> String {
    let base_url = client.endpoint().base_url.as_str();
    error.to_string().replace(base_url, "http://ai/v1")
}
