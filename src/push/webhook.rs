//! A message to a service that takes an HTTP POST; success is what its config says it is.

use chrono::Utc;
use reqwest::header;
use secrecy::ExposeSecret as _;
use serde_json::{Map, Value};

use super::{
    client::{Client, exchange},
    error::{Kind, PushError},
    reply::{self, Receipt, Reply},
};
use crate::config::{Page, Target, Webhook};

impl Client {
    /// Posts a message to a webhook, once.
    ///
    /// # Errors
    /// Whatever keeps the service from giving the reply that its config calls success.
    pub async fn post(&self, target: &Target, page: &Page<'_>) -> Result<Receipt, PushError> {
        let Some(webhook) = target.webhook() else {
            return Err(PushError::new(target, Kind::Unsendable, "it is no webhook"));
        };
        let body = webhook
            .body
            .render(page)
            .map_err(|why| PushError::new(target, Kind::Unsendable, &format!("body: {why}")))?;
        let request = self
            .post_to(webhook.url.expose().clone())
            .header(header::CONTENT_TYPE, &webhook.content_type);
        let request = webhook.headers.iter().fold(request, |request, header| {
            request.header(&header.name, header.value.expose_secret())
        });
        let reply = exchange(target, request.body(body)).await?;
        judge(target, webhook, &reply)
    }

    /// Whether anything answers at a webhook's host; the webhook itself is not touched.
    ///
    /// # Errors
    /// No HTTP server can be reached there.
    pub async fn reach(&self, target: &Target) -> Result<u16, PushError> {
        let mut root = target.url().clone();
        root.set_path("/");
        root.set_query(None);
        let reply = exchange(target, self.head_of(root)).await;
        reply.map(|reply| reply.status).map_err(PushError::certain)
    }
}

/// Success only by the status and the JSON that the config expects.
fn judge(target: &Target, webhook: &Webhook, reply: &Reply) -> Result<Receipt, PushError> {
    let is_expected = match webhook.expect.as_slice() {
        [] => (200..300).contains(&reply.status),
        statuses => statuses.contains(&reply.status),
    };
    if !is_expected {
        return Err(reply::refusal(target, reply));
    }
    if !holds(&reply.body, &webhook.expect_json) {
        let detail = format!("it answered with {}", reply::describe(target, &reply.body));
        return Err(PushError::new(target, Kind::Unexpected, &detail).status(reply.status));
    }
    Ok(Receipt {
        id: format!("HTTP {}", reply.status),
        time: Utc::now(),
        sequence_id: None,
    })
}

fn holds(body: &[u8], expected: &Map<String, Value>) -> bool {
    if expected.is_empty() {
        return true;
    }
    let Ok(Value::Object(got)) = serde_json::from_slice(body) else {
        return false;
    };
    expected
        .iter()
        .all(|(key, value)| got.get(key) == Some(value))
}
