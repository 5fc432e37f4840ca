//! Webhooks: the configs of docs/receivers.md against the services' published request forms, and what
//! each reply means.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "support/ai.rs"]
mod ai;
#[path = "support/daemon.rs"]
mod daemon;
#[path = "support/ntfy.rs"]
mod ntfy;
#[path = "support/services.rs"]
mod services;

use daemon::World;
use ntfy::{FakeNtfy, Fault, response};
use services::{Running, SERVICES, Service};

const DOCUMENT: &str = include_str!("../docs/receivers.md");

/// The config that the document shows for a service, with the stand-in's address.
fn shown(service: &Service, running: &Running) -> String {
    let blocks = DOCUMENT.split("```toml\n").skip(1);
    let mut blocks = blocks.map(|rest| rest.split("```").next().unwrap());
    let head = format!("[webhook.{}]", service.name);
    let block = blocks.find(|block| block.contains(&head)).unwrap();
    assert_eq!(block.matches(service.host).count(), 1, "{block}");
    block.replace(service.host, &running.url)
}

fn world(service: &Service, running: &Running, job: &str) -> World {
    let target = shown(service, running);
    let job = format!(
        "[[job]]\nname = \"gold\"\nevery = \"100d\"\nprompt = \"金价？\"\ntitle = \"金价\"\n{job}"
    );
    World::with("", &target, &job)
}

const ANSWER: &str = "# 行情\n\n今日 \"上海金\" **801.5** 元 \\ <克>\n\n- 涨 & 跌";

#[test]
fn each_shown_config_posts_what_its_service_takes() {
    for service in &SERVICES {
        let running = service.start();
        let world = world(
            service,
            &running,
            "priority = 4\nclick = \"https://example.com/?a=1&b=2\"",
        );
        world.ai.answer_with(ANSWER);
        let ran = world.run(&["once", "gold"]);
        let refused = running.refused.lock().unwrap().clone();
        assert_eq!(
            (ran.code, refused),
            (Some(0), vec![]),
            "{}: {}",
            service.name,
            ran.stderr
        );
        let text = match service.name {
            "gotify" => ANSWER,
            _ => "📌 行情\n今日 \"上海金\" 801.5 元 \\ <克>\n\n• 涨 & 跌",
        };
        assert_eq!(*running.taken.lock().unwrap(), [format!("金价|{text}")]);
        let pushed = world.run(&["push", service.name, "试一下", "--title", "题"]);
        assert_eq!(pushed.code, Some(0), "{}: {}", service.name, pushed.stderr);
        assert_eq!(running.taken.lock().unwrap()[1], "题|试一下");
    }
}

#[test]
fn a_long_answer_fits_each_service_in_parts() {
    let long: String = (1..=120)
        .map(|n| format!("第{n}段：金价今日上涨，走势平稳，成交清淡。\n\n"))
        .collect();
    for service in &SERVICES {
        let running = service.start();
        let world = world(service, &running, "tags = [\"💰\"]");
        world.ai.answer_with(&long);
        let ran = world.run(&["once", "gold"]);
        let refused = running.refused.lock().unwrap().clone();
        assert_eq!(
            (ran.code, refused),
            (Some(0), vec![]),
            "{}: {}",
            service.name,
            ran.stderr
        );
        let taken = running.taken.lock().unwrap().concat();
        assert!(
            (1..=120).all(|n| taken.contains(&format!("第{n}段"))),
            "{taken}"
        );
    }
}

#[test]
fn a_refusal_is_told_in_the_services_own_words_and_without_its_secrets() {
    let mut said = Vec::new();
    for service in &SERVICES {
        let running = service.start();
        let world = world(service, &running, "");
        let secret = ["YOUR-KEY", "YOUR-APP-TOKEN", "YOUR-TOKEN", "YOUR-KEY"];
        let index = SERVICES
            .iter()
            .position(|one| one.name == service.name)
            .unwrap();
        world.edit_config(secret[index], "WRONG-SECRET");
        let pushed = world.run(&["push", service.name, "试一下"]);
        assert_eq!(pushed.code, Some(1));
        assert!(!pushed.stderr.contains("WRONG-SECRET"), "{}", pushed.stderr);
        said.push(pushed.stderr.replace(&running.url, "http://service"));
    }
    insta::assert_snapshot!(said.concat(), @r#"
    webhook.bark (http://service): HTTP 400: {"code":400,"message":"key: \"[secret]\", not \"YOUR-KEY\"","timestamp":1} — correct what it names in body, headers or expect
    webhook.gotify (http://service): HTTP 400: {"error":"Bad Request","errorCode":400,"errorDescription":"key: \"[secret]\", not \"YOUR-APP-TOKEN\""} — correct what it names in body, headers or expect
    webhook.telegram (http://service): HTTP 400: {"ok":false,"error_code":400,"description":"line: \"POST /[secret]/[secret]\", not \"POST /botYOUR-TOKEN/[secret]\""} — correct what it names in body, headers or expect
    webhook.wecom (http://service): HTTP 200: it answered with {"errcode":40008,"errmsg":"line: \"POST /cgi-bin/webhook/send?key=[secret]\", not \"POST /cgi-bin/webhook/send?key=YOUR-KEY\""} — expect_json says what success is; the next attempt waits
    "#);
}

/// A target on a server that answers every POST with what a test says.
fn on(answer: Fault, keys: &str) -> World {
    let server = FakeNtfy::start();
    server.outage(Some(answer));
    let target = format!(
        "[webhook.house]\nurl = \"NTFY\"\nheaders = {{ Authorization = \"Bearer SECRET-7\" }}\nbody = '{{ \"text\": {{{{ text }}}} }}'\n{keys}"
    );
    World::on(
        server,
        "",
        &target,
        "[[job]]\nname = \"gold\"\nevery = \"100d\"\nprompt = \"金价？\"\n",
    )
}

#[test]
fn only_the_expected_reply_is_success() {
    let json = |status, body| Fault::Raw(response(status, "", body));
    let cases = [
        (json(200, ""), "", Ok(())),
        (json(204, ""), "", Ok(())),
        (json(204, ""), "expect = 200", Err("HTTP 204")),
        (json(202, ""), "expect = [200, 202]", Ok(())),
        (
            json(200, r#"{"ok":false,"why":"SECRET-7"}"#),
            "expect_json = { ok = true }",
            Err("{\"ok\":false,\"why\":\"[secret]\"}"),
        ),
        (
            Fault::html(200, "登录校园网"),
            "expect_json = { ok = true }",
            Err("an HTML page, \"登录校园网\""),
        ),
        (
            Fault::redirect(302, "http://other/"),
            "",
            Err("it redirects to http://other/"),
        ),
        (json(403, "no"), "", Err("check the secret")),
        (
            Fault::ResetBeforeStoring,
            "",
            Err("it may have arrived all the same"),
        ),
    ];
    for (answer, keys, wanted) in cases {
        let world = on(answer.clone(), keys);
        let pushed = world.run(&["push", "house", "试一下"]);
        match wanted {
            Ok(()) => assert_eq!(pushed.code, Some(0), "{answer:?}: {}", pushed.stderr),
            Err(why) => {
                assert_eq!(pushed.code, Some(1), "{answer:?}");
                assert!(pushed.stderr.contains(why), "{answer:?}: {}", pushed.stderr);
                assert!(!pushed.stderr.contains("SECRET-7"), "{}", pushed.stderr);
            }
        }
        assert_eq!(world.ntfy.publishes().len(), 1, "one push is one request");
    }
}
