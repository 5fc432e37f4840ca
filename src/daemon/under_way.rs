//! The AI calls under way in this process, so that those of runs that were cancelled can be cut off: whoever cancels
//! writes to the ledger, from whichever process.

use std::{
    collections::{HashMap, HashSet},
    sync::{Mutex, MutexGuard, PoisonError},
};

use tokio_util::sync::CancellationToken;

use super::engine::Engine;
use crate::{ledger::Claim, model::RunId};

/// Each call by its claim, with what cuts it off.
#[derive(Default)]
pub(super) struct UnderWay(Mutex<HashMap<(RunId, i64), CancellationToken>>);

/// A call that is under way as long as this lives.
pub(super) struct Call<'a> {
    under_way: &'a UnderWay,
    claim: (RunId, i64),
    cut: CancellationToken,
}

impl UnderWay {
    pub(super) fn enter(&self, claim: &Claim) -> Call<'_> {
        let (claim, cut) = ((claim.run_id, claim.fence), CancellationToken::new());
        self.calls().insert(claim, cut.clone());
        Call {
            under_way: self,
            claim,
            cut,
        }
    }

    fn calls(&self) -> MutexGuard<'_, HashMap<(RunId, i64), CancellationToken>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn claims(&self) -> Vec<(RunId, i64)> {
        self.calls().keys().copied().collect()
    }

    fn cut(&self, claim: &(RunId, i64)) {
        if let Some(cut) = self.calls().get(claim) {
            cut.cancel();
        }
    }
}

impl Call<'_> {
    /// Ends when the claim is lost.
    pub(super) async fn is_cut(&self) {
        self.cut.cancelled().await;
    }
}

impl Drop for Call<'_> {
    fn drop(&mut self) {
        self.under_way.calls().remove(&self.claim);
    }
}

impl Engine {
    /// Cuts off the calls whose claims the ledger does not know any more.
    ///
    /// # Errors
    /// The ledger could not be read.
    pub async fn cut_lost_calls(&self) -> anyhow::Result<()> {
        // Listed before the ledger is asked: what is claimed meanwhile is in neither.
        let calls = self.under_way.claims();
        if calls.is_empty() {
            return Ok(());
        }
        let held = self.ledger.held(self.owner.as_str()).await?;
        let held: HashSet<_> = held.into_iter().collect();
        for lost in calls.iter().filter(|claim| !held.contains(claim)) {
            self.under_way.cut(lost);
        }
        Ok(())
    }
}
