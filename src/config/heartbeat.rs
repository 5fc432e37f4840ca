//! `heartbeat_url`: where a monitor such as healthchecks.io hears that all is well.

use std::sync::Arc;

use super::{item::Item, secrets, section::Section, urls, webhook::SecretUrl};

const KEYS: &[&str] = &[
    "heartbeat_url",
    "heartbeat_url_env",
    "heartbeat_url_file",
    "heartbeat_url_credential",
];

/// The keys are those of the file's top and of a job alike.
pub(super) fn read(section: &Section<'_>) -> Option<Arc<SecretUrl>> {
    let url = section.one_of(KEYS)?.read(url)?;
    Some(Arc::new(url))
}

fn url(item: &Item<'_>) -> Result<SecretUrl, String> {
    let url = urls::heartbeat(secrets::text(item)?.trim())?;
    let last = url.path_segments().and_then(|mut path| path.next_back());
    match last {
        Some(last @ ("start" | "fail" | "log")) => Err(format!(
            "ends in /{last}; give the address alone, /start and /fail are added to it"
        )),
        _ => Ok(SecretUrl::new(url)),
    }
}
