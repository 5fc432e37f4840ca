//! Looking for a message that may have arrived, before it is sent again.

use std::time::Duration;

use serde::Deserialize;

use super::{
    client::Client,
    error::{Kind, PushError},
    reply::{self, Receipt},
};
use crate::config::Target;

/// The most of a topic that is looked through; its newest messages come last.
const MAX_BYTES: usize = 4 * 1024 * 1024;

/// ntfy counts its own age of messages; a message may have waited on the way.
const MARGIN: Duration = Duration::from_secs(60);

/// What is known of a message that may have arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sighting {
    /// It is there.
    There(Receipt),
    /// The topic was read, and it is not there.
    Missing,
    /// The topic may not be read with these credentials, or keeps nothing.
    Unreadable,
}

#[derive(Deserialize)]
struct Line {
    id: String,
    time: i64,
    sequence_id: Option<String>,
}

impl Client {
    /// Looks whether a topic has a message of this `sequence_id` that is no older than `age`.
    ///
    /// # Errors
    /// The server could not be asked: then it could not be sent to either.
    pub async fn sighting(
        &self,
        target: &Target,
        topic: &str,
        sequence_id: &str,
        age: Duration,
    ) -> Result<Sighting, PushError> {
        // An age and not an instant: the server's clock may be another.
        let seconds = (age + MARGIN).as_secs();
        let path = format!("{topic}/json?poll=1&scheduled=1&since={seconds}s");
        let reply = self.get_up_to(target, &path, MAX_BYTES).await?;
        if reply.status != 200 {
            let refusal = reply::refusal(target, &reply);
            return match refusal.kind() {
                Kind::Unauthorized | Kind::Forbidden | Kind::NotFound | Kind::BadRequest => {
                    Ok(Sighting::Unreadable)
                }
                _ => Err(refusal),
            };
        }
        let lines = reply.body.split(|byte| *byte == b'\n');
        let mut lines = lines.filter_map(|line| serde_json::from_slice::<Line>(line).ok());
        let found = lines.find(|line| line.sequence_id.as_deref() == Some(sequence_id));
        Ok(match found {
            Some(line) => Sighting::There(Receipt {
                time: chrono::DateTime::from_timestamp(line.time, 0).unwrap_or_default(),
                id: line.id,
                sequence_id: line.sequence_id,
            }),
            None => Sighting::Missing,
        })
    }
}
