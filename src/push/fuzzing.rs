//! The reading of replies for the fuzzer, which sees no server.

use std::sync::Arc;

use super::{
    error::PushError,
    message::Message,
    reply::{self, Receipt, Reply},
};
use crate::{
    config::{Auth, Ntfy, Service, Target},
    model::Timestamp,
};

/// The token of the target that a judged reply comes from.
pub const SECRET: &str = "tk_fuzzed0secret0that0must0not0be0told";

/// What a reply of these parts to a push means; its text is a header's where there is one.
///
/// # Errors
/// What the push is refused for.
pub fn judge(
    status: u16,
    has_file: bool,
    header: Option<&str>,
    body: &[u8],
) -> Result<Receipt, PushError> {
    let topic = "topic";
    let service = Service::Ntfy(Ntfy {
        server: "https://push.example.com/"
            .parse()
            .expect("the address is one"),
        topic: topic.to_owned(),
        auth: Some(Auth::Token(SECRET.into())),
    });
    let target = Target::new(Arc::from("phone"), service);
    let sent = Message {
        topic: topic.to_owned(),
        message: "text".to_owned(),
        ..Message::default()
    };
    let reply = Reply {
        status,
        body: body.to_vec(),
        location: header.map(str::to_owned),
        retry_after: header.map(str::to_owned),
        at: Timestamp::default(),
    };
    reply::judge_push(&target, &sent, has_file, &reply)
}
