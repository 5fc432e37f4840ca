//! `promptcron push`: a test message to a target.

use anyhow::{anyhow, bail};
use clap::Args;

use super::{Failure, block_on, out::say};
use crate::{
    config::{Button, Config, Ntfy, Page, Service, Target, ntfy_rules},
    push::{Client, Message, Receipt},
    render,
};

/// What `push` is told.
#[derive(Debug, Args)]
pub(super) struct PushArgs {
    /// The NAME of [ntfy.NAME] or [webhook.NAME]
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
    let receipt = block_on(push(target, args))??;
    match target.ntfy() {
        Some(ntfy) => say!(
            "pushed to {}{} as message {}",
            ntfy.server,
            ntfy.topic,
            receipt.id
        ),
        None => say!("posted to {}: {}", target.label(), receipt.id),
    }
    Ok(())
}

async fn push(target: &Target, args: &PushArgs) -> anyhow::Result<Receipt> {
    let client = Client::new(&target.way())?;
    Ok(match &target.service {
        Service::Ntfy(ntfy) => client.push(target, &message(target, ntfy, args)).await?,
        Service::Webhook(_) => client.post(target, &page(target, args)).await?,
    })
}

fn title<'a>(target: &'a Target, args: &'a PushArgs) -> Option<&'a str> {
    args.title
        .as_deref()
        .or(target.notification.title.as_deref())
}

fn message(target: &Target, ntfy: &Ntfy, args: &PushArgs) -> Message {
    let notification = &target.notification;
    let buttons = notification.extras().actions.iter().flatten();
    let message = Message {
        topic: ntfy.topic.clone(),
        message: args.text.clone(),
        title: title(target, args).map(str::to_owned),
        tags: ntfy_rules::short_codes(notification.tags.as_deref().unwrap_or_default()),
        // One that promptcron makes is about a run, and here is none.
        actions: buttons.filter_map(Button::own).cloned().collect(),
        ..Message::showing(notification)
    };
    message.with_extras(notification)
}

fn page<'a>(target: &'a Target, args: &'a PushArgs) -> Page<'a> {
    let notification = &target.notification;
    Page {
        title: title(target, args).unwrap_or_default(),
        text: &args.text,
        html: render::html(&args.text).into(),
        markdown: &args.text,
        tags: notification.tags.as_deref().unwrap_or_default(),
        priority: notification.priority.unwrap_or(3),
        click: notification.click.as_deref().unwrap_or_default(),
        job: "",
        run: 0,
        part: 1,
        parts: 1,
        id: "",
    }
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
