//! What a server grants to one visitor: the address that asks, with its credentials. Pure.
//!
//! All targets that share both share what is granted, so it is kept for the visitor and not for
//! each of them.

use chrono::{NaiveTime, TimeDelta};
use secrecy::ExposeSecret as _;
use sha2::{Digest as _, Sha256};

use crate::{
    config::{Auth, Pace, Pacing, Service, Target},
    ledger::Visitor,
    model::Timestamp,
};

/// Nothing is held for longer: a clock that read 2036 for a moment holds nothing for ten years.
const LONGEST: TimeDelta = TimeDelta::hours(25);

/// When the next message may go out: `now`, or later.
pub(super) fn opens_at(visitor: &Visitor, pacing: &Pacing, now: Timestamp) -> Timestamp {
    let held = visitor.held_until.filter(|until| *until <= now + LONGEST);
    let paced = pace_of(visitor, pacing).map(|pace| granted_at(visitor, &pace, now));
    [held, paced]
        .into_iter()
        .flatten()
        .fold(now, Timestamp::max)
}

/// The same visitor after one more message, which takes so many requests.
pub(super) fn after_one(
    visitor: &Visitor,
    pacing: &Pacing,
    requests: u32,
    now: Timestamp,
) -> Visitor {
    let today = midnight(now);
    let full_at = pace_of(visitor, pacing)
        .map(|pace| spent_until(visitor, &pace, now) + pace.every * requests);
    Visitor {
        full_at,
        day: Some(today),
        sent: sent_on(visitor, today) + 1,
        ..visitor.clone()
    }
}

/// The pace that counts: the config's, or ntfy's own once the server asked for it.
fn pace_of(visitor: &Visitor, pacing: &Pacing) -> Option<Pace> {
    match pacing {
        Pacing::Always(pace) => Some(*pace),
        Pacing::OnceRefused if visitor.was_refused => Some(Pace::NTFY),
        Pacing::OnceRefused | Pacing::Never => None,
    }
}

fn granted_at(visitor: &Visitor, pace: &Pace, now: Timestamp) -> Timestamp {
    let burst = pace.every * (pace.burst - 1);
    let granted = spent_until(visitor, pace, now) - burst;
    let today = midnight(now);
    match pace.per_day {
        Some(per_day) if sent_on(visitor, today) >= per_day => {
            granted.max(today + TimeDelta::days(1))
        }
        _ => granted,
    }
}

/// When all of the burst is granted again: now, or later by what was spent, never by more than it.
fn spent_until(visitor: &Visitor, pace: &Pace, now: Timestamp) -> Timestamp {
    let most = now + pace.every * pace.burst;
    visitor.full_at.map_or(now, |at| at.clamp(now, most))
}

fn sent_on(visitor: &Visitor, today: Timestamp) -> u32 {
    match visitor.day {
        Some(day) if day == today => visitor.sent,
        _ => 0,
    }
}
/// The visitor that a target's messages count for, `https://ntfy.sh` or `https://ntfy.sh#1a2b3c4d`.
///
/// Without credentials the address alone counts. With them ntfy counts for the user where a tier
/// says so, else for the address still, which only its refusals tell.
pub(super) fn visitor_of(target: &Target) -> String {
    let origin = target.url().origin().ascii_serialization();
    let who = match &target.service {
        Service::Ntfy(ntfy) => match &ntfy.auth {
            None => return origin,
            Some(Auth::Token(token)) => format!("token {}", token.expose_secret()),
            Some(Auth::Basic { user, .. }) => format!("user {user}"),
        },
        Service::Webhook(webhook) => format!("url {}", webhook.url.expose()),
    };
    format!("{origin}#{}", &hex(&Sha256::digest(who))[..16])
}

/// Who else waits where a server has seen too many wrong logins: everybody from here with credentials.
pub(super) fn logins_of(target: &Target) -> Option<String> {
    let has_auth = target.ntfy().is_some_and(|ntfy| ntfy.auth.is_some());
    has_auth.then(|| format!("{}#logins", target.url().origin().ascii_serialization()))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// ntfy's days begin at 00:00 UTC.
fn midnight(now: Timestamp) -> Timestamp {
    now.date_naive().and_time(NaiveTime::MIN).and_utc()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const PACE: Pace = Pace {
        burst: 3,
        every: Duration::from_secs(5),
        per_day: Some(7),
    };

    fn at(seconds: i64) -> Timestamp {
        "2026-11-23T08:00:00Z".parse::<Timestamp>().unwrap() + TimeDelta::seconds(seconds)
    }

    /// Sends as soon as it may, and tells when each message went out.
    fn sent(visitor: &mut Visitor, pacing: &Pacing, from: i64, count: usize) -> Vec<i64> {
        let mut now = at(from);
        let one = |_| {
            now = opens_at(visitor, pacing, now);
            *visitor = after_one(visitor, pacing, 1, now);
            (now - at(0)).num_seconds()
        };
        (0..count).map(one).collect()
    }

    #[test]
    fn a_burst_goes_out_at_once_and_the_rest_at_the_refill() {
        let mut visitor = Visitor::default();
        let pacing = Pacing::Always(PACE);
        assert_eq!(sent(&mut visitor, &pacing, 0, 6), [0, 0, 0, 5, 10, 15]);
        // After a rest the whole burst is there again, and the day's seventh is the last.
        assert_eq!(sent(&mut visitor, &pacing, 100, 2), [100, 16 * 3600]);
    }

    #[test]
    fn a_look_before_it_is_sent_again_is_spent_too() {
        let pacing = Pacing::Always(PACE);
        let mut visitor = after_one(&Visitor::default(), &pacing, 2, at(0));
        // Of the burst of three one is left; of the day's seven, six.
        assert_eq!(visitor.sent, 1);
        assert_eq!(sent(&mut visitor, &pacing, 0, 3), [0, 5, 10]);
    }

    #[test]
    fn without_a_pace_nothing_waits_until_the_server_refuses() {
        let mut visitor = Visitor::default();
        assert_eq!(sent(&mut visitor, &Pacing::OnceRefused, 0, 100), [0; 100]);
        visitor.was_refused = true;
        let waits = sent(&mut visitor, &Pacing::OnceRefused, 0, 62);
        assert_eq!(waits[59..], [0, 5, 10]);
        assert_eq!(sent(&mut visitor, &Pacing::Never, 10, 9), [10; 9]);
    }

    #[test]
    fn a_hold_ends_at_its_instant() {
        let visitor = Visitor {
            held_until: Some(at(300)),
            ..Visitor::default()
        };
        assert_eq!(opens_at(&visitor, &Pacing::Never, at(0)), at(300));
        assert_eq!(opens_at(&visitor, &Pacing::Never, at(301)), at(301));
    }

    #[test]
    fn what_a_wrong_clock_wrote_holds_nothing_for_years() {
        let visitor = Visitor {
            held_until: Some(at(400_000_000)),
            full_at: Some(at(400_000_000)),
            day: Some(at(400_000_000)),
            sent: 7,
            ..Visitor::default()
        };
        assert_eq!(opens_at(&visitor, &Pacing::Always(PACE), at(0)), at(5));
    }

    proptest::proptest! {
        #[test]
        fn no_window_holds_more_than_burst_and_refill(gaps in proptest::collection::vec(0_i64..20, 1..60)) {
            let pacing = Pacing::Always(Pace { per_day: None, ..PACE });
            let (mut visitor, mut now, mut times) = (Visitor::default(), at(0), Vec::new());
            for gap in gaps {
                now = opens_at(&visitor, &pacing, now + TimeDelta::seconds(gap));
                visitor = after_one(&visitor, &pacing, 1, now);
                times.push(now);
            }
            for (i, from) in times.iter().enumerate() {
                for (j, to) in times.iter().enumerate().skip(i) {
                    let allowed = 3 + (*to - *from).num_seconds() / 5;
                    assert!(i64::try_from(j - i + 1).unwrap() <= allowed);
                }
            }
        }
    }
}
