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

/// The one thing that a link is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// To read the run.
    Read,
    /// To ask its job once more.
    Again,
    /// To pause its job.
    Pause,
}

impl Purpose {
    /// The path of its links, and the word that is signed with each.
    fn place(self) -> &'static str {
        match self {
            Self::Read => "r",
            Self::Again => "a/again",
            Self::Pause => "a/pause",
        }
    }
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

    /// The address that is good for one thing with one run.
    #[must_use]
    pub fn to(&self, purpose: Purpose, run_id: RunId, now: Timestamp) -> String {
        let until = (now + self.lasts).timestamp();
        let link = sign(&self.keys, purpose, run_id, until);
        format!("{}{}/{link}", self.base, purpose.place())
    }
}

/// `RUN.UNTIL.SIGNATURE`, of which the middle is in seconds since 1970.
fn sign(keys: &Keys, purpose: Purpose, run_id: RunId, until: i64) -> String {
    let signature = keys.sign(&[purpose.place(), &run_id.to_string(), &until.to_string()]);
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
    purpose: Purpose,
    link: &str,
    now: Timestamp,
) -> Result<RunId, Closed> {
    let (run_id, until) = verified(keys, purpose, link).ok_or(Closed::Forged)?;
    match now.timestamp() < until {
        true => Ok(run_id),
        false => Err(Closed::Expired),
    }
}

fn verified(keys: &Keys, purpose: Purpose, link: &str) -> Option<(RunId, i64)> {
    let (run_id, rest) = link.split_once('.')?;
    let (until, signature) = rest.split_once('.')?;
    let is_ours = keys.verify(&[purpose.place(), run_id, until], signature);
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
        let link = sign(&keys, Purpose::Read, 12, until);
        assert_eq!(open(&keys, Purpose::Read, &link, now), Ok(12));
        let late = now + TimeDelta::seconds(60);
        assert_eq!(
            open(&keys, Purpose::Read, &link, late),
            Err(Closed::Expired)
        );
        assert_eq!(open(&keys, Purpose::Again, &link, now), Err(Closed::Forged));
        let other = Keys::new(b"secret", "another token");
        assert_eq!(open(&other, Purpose::Read, &link, now), Err(Closed::Forged));
    }

    #[test]
    fn whatever_is_changed_in_a_link_makes_it_none_of_ours() {
        let keys = Keys::new(b"secret", "token");
        let now: Timestamp = "2026-11-25T09:00:00Z".parse().unwrap();
        let link = sign(&keys, Purpose::Read, 12, now.timestamp() + 60);
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
            let opened = open(&keys, Purpose::Read, &forged, now);
            assert_eq!(opened, Err(Closed::Forged), "{forged}");
        }
    }
}
