//! What former pushes showed of a target that its server does not tell, in words.

use super::{deliver::shown, pace};
use crate::{
    config::Target,
    ledger::{Ledger, LedgerError},
    model::Timestamp,
};

/// One line for each thing that is known and matters now.
///
/// # Errors
/// The ledger could not be read.
pub async fn shown_by_pushes(
    ledger: &Ledger,
    target: &Target,
    now: Timestamp,
) -> Result<Vec<String>, LedgerError> {
    let mut known = Vec::new();
    let states = ledger.target_states().await?;
    if let Some(state) = states.iter().find(|state| *state.target == *target.name) {
        if let Some(since) = state.failing_since() {
            known.push(format!("no push has arrived since {}", shown(since)));
        }
        if state.no_sequence && target.ntfy().is_some() {
            let old = "its server is older than ntfy 2.16: a push that has to be sent again is there twice";
            known.push(old.to_owned());
        }
    }
    let logins = pace::logins_of(target);
    let visitor = pace::visitor_of(target);
    let held = ledger.visitors_held(now).await?;
    let is_ours = |name: &String| *name == visitor || Some(name) == logins.as_ref();
    for hold in held.iter().filter(|hold| is_ours(&hold.visitor)) {
        known.push(format!(
            "nothing is sent until {}: {}",
            shown(hold.until),
            hold.why
        ));
    }
    Ok(known)
}
