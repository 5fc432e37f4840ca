//! What one delivery sends: a message, and the file that may go with it.

use serde::{Deserialize, Serialize};

use super::links::Buttons;
use crate::{
    config::{Page, Service, Target},
    ledger::Owed,
    push::{Client, File, Message, PushError, Receipt},
    render,
};

/// A message as the ledger keeps it until it is sent: its own JSON, and beside it what belongs to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parcel {
    /// The message.
    #[serde(flatten)]
    pub message: Message,
    /// The part's Markdown, for a webhook that shows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// The whole answer, where the message is its beginning alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<File>,
    /// The same answer in parts, for a server that does not take the file; none without a file.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub instead: Vec<Message>,
}

impl From<Message> for Parcel {
    fn from(message: Message) -> Self {
        Self {
            message,
            source: None,
            file: None,
            instead: Vec::new(),
        }
    }
}

impl Parcel {
    /// Puts on it what is not kept in the ledger: where it goes, what names it, and the buttons, which
    /// may hold secrets and belong to the whole answer.
    pub(super) fn address(&mut self, target: &Target, owed: &Owed, buttons: &Buttons<'_>) {
        let Some(ntfy) = target.ntfy() else {
            return;
        };
        if self.message.topic.is_empty() {
            self.message.topic.clone_from(&ntfy.topic);
        }
        self.message.sequence_id = Some(owed.sequence_id.clone());
        let wanted = target.notification.extras().actions.iter().flatten();
        let is_first = owed.kind == "answer" && owed.part == 1;
        let actions = wanted
            .filter(|_| is_first)
            .filter_map(|button| buttons.action(button, owed));
        self.message.actions = actions.collect();
    }

    /// Sends it, once.
    pub(super) async fn push(
        &self,
        client: &Client,
        target: &Target,
        owed: &Owed,
    ) -> Result<Receipt, PushError> {
        match (&target.service, &self.file) {
            (Service::Webhook(_), _) => client.post(target, &self.page(owed)).await,
            (Service::Ntfy(_), None) => client.push(target, &self.message).await,
            (Service::Ntfy(_), Some(file)) => {
                client.push_with_file(target, &self.message, file).await
            }
        }
    }

    /// What a webhook's template speaks of. A text without Markdown of its own is its own Markdown.
    fn page<'a>(&'a self, owed: &'a Owed) -> Page<'a> {
        const UNSET: u8 = 3;
        let message = &self.message;
        let markdown = self.source.as_deref().unwrap_or(&message.message);
        Page {
            title: message.title.as_deref().unwrap_or_default(),
            text: &message.message,
            html: render::html(markdown).into(),
            markdown,
            tags: &message.tags,
            priority: message.priority.unwrap_or(UNSET),
            click: message.click.as_deref().unwrap_or_default(),
            job: owed.job.as_deref().unwrap_or_default(),
            run: owed.run_id.unwrap_or_default(),
            part: owed.part,
            parts: owed.parts,
            id: &owed.sequence_id,
        }
    }

    /// Lets a tap open an address, where it opens none yet.
    pub(super) fn open(&mut self, link: String) {
        self.message.click.get_or_insert(link);
    }

    /// Lets it come without a sound: low is the highest priority that makes none.
    pub(super) fn hush(&mut self) {
        const LOW: u8 = 2;
        let priority = &mut self.message.priority;
        *priority = Some(priority.map_or(LOW, |priority| priority.min(LOW)));
    }

    /// Puts a line of promptcron's own above its text.
    pub(super) fn begin_with(&mut self, line: &str) {
        self.message.message = format!("{line}\n{}", self.message.message);
        if let Some(source) = &mut self.source {
            *source = format!("{line}\n\n{source}");
        }
    }

    /// The messages to send instead, where the error is about the file.
    pub(super) fn instead_after(&self, error: &PushError) -> Option<&[Message]> {
        let is_file = self.file.is_some() && error.refuses_file();
        Some(self.instead.as_slice()).filter(|instead| is_file && !instead.is_empty())
    }
}

/// A file's name that every phone can keep: the job's, without what file systems refuse.
pub(super) fn file_name(job: &str) -> String {
    /// Most file systems take 255 bytes; what a phone appends for a second copy must fit too.
    const MAX_BYTES: usize = 200;
    let is_refused = |c: char| c.is_control() || r#"/\:*?"<>|"#.contains(c);
    let name = job.replace(is_refused, "-");
    let name = &name[..name.floor_char_boundary(MAX_BYTES)];
    match name.trim_matches(['.', ' ']) {
        "" => "answer.md".to_owned(),
        name => format!("{name}.md"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_of_an_older_ledger_is_a_parcel() {
        let json =
            r#"{"topic":"","message":"金价 801","title":"金价","priority":2,"tags":["moneybag"]}"#;
        let parcel: Parcel = serde_json::from_str(json).unwrap();
        let message: Message = serde_json::from_str(json).unwrap();
        assert_eq!(parcel, Parcel::from(message));
        assert_eq!(serde_json::to_string(&parcel).unwrap(), json);
    }

    #[test]
    fn the_file_and_the_parts_come_back_from_the_ledger() {
        let message = |text: &str| Message {
            message: text.to_owned(),
            ..Message::default()
        };
        let parcel = Parcel {
            message: message("一…"),
            source: None,
            file: Some(File {
                name: "金价.md".to_owned(),
                text: "一二".to_owned(),
            }),
            instead: vec![message("一"), message("二")],
        };
        let json = serde_json::to_string(&parcel).unwrap();
        insta::assert_snapshot!(json, @r#"{"topic":"","message":"一…","file":{"name":"金价.md","text":"一二"},"instead":[{"topic":"","message":"一"},{"topic":"","message":"二"}]}"#);
        assert_eq!(serde_json::from_str::<Parcel>(&json).unwrap(), parcel);
    }

    #[test]
    fn file_names_hold_nothing_that_a_file_system_refuses() {
        for (job, name) in [
            ("gold", "gold.md"),
            ("金价 早报", "金价 早报.md"),
            (r"a/b\c:d", "a-b-c-d.md"),
            ("..", "answer.md"),
            (".hidden.", "hidden.md"),
        ] {
            assert_eq!(file_name(job), name);
        }
        assert_eq!(file_name(&"金".repeat(200)).len(), 198 + ".md".len());
    }
}
