//! One attempt over a pool of tokens: who is asked, what becomes of each, what the caller is told.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "support/ai.rs"]
mod ai;
#[path = "support/endpoint.rs"]
mod endpoint;

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use ai::{FakeKimi, FakeOpenai, Gate, Reply, STOPPED};
use chrono::TimeDelta;
use endpoint::{client, pool, shown};
use insta::assert_snapshot;
use promptcron::{
    ask::{Attempt, Client, ErrorKind, Health, Learned, Link, Next, Pool, Question, ask_along},
    clock::{Clock, Sleep},
    config::types::Api,
    model::Timestamp,
};

/// A clock that stands until it is moved.
struct Stopped(Mutex<Timestamp>);

impl Stopped {
    fn at(text: &str) -> Self {
        Self(Mutex::new(text.parse().expect("an instant")))
    }

    fn advance(&self, by: TimeDelta) {
        *self.0.lock().expect("a sound clock") += by;
    }
}

impl Clock for Stopped {
    fn now(&self) -> Timestamp {
        *self.0.lock().expect("a sound clock")
    }

    fn sleep_until(&self, _: Timestamp) -> Sleep {
        Box::pin(std::future::ready(()))
    }
}

struct World {
    client: Client,
    pool: Mutex<Pool>,
    clock: Stopped,
}

impl World {
    fn new(api: Api, base_url: &str, tokens: &[&str]) -> Self {
        let client = client(endpoint::endpoint(api, base_url, tokens));
        Self {
            pool: pool(&client),
            client,
            clock: Stopped::at("2026-11-23T04:00:00Z"),
        }
    }

    async fn ask(&self) -> Attempt {
        let link = Link {
            client: &self.client,
            pool: &self.pool,
            question: Question::new("金价？"),
            counted: Arc::default(),
        };
        ask_along(&[link], None, &self.clock).await
    }

    fn health(&self) -> Vec<Health> {
        let pool = self.pool.lock().expect("a sound pool");
        pool.states().map(|(_, state)| state.health).collect()
    }
}

fn dead() -> Reply {
    Reply::kimi_error(-2001, "请求失败")
}

fn limited() -> Reply {
    Reply::kimi_error(-2001, "[请求kimi失败]: 当前聊天过于频繁，请稍后再试")
}

#[tokio::test]
async fn a_dead_token_gives_way_to_a_live_one_at_once_and_is_left_alone_then() {
    let kimi = FakeKimi::start();
    kimi.reply_to("TOKEN1", dead());
    kimi.answer_with("好");
    let world = World::new(Api::Kimi, &kimi.base_url(), &["TOKEN1", "TOKEN2"]);
    for _ in 0..3 {
        assert_eq!(world.ask().await.result.unwrap().text, "好");
    }
    assert_eq!(kimi.tokens(), ["TOKEN1", "TOKEN2", "TOKEN2", "TOKEN2"]);
}

#[tokio::test]
async fn an_attempt_tells_of_each_of_its_tries() {
    let kimi = FakeKimi::start();
    kimi.reply_to("TOKEN1", dead());
    kimi.answer_with("好");
    let world = World::new(Api::Kimi, &kimi.base_url(), &["TOKEN1", "TOKEN2"]);
    let attempt = world.ask().await;
    assert_eq!(attempt.token(), Some("#2 …KEN2"));
    let tries: Vec<_> = attempt
        .tries
        .iter()
        .map(|t| {
            (
                t.token.as_deref().unwrap(),
                t.error.as_ref().map(|(kind, _)| *kind),
            )
        })
        .collect();
    assert_eq!(
        tries,
        [
            ("#1 …KEN1", Some(ErrorKind::TokenRefused)),
            ("#2 …KEN2", None)
        ]
    );
    let since = "2026-11-23T04:00:00Z".parse().unwrap();
    let learned = world.pool.lock().unwrap().learned();
    let learned: Vec<_> = learned.tokens.iter().map(|state| state.health).collect();
    assert_eq!(learned, [Health::Suspect { since }, Health::Healthy]);
    let again = world.pool.lock().unwrap().learned();
    assert_eq!(again, Learned::default(), "it is told once");
}

#[tokio::test]
async fn healthy_tokens_share_the_work() {
    let kimi = FakeKimi::start();
    kimi.answer_with("好");
    let world = World::new(Api::Kimi, &kimi.base_url(), &["TOKEN1", "TOKEN2", "TOKEN3"]);
    for _ in 0..6 {
        assert!(world.ask().await.result.is_ok());
    }
    assert_eq!(
        kimi.tokens(),
        ["TOKEN1", "TOKEN2", "TOKEN3", "TOKEN1", "TOKEN2", "TOKEN3"]
    );
}

#[tokio::test]
async fn runs_at_the_same_time_use_different_tokens() {
    let kimi = FakeKimi::start();
    let gate = Gate::closed();
    kimi.reply_with(Reply::Held(
        gate.clone(),
        Box::new(Reply::Answer("好".to_owned())),
    ));
    let world = World::new(Api::Kimi, &kimi.base_url(), &["TOKEN1", "TOKEN2"]);
    let kimi = Arc::new(kimi);
    let both_came = tokio::task::spawn_blocking({
        let kimi = kimi.clone();
        move || kimi.wait_for(2, Duration::from_secs(30))
    });
    let open = async {
        both_came.await.unwrap();
        gate.open();
    };
    let (first, second, ()) = tokio::join!(world.ask(), world.ask(), open);
    assert!(first.result.is_ok() && second.result.is_ok());
    let mut tokens = kimi.tokens();
    tokens.sort();
    assert_eq!(tokens, ["TOKEN1", "TOKEN2"]);
}

#[tokio::test]
async fn of_four_tokens_the_one_that_works_answers_and_each_other_has_its_state() {
    let kimi = FakeKimi::start();
    kimi.reply_to("TOKEN1", dead());
    kimi.reply_to("TOKEN2", Reply::kimi_empty(""));
    kimi.reply_to("TOKEN3", Reply::kimi_error(-2006, "探索版使用量已达到上限"));
    kimi.reply_to("TOKEN4", Reply::Answer("好".to_owned()));
    let world = World::new(
        Api::Kimi,
        &kimi.base_url(),
        &["TOKEN1", "TOKEN2", "TOKEN3", "TOKEN4"],
    );
    assert!(world.ask().await.result.is_ok());
    let now = world.clock.now();
    assert_eq!(
        world.health(),
        [
            Health::Suspect { since: now },
            Health::Cooling {
                until: now + TimeDelta::minutes(1)
            },
            Health::OutOfQuota {
                until: now + TimeDelta::hours(12)
            },
            Health::Healthy,
        ]
    );
}

#[tokio::test]
async fn when_all_are_limited_the_attempt_says_when_the_first_is_back() {
    let kimi = FakeKimi::start();
    kimi.reply_with(limited());
    let world = World::new(Api::Kimi, &kimi.base_url(), &["TOKEN1", "TOKEN2"]);
    let back = world.clock.now() + TimeDelta::minutes(1);

    let error = world.ask().await.result.unwrap_err();
    assert_eq!(
        (error.kind(), error.next_step()),
        (ErrorKind::Limited, Next::NextAttempt)
    );
    assert_eq!(error.retry_at(), Some(back));

    world.clock.advance(TimeDelta::seconds(59));
    let attempt = world.ask().await;
    assert!(attempt.tries.is_empty(), "nobody was asked");
    let error = attempt.result.unwrap_err();
    assert_eq!(
        (error.kind(), error.next_step()),
        (ErrorKind::Exhausted, Next::NextAttempt)
    );
    assert_eq!(error.retry_at(), Some(back));
    assert_snapshot!(shown(&world.client, &error), @"ai.kimi (http://ai/v1, model kimi): no token to ask with: #1 …KEN1 rests until 2026-11-23T04:01:00Z, #2 …KEN2 rests until 2026-11-23T04:01:00Z — wait, or add a token that works");

    world.clock.advance(TimeDelta::seconds(1));
    kimi.answer_with("好");
    assert!(
        world.ask().await.result.is_ok(),
        "back when its time is over"
    );
}

#[tokio::test]
async fn a_pool_of_dead_tokens_ends_the_run() {
    let kimi = FakeKimi::start();
    kimi.reply_with(dead());
    let world = World::new(Api::Kimi, &kimi.base_url(), &["TOKEN1"]);
    let error = world.ask().await.result.unwrap_err();
    assert_eq!(
        error.next_step(),
        Next::NextAttempt,
        "once may be a mistake"
    );
    let error = world.ask().await.result.unwrap_err();
    assert_eq!(
        (error.kind(), error.next_step()),
        (ErrorKind::TokenRefused, Next::GiveUp)
    );
    let error = world.ask().await.result.unwrap_err();
    assert_eq!(
        (error.kind(), error.next_step()),
        (ErrorKind::Exhausted, Next::GiveUp)
    );
    assert_snapshot!(shown(&world.client, &error), @"ai.kimi (http://ai/v1, model kimi): no token to ask with: #1 …KEN1 is dead — wait, or add a token that works");
    assert_eq!(kimi.tokens().len(), 2, "and a dead token is asked no more");
}

#[tokio::test]
async fn an_empty_answer_goes_to_another_token_and_to_each_only_once() {
    let kimi = FakeKimi::start();
    kimi.reply_with(Reply::kimi_empty("cud65ce224da97d82ec9"));
    let world = World::new(Api::Kimi, &kimi.base_url(), &["TOKEN1", "TOKEN2"]);
    let error = world.ask().await.result.unwrap_err();
    assert_eq!(
        (error.kind(), error.next_step()),
        (ErrorKind::Empty, Next::NextAttempt)
    );
    assert_eq!(error.retry_at(), None);
    assert_eq!(kimi.tokens(), ["TOKEN1", "TOKEN2"]);
    assert_eq!(world.health(), [Health::Healthy; 2]);
}

#[tokio::test]
async fn what_no_token_can_cure_is_not_tried_with_another() {
    for reply in [
        Reply::kimi_error(-1000, "connect ECONNREFUSED 127.0.0.1:18011"),
        Reply::kimi_error(-2000, "Params body.messages invalid"),
        Reply::Answer(STOPPED.to_owned()),
        Reply::html(200, "nginx"),
    ] {
        let kimi = FakeKimi::start();
        kimi.reply_with(reply);
        let world = World::new(Api::Kimi, &kimi.base_url(), &["TOKEN1", "TOKEN2"]);
        assert!(world.ask().await.result.is_err());
        assert_eq!(kimi.tokens(), ["TOKEN1"]);
        assert_eq!(world.health(), [Health::Healthy; 2]);
    }
}

#[tokio::test]
async fn an_endpoint_without_tokens_is_asked_without_and_once_an_attempt() {
    let openai = FakeOpenai::start();
    openai.next(Reply::Answer(String::new()));
    openai.next(Reply::Answer("好".to_owned()));
    let world = World::new(Api::Openai, &openai.base_url(), &[]);
    let attempt = world.ask().await;
    assert_eq!(attempt.tries.len(), 1);
    assert_eq!(attempt.result.unwrap_err().next_step(), Next::NextAttempt);
    let attempt = world.ask().await;
    assert_eq!(attempt.token(), None);
    assert_eq!(attempt.result.unwrap().text, "好");
}

#[tokio::test]
async fn three_failures_in_a_row_cool_the_endpoint() {
    let openai = FakeOpenai::start();
    openai.reply_with(Reply::html(502, "502 Bad Gateway"));
    let world = World::new(Api::Openai, &openai.base_url(), &["TOKEN1"]);
    for cools in [false, false, true] {
        assert!(world.ask().await.result.is_err());
        let cools_until = world.pool.lock().unwrap().endpoint().cools_until;
        assert_eq!(cools_until.is_some(), cools);
    }
    openai.answer_with("好");
    assert!(world.ask().await.result.is_ok());
    assert_eq!(world.pool.lock().unwrap().endpoint().cools_until, None);
}
