//! One attempt along a chain of endpoints: who is asked after whom, who is left alone, what the caller is told.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "support/ai.rs"]
mod ai;
#[path = "support/clock.rs"]
mod clock;
#[path = "support/endpoint.rs"]
mod endpoint;

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use ai::{FakeKimi, FakeOpenai, Gate, Reply};
use chrono::TimeDelta;
use clock::FakeClock;
use endpoint::{client, pool};
use promptcron::{
    ask::{
        Answer, Attempt, Client, Conversation, ErrorKind, Link, Next, Pool, Question, ask_along,
    },
    clock::Clock,
    config::types::{Api, Pace},
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
        self.ask_in(&Conversation::None, patience).await
    }

    async fn ask_in(&self, conversation: &Conversation, patience: Option<Timestamp>) -> Attempt {
        let links = self.ends.each_ref().map(|(client, pool)| Link {
            client,
            pool,
            question: Question {
                conversation: conversation.clone(),
                ..Question::new("金价？")
            },
            counted: Arc::default(),
        });
        ask_along(&links, patience, &self.clock).await
    }

    /// A conversation that began with kimi's first token, and its first answer.
    async fn talking(&self) -> Conversation {
        self.kimi.answer_with("好");
        let answer = self.ask_in(&Conversation::Begin, None).await.result;
        let kept = answer.unwrap().conversation.unwrap();
        Conversation::GoOn {
            id: kept.id,
            token: kept.token,
        }
    }

    /// Kimi limits the first token at its next question.
    fn limit_first(&self) {
        let limited = Reply::kimi_error(-2005, "已有对话流正在输出");
        self.kimi.next_to("TOKEN1", limited);
    }

    fn in_minutes(&self, minutes: i64) -> Timestamp {
        self.clock.now() + TimeDelta::minutes(minutes)
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

/// Whose conversation an answer is part of.
fn account(answer: &Answer) -> &str {
    &answer.conversation.as_ref().unwrap().token
}

#[tokio::test]
async fn a_conversation_whose_token_rests_waits_for_it_in_a_later_attempt() {
    let world = World::new();
    let talk = world.talking().await;
    world
        .local
        .reply_with(Reply::openai_error(503, "overloaded_error", "busy"));
    world.limit_first();
    let attempt = world.ask_in(&talk, Some(world.in_minutes(60))).await;
    assert_eq!(
        asked(&attempt),
        ["kimi #1 …KEN1 limited", "local - unavailable"],
        "the chain goes on"
    );
    insta::assert_snapshot!(world.shown(&attempt).lines().next().unwrap(), @"ai.kimi (http://kimi/v1, model kimi, token #1 …KEN1): HTTP 200, code -2005: 已有对话流正在输出; the conversation waits for its token: #1 …KEN1 rests until 2026-11-23T04:01:00Z — the account is limited or busy and rests for a while; add tokens of other accounts if this is frequent");

    // It rests five minutes the second time, which is more than an attempt waits.
    world.later(TimeDelta::minutes(1));
    world.limit_first();
    world.ask_in(&talk, Some(world.in_minutes(60))).await;
    let back = world.in_minutes(5);
    let attempt = world.ask_in(&talk, Some(world.in_minutes(60))).await;
    assert_eq!(asked(&attempt), ["local - unavailable"]);
    insta::assert_snapshot!(world.shown(&attempt).lines().next().unwrap(), @r#"ai.kimi (http://kimi/v1, model kimi): the conversation waits for its token: #1 …KEN1 rests until 2026-11-23T04:06:00Z — it goes on when that is back; with conversation = "new" any token would do"#);

    world.clock.set(back);
    let answer = world.ask_in(&talk, None).await.result.unwrap();
    let Conversation::GoOn { id, token } = &talk else {
        panic!("a conversation");
    };
    let kept = answer.conversation.unwrap();
    assert_eq!((&kept.id, &kept.token), (id, token), "it went on");
}

#[tokio::test]
async fn a_conversation_whose_token_is_back_too_late_begins_anew_at_once() {
    let world = World::new();
    let talk = world.talking().await;
    for patience in [None, Some(world.in_minutes(0))] {
        world.limit_first();
        let attempt = world.ask_in(&talk, patience).await;
        assert_eq!(
            asked(&attempt),
            ["kimi #1 …KEN1 limited", "kimi #2 …KEN2 answered"]
        );
        let answer = attempt.result.unwrap();
        assert_eq!(account(&answer), "fingerprint-TOKEN2");
        // At rest for five minutes from now on.
        world.later(TimeDelta::minutes(1));
    }
    let attempt = world.ask_in(&talk, Some(world.in_minutes(3))).await;
    assert_eq!(asked(&attempt), ["kimi #2 …KEN2 answered"]);
}

#[tokio::test]
async fn a_conversation_whose_token_is_paced_waits_as_for_one_that_rests() {
    let mut world = World::new();
    let (client, pool) = &mut world.ends[0];
    let pace = Pace {
        min_interval: Duration::from_secs(600),
        ..Pace::default()
    };
    *pool = Mutex::new(Pool::new(&client.endpoint().tokens, pace));
    let talk = world.talking().await;
    world
        .local
        .reply_with(Reply::openai_error(503, "overloaded_error", "busy"));
    let attempt = world.ask_in(&talk, Some(world.in_minutes(60))).await;
    assert_eq!(asked(&attempt), ["local - unavailable"]);
    insta::assert_snapshot!(world.shown(&attempt).lines().next().unwrap(), @r#"ai.kimi (http://kimi/v1, model kimi): the conversation waits for its token: #1 …KEN1 is paced until 2026-11-23T04:10:00Z — it goes on when that is back; with conversation = "new" any token would do"#);
    let attempt = world.ask_in(&talk, Some(world.in_minutes(9))).await;
    assert_eq!(
        asked(&attempt),
        ["kimi #2 …KEN2 answered"],
        "it is back too late"
    );
}

#[tokio::test]
async fn a_conversation_is_waited_for_no_longer_once_the_chain_has_used_up_the_time() {
    let world = World::new();
    let talk = world.talking().await;
    world.limit_first();
    let gate = Gate::closed();
    let busy = Reply::openai_error(503, "overloaded_error", "busy");
    world
        .local
        .reply_with(Reply::Held(gate.clone(), Box::new(busy)));
    let asking = world.ask_in(&talk, Some(world.in_minutes(10)));
    let late = async {
        while world.local.questions().is_empty() {
            tokio::task::yield_now().await;
        }
        world.later(TimeDelta::minutes(11));
        world.limit_first();
        gate.open();
    };
    let (attempt, ()) = tokio::join!(asking, late);
    assert_eq!(
        asked(&attempt),
        [
            "kimi #1 …KEN1 limited",
            "local - unavailable",
            "kimi #1 …KEN1 limited",
            "kimi #2 …KEN2 answered"
        ]
    );
}
