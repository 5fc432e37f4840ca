//! When a target may be sent to: its pace, its quiet hours, and who is told in its stead.

use std::{sync::Arc, time::Duration};

use chrono::NaiveTime;
use chrono_tz::Tz;
use toml::de::DeValue;

use super::{
    item::{Fault, Item},
    keys,
    section::Section,
    zone,
};
use crate::schedule::Quiet;

const MODES: &[(&str, QuietMode)] = &[("hold", QuietMode::Hold), ("low", QuietMode::Low)];
const FIRST: &[(&str, SentFirst)] = &[("last", SentFirst::Last), ("first", SentFirst::First)];

/// How fast a server may be sent to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// So many at once, after a rest; at least one.
    pub burst: u32,
    /// One more after each of these.
    pub every: Duration,
    /// So many in a day, counted from 00:00 UTC.
    pub per_day: Option<u32>,
}

impl Pace {
    /// ntfy's own limit of requests, as its server is set by default.
    pub const NTFY: Self = Self {
        burst: 60,
        every: Duration::from_secs(5),
        per_day: None,
    };

    /// What ntfy.sh publishes for those who do not pay.
    pub const NTFY_SH: Self = Self {
        per_day: Some(250),
        ..Self::NTFY
    };
}

/// Whether a target's messages are paced.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pacing {
    /// `pace = false`.
    Never,
    /// From the first message on.
    Always(Pace),
    /// Once its server has said that it was too much.
    #[default]
    OnceRefused,
}

/// What becomes of messages in quiet hours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum QuietMode {
    /// They wait for the end.
    #[default]
    Hold,
    /// They come without a sound, with the lowest priority but one.
    Low,
}

/// Which part of a long answer is sent first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SentFirst {
    /// Part 1: right where messages are listed like a chat, the newest below.
    First,
    /// The last one, so that part 1 stands on top of a list whose newest is on top.
    Last,
}

/// When a target may be sent to, and who is told in its stead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Courtesy {
    /// How fast.
    pub pacing: Pacing,
    /// Hours at which it is left alone.
    pub quiet: Option<(Quiet, QuietMode)>,
    /// Which part of a long answer goes first.
    pub sent_first: SentFirst,
    /// The targets that get what it is owed when it cannot be reached; the first that can be gets it.
    pub fallback: Vec<Arc<str>>,
    /// How long it has to be out of reach for that; default 30 min.
    pub fallback_after: Duration,
}

impl Default for Courtesy {
    fn default() -> Self {
        Self {
            pacing: Pacing::default(),
            quiet: None,
            sent_first: SentFirst::Last,
            fallback: Vec::new(),
            fallback_after: Duration::from_mins(30),
        }
    }
}

/// Reads the keys but `fallback`, which names targets that may not be read yet; what is not said stays as in `base`.
pub(super) fn read(section: &Section<'_>, zone: Tz, base: Courtesy) -> Courtesy {
    let zone = section
        .read("timezone", |item| zone::parse(&item.word()?))
        .unwrap_or(zone);
    let quiet = section.read("quiet", |item| quiet(item, zone));
    let mode = section.read("quiet_mode", |item| item.choice(MODES));
    for key in ["quiet_mode", "timezone"] {
        if let Some(item) = section.item(key).filter(|_| !section.has("quiet")) {
            item.fault(
                "does nothing without quiet beside it; add quiet = \"22:00-07:00\" or remove it",
            );
        }
    }
    if let Some(item) = section
        .item("fallback_after")
        .filter(|_| !section.has("fallback"))
    {
        item.fault(
            "does nothing without fallback beside it; add fallback = [\"NAME\"] or remove it",
        );
    }
    Courtesy {
        pacing: section
            .read("pace", |item| pacing(item, base.pacing))
            .unwrap_or(base.pacing),
        quiet: quiet.map(|quiet| (quiet, mode.unwrap_or_default())),
        sent_first: section
            .read("send_first", |item| item.choice(FIRST))
            .unwrap_or(base.sent_first),
        fallback: base.fallback,
        fallback_after: section
            .read("fallback_after", Item::positive)
            .unwrap_or(base.fallback_after),
    }
}

/// `22:00-07:00`.
fn quiet(item: &Item<'_>, zone: Tz) -> Result<Quiet, String> {
    const WANTED: &str = "write two times of day such as \"22:00-07:00\"";
    let text = item.word()?;
    let (from, until) = text
        .split_once('-')
        .ok_or_else(|| format!("{text:?} is no span of hours; {WANTED}"))?;
    let time = |text: &str| {
        NaiveTime::parse_from_str(text.trim(), "%H:%M")
            .map_err(|_| format!("{:?} is no time of day; {WANTED}", text.trim()))
    };
    Quiet::new(time(from)?, time(until)?, zone)
        .ok_or_else(|| format!("{text:?} begins and ends at one time; {WANTED}"))
}

/// `false`, `true`, or a table with burst, every and `per_day`.
fn pacing(item: &Item<'_>, default: Pacing) -> Result<Pacing, Fault> {
    let usual = match default {
        Pacing::Always(pace) => pace,
        Pacing::Never | Pacing::OnceRefused => Pace::NTFY,
    };
    match item.value {
        DeValue::Boolean(false) => Ok(Pacing::Never),
        DeValue::Boolean(true) => Ok(Pacing::Always(usual)),
        DeValue::Table(_) => {
            let section = Section::of(item, "pace".to_owned(), keys::PACE);
            let whole = |item: &Item<'_>| item.int(1..=1_000_000);
            let number = |key| -> Option<u32> {
                let section = section.as_ref()?;
                u32::try_from(section.read(key, whole)?).ok()
            };
            let every = section
                .as_ref()
                .and_then(|section| section.read("every", Item::positive));
            // Who says how often one goes wants no burst before.
            let burst = every.map_or(usual.burst, |_| 1);
            Ok(Pacing::Always(Pace {
                burst: number("burst").unwrap_or(burst),
                every: every.unwrap_or(usual.every),
                per_day: number("per_day"),
            }))
        }
        _ => Err(item
            .unlike("true, false or a table such as { burst = 20, every = \"3s\", per_day = 250 }")
            .into()),
    }
}
