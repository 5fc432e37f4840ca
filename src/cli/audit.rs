//! `promptcron audit`: the invariant, checked over the whole ledger.

use super::{Failure, out::say, records::Records};
use crate::{
    ledger::{Access, Nominal},
    model::Timestamp,
    schedule::{Schedule, pass_over},
};

impl Nominal for Schedule {
    fn next_after(&self, after: Timestamp) -> Option<Timestamp> {
        Self::next_after(self, after)
    }

    fn count(&self, from: Timestamp, until: Timestamp) -> u64 {
        let before = from - chrono::TimeDelta::seconds(1);
        pass_over(self, before, until).map_or(0, |span| span.count)
    }
}

/// Prints what breaks the invariant, a line each.
pub(super) fn run(records: &Records) -> Result<(), Failure> {
    let read = |text: &str| Schedule::from_text(text).ok();
    let findings = records.with(Access::Read, async |ledger| ledger.audit(read).await)?;
    if findings.is_empty() {
        say!("the ledger is in order: every occurrence is in exactly one state");
        return Ok(());
    }
    for finding in &findings {
        say!("{finding}");
    }
    Err(Failure::Told)
}
