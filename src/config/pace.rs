//! `min_interval` and `quota` of an endpoint: how often each of its tokens may be asked with.

use std::time::Duration;

use super::{
    item::{Fault, Item},
    keys,
    section::Section,
    types::{Pace, Quota, Token},
};

/// The instants of so many requests are kept for each token.
const MOST_ROUNDS: usize = 1_000;

/// Above a month a service counts no requests.
const LONGEST: Duration = Duration::from_hours(31 * 24);

/// Reads both; where there is no token to count them for, they are an error.
pub(super) fn read(section: &Section<'_>, tokens: Option<&[Token]>) -> Pace {
    if tokens.is_some_and(<[_]>::is_empty) {
        for key in ["min_interval", "quota"] {
            if let Some(item) = section.item(key) {
                item.fault("counts for each token, and this endpoint has none; remove it");
            }
        }
        return Pace::default();
    }
    Pace {
        min_interval: section.read("min_interval", bounded).unwrap_or_default(),
        quota: section.item("quota").and_then(|item| quota(&item)),
    }
}

fn bounded(item: &Item<'_>) -> Result<Duration, Fault> {
    let duration = item.positive()?;
    if duration > LONGEST {
        return Err("is longer than 31 days; write less".to_owned().into());
    }
    Ok(duration)
}

fn quota(item: &Item<'_>) -> Option<Quota> {
    if item.value.as_table().is_none() {
        item.fault(&item.unlike("a table such as { rounds = 30, per = \"3h\" }"));
        return None;
    }
    let section = Section::of(item, "quota".to_owned(), keys::QUOTA)?;
    let rounds = section.required("rounds", "rounds = 30", |item| item.int(1..=MOST_ROUNDS));
    let per = section.required("per", "per = \"3h\"", bounded);
    Some(Quota {
        rounds: rounds?,
        per: per?,
    })
}
