//! `promptcron check`: the config is valid, and this is what it means.

use std::{collections::BTreeSet, io, sync::Arc};

use chrono::Utc;
use clap::Args;

use super::{Failure, block_on, instant, out::say};
use crate::{
    ask,
    config::{Config, Endpoint, Job, Target, Token},
    daemon,
    ledger::{Access, Ledger},
    push,
    render::Style,
};

/// How many instants are shown of each job.
const INSTANTS: usize = 3;

/// What `check` is told.
#[derive(Debug, Args)]
pub(super) struct CheckArgs {
    /// Also ask every AI endpoint, token, ntfy server and webhook's host whether it is there, without pushing, and read
    /// in the ledger what former pushes showed
    #[arg(long)]
    live: bool,
}

/// Prints what the config means; with `--live`, what answers.
pub(super) fn run(config: &Config, args: &CheckArgs) -> Result<(), Failure> {
    for warning in &config.warnings {
        say!("warning: {warning}");
    }
    for job in &config.jobs {
        print_job(config, job)?;
    }
    let targets = config.targets.values();
    let webhooks = targets.filter(|target| target.webhook().is_some()).count();
    say!(
        "{} is valid: {}, {}, {}{}; ledger {}",
        config.file.display(),
        count(config.jobs.len(), "job"),
        count(config.endpoints.len(), "AI endpoint"),
        count(config.targets.len() - webhooks, "ntfy target"),
        match webhooks {
            0 => String::new(),
            webhooks => format!(", {}", count(webhooks, "webhook")),
        },
        config.ledger.0.display()
    );
    if args.live { live(config) } else { Ok(()) }
}

fn count(n: usize, noun: &str) -> String {
    format!("{n} {noun}{}", if n == 1 { "" } else { "s" })
}

fn print_job(config: &Config, job: &Job) -> io::Result<()> {
    let zone = job.schedule.zone();
    let style = job
        .style
        .map_or_else(String::new, |style| format!(", {}", style_word(style)));
    let targets: Vec<&str> = job.targets.iter().map(AsRef::as_ref).collect();
    say!(
        "{}: {} ({zone}), {} → {}{style}",
        job.name,
        job.schedule,
        chain(config, job),
        targets.join(", ")
    );
    if !job.enabled {
        say!("  not enabled");
        return Ok(());
    }
    let mut instants = job.schedule.upcoming(Utc::now()).take(INSTANTS).peekable();
    if instants.peek().is_none() {
        say!("  never due again");
    }
    for at in instants {
        say!("  {}", instant::local(at, zone));
    }
    Ok(())
}

/// Who is asked; of several each with its model, for a job's own counts only where it is known.
fn chain(config: &Config, job: &Job) -> String {
    let endpoints: Vec<&Endpoint> = (job.ai.iter())
        .filter_map(|name| config.endpoints.get(name).map(AsRef::as_ref))
        .collect();
    let named = |endpoint: &&Endpoint| match endpoints.as_slice() {
        [] | [_] => endpoint.name.to_string(),
        [first, ..] => {
            let model = job.model_at(endpoint, first).unwrap_or(&endpoint.model);
            format!("{} (model {model})", endpoint.name)
        }
    };
    endpoints
        .iter()
        .map(named)
        .collect::<Vec<_>>()
        .join(", else ")
}

fn style_word(style: Style) -> &'static str {
    match style {
        Style::Plain => "plain",
        Style::Classic => "classic",
        Style::Markdown => "markdown",
    }
}

/// Asks every endpoint with each of its tokens, and every target, one after the other.
fn live(config: &Config) -> Result<(), Failure> {
    let ok = block_on(async {
        let mut ok = true;
        for endpoint in config.endpoints.values() {
            ok &= probe(endpoint).await?;
        }
        let ledger = former(config).await?;
        for target in config.targets.values() {
            ok &= visit(target).await?;
            if let Some(ledger) = &ledger {
                print_former(ledger, target).await?;
            }
        }
        for target in own_topics(config) {
            ok &= visit(&target).await?;
        }
        Ok::<_, io::Error>(ok)
    })??;
    if ok { Ok(()) } else { Err(Failure::Told) }
}

/// The ledger, where there is one already: a check makes none.
async fn former(config: &Config) -> io::Result<Option<Ledger>> {
    let path = &config.ledger.0;
    if !path.exists() {
        return Ok(None);
    }
    match Ledger::open(path, Access::Read).await {
        Ok(ledger) => Ok(Some(ledger)),
        Err(error) => {
            say!("what former pushes showed cannot be read: {error:#}");
            Ok(None)
        }
    }
}

async fn print_former(ledger: &Ledger, target: &Target) -> io::Result<()> {
    match daemon::shown_by_pushes(ledger, target, Utc::now()).await {
        Ok(known) => {
            for line in known {
                say!("       {line}");
            }
        }
        Err(error) => say!("       what former pushes showed cannot be read: {error}"),
    }
    Ok(())
}

/// The topics that jobs have of their own, each once.
fn own_topics(config: &Config) -> Vec<Target> {
    let mut seen = BTreeSet::new();
    let of_job = |job: &Arc<Job>| {
        let targets = job
            .targets
            .iter()
            .filter_map(|name| config.targets.get(name));
        let ntfy = targets.filter(|target| target.ntfy().is_some());
        ntfy.map(|target| target.for_job(job)).collect::<Vec<_>>()
    };
    let jobs = config.jobs.iter().filter(|job| job.topic.is_some());
    let targets = jobs.flat_map(of_job);
    let topic = |target: &Target| Some((target.name.clone(), target.ntfy()?.topic.clone()));
    targets
        .filter(|target| seen.insert(topic(target)))
        .collect()
}

async fn probe(endpoint: &Arc<Endpoint>) -> io::Result<bool> {
    let client = match ask::Client::new(endpoint.clone()) {
        Ok(client) => client,
        Err(error) => return print_bad(&error.to_string()),
    };
    if endpoint.tokens.is_empty() {
        return probe_token(&client, endpoint, None).await;
    }
    let mut ok = true;
    for token in &endpoint.tokens {
        ok &= probe_token(&client, endpoint, Some(token)).await?;
    }
    Ok(ok)
}

async fn probe_token(
    client: &ask::Client,
    endpoint: &Endpoint,
    token: Option<&Token>,
) -> io::Result<bool> {
    let who = token.map_or_else(String::new, |token| format!(", token {}", token.label));
    match client.probe(token).await {
        Ok(probe) => {
            let model = match probe.model_listed {
                Some(false) => format!(
                    ", but its list has no model {}: check model",
                    endpoint.model
                ),
                _ => String::new(),
            };
            say!(
                "ok     ai.{} ({}{who}): answers{model}",
                endpoint.name,
                endpoint.base_url
            );
            Ok(true)
        }
        Err(error) => print_bad(&error.to_string()),
    }
}

async fn visit(target: &Target) -> io::Result<bool> {
    let client = match push::Client::new(&target.way()) {
        Ok(client) => client,
        Err(error) => return print_bad(&format!("{}: {error:#}", target.label())),
    };
    if let Some(webhook) = target.webhook() {
        return match client.reach(target).await {
            Ok(_) => {
                let (label, origin) = (target.label(), webhook.url.origin());
                say!(
                    "ok     {label} ({origin}): reachable; whether it takes pushes only a push tells"
                );
                Ok(true)
            }
            Err(error) => print_bad(&error.to_string()),
        };
    }
    let health = client.health(target).await;
    match health {
        Ok(health) => {
            say!("ok     {health}");
            Ok(true)
        }
        Err(error) => print_bad(&error.to_string()),
    }
}

fn print_bad(error: &str) -> io::Result<bool> {
    say!("FAILED {error}");
    Ok(false)
}
