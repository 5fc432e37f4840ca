//! `promptcron push`: a test message to a target.

use anyhow::{anyhow, bail};
use clap::Args;

use super::{Failure, block_on, out::say};
use crate::{
    config::{Config, Target, ntfy_rules},
    push::{Client, Message, Receipt},
};

/// What `push` is told.
#[derive(Debug, Args)]
pub(super) struct PushArgs {
    /// The NAME of [ntfy.NAME]
    target: String,
    /// What to push
    text: String,
    /// A title above it
    #[arg(long)]
    title: Option<String>,
}

/// Pushes one message, once, past the ledger.
pub(super) fn run(config: &Config, args: &PushArgs) -> Result<(), Failure> {
    let target = find(config, &args.target).map_err(Failure::Config)?;
    if args.text.trim().is_empty() {
        let error = anyhow!("there is nothing to push: the text is blank");
        return Err(Failure::Config(error));
    }
    let notification = &target.notification;
    let message = Message {
        topic: target.topic.clone(),
        message: args.text.clone(),
        title: args.title.clone().or_else(|| notification.title.clone()),
        priority: notification.priority,
        tags: ntfy_rules::short_codes(notification.tags.as_deref().unwrap_or_default()),
        click: notification.click.clone(),
        icon: notification.icon.clone(),
        ..Message::default()
    };
    let receipt = block_on(push(target, &message))??;
    say!(
        "pushed to {}{} as message {}",
        target.server,
        target.topic,
        receipt.id
    );
    Ok(())
}

async fn push(target: &Target, message: &Message) -> anyhow::Result<Receipt> {
    Ok(Client::new(&target.way())?.push(target, message).await?)
}

fn find<'a>(config: &'a Config, name: &str) -> anyhow::Result<&'a Target> {
    match config.targets.get(name) {
        Some(target) => Ok(target),
        None => {
            let names: Vec<&str> = config.targets.keys().map(AsRef::as_ref).collect();
            bail!(
                "there is no target {name} in {}: it has {}",
                config.file.display(),
                names.join(", ")
            )
        }
    }
}
