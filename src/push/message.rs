//! One push, in the very words of ntfy's JSON.

use serde::{Deserialize, Serialize};

use crate::config::{Action, Notification};

/// What is posted to ntfy: the fields of its JSON publishing, those that say nothing left out.
///
/// The ledger keeps it in this form from the answer to the delivery, so a field's name is part of
/// the ledger's format.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Message {
    /// The topic it goes to.
    pub topic: String,
    /// The text: at most `ntfy_rules::MAX_MESSAGE_BYTES`, not blank (ntfy would say "triggered").
    #[serde(skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// The line above the text.
    #[serde(skip_serializing_if = "is_blank")]
    pub title: Option<String>,
    /// 1..5; without it ntfy's default, 3.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub priority: Option<u8>,
    /// Short codes of emoji, and words; none with a comma.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// The URL that a tap opens.
    #[serde(skip_serializing_if = "is_blank")]
    pub click: Option<String>,
    /// Up to three buttons.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub actions: Vec<Action>,
    /// The URL of an attachment.
    #[serde(skip_serializing_if = "is_blank")]
    pub attach: Option<String>,
    /// The attachment's name; without `attach` ntfy makes a file of the text.
    #[serde(skip_serializing_if = "is_blank")]
    pub filename: Option<String>,
    /// The URL of an icon (Android).
    #[serde(skip_serializing_if = "is_blank")]
    pub icon: Option<String>,
    /// Whether the text is Markdown, which the web and Android show.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub markdown: bool,
    /// When to show it: `30m`, `9am` or a Unix time.
    #[serde(skip_serializing_if = "is_blank")]
    pub delay: Option<String>,
    /// An e-mail address that gets it too.
    #[serde(skip_serializing_if = "is_blank")]
    pub email: Option<String>,
    /// A telephone number that is called and hears it.
    #[serde(skip_serializing_if = "is_blank")]
    pub call: Option<String>,
    /// `no` keeps it out of the server's cache. A string, as in ntfy.
    #[serde(skip_serializing_if = "is_blank")]
    pub cache: Option<String>,
    /// `no` keeps it from Firebase. A string, as in ntfy.
    #[serde(skip_serializing_if = "is_blank")]
    pub firebase: Option<String>,
    /// Names the notification that this one replaces; servers before 2.16 ignore it.
    #[serde(skip_serializing_if = "is_blank")]
    pub sequence_id: Option<String>,
}

impl Message {
    /// A message that shows what a notification says, without its text and tags, and without what
    /// comes once for all parts of an answer.
    #[must_use]
    pub fn showing(notification: &Notification) -> Self {
        let no = |wanted: Option<bool>| (wanted == Some(false)).then(|| "no".to_owned());
        let extras = notification.extras();
        Self {
            title: notification.title.clone(),
            priority: notification.priority,
            click: notification.click.clone(),
            icon: extras.icon.clone(),
            delay: extras.delay.clone(),
            markdown: extras.markdown == Some(true),
            cache: no(extras.cache),
            firebase: no(extras.firebase),
            ..Self::default()
        }
    }

    /// The same with what comes once, but for actions: the attachment, the mail and the call.
    #[must_use]
    pub fn with_extras(self, notification: &Notification) -> Self {
        let extras = notification.extras();
        Self {
            attach: extras.attach.clone(),
            filename: extras.filename.clone(),
            email: extras.email.clone(),
            call: extras.call.clone(),
            ..self
        }
    }

    /// Whether the server is meant to attach a file to it.
    #[must_use]
    pub fn asks_for_a_file(&self) -> bool {
        !is_blank(&self.attach) || !is_blank(&self.filename)
    }
}

#[expect(
    clippy::ref_option,
    reason = "serde hands the field itself to skip_serializing_if"
)]
fn is_blank(text: &Option<String>) -> bool {
    text.as_deref().is_none_or(str::is_empty)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_that_say_nothing_are_left_out() {
        let message = Message {
            topic: "hotine".to_owned(),
            message: "金价 <上涨> & \"回落\"\n第二行".to_owned(),
            title: Some(String::new()),
            ..Message::default()
        };
        insta::assert_snapshot!(serde_json::to_string(&message).unwrap(), @r#"{"topic":"hotine","message":"金价 <上涨> & \"回落\"\n第二行"}"#);
    }

    #[test]
    fn every_field_has_the_name_ntfy_reads() {
        let text = |text: &str| Some(text.to_owned());
        let message = Message {
            topic: "hotine".to_owned(),
            message: "金价".to_owned(),
            title: text("金价分析"),
            priority: Some(4),
            tags: vec!["moneybag".to_owned()],
            click: text("https://example.com/"),
            actions: vec![
                Action::View {
                    label: "Open".to_owned(),
                    url: "https://example.com/".to_owned(),
                    clear: true,
                },
                Action::Copy {
                    label: "Copy".to_owned(),
                    value: "801".to_owned(),
                    clear: false,
                },
            ],
            attach: text("https://example.com/a.png"),
            filename: text("a.png"),
            icon: text("https://example.com/i.png"),
            markdown: true,
            delay: text("30m"),
            email: text("a@example.com"),
            call: text("yes"),
            cache: text("no"),
            firebase: text("no"),
            sequence_id: text("gold-17-1"),
        };
        let json = serde_json::to_string(&message).unwrap();
        insta::assert_snapshot!(json, @r#"{"topic":"hotine","message":"金价","title":"金价分析","priority":4,"tags":["moneybag"],"click":"https://example.com/","actions":[{"action":"view","label":"Open","url":"https://example.com/","clear":true},{"action":"copy","label":"Copy","value":"801"}],"attach":"https://example.com/a.png","filename":"a.png","icon":"https://example.com/i.png","markdown":true,"delay":"30m","email":"a@example.com","call":"yes","cache":"no","firebase":"no","sequence_id":"gold-17-1"}"#);
        assert_eq!(serde_json::from_str::<Message>(&json).unwrap(), message);
    }
}
