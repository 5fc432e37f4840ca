//! One attempt along a chain of endpoints: who is asked after whom, who is left alone, what the caller is told.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "support/ai.rs"]
mod ai;
#[path = "support/clock.rs"]
mod clock;
#[path = "support/endpoint.rs"]
mod endpoint;

use std::sync::Mutex;

use ai::{FakeKimi, FakeOpenai, Reply};
use chrono::TimeDelta;
use clock::FakeClock;
use endpoint::{client, pool};
use promptcron::{
    ask::{Attempt, Client, ErrorKind, Link, Next, Pool, Question, ask_along},
    clock::Clock,
    config::types::Api,
    model::Timestamp,
};

/// kimi with two tokens, then an endpoint that needs none.
struct World {
    kimi: FakeKimi,
    local: FakeOpenai,
    ends: [(Client, Mutex<Pool>); 2],
    clock: FakeClock,
}

impl World {
    fn new() -> Self {
        let (kimi, local) = (FakeKimi::start(), FakeOpenai::start());
        let tokens = &["TOKEN1", "TOKEN2"];
        let ends = [
            client(endpoint::endpoint(Api::Kimi, &kimi.base_url(), tokens)),
            client(endpoint::endpoint(Api::Openai, &local.base_url(), &[])),
        ];
        Self {
            kimi,
            local,
            ends: ends.map(|client| {
                let pool = pool(&client);
                (client, pool)
            }),
            clock: FakeClock::at("2026-11-23T04:00:00Z".parse().unwrap()),
        }
    }

    /// An attempt after which another one may come for an hour.
    async fn ask(&self) -> Attempt {
        let patience = self.clock.now() + TimeDelta::hours(1);
        self.ask_with(Some(patience)).await
    }

    async fn ask_with(&self, patience: Option<Timestamp>) -> Attempt {
        let links = self.ends.each_ref().map(|(client, pool)| Link {
            client,
            pool,
            question: Question::new("金价？"),
        });
        ask_along(&links, patience, &self.clock).await
    }

    fn later(&self, by: TimeDelta) {
        self.clock.set(self.clock.now() + by);
    }

    /// An attempt's error, with the ports taken out.
    fn shown(&self, attempt: &Attempt) -> String {
        let error = attempt.result.as_ref().unwrap_err().to_string();
        error
            .replace(&self.kimi.base_url(), "http://kimi/v1")
            .replace(&self.local.base_url(), "http://local/v1")
    }
}

/// Who was asked, with what.
fn asked(attempt: &Attempt) -> Vec<String> {
    let of = |tried: &promptcron::ask::Try| {
        let token = tried.token.as_deref().unwrap_or("-");
        let error = tried.error.as_ref();
        let outcome = error.map_or("answered", |(kind, _)| kind.as_str());
        format!("{} {token} {outcome}", tried.endpoint)
    };
    attempt.tries.iter().map(of).collect()
}

#[tokio::test]
async fn an_exhausted_pool_gives_way_to_the_next_endpoint_at_once() {
    let world = World::new();
    world
        .kimi
        .reply_with(Reply::kimi_error(-2005, "已有对话流正在输出"));
    world.local.answer_with("好");
    let attempt = world.ask().await;
    assert_eq!(
        asked(&attempt),
        [
            "kimi #1 …KEN1 limited",
            "kimi #2 …KEN2 limited",
            "local - answered"
        ]
    );
    let answer = attempt.result.unwrap();
    assert_eq!((&*answer.endpoint, &*answer.text), ("local", "好"));

    let attempt = world.ask().await;
    assert_eq!(asked(&attempt), ["local - answered"], "the tokens rest");

    world.later(TimeDelta::minutes(1));
    world.kimi.answer_with("好");
    assert_eq!(asked(&world.ask().await), ["kimi #1 …KEN1 answered"]);
}

#[tokio::test]
async fn whatever_keeps_an_endpoint_from_answering_the_next_one_is_asked() {
    for reply in [
        Reply::kimi_error(-1000, "connect ECONNREFUSED 127.0.0.1:18011"),
        Reply::kimi_error(-2000, "Params body.messages invalid"),
        Reply::kimi_error(-2001, "请求失败"),
        Reply::kimi_empty("cud65ce224da97d82ec9"),
        Reply::html(200, "nginx"),
        Reply::Cut,
    ] {
        let world = World::new();
        world.kimi.reply_with(reply);
        world.local.answer_with("好");
        let attempt = world.ask().await;
        assert_eq!(attempt.endpoint(), Some("local"));
        assert_eq!(attempt.result.unwrap().text, "好");
    }
}

#[tokio::test]
async fn when_none_can_answer_each_says_why_in_the_chains_order() {
    let world = World::new();
    world
        .kimi
        .reply_with(Reply::kimi_error(-1000, "socket hang up"));
    world
        .local
        .reply_with(Reply::openai_error(404, "model_not_found", "no such model"));
    let attempt = world.ask().await;
    let error = attempt.result.as_ref().unwrap_err();
    assert_eq!(error.next_step(), Next::NextAttempt, "kimi may be back");
    insta::assert_snapshot!(world.shown(&attempt), @r"
    ai.kimi (http://kimi/v1, model kimi, token #1 …KEN1): HTTP 200, code -1000: socket hang up — the kimi server cannot get through to Kimi, which may pass; if it goes on, check that server's network
    ai.local (http://local/v1, model gpt-test): HTTP 404, code model_not_found: no such model — check base_url and model: the service knows no such address or model
    ");

    world
        .kimi
        .reply_with(Reply::kimi_error(-2000, "Params body.messages invalid"));
    let error = world.ask().await.result.unwrap_err();
    assert_eq!(error.next_step(), Next::GiveUp, "no one will ever answer");
}

#[tokio::test]
async fn a_chain_at_rest_is_back_when_the_first_of_it_is() {
    let world = World::new();
    world
        .kimi
        .reply_with(Reply::kimi_error(-2005, "已有对话流正在输出"));
    world
        .local
        .reply_with(Reply::openai_error(404, "model_not_found", "no such model"));
    let error = world.ask().await.result.unwrap_err();
    let back = world.clock.now() + TimeDelta::minutes(1);
    assert_eq!(error.retry_at(), Some(back));

    world
        .local
        .reply_with(Reply::openai_error(503, "overloaded_error", "busy"));
    let error = world.ask().await.result.unwrap_err();
    assert_eq!(error.retry_at(), None, "the local one may answer sooner");
}

#[tokio::test]
async fn an_endpoint_that_cools_is_passed_over_until_its_time_is_over() {
    let world = World::new();
    world
        .kimi
        .reply_with(Reply::kimi_error(-1000, "socket hang up"));
    world.local.answer_with("好");
    for _ in 0..3 {
        assert_eq!(world.ask().await.tries.len(), 2);
    }
    assert_eq!(asked(&world.ask().await), ["local - answered"]);
    assert_eq!(world.kimi.questions().len(), 3);

    world.later(TimeDelta::minutes(1));
    world.kimi.answer_with("好");
    assert_eq!(asked(&world.ask().await), ["kimi #2 …KEN2 answered"]);
}

#[tokio::test]
async fn a_chain_that_cools_is_waited_for_while_there_is_time() {
    let world = World::new();
    world
        .kimi
        .reply_with(Reply::kimi_error(-1000, "socket hang up"));
    world
        .local
        .reply_with(Reply::openai_error(503, "overloaded_error", "busy"));
    for _ in 0..3 {
        assert_eq!(world.ask().await.tries.len(), 2);
    }
    let attempt = world.ask().await;
    assert!(attempt.tries.is_empty(), "nobody is asked");
    let error = attempt.result.as_ref().unwrap_err();
    let back = world.clock.now() + TimeDelta::minutes(1);
    assert_eq!(
        (error.kind(), error.next_step(), error.retry_at()),
        (ErrorKind::Cooling, Next::NextAttempt, Some(back))
    );
    insta::assert_snapshot!(world.shown(&attempt), @r"
    ai.kimi (http://kimi/v1, model kimi): failed 3 times in a row and is left alone until 2026-11-23T04:01:00Z — is the server up? more endpoints in the job's ai would be asked instead
    ai.local (http://local/v1, model gpt-test): failed 3 times in a row and is left alone until 2026-11-23T04:01:00Z — is the server up? more endpoints in the job's ai would be asked instead
    ");
}

#[tokio::test]
async fn without_time_to_wait_a_chain_that_cools_is_asked_all_the_same() {
    let world = World::new();
    world
        .kimi
        .reply_with(Reply::kimi_error(-1000, "socket hang up"));
    world
        .local
        .reply_with(Reply::openai_error(503, "overloaded_error", "busy"));
    for _ in 0..3 {
        assert_eq!(world.ask().await.tries.len(), 2);
    }
    let soon = world.clock.now() + TimeDelta::seconds(59);
    assert_eq!(world.ask_with(Some(soon)).await.tries.len(), 2);
    assert_eq!(world.ask_with(None).await.tries.len(), 2);
    for (_, pool) in &world.ends {
        let until = pool.lock().unwrap().endpoint().cools_until;
        let back = world.clock.now() + TimeDelta::minutes(1);
        assert_eq!(until, Some(back), "which makes it cool no longer");
    }
    world.local.answer_with("好");
    assert!(world.ask_with(None).await.result.is_ok());
}
