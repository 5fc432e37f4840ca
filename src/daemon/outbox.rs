//! From an answer to the messages that are owed. Pure: written to the ledger with the answer.

use std::time::Duration;

use chrono::TimeDelta;
use sha2::{Digest, Sha256};

use super::{
    gate,
    messages::{messages, parcels, room},
    parcel::Parcel,
    words,
};
use crate::{
    ask::Answer,
    config::{Config, Job, SentFirst, Target},
    ledger::{Claim, Moving, MovingNotice, NewDelivery, Owed},
    model::{Language, Timestamp, to_ms},
    push::Message,
    render,
};

/// A push this much later than its nominal instant says so. Source: run-semantics, "Misfires".
const LATE: TimeDelta = TimeDelta::minutes(10);

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

    /// The key of the run that a delivery belongs to, if it belongs to one.
    fn of_owed(owed: &Owed) -> Option<Self> {
        Some(Self {
            job: owed.job.clone()?,
            scheduled_at: owed.scheduled_at()?,
            trigger: owed.trigger.clone()?,
        })
    }

    /// The run as a UUID (version 8: a hash of its key): the same after a crash, for monitors that tell runs apart.
    pub(super) fn uuid(&self) -> String {
        let at = to_ms(self.scheduled_at);
        let fields = [&self.job, &self.trigger].map(|field| format!("{}:{field}", field.len()));
        let digest = Sha256::digest(format!("run {}{at}", fields.concat()));
        let mut bytes: [u8; 16] = std::array::from_fn(|index| digest[index]);
        bytes[6] = bytes[6] & 0x0f | 0x80;
        bytes[8] = bytes[8] & 0x3f | 0x80;
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let [a, b, c, d, e] = [
            &hex[..8],
            &hex[8..12],
            &hex[12..16],
            &hex[16..20],
            &hex[20..],
        ];
        format!("{a}-{b}-{c}-{d}-{e}")
    }

    /// A stable hash of run, target and part, in ntfy's alphabet (`^[-_A-Za-z0-9]{1,64}$`) whatever
    /// script the job's name is in.
    fn sequence_id(&self, kind: &str, target: &str, part: usize) -> String {
        let at = to_ms(self.scheduled_at);
        let fields = [&self.job, &self.trigger, kind, target]
            .map(|field| format!("{}:{field}", field.len()));
        hashed(&format!("{}{at}:{part}", fields.concat()))
    }
}

/// The sequence id of a notice: stable for what tells it apart.
pub(super) fn notice_id(parts: &[&str]) -> String {
    let fields = parts
        .iter()
        .map(|part| format!("{}:{part}", part.len()))
        .collect::<String>();
    hashed(&fields)
}

fn hashed(text: &str) -> String {
    let digest = Sha256::digest(text);
    let hex: String = digest[..16]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("pc-{hex}")
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
            let give_up_at = gate::give_up_at(target, now, job.push_retry_for);
            let parcels = messages(config.language, job, target, answer);
            owed("answer", run, target, parcels, now, give_up_at)
        })
        .collect()
}

/// The deliveries of the messages that go out instead of one whose file is not taken; the first
/// takes its place.
#[must_use]
pub(super) fn in_parts(
    owed_now: &Owed,
    target: &Target,
    messages: &[Message],
    now: Timestamp,
) -> Vec<NewDelivery> {
    let Some(run) = RunKey::of_owed(owed_now) else {
        return Vec::new();
    };
    let parcels = parcels(messages.to_vec());
    owed("answer", &run, target, parcels, now, owed_now.give_up_at())
}

/// The deliveries of an answer that goes to another target than the one it was for.
#[must_use]
pub(super) fn handed_over(
    moving: &Moving,
    target: &Target,
    parcels: Vec<Parcel>,
    now: Timestamp,
    give_up_at: Timestamp,
) -> Vec<NewDelivery> {
    let run = RunKey {
        job: moving.job.clone(),
        scheduled_at: moving.scheduled_at(),
        trigger: moving.trigger.clone(),
    };
    owed("answer", &run, target, parcels, now, give_up_at)
}

/// A notice that goes to another target than the one it was for, below a line of ours; None: it cannot be read.
#[must_use]
pub(super) fn notice_instead(
    notice: &MovingNotice,
    language: Language,
    from: &Target,
    target: &Target,
    now: Timestamp,
) -> Option<NewDelivery> {
    /// As long as other notices.
    const TRIED_FOR: Duration = Duration::from_hours(24);
    let mut parcel: Parcel = serde_json::from_str(&notice.message).ok()?;
    parcel.begin_with(&words::instead_of(language, &from.name));
    let text = &mut parcel.message.message;
    *text = render::truncate(text, None, room(target), language)?.text;
    Some(NewDelivery {
        kind: "notice",
        target: target.name.to_string(),
        part: 1,
        parts: 1,
        turn: 1,
        sequence_id: notice_id(&[&notice.sequence_id, &target.name]),
        bytes: i64::try_from(text.len()).unwrap_or(i64::MAX),
        message: serde_json::to_string(&parcel).unwrap_or_default(),
        next_at: now,
        give_up_at: gate::give_up_at(target, now, TRIED_FOR),
    })
}

/// The line that a late push begins with; None: it is in time, or was asked for by hand.
#[must_use]
pub(super) fn late_line(
    language: Language,
    job: &Job,
    scheduled_at: Timestamp,
    now: Timestamp,
) -> Option<String> {
    if now - scheduled_at <= LATE {
        return None;
    }
    let zone = job.schedule.zone();
    let (due, sent) = (scheduled_at.with_timezone(&zone), now.with_timezone(&zone));
    let due = match due.date_naive() == sent.date_naive() {
        true => due.format("%H:%M"),
        false => due.format("%Y-%m-%d %H:%M"),
    };
    let (due, sent) = (due.to_string(), sent.format("%H:%M").to_string());
    Some(words::late(language, &due, &sent))
}

fn targets<'a>(config: &'a Config, job: &'a Job) -> impl Iterator<Item = &'a Target> {
    job.targets
        .iter()
        .filter_map(|name| config.targets.get(name))
        .map(AsRef::as_ref)
}

fn owed(
    kind: &'static str,
    run: &RunKey,
    target: &Target,
    parcels: Vec<Parcel>,
    now: Timestamp,
    give_up_at: Timestamp,
) -> Vec<NewDelivery> {
    let parts = i64::try_from(parcels.len()).unwrap_or(i64::MAX);
    (parcels.into_iter().zip(1..))
        .map(|(parcel, part)| NewDelivery {
            kind,
            target: target.name.to_string(),
            part,
            parts,
            turn: match target.courtesy.sent_first {
                SentFirst::First => part,
                SentFirst::Last => parts + 1 - part,
            },
            sequence_id: run.sequence_id(kind, &target.name, usize::try_from(part).unwrap_or(0)),
            bytes: i64::try_from(parcel.message.message.len()).unwrap_or(i64::MAX),
            message: serde_json::to_string(&parcel).unwrap_or_default(),
            next_at: now,
            give_up_at,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, path::Path};

    use super::*;
    use crate::config;

    fn config(language: &str) -> Config {
        let text = format!(
            r#"
timezone = "Asia/Shanghai"
language = "{language}"
[ai.kimi]
api = "kimi"
base_url = "http://127.0.0.1:8000/v1"
tokens = "TOKEN1"
[ntfy.phone]
topic = "hotine"
[[job]]
name = "金价"
cron = "0 8 * * *"
prompt = "金价？"
"#
        );
        config::parse(
            &text,
            Path::new("c.toml"),
            at("2026-11-23T00:00:00Z"),
            &BTreeMap::new(),
        )
        .unwrap_or_else(|errors| panic!("{errors}"))
    }

    fn at(instant: &str) -> Timestamp {
        instant.parse().unwrap()
    }

    #[test]
    fn a_late_push_says_so_on_its_jobs_wall_clock() {
        let line = |language: &str, now: &str| {
            let config = config(language);
            let due = at("2026-11-23T00:00:00Z");
            late_line(config.language, &config.jobs[0], due, at(now))
        };
        let text = |line: &str| Some(line.to_owned());
        assert_eq!(line("en", "2026-11-23T00:10:00Z"), None);
        assert_eq!(
            line("en", "2026-11-23T02:12:00Z"),
            text("(due 08:00, sent 10:12)")
        );
        assert_eq!(
            line("zh", "2026-11-23T02:12:00Z"),
            text("（原定 08:00，实际 10:12 发送）")
        );
        assert_eq!(
            line("en", "2026-11-23T16:30:00Z"),
            text("(due 2026-11-23 08:00, sent 00:30)")
        );
        let longest = line("zh", "2026-11-23T16:30:00Z").unwrap();
        assert_eq!(longest, "（原定 2026-11-23 08:00，实际 00:30 发送）");
        assert!(
            longest.len() < super::super::messages::LATE_ROOM,
            "and its line end"
        );
    }
}
