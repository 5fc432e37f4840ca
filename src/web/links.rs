//! Addresses that are keys of their own: signed, of one purpose, and for a time. Pure.

use aws_lc_rs::rand;
use chrono::TimeDelta;
use url::Url;

use super::guard::Keys;
use crate::{
    config::Web,
    model::{RunId, Timestamp},
};

/// The name in the ledger of the key that they are signed with.
pub const KEY: &str = "link";

/// A key to be kept where the ledger has none yet.
///
/// # Errors
/// The system gives no random numbers.
pub fn fresh_key() -> anyhow::Result<[u8; 32]> {
    let mut fresh = [0; 32];
    rand::fill(&mut fresh).map_err(|_| anyhow::anyhow!("the system gives no random numbers"))?;
    Ok(fresh)
}

/// What makes the links of pushes.
pub struct Links {
    base: Url,
    keys: Keys,
    lasts: TimeDelta,
}

impl Links {
    /// Those of a ledger's key; None: there is no address at which a phone reaches the page.
    #[must_use]
    pub fn new(key: &[u8], web: &Web) -> Option<Self> {
        Some(Self {
            base: web.public_url.clone()?,
            keys: Keys::of(key, web),
            // Longer than any date can hold: for ever.
            lasts: TimeDelta::from_std(web.link_for).unwrap_or(TimeDelta::days(36_500)),
        })
    }

    /// Opens the page of one run, to be read.
    #[must_use]
    pub fn run(&self, run_id: RunId, now: Timestamp) -> String {
        let until = (now + self.lasts).timestamp();
        format!("{}r/{}", self.base, sign(&self.keys, "read", run_id, until))
    }
}

/// `RUN.UNTIL.SIGNATURE`, of which the middle is in seconds since 1970.
fn sign(keys: &Keys, purpose: &str, run_id: RunId, until: i64) -> String {
    let signature = keys.sign(&[purpose, &run_id.to_string(), &until.to_string()]);
    format!("{run_id}.{until}.{signature}")
}

/// Why a link opens nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Closed {
    /// It is none of ours, or was signed before the token changed.
    Forged,
    /// Its time is over.
    Expired,
}

/// The run that a link is for. Nothing is told of a link that is not ours, not even that its time
/// would be over.
pub(super) fn open(
    keys: &Keys,
    purpose: &str,
    link: &str,
    now: Timestamp,
) -> Result<RunId, Closed> {
    let (run_id, until) = verified(keys, purpose, link).ok_or(Closed::Forged)?;
    match now.timestamp() < until {
        true => Ok(run_id),
        false => Err(Closed::Expired),
    }
}

fn verified(keys: &Keys, purpose: &str, link: &str) -> Option<(RunId, i64)> {
    let (run_id, rest) = link.split_once('.')?;
    let (until, signature) = rest.split_once('.')?;
    let is_ours = keys.verify(&[purpose, run_id, until], signature);
    is_ours.then_some((run_id.parse().ok()?, until.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_opens_its_run_for_its_purpose_and_its_time() {
        let keys = Keys::new(b"secret", "token");
        let now: Timestamp = "2026-11-25T09:00:00Z".parse().unwrap();
        let until = now.timestamp() + 60;
        let link = sign(&keys, "read", 12, until);
        assert_eq!(open(&keys, "read", &link, now), Ok(12));
        let late = now + TimeDelta::seconds(60);
        assert_eq!(open(&keys, "read", &link, late), Err(Closed::Expired));
        assert_eq!(open(&keys, "again", &link, now), Err(Closed::Forged));
        let other = Keys::new(b"secret", "another token");
        assert_eq!(open(&other, "read", &link, now), Err(Closed::Forged));
    }

    #[test]
    fn whatever_is_changed_in_a_link_makes_it_none_of_ours() {
        let keys = Keys::new(b"secret", "token");
        let now: Timestamp = "2026-11-25T09:00:00Z".parse().unwrap();
        let link = sign(&keys, "read", 12, now.timestamp() + 60);
        let signature = link.rsplit('.').next().unwrap();
        for forged in [
            String::new(),
            "12".to_owned(),
            "12.9999999999".to_owned(),
            format!("13.{}.{signature}", now.timestamp() + 60),
            format!("12.{}.{signature}", now.timestamp() + 61),
            format!("012.{}.{signature}", now.timestamp() + 60),
            // Over as well: it is not told that it would be.
            format!("12.1.{signature}"),
            format!("{link}A"),
            link[..link.len() - 1].to_owned(),
        ] {
            let opened = open(&keys, "read", &forged, now);
            assert_eq!(opened, Err(Closed::Forged), "{forged}");
        }
    }
}
