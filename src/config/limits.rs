//! How long an AI endpoint is waited for.

use std::time::Duration;

use super::{
    item::Item,
    section::Section,
    types::{Api, Limits},
};

/// A kimi-free-api server retries by itself for up to 75 s, before its answer begins, and does not notice that its
/// client has gone: a shorter limit would ask the same account twice at once.
const KIMI_BEGINS: Duration = Duration::from_secs(90);
/// It gives up on a Kimi that has been silent for 15 s, and says so.
const KIMI_IDLE: Duration = Duration::from_secs(20);
const SHORTEST: Duration = Duration::from_secs(1);

/// Reads the keys about time; what is left out has its default.
pub(super) fn read(section: &Section<'_>, api: Option<Api>) -> Limits {
    let default = Limits::default();
    let begins = |item: &Item<'_>| {
        match limit(item)? {
        limit if api == Some(Api::Kimi) && limit < KIMI_BEGINS => Err("is below 90s: a kimi-free-api server retries for up to 75 s itself and goes on after a hang-up, so that the account would be asked twice; write \"90s\" or more".to_owned()),
        limit => Ok(limit),
    }
    };
    let idle = |item: &Item<'_>| {
        match limit(item)? {
        limit if api == Some(Api::Kimi) && limit < KIMI_IDLE => Err("is below 20s: a kimi-free-api server gives Kimi 15 s itself and goes on after a hang-up; write \"20s\" or more".to_owned()),
        limit => Ok(limit),
    }
    };
    Limits {
        connect: section
            .read("connect_timeout", limit)
            .unwrap_or(default.connect),
        first_byte: section.read("first_byte_timeout", begins),
        idle: section.read("idle_timeout", idle).unwrap_or(default.idle),
        whole: section.read("timeout", begins).unwrap_or(default.whole),
    }
}

fn limit(item: &Item<'_>) -> Result<Duration, String> {
    let limit = item.positive()?;
    if limit < SHORTEST {
        return Err("is below one second; write \"1s\" or more".to_owned());
    }
    Ok(limit)
}
