//! From an answer to the messages that are owed. Pure: written to the ledger with the answer.

use chrono::TimeDelta;
use sha2::{Digest, Sha256};

use crate::{
    ask::Answer,
    config::{
        Config, Job, Notification, Target,
        ntfy_rules::{MAX_MESSAGE_BYTES, short_codes},
    },
    ledger::{Claim, NewDelivery, Owed},
    model::{Language, Timestamp, to_ms},
    push::Message,
    render::{self, Part, Sources, SplitLimits, Style, TextOptions},
};

/// A push this much later than its nominal instant says so. Source: run-semantics, "Misfires".
const LATE: TimeDelta = TimeDelta::minutes(10);

/// Room that a part leaves below ntfy's limit for the line that says it is late.
const LATE_ROOM: usize = 64;

/// What a sequence id is made of: stable for a run, whatever happens to its ledger row.
#[derive(Clone, Debug)]
pub(super) struct RunKey {
    /// The job's name.
    pub(super) job: String,
    /// The nominal instant.
    pub(super) scheduled_at: Timestamp,
    /// `schedule` or `manual`.
    pub(super) trigger: String,
}

impl RunKey {
    /// The key of a claimed run.
    #[must_use]
    pub(super) fn of(claim: &Claim) -> Self {
        Self {
            job: claim.job.clone(),
            scheduled_at: claim.scheduled_at(),
            trigger: claim.trigger.clone(),
        }
    }

    /// A stable hash of run, target and part, in ntfy's alphabet (`^[-_A-Za-z0-9]{1,64}$`) whatever
    /// script the job's name is in.
    fn sequence_id(&self, kind: &str, target: &str, part: usize) -> String {
        let at = to_ms(self.scheduled_at);
        let fields = [&self.job, &self.trigger, kind, target]
            .map(|field| format!("{}:{field}", field.len()));
        let digest = Sha256::digest(format!("{}{at}:{part}", fields.concat()));
        let hex: String = digest[..16]
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        format!("pc-{hex}")
    }
}

/// The messages of an answer, for every target of its job.
#[must_use]
pub(super) fn compose(
    config: &Config,
    job: &Job,
    run: &RunKey,
    answer: &Answer,
    now: Timestamp,
) -> Vec<NewDelivery> {
    targets(config, job)
        .flat_map(|target| {
            let messages = messages(job, target, answer);
            owed("answer", run, job, target, messages, now)
        })
        .collect()
}

/// The messages of an answer for one target, in order.
#[must_use]
pub fn messages(job: &Job, target: &Target, answer: &Answer) -> Vec<Message> {
    let style = job.style.or(target.style).unwrap_or_default();
    let notification = job.notification.or(&target.notification);
    let options = TextOptions::default();
    let mut text = render::render(&answer.text, style, Sources::Cut, &options);
    if text.trim().is_empty() {
        // A style may leave nothing of an odd answer; ntfy would say "triggered".
        text = answer.text.trim().to_owned();
    }
    if answer.truncated {
        text = format!(
            "{}\n\n(cut off: the AI stopped at its length limit)",
            text.trim_end()
        );
    }
    let limits = SplitLimits {
        max_bytes: room(target),
        max_parts: target.max_parts,
    };
    let parts = render::split(&text, notification.title.as_deref(), &limits, Language::En);
    let markdown = style == Style::Markdown;
    (parts.into_iter().enumerate())
        .map(|(index, part)| message(&notification, part, index, markdown))
        .collect()
}

/// The notices of a run that has no answer and gets none.
#[must_use]
pub(super) fn notices(
    config: &Config,
    job: &Job,
    run: &RunKey,
    error: &str,
    now: Timestamp,
) -> Vec<NewDelivery> {
    let due = run.scheduled_at.with_timezone(&job.schedule.zone());
    let due = due.format("%Y-%m-%d %H:%M");
    let text = format!("No answer for the run that was due {due}.\n{error}");
    notify(config, job, run, &text, now)
}

/// The notices of a run that was answered and could not be pushed to one of its targets.
#[must_use]
pub(super) fn push_notices(
    config: &Config,
    job: &Job,
    owed: &Owed,
    error: &str,
    now: Timestamp,
) -> Vec<NewDelivery> {
    let run = RunKey {
        job: owed.job.clone(),
        scheduled_at: owed.scheduled_at(),
        trigger: owed.trigger.clone(),
    };
    let due = run.scheduled_at.with_timezone(&job.schedule.zone());
    let due = due.format("%Y-%m-%d %H:%M");
    let text = format!(
        "The answer of the run that was due {due} could not be pushed (`promptcron show {}` has it).\n{error}",
        owed.run_id
    );
    notify(config, job, &run, &text, now)
}

/// One notice to `alerts`, else to each of the job's own targets: never silence.
fn notify(
    config: &Config,
    job: &Job,
    run: &RunKey,
    text: &str,
    now: Timestamp,
) -> Vec<NewDelivery> {
    let alerts = config
        .alerts
        .as_ref()
        .and_then(|name| config.targets.get(name));
    let receivers: Vec<&Target> = match alerts {
        Some(target) => vec![target],
        None => targets(config, job).collect(),
    };
    let notification = Notification {
        tags: Some(vec!["warning".to_owned()]),
        ..Notification::default()
    };
    let title = format!("{} failed", job.name);
    receivers
        .into_iter()
        .flat_map(|target| {
            let part = render::truncate(text, Some(&title), room(target), Language::En);
            let messages = part.map(|part| message(&notification, part, 0, false));
            owed(
                "notice",
                run,
                job,
                target,
                messages.into_iter().collect(),
                now,
            )
        })
        .collect()
}

/// What one message may hold, with room for the line that says it is late.
fn room(target: &Target) -> usize {
    target.max_bytes.min(MAX_MESSAGE_BYTES - LATE_ROOM)
}

/// The line that a late push begins with; None: it is in time, or was asked for by hand.
#[must_use]
pub(super) fn late_line(job: &Job, scheduled_at: Timestamp, now: Timestamp) -> Option<String> {
    if now - scheduled_at <= LATE {
        return None;
    }
    let zone = job.schedule.zone();
    let (due, sent) = (scheduled_at.with_timezone(&zone), now.with_timezone(&zone));
    let due = match due.date_naive() == sent.date_naive() {
        true => due.format("%H:%M"),
        false => due.format("%Y-%m-%d %H:%M"),
    };
    Some(format!("(due {due}, sent {})", sent.format("%H:%M")))
}

fn targets<'a>(config: &'a Config, job: &'a Job) -> impl Iterator<Item = &'a Target> {
    job.targets
        .iter()
        .filter_map(|name| config.targets.get(name))
        .map(AsRef::as_ref)
}

/// One answer buzzes once: the parts after the first come quietly.
fn message(notification: &Notification, part: Part, index: usize, markdown: bool) -> Message {
    const QUIET: u8 = 2;
    let priority = match index {
        0 => notification.priority,
        _ => Some(notification.priority.unwrap_or(QUIET).min(QUIET)),
    };
    Message {
        message: part.text,
        title: part.title,
        priority,
        tags: short_codes(notification.tags.as_deref().unwrap_or_default()),
        click: notification.click.clone(),
        attach: notification.attach.clone().filter(|_| index == 0),
        icon: notification.icon.clone(),
        markdown,
        ..Message::default()
    }
}

fn owed(
    kind: &'static str,
    run: &RunKey,
    job: &Job,
    target: &Target,
    messages: Vec<Message>,
    now: Timestamp,
) -> Vec<NewDelivery> {
    let parts = i64::try_from(messages.len()).unwrap_or(i64::MAX);
    (messages.into_iter().zip(1..))
        .map(|(message, part)| NewDelivery {
            kind,
            target: target.name.to_string(),
            part,
            parts,
            sequence_id: run.sequence_id(kind, &target.name, usize::try_from(part).unwrap_or(0)),
            bytes: i64::try_from(message.message.len()).unwrap_or(i64::MAX),
            message: serde_json::to_string(&message).unwrap_or_default(),
            next_at: now,
            give_up_at: now + job.push_retry_for,
        })
        .collect()
}
