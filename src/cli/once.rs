//! `promptcron once`: ask a job's prompt now, push the answer, wait until it is delivered.

use std::{sync::Arc, time::Duration};

use anyhow::{Context, anyhow};
use clap::Args;

use super::{Failure, block_on, next::named, out::say};
use crate::{
    ask::{self, Answer},
    clock::{Clock, SystemClock},
    config::{Config, Job},
    daemon::{self, Chain, Ended, Engine, Filled, LEASE, Moments, Owner, Parcel, Revision, Stop},
    ledger::{Access, Claim, Ledger, Shown},
    model::RunState,
    prompt::Prompt,
};

/// What `once` is told.
#[derive(Debug, Args)]
pub(super) struct OnceArgs {
    /// The job's name; a disabled one runs too
    job: String,
    /// Ask, and print what would be pushed instead of pushing it; the ledger is not written
    #[arg(long)]
    dry_run: bool,
    /// Print the prompt as it would be asked now, without asking
    #[arg(long, conflicts_with = "dry_run")]
    show_prompt: bool,
    /// How long to wait for the delivery; after it the daemon sends what is owed
    #[arg(long, default_value = "60s", value_name = "TIME", value_parser = humantime::parse_duration)]
    wait: Duration,
}

/// Runs one job once.
pub(super) fn run(config: Config, args: &OnceArgs) -> Result<(), Failure> {
    let job = named(&config, &args.job).map_err(Failure::Config)?;
    let name = job.name.to_string();
    block_on(async {
        if args.show_prompt {
            show_prompt(&config, &name).await
        } else if args.dry_run {
            dry_run(config, &name).await
        } else {
            for_real(config, &name, args.wait).await
        }
    })?
}

/// The prompts as they would be asked now; the ledger is read only where one of them speaks of the last answer.
async fn fill(config: &Config, job: &Job) -> Result<Filled, Failure> {
    let path = &config.ledger.0;
    let wants_last = job.prompt.wants_last() || job.system.as_ref().is_some_and(Prompt::wants_last);
    let ledger = match wants_last && path.exists() {
        true => Some(Ledger::open(path, Access::Read).await?),
        false => None,
    };
    let now = SystemClock.now();
    let moments = Moments {
        scheduled_at: now,
        now,
    };
    let filled = Filled::of(job, config.language, ledger.as_ref(), moments).await?;
    if let Some(ledger) = ledger {
        ledger.close().await;
    }
    filled.map_err(|error| Failure::Work(anyhow!("job {}: {error}", job.name)))
}

async fn show_prompt(config: &Config, name: &str) -> Result<(), Failure> {
    let job = config.job(name).context("the job is gone")?;
    let filled = fill(config, job).await?;
    if let Some(system) = filled.system {
        say!("--- system\n{system}\n--- prompt");
    }
    say!("{}", filled.prompt);
    Ok(())
}

async fn dry_run(config: Config, name: &str) -> Result<(), Failure> {
    let revision = Revision::new(config)?;
    let job = revision.job(name).context("the job is gone")?;
    let filled = fill(&revision.config, job).await?;
    let links = Chain::of(job, &revision)?.links(&filled);
    let answer = ask::ask_along(&links, None, &SystemClock)
        .await
        .result
        .map_err(|error| anyhow!("job {name}: {error}"))?;
    print_parts(&revision, job, &answer)?;
    if daemon::is_silent(&revision.config, job, &answer) {
        say!("silent_if matches: where it is due by its schedule, this is not pushed");
    }
    Ok(())
}

fn print_parts(revision: &Revision, job: &Job, answer: &Answer) -> anyhow::Result<()> {
    for name in job.targets.iter() {
        let Some((target, _)) = revision.target(name) else {
            continue;
        };
        for parcel in daemon::messages(revision.config.language, job, target, answer) {
            print_parcel(&target.name, &parcel)?;
        }
    }
    Ok(())
}

/// A head of what stands around the text, an empty line, and exactly the text.
fn print_parcel(target: &str, parcel: &Parcel) -> anyhow::Result<()> {
    let message = &parcel.message;
    say!("target: {target}");
    if let Some(title) = &message.title {
        say!("title: {title}");
    }
    if !message.tags.is_empty() {
        say!("tags: {}", message.tags.join(", "));
    }
    if let Some(priority) = message.priority {
        say!("priority: {priority}");
    }
    if let Some(file) = &parcel.file {
        say!("file: {}, {} bytes", file.name, file.text.len());
    }
    say!("bytes: {}\n\n{}\n", message.message.len(), message.message);
    Ok(())
}

async fn for_real(config: Config, name: &str, wait: Duration) -> Result<(), Failure> {
    let ledger = Ledger::open(&config.ledger.0, Access::Write).await?;
    let stop = Stop::default();
    stop.on_signals(Arc::default())?;
    let revision = Revision::new(config)?;
    let engine = Arc::new(Engine::new(
        Owner::once(),
        revision,
        ledger,
        Arc::new(SystemClock),
        stop,
    ));
    engine.restore_tokens().await?;
    let now = engine.clock.now();
    let owner = engine.owner.as_str();
    let claim = engine
        .ledger
        .claim_manual(name, owner, now, now + LEASE)
        .await?;
    let renewal = tokio::spawn(renew(engine.clone()));
    let watch = tokio::spawn(watch(engine.clone()));
    let done = carry_out(&engine, claim, wait).await;
    renewal.abort();
    watch.abort();
    engine.ledger.close().await;
    done
}

/// Keeps the claim while the AI takes its time, so that no daemon takes the run over.
async fn renew(engine: Arc<Engine>) {
    loop {
        tokio::time::sleep(LEASE / 3).await;
        let lease_until = engine.clock.now() + LEASE;
        if let Err(error) = engine
            .ledger
            .renew(engine.owner.as_str(), lease_until)
            .await
        {
            tracing::warn!(%error, "the claim could not be renewed");
        }
    }
}

/// Looks each second whether somebody has cancelled the run.
async fn watch(engine: Arc<Engine>) {
    loop {
        tokio::time::sleep(Duration::from_secs(1)).await;
        if let Err(error) = engine.cut_lost_calls().await {
            tracing::warn!(error = format!("{error:#}"), "the claim could not be read");
        }
    }
}

/// Cuts the AI call off at the first signal: whoever asked by hand waits for no drain.
async fn cut_off(stop: Stop) {
    stop.stopping().await;
    stop.at_once();
}

async fn carry_out(engine: &Arc<Engine>, claim: Claim, wait: Duration) -> Result<(), Failure> {
    let (run_id, name) = (claim.run_id, claim.job.clone());
    let cut_off = tokio::spawn(cut_off(engine.stop.clone()));
    let asked = daemon::carry_out(engine.clone(), claim).await;
    cut_off.abort();
    match asked? {
        Ended::Answered => {}
        Ended::Failed(error) | Ended::Again(error) => {
            return Err(Failure::Work(anyhow!("job {name}, run {run_id}: {error}")));
        }
        Ended::Interrupted => {
            // Left as it is, a daemon would take it up.
            engine.ledger.cancel(run_id, engine.clock.now()).await?;
            let text = "cut off and cancelled: nothing more of it is asked or pushed";
            return Err(Failure::Work(anyhow!("job {name}, run {run_id}: {text}")));
        }
        Ended::Cancelled => return Err(Failure::Work(anyhow!("job {name} is gone"))),
        Ended::Lost => {
            return Err(Failure::Work(anyhow!(
                "job {name}, run {run_id}: cancelled"
            )));
        }
    }
    let revision = engine.revision();
    let job = revision.job(&name).context("the job is gone")?;
    let until = engine.clock.now() + wait;
    let over = daemon::deliver_run(engine, run_id, &job.targets, until).await?;
    let shown = engine
        .ledger
        .show(run_id)
        .await?
        .context("the run is gone")?;
    report(&shown, over)
}

fn report(shown: &Shown, over: bool) -> Result<(), Failure> {
    let run = &shown.run;
    let answers = shown
        .deliveries
        .iter()
        .filter(|delivery| delivery.kind == "answer");
    let delivered = answers
        .clone()
        .filter(|delivery| delivery.state == "delivered");
    let head = format!(
        "job {}, run {}: asked in {} ms, {} of {} messages pushed",
        run.job,
        run.run_id,
        run.asked_ms.unwrap_or(0),
        delivered.count(),
        answers.clone().count()
    );
    if run.state == RunState::Delivered.as_str() {
        say!("{head} in {} ms", run.pushed_ms.unwrap_or(0));
        return Ok(());
    }
    let mut errors: Vec<&str> = answers
        .filter_map(|delivery| delivery.error.as_deref())
        .collect();
    // Each part of a long answer may have met the same.
    errors.dedup();
    let errors = errors.join("\n");
    let rest = if over {
        ""
    } else {
        "\nthe daemon will send what is owed, when it runs"
    };
    Err(Failure::Work(anyhow!("{head}\n{errors}{rest}")))
}
