//! The deliverer's loop: sends what is owed, each target on its own, in order. The attempt is in
//! the ledger before the POST, its outcome after; nothing here asks the AI again.

mod by_hand;
mod log;
mod send;
#[cfg(test)]
mod tests;
mod verdict;

use std::{collections::HashSet, sync::Arc};

use anyhow::Context;
use chrono::TimeDelta;
use tokio::task::JoinSet;

pub use self::by_hand::deliver_run;
pub(super) use self::log::shown;
use self::send::send_owed;
use super::{engine::Engine, fallback, gate::Gates};
use crate::model::Timestamp;

/// ntfy's apps sort by whole seconds: parts sent within one could show in any order.
const BETWEEN_PARTS: TimeDelta = TimeDelta::milliseconds(1_100);

/// How long the loop sleeps when nothing is owed; commands beside the daemon write too.
const IDLE: TimeDelta = TimeDelta::seconds(1);

/// Sends until the stop signal, and then what is still due.
pub(super) async fn run(engine: Arc<Engine>) -> anyhow::Result<()> {
    let mut workers: JoinSet<(String, anyhow::Result<()>)> = JoinSet::new();
    let mut busy: HashSet<String> = HashSet::new();
    loop {
        // Armed before the ledger is asked, so that nothing owed meanwhile is missed.
        let woken = engine.deliverer.notified();
        // Read before the ledger too: what the last run left is seen below.
        let last = engine.stop.is_stopping() && engine.runs_over.is_cancelled();
        let now = engine.clock.now();
        let look_again = fallback::look(&engine, now).await?;
        let due = due_at(&engine, now).await?;
        for (target, _) in due.iter().filter(|(_, at)| *at <= now) {
            if !engine.stop.is_interrupting() && busy.insert(target.clone()) {
                workers.spawn(serve(engine.clone(), target.clone()));
            }
        }
        // The next part of an answer follows soon: it is not left for the next start.
        let next = due.iter().map(|(_, at)| *at).min();
        let is_near = next.is_some_and(|next| next <= now + BETWEEN_PARTS);
        if last && workers.is_empty() && (engine.stop.is_interrupting() || !is_near) {
            return Ok(());
        }
        // What is due stays due while it is sent, and when nothing is sent any more.
        let waits = due.iter().filter(|(target, _)| !busy.contains(target));
        let waits = waits.map(|(_, at)| *at).chain(look_again);
        let idle = now + IDLE;
        let wake = match engine.stop.is_interrupting() {
            true => idle,
            false => waits.fold(idle, Timestamp::min),
        };
        tokio::select! {
            Some(ended) = workers.join_next() => {
                let (target, result) = ended.context("sending to a target died: please report this")?;
                result?;
                busy.remove(&target);
            }
            () = woken => {}
            () = engine.clock.sleep_until(wake) => {}
            () = engine.runs_over.cancelled(), if !last => {}
        }
    }
}

/// The targets that are owed something, and when each may be sent it.
async fn due_at(engine: &Engine, now: Timestamp) -> anyhow::Result<Vec<(String, Timestamp)>> {
    let next = engine.ledger.next_by_target().await?;
    if next.is_empty() {
        return Ok(next);
    }
    let (gates, revision) = (Gates::read(engine).await?, engine.revision());
    let opens = |(target, at): (String, Timestamp)| {
        let opens_at = gates.opens_at(&revision, &target, now);
        (target, at.max(opens_at))
    };
    Ok(next.into_iter().map(opens).collect())
}

/// Sends everything that one target is owed now.
async fn serve(engine: Arc<Engine>, target: String) -> (String, anyhow::Result<()>) {
    let sent = send_owed(&engine, &target, None).await;
    (target, sent.map(drop))
}
