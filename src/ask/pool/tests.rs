use std::time::Duration;

use chrono::TimeDelta;
use proptest::prelude::*;
use secrecy::SecretString;

use super::*;
use crate::{
    ask::{
        error::{AskError, Asked as Context, Failure},
        kind::ErrorKind,
    },
    config::types::{Api, Limits, Pace, Quota},
};

fn token(n: usize) -> Token {
    Token {
        label: format!("#{n} …KEN{n}").into(),
        fingerprint: format!("f{n}").into(),
        secret: SecretString::from(format!("TOKEN{n}")),
        expires_at: None,
    }
}

fn pool(n: usize) -> Pool {
    paced(n, Pace::default())
}

fn paced(n: usize, pace: Pace) -> Pool {
    Pool::new(&(1..=n).map(token).collect::<Vec<_>>(), pace)
}

fn noon() -> Timestamp {
    "2026-11-23T04:00:00Z".parse().unwrap()
}

/// An instant, in seconds after noon.
fn at(seconds: i64) -> Timestamp {
    noon() + TimeDelta::seconds(seconds)
}

/// A request that begins and ends at one instant.
fn asked(at: Timestamp) -> Asked {
    Asked {
        started_at: at,
        finished_at: at,
    }
}

fn error(kind: ErrorKind) -> AskError {
    error_after(kind, None)
}

fn error_after(kind: ErrorKind, retry_after: Option<u64>) -> AskError {
    let failure = Failure {
        retry_after: retry_after.map(Duration::from_secs),
        ..Failure::new(kind, Some(200), "words")
    };
    let context = Context {
        api: Api::Kimi,
        endpoint: "kimi".into(),
        base_url: "http://127.0.0.1:8000/v1".to_owned(),
        model: "kimi".to_owned(),
        limits: Limits::default(),
        first_byte: Duration::from_mins(2),
        proxy: None,
        token: Some("#1".into()),
    };
    AskError::new(failure, context.into())
}

/// The label's number of the token whose turn it is.
fn turn(pool: &mut Pool, now: Timestamp) -> Option<String> {
    match pool.take(&[], now) {
        Take::Token(token) => Some(token.fingerprint.to_string()),
        Take::Anonymous => Some("anonymous".to_owned()),
        Take::Nobody => None,
        Take::Spaced(until) => Some(format!("at {}", (until - noon()).num_seconds())),
    }
}

fn fail(pool: &mut Pool, n: usize, kind: ErrorKind, now: Timestamp) -> TokenState {
    pool.record_failure(Some(&token(n)), &error(kind), asked(now));
    state(pool, n)
}

fn state(pool: &Pool, n: usize) -> TokenState {
    let (_, state) = pool.states().nth(n - 1).unwrap();
    state.clone()
}

fn check(pool: &mut Pool, n: usize, check: Check, now: Timestamp) -> Health {
    let (token, asked) = (token(n), asked(now));
    match check {
        Check::Live => pool.record_live(&token, asked),
        Check::Refused => {
            pool.record_failed_check(&token, &error(ErrorKind::TokenRefused), asked);
        }
        Check::Unknown => pool.record_failed_check(&token, &error(ErrorKind::Connect), asked),
    }
    state(pool, n).health
}

fn cooling_for(state: &TokenState, now: Timestamp) -> i64 {
    match state.health {
        Health::Cooling { until } | Health::OutOfQuota { until } => (until - now).num_seconds(),
        other => panic!("not resting: {other:?}"),
    }
}

#[test]
fn healthy_tokens_take_turns_even_within_one_instant() {
    let mut pool = pool(3);
    let turns: Vec<_> = (0..6).map(|_| turn(&mut pool, noon()).unwrap()).collect();
    assert_eq!(turns, ["f1", "f2", "f3", "f1", "f2", "f3"]);
}

#[test]
fn an_empty_pool_asks_without_a_token() {
    assert_eq!(turn(&mut pool(0), noon()).as_deref(), Some("anonymous"));
    assert_eq!(pool(0).availability(noon()), Availability::Now);
}

#[test]
fn a_tried_token_is_not_taken_twice() {
    let mut pool = pool(2);
    let tried = ["f1".into(), "f2".into()];
    assert!(matches!(pool.take(&tried[..1], noon()), Take::Token(t) if &*t.fingerprint == "f2"));
    assert!(matches!(pool.take(&tried, noon()), Take::Nobody));
}

#[test]
fn a_limited_token_rests_five_times_as_long_each_time_up_to_an_hour() {
    let mut pool = pool(1);
    let mut now = noon();
    let mut rests = Vec::new();
    for _ in 0..6 {
        let state = fail(&mut pool, 1, ErrorKind::Limited, now);
        let rest = cooling_for(&state, now);
        assert_eq!(turn(&mut pool, now + TimeDelta::seconds(rest - 1)), None);
        now += TimeDelta::seconds(rest);
        assert!(turn(&mut pool, now).is_some(), "back when its rest is over");
        rests.push(rest);
    }
    assert_eq!(rests, [60, 300, 1500, 3600, 3600, 3600]);

    pool.record_answer(Some(&token(1)), asked(now));
    let state = fail(&mut pool, 1, ErrorKind::Limited, now);
    assert_eq!(cooling_for(&state, now), 60, "an answer ends the row");
}

#[test]
fn a_rest_is_as_long_as_the_service_asks_but_an_hour_at_most() {
    for (retry_after, rest) in [(10, 60), (90, 90), (7200, 3600), (u64::MAX, 3600)] {
        let mut pool = pool(1);
        let error = error_after(ErrorKind::Limited, Some(retry_after));
        pool.record_failure(Some(&token(1)), &error, asked(noon()));
        let state = state(&pool, 1);
        assert_eq!(cooling_for(&state, noon()), rest, "{retry_after}");
    }
}

#[test]
fn requests_that_were_limited_together_are_one_step() {
    let mut pool = pool(1);
    fail(&mut pool, 1, ErrorKind::Limited, at(0));
    let second = Asked {
        started_at: at(-5),
        finished_at: at(1),
    };
    pool.record_failure(Some(&token(1)), &error(ErrorKind::Limited), second);
    let state = state(&pool, 1);
    assert_eq!(state.rests, 1);
    assert_eq!(cooling_for(&state, at(0)), 60);
}

#[test]
fn a_token_without_credit_pauses_five_hours_then_longer_up_to_a_day() {
    let mut pool = pool(1);
    let mut now = noon();
    let mut hours = Vec::new();
    for _ in 0..5 {
        let pause = cooling_for(&fail(&mut pool, 1, ErrorKind::OutOfCredit, now), now);
        hours.push(pause / 3600);
        now += TimeDelta::seconds(pause);
    }
    assert_eq!(hours, [5, 10, 20, 24, 24]);
}

#[test]
fn a_used_up_day_ends_at_midnight_in_shanghai() {
    for (now, until) in [
        ("2026-11-23T04:00:00Z", "2026-11-23T16:00:00Z"),
        ("2026-11-23T15:59:59Z", "2026-11-23T16:00:00Z"),
        ("2026-11-23T16:00:00Z", "2026-11-24T16:00:00Z"),
    ] {
        let state = fail(
            &mut pool(1),
            1,
            ErrorKind::OutOfDailyQuota,
            now.parse().unwrap(),
        );
        let until = until.parse().unwrap();
        assert_eq!(state.health, Health::OutOfQuota { until }, "{now}");
    }
}

#[test]
fn a_refused_token_is_suspect_and_used_only_when_no_healthy_one_is_left() {
    let mut pool = pool(2);
    let state = fail(&mut pool, 1, ErrorKind::TokenRefused, at(0));
    assert_eq!(state.health, Health::Suspect { since: at(0) });
    assert_eq!(turn(&mut pool, at(1)).as_deref(), Some("f2"));
    assert_eq!(turn(&mut pool, at(2)).as_deref(), Some("f2"));
    fail(&mut pool, 2, ErrorKind::Limited, at(3));
    assert_eq!(turn(&mut pool, at(4)).as_deref(), Some("f1"));
}

#[test]
fn a_token_refused_twice_in_a_row_is_dead_until_its_daily_check() {
    let mut pool = pool(1);
    fail(&mut pool, 1, ErrorKind::TokenRefused, at(0));
    let state = fail(&mut pool, 1, ErrorKind::AccountBanned, at(10));
    assert_eq!(state.health, Health::Dead { since: at(10) });
    assert_eq!(pool.availability(at(11)), Availability::Never);
    assert_eq!(turn(&mut pool, at(86_409)), None);
    assert_eq!(
        turn(&mut pool, at(86_410)).as_deref(),
        Some("f1"),
        "asking is a check too"
    );
    assert_eq!(turn(&mut pool, at(86_411)), None, "one a day");
    pool.record_answer(Some(&token(1)), asked(at(86_412)));
    assert_eq!(pool.availability(at(86_413)), Availability::Now);
}

#[test]
fn refusals_of_requests_under_way_together_count_once() {
    let mut pool = pool(1);
    fail(&mut pool, 1, ErrorKind::TokenRefused, at(10));
    let together = Asked {
        started_at: at(5),
        finished_at: at(11),
    };
    pool.record_failure(Some(&token(1)), &error(ErrorKind::TokenRefused), together);
    let state = state(&pool, 1);
    assert_eq!(state.health, Health::Suspect { since: at(10) });
}

#[test]
fn an_answer_between_two_refusals_ends_the_row() {
    let mut pool = pool(1);
    fail(&mut pool, 1, ErrorKind::TokenRefused, at(0));
    pool.record_answer(Some(&token(1)), asked(at(1)));
    let state = fail(&mut pool, 1, ErrorKind::TokenRefused, at(2));
    assert_eq!(state.health, Health::Suspect { since: at(2) });
}

#[test]
fn checks_are_due_every_ten_minutes_for_suspects_and_daily_for_the_dead() {
    let mut pool = pool(2);
    fail(&mut pool, 1, ErrorKind::TokenRefused, at(0));
    assert!(pool.checks_due(at(599)).is_empty());
    assert_eq!(pool.checks_due(at(600)).len(), 1);

    let health = check(&mut pool, 1, Check::Refused, at(600));
    assert_eq!(health, Health::Dead { since: at(600) });
    assert!(pool.checks_due(at(600 + 86_399)).is_empty());
    assert_eq!(pool.checks_due(at(600 + 86_400)).len(), 1);

    assert_eq!(
        check(&mut pool, 1, Check::Live, at(90_000)),
        Health::Healthy
    );
}

#[test]
fn one_failed_check_of_a_healthy_token_only_makes_it_suspect() {
    let health = check(&mut pool(1), 1, Check::Refused, at(0));
    assert_eq!(health, Health::Suspect { since: at(0) });
}

#[test]
fn what_is_not_the_tokens_fault_leaves_it_as_it_is() {
    use ErrorKind as K;
    for kind in [
        K::Connect,
        K::Timeout,
        K::Cut,
        K::Unavailable,
        K::Empty,
        K::AccountRefused,
        K::BadRequest,
        K::NotFound,
        K::Filtered,
        K::Stopped,
        K::NotTheApi,
        K::Blocked,
        K::Garbled,
    ] {
        let state = fail(&mut pool(1), 1, kind, at(0));
        assert_eq!(state.health, Health::Healthy, "{kind:?}");
    }
}

#[test]
fn a_pool_at_rest_names_the_first_that_is_back() {
    let mut pool = pool(3);
    fail(&mut pool, 1, ErrorKind::OutOfCredit, at(0));
    fail(&mut pool, 2, ErrorKind::Limited, at(0));
    assert_eq!(pool.availability(at(1)), Availability::Now);
    fail(&mut pool, 3, ErrorKind::TokenRefused, at(0));
    fail(&mut pool, 3, ErrorKind::TokenRefused, at(0));
    assert_eq!(pool.availability(at(1)), Availability::At(at(60)));
    insta::assert_snapshot!(pool.describe(at(1)), @"no token to ask with: #1 …KEN1 is out of quota until 2026-11-23T09:00:00Z, #2 …KEN2 rests until 2026-11-23T04:01:00Z, #3 …KEN3 is dead");
}

/// The seconds for which the endpoint cools after a failure, or 0.
fn cools(pool: &mut Pool, kind: ErrorKind, asked: Asked) -> i64 {
    pool.record_failure(Some(&token(1)), &error(kind), asked);
    let now = asked.finished_at;
    let until = pool.endpoint().cooling_until(now);
    until.map_or(0, |until| (until - now).num_seconds())
}

#[test]
fn an_endpoint_cools_after_three_failures_in_a_row() {
    let mut pool = pool(1);
    assert_eq!(cools(&mut pool, ErrorKind::Connect, asked(at(0))), 0);
    assert_eq!(cools(&mut pool, ErrorKind::Timeout, asked(at(1))), 0);
    assert_eq!(cools(&mut pool, ErrorKind::Unavailable, asked(at(2))), 60);
    assert_eq!(pool.endpoint().cooling_until(at(62)), None);
    assert_eq!(cools(&mut pool, ErrorKind::Cut, asked(at(70))), 300);
    assert_eq!(cools(&mut pool, ErrorKind::Cut, asked(at(400))), 900);
    assert_eq!(cools(&mut pool, ErrorKind::Cut, asked(at(1400))), 900);
    fail(&mut pool, 1, ErrorKind::Limited, at(2400));
    assert_eq!(pool.endpoint(), &EndpointState::default(), "it spoke");
}

#[test]
fn requests_that_fail_together_cool_the_endpoint_by_one_step() {
    let mut pool = pool(1);
    let together = |end| Asked {
        started_at: at(0),
        finished_at: at(end),
    };
    let steps: Vec<i64> = (1..=6)
        .map(|end| cools(&mut pool, ErrorKind::Cut, together(end)))
        .collect();
    assert_eq!(steps, [0, 0, 60, 59, 58, 57]);
}

#[test]
fn a_restart_resets_nothing() {
    let mut before = pool(3);
    turn(&mut before, at(0));
    turn(&mut before, at(1));
    fail(&mut before, 1, ErrorKind::Limited, at(2));
    let states: Vec<TokenState> = before.states().map(|(_, state)| state.clone()).collect();
    let kept = serde_json::to_string(&states).unwrap();

    let mut after = pool(3);
    after.restore(serde_json::from_str::<Vec<TokenState>>(&kept).unwrap());
    assert!(after.states().map(|(_, state)| state).eq(&states));
    assert_eq!(turn(&mut after, at(3)).as_deref(), Some("f3"), "never used");
    assert_eq!(
        turn(&mut after, at(4)).as_deref(),
        Some("f2"),
        "longest ago"
    );
    assert_eq!(
        cooling_for(&fail(&mut after, 1, ErrorKind::Limited, at(70)), at(70)),
        300
    );
}

#[test]
fn states_of_tokens_that_are_gone_are_ignored() {
    let mut pool = pool(1);
    pool.restore([TokenState {
        fingerprint: "gone".into(),
        ..TokenState::default()
    }]);
    assert_eq!(pool.states().count(), 1);
}

#[test]
fn a_rest_set_by_a_clock_years_ahead_is_not_kept() {
    let mut pool = pool(1);
    fail(
        &mut pool,
        1,
        ErrorKind::Limited,
        at(0) + TimeDelta::days(3650),
    );
    assert!(turn(&mut pool, at(0)).is_some());
    pool.record_answer(Some(&token(1)), asked(at(1)));
    assert!(
        pool.states()
            .all(|(_, state)| state.health == Health::Healthy)
    );
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn a_token_is_not_asked_with_twice_within_its_interval() {
    let pace = Pace {
        min_interval: seconds(20),
        quota: None,
    };
    let mut pool = paced(2, pace);
    let turns: Vec<_> = [0, 1, 2, 20, 20, 21, 300]
        .map(|second| turn(&mut pool, at(second)).unwrap())
        .into();
    assert_eq!(turns, ["f1", "f2", "at 20", "f1", "at 21", "f2", "f1"]);
    assert_eq!(pool.availability(at(301)), Availability::Now, "f2 is free");
    assert_eq!(turn(&mut pool, at(301)).as_deref(), Some("f2"));
    assert_eq!(pool.availability(at(302)), Availability::At(at(320)));
}

#[test]
fn a_healthy_token_that_must_wait_a_moment_comes_before_a_suspect_one() {
    let pace = Pace {
        min_interval: seconds(20),
        quota: None,
    };
    let mut pool = paced(2, pace);
    fail(&mut pool, 2, ErrorKind::TokenRefused, at(-60));
    assert_eq!(turn(&mut pool, at(0)).as_deref(), Some("f1"));
    assert_eq!(turn(&mut pool, at(1)).as_deref(), Some("at 20"));
}

/// Three requests in a hundred seconds.
fn quota() -> Pace {
    Pace {
        min_interval: Duration::ZERO,
        quota: Some(Quota {
            rounds: 3,
            per: seconds(100),
        }),
    }
}

#[test]
fn a_token_is_asked_with_no_more_often_than_its_quota_allows() {
    let mut pool = paced(1, quota());
    let turns = [0, 10, 20, 30, 99, 100, 109, 110].map(|second| turn(&mut pool, at(second)));
    let is_taken = turns.map(|turn| turn.is_some());
    assert_eq!(
        is_taken,
        [true, true, true, false, false, true, false, true]
    );
    assert_eq!(pool.availability(at(111)), Availability::At(at(120)));
    let standing = pool.standings(at(111)).next().unwrap();
    assert_eq!(
        (standing.state, standing.until, standing.rounds_left),
        (TokenWord::OutOfQuota, Some(at(120)), Some(0))
    );
    let standing = pool.standings(at(125)).next().unwrap();
    assert_eq!(
        (standing.state, standing.until, standing.rounds_left),
        (TokenWord::Healthy, None, Some(1))
    );
}

#[test]
fn a_request_that_never_reached_the_service_counts_for_no_quota() {
    let mut pool = paced(1, quota());
    for (second, kind) in [(0, ErrorKind::Connect), (1, ErrorKind::Unavailable)] {
        assert!(turn(&mut pool, at(second)).is_some());
        fail(&mut pool, 1, kind, at(second));
    }
    let standing = pool.standings(at(2)).next().unwrap();
    assert_eq!(standing.rounds_left, Some(2));
}

#[test]
fn pace_survives_a_restart() {
    let pace = Pace {
        min_interval: seconds(20),
        ..quota()
    };
    let mut before = paced(1, pace);
    for second in [0, 20, 40] {
        assert_eq!(turn(&mut before, at(second)).as_deref(), Some("f1"));
    }
    let kept = serde_json::to_string(&before.learned().tokens).unwrap();
    let restarted = || {
        let mut after = paced(1, pace);
        after.restore(serde_json::from_str::<Vec<TokenState>>(&kept).unwrap());
        after
    };
    assert_eq!(restarted().availability(at(41)), Availability::At(at(100)));
    assert_eq!(turn(&mut restarted(), at(100)).as_deref(), Some("f1"));
}

#[test]
fn a_check_that_is_passed_does_not_end_a_row_of_refusals() {
    let mut pool = pool(1);
    fail(&mut pool, 1, ErrorKind::TokenRefused, at(0));
    assert_eq!(check(&mut pool, 1, Check::Live, at(600)), Health::Healthy);
    let state = fail(&mut pool, 1, ErrorKind::TokenRefused, at(700));
    assert_eq!(
        state.health,
        Health::Dead { since: at(700) },
        "its list of models is open to anyone"
    );
}

#[test]
fn a_check_without_a_verdict_changes_nothing_but_its_time() {
    let mut pool = pool(1);
    fail(&mut pool, 1, ErrorKind::TokenRefused, at(0));
    for second in [600, 1200] {
        assert_eq!(pool.checks_due(at(second)).len(), 1);
        check(&mut pool, 1, Check::Unknown, at(second));
        assert!(pool.checks_due(at(second + 599)).is_empty());
    }
    assert_eq!(state(&pool, 1).health, Health::Suspect { since: at(0) });
    assert_eq!(pool.endpoint().failures, 2);
}

#[test]
fn a_dead_token_that_no_check_has_a_verdict_on_is_tried_daily_by_a_run() {
    let mut pool = pool(1);
    fail(&mut pool, 1, ErrorKind::TokenRefused, at(0));
    fail(&mut pool, 1, ErrorKind::TokenRefused, at(10));
    let day = 86_400;
    assert_eq!(pool.checks_due(at(day + 10)).len(), 1);
    check(&mut pool, 1, Check::Unknown, at(day + 10));
    assert!(pool.checks_due(at(day + 70)).is_empty(), "one a day");
    assert_eq!(pool.availability(at(day + 70)), Availability::Now);
    assert_eq!(turn(&mut pool, at(day + 70)).as_deref(), Some("f1"));
    assert_eq!(turn(&mut pool, at(day + 71)), None, "one a day");
}

#[test]
fn a_refusal_counts_for_its_address_alone_and_a_limit_for_each() {
    let mut pool = pool(3);
    fail(&mut pool, 1, ErrorKind::TokenRefused, at(0));
    fail(&mut pool, 2, ErrorKind::TokenRefused, at(0));
    fail(&mut pool, 2, ErrorKind::TokenRefused, at(1));
    let spent = fail(&mut pool, 3, ErrorKind::OutOfCredit, at(1));
    for n in [1, 2] {
        let moved = state(&pool, n).elsewhere();
        assert_eq!((moved.health, moved.refusals), (Health::Healthy, 0));
    }
    assert_eq!(spent.clone().elsewhere(), spent);

    let mut moved = self::pool(1);
    moved.restore([state(&pool, 1).elsewhere()]);
    moved.record_answer(Some(&token(1)), asked(at(2)));
    assert_eq!(told(&mut moved), [TokenChange::Revived]);
    moved.record_answer(Some(&token(1)), asked(at(3)));
    assert_eq!(told(&mut moved), []);
}

/// What a pool tells of its tokens since it was last asked.
fn told(pool: &mut Pool) -> Vec<TokenChange> {
    let events = pool.learned().events;
    events.into_iter().map(|event| event.change).collect()
}

#[test]
fn a_death_a_pause_and_a_return_are_told_once_each() {
    let mut pool = pool(1);
    fail(&mut pool, 1, ErrorKind::TokenRefused, at(0));
    assert_eq!(told(&mut pool), [], "once may be a mistake");
    fail(&mut pool, 1, ErrorKind::TokenRefused, at(1));
    let refusal = error(ErrorKind::TokenRefused).to_string();
    assert_eq!(told(&mut pool), [TokenChange::Died(refusal)]);
    check(&mut pool, 1, Check::Refused, at(90_000));
    assert_eq!(told(&mut pool), [], "it is dead still");
    check(&mut pool, 1, Check::Live, at(180_000));
    assert_eq!(told(&mut pool), [TokenChange::Revived]);

    let now = at(200_000);
    fail(&mut pool, 1, ErrorKind::OutOfCredit, now);
    let until = now + TimeDelta::hours(5);
    assert_eq!(told(&mut pool), [TokenChange::RanOut(until)]);
    fail(&mut pool, 1, ErrorKind::OutOfCredit, until);
    assert_eq!(told(&mut pool), [], "it has run out still");
    pool.record_answer(Some(&token(1)), asked(until + TimeDelta::hours(10)));
    assert_eq!(told(&mut pool), [TokenChange::Revived]);
    fail(&mut pool, 1, ErrorKind::Limited, at(300_000));
    assert_eq!(told(&mut pool), [], "a short rest is no news");
}

#[test]
fn a_token_is_warned_of_seven_three_and_one_days_before_its_end_once_each() {
    let end = at(0) + TimeDelta::days(30);
    let token = Token {
        expires_at: Some(end),
        ..token(1)
    };
    let mut pool = Pool::new(std::slice::from_ref(&token), Pace::default());
    let mut warned = Vec::new();
    for hours in (0..=24 * 32).step_by(6) {
        pool.note_expiry(at(hours * 3_600));
        // As a restart does it.
        let learned = pool.learned();
        let kept: Vec<TokenState> = pool.states().map(|(_, state)| state.clone()).collect();
        pool = Pool::new(std::slice::from_ref(&token), Pace::default());
        pool.restore(kept);
        let days = hours / 24;
        warned.extend(learned.events.into_iter().map(|event| (days, event.change)));
    }
    let told = |days| TokenChange::Expires { at: end, days };
    assert_eq!(
        warned,
        [(23, told(7)), (27, told(3)), (29, told(1)), (30, told(0))]
    );
}

#[test]
fn an_endpoint_is_told_of_when_it_goes_on_failing_and_when_it_is_back() {
    let mut pool = pool(1);
    let mut now = at(0);
    let mut told = Vec::new();
    for _ in 0..6 {
        cools(&mut pool, ErrorKind::Cut, asked(now));
        now = pool.endpoint().cooling_until(now).unwrap_or(now);
        told.push(pool.learned().change);
    }
    let held =
        |change: &Option<EndpointChange>| matches!(change, Some(EndpointChange::Held { .. }));
    let told: Vec<bool> = told.iter().map(held).collect();
    assert_eq!(told, [false, false, false, false, true, true]);
    pool.record_answer(None, asked(now));
    assert_eq!(pool.learned().change, Some(EndpointChange::Back));
    pool.record_answer(None, asked(now));
    assert_eq!(pool.learned().change, None);
}

proptest! {
    #[test]
    fn no_resting_token_is_ever_taken(events in prop::collection::vec((0_usize..4, 0_usize..5, 0_i64..4000), 1..60)) {
        let mut pool = pool(4);
        let mut now = noon();
        for (who, what, later) in events {
            now += TimeDelta::seconds(later);
            let before: Vec<TokenState> = pool.states().map(|(_, s)| s.clone()).collect();
            if let Take::Token(taken) = pool.take(&[], now) {
                let state = before.iter().find(|s| s.fingerprint == taken.fingerprint).unwrap();
                prop_assert!(state.resting_until(now).is_none());
                let is_dead = matches!(state.health, Health::Dead { .. });
                prop_assert!(!is_dead || state.is_trial_due(now));
            } else {
                prop_assert_ne!(pool.availability(now), Availability::Now);
            }
            let kind = [ErrorKind::Limited, ErrorKind::OutOfCredit, ErrorKind::TokenRefused, ErrorKind::Empty];
            match kind.get(what) {
                Some(kind) => { fail(&mut pool, who + 1, *kind, now); }
                None => { pool.record_answer(Some(&token(who + 1)), asked(now)); }
            }
        }
    }
}
