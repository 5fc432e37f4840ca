//! When a target may be sent to: its server's patience, its pace and its quiet hours. Pure but for one
//! look into the ledger.

use std::{collections::HashMap, sync::Arc, time::Duration};

use super::{engine::Engine, pace, revision::Revision};
use crate::{
    config::{Pace, Pacing, QuietMode, Target},
    ledger::{Admission, Hold, Owed, Visitor, Waits},
    model::Timestamp,
    push::{Kind, PushError},
};

/// What is known of every visitor at one moment.
pub(super) struct Gates {
    visitors: HashMap<String, Visitor>,
}

impl Gates {
    /// Looks at what servers grant now.
    pub(super) async fn read(engine: &Engine) -> anyhow::Result<Self> {
        let visitors = engine.ledger.visitors().await?;
        Ok(Self {
            visitors: visitors.into_iter().collect(),
        })
    }

    /// When the target may be sent to: `now`, or later. One that has left the config may be at once,
    /// because what it is owed is given up.
    pub(super) fn opens_at(&self, revision: &Revision, target: &str, now: Timestamp) -> Timestamp {
        let Some((target, _)) = revision.target(target) else {
            return now;
        };
        let nobody = Visitor::default();
        let of = |name: &str| self.visitors.get(name).unwrap_or(&nobody);
        let logins = pace::logins_of(target);
        let granted = granted_at(
            target,
            of(&pace::visitor_of(target)),
            logins.as_deref().map(of),
            now,
        );
        granted.max(quiet_until(target, now).unwrap_or(now))
    }

    /// Whether the target's server has said that it takes nothing for now.
    pub(super) fn is_held(&self, revision: &Revision, target: &str, now: Timestamp) -> bool {
        let Some((target, _)) = revision.target(target) else {
            return false;
        };
        let names = [Some(pace::visitor_of(target)), pace::logins_of(target)];
        let visitors = names.into_iter().flatten();
        let mut visitors = visitors.filter_map(|name| self.visitors.get(&name));
        visitors.any(|visitor| visitor.held_until.is_some_and(|until| until > now))
    }
}

/// A target's own way through, as the transaction that claims asks for it.
pub(super) fn admission(target: &Arc<Target>, now: Timestamp) -> Admission {
    let to = target.clone();
    Admission {
        visitor: pace::visitor_of(target),
        also: pace::logins_of(target),
        admit: Arc::new(move |owed, visitor, logins| admit(&to, owed, visitor, logins, now)),
    }
}

/// What is left after one more message; Err: when it may go out.
fn admit(
    target: &Target,
    owed: &Owed,
    visitor: &Visitor,
    logins: Option<&Visitor>,
    now: Timestamp,
) -> Result<Visitor, Timestamp> {
    match granted_at(target, visitor, logins, now) {
        at if at > now => Err(at),
        _ => {
            let pacing = &target.courtesy.pacing;
            Ok(pace::after_one(
                visitor,
                pacing,
                requests(target, owed),
                now,
            ))
        }
    }
}

/// Servers count requests: one that looks whether the message is there counts too.
fn requests(target: &Target, owed: &Owed) -> u32 {
    if looks_first(target, owed) { 2 } else { 1 }
}

/// Whether a message may be there already, where that can be looked up.
pub(super) fn looks_first(target: &Target, owed: &Owed) -> bool {
    target.ntfy().is_some() && owed.unknown_since().is_some()
}

fn granted_at(
    target: &Target,
    visitor: &Visitor,
    logins: Option<&Visitor>,
    now: Timestamp,
) -> Timestamp {
    let pacing = &target.courtesy.pacing;
    let of_logins = logins.map_or(now, |logins| pace::opens_at(logins, &Pacing::Never, now));
    pace::opens_at(visitor, pacing, now).max(of_logins)
}

/// The end of the hours at which nothing is sent; None: it may be.
pub(super) fn quiet_until(target: &Target, now: Timestamp) -> Option<Timestamp> {
    match target.courtesy.quiet {
        Some((quiet, QuietMode::Hold)) => quiet.end(now),
        _ => None,
    }
}

/// Whether what is sent now should make no sound.
pub(super) fn is_hushed(target: &Target, now: Timestamp) -> bool {
    let quiet = target.courtesy.quiet;
    quiet.is_some_and(|(quiet, mode)| mode == QuietMode::Low && quiet.end(now).is_some())
}

/// When no further attempt is made: quiet hours at either end do not count.
pub(super) fn give_up_at(target: &Target, now: Timestamp, retry_for: Duration) -> Timestamp {
    let from = quiet_until(target, now).unwrap_or(now);
    let until = from + retry_for;
    quiet_until(target, until).map_or(until, |end| end + retry_for)
}

/// Where a target takes nothing for good, its fallback gets what it is owed: until then that is kept.
pub(super) fn after_fallback(target: &Target, now: Timestamp) -> Option<Timestamp> {
    let courtesy = &target.courtesy;
    // The fallback looks first.
    const MARGIN: Duration = Duration::from_mins(1);
    (!courtesy.fallback.is_empty()).then(|| now + courtesy.fallback_after + MARGIN)
}

/// What waits with a message that was refused, until `at`.
pub(super) fn waits(target: &Target, error: &PushError, attempt: i64, at: Timestamp) -> Waits {
    let hold = |visitor: String, spent_until| {
        Waits::Visitor(Hold {
            visitor,
            until: at,
            why: error.to_string(),
            spent_until,
        })
    };
    let visitor = || pace::visitor_of(target);
    match error.kind() {
        Kind::RateLimited => hold(visitor(), Some(spent_until(target, at))),
        Kind::DailyQuota | Kind::OtherLimit => hold(visitor(), None),
        Kind::AuthFailures => hold(pace::logins_of(target).unwrap_or_else(visitor), None),
        _ if error.is_about_the_message() && attempt >= ALONE_FROM => Waits::Alone,
        _ => Waits::Target,
    }
}

/// What a refusal holds, where no further attempt of the message is made: the next ones wait all the same.
pub(super) fn hold(target: &Target, error: &PushError, until: Timestamp) -> Option<Hold> {
    match waits(target, error, 1, until) {
        Waits::Visitor(hold) => Some(hold),
        _ => None,
    }
}

/// A message that is refused so often while its server answers is not waited for any more: it holds up
/// the next one, and that tells whether it is the server after all.
const ALONE_FROM: i64 = 3;

/// The server's bucket is empty: one message is granted at `at`, and the next after it.
fn spent_until(target: &Target, at: Timestamp) -> Timestamp {
    let pace = match target.courtesy.pacing {
        Pacing::Always(pace) => pace,
        Pacing::OnceRefused | Pacing::Never => Pace::NTFY,
    };
    at + pace.every * (pace.burst - 1)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{
        config::{Ntfy, Service},
        schedule::Quiet,
    };

    fn target(mode: QuietMode) -> Target {
        let ntfy = Ntfy {
            server: "https://ntfy.example/".parse().unwrap(),
            topic: "gold".to_owned(),
            auth: None,
        };
        let time = |hour| chrono::NaiveTime::from_hms_opt(hour, 0, 0).unwrap();
        let quiet = Quiet::new(time(22), time(7), chrono_tz::UTC).unwrap();
        let mut target = Target::new(Arc::from("phone"), Service::Ntfy(ntfy));
        target.courtesy.quiet = Some((quiet, mode));
        target
    }

    fn at(text: &str) -> Timestamp {
        format!("2026-11-{text}:00Z").parse().unwrap()
    }

    #[test]
    fn the_time_to_try_counts_from_the_end_of_quiet_hours() {
        let hour = Duration::from_hours(1);
        let end = |mode, now| give_up_at(&target(mode), at(now), hour);
        assert_eq!(end(QuietMode::Hold, "23T12:00"), at("23T13:00"));
        assert_eq!(end(QuietMode::Hold, "23T23:00"), at("24T08:00"));
        assert_eq!(end(QuietMode::Hold, "23T21:30"), at("24T08:00"));
        assert_eq!(end(QuietMode::Low, "23T23:00"), at("24T00:00"));
    }

    #[test]
    fn only_the_low_mode_hushes_and_only_at_night() {
        assert!(is_hushed(&target(QuietMode::Low), at("23T23:00")));
        assert!(!is_hushed(&target(QuietMode::Low), at("23T12:00")));
        assert!(!is_hushed(&target(QuietMode::Hold), at("23T23:00")));
    }
}
