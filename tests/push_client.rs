//! Pushing to an ntfy-shaped server: the bytes sent, and what each reply means.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "support/ntfy.rs"]
mod ntfy;

use std::{net::TcpListener, sync::Arc, time::Duration};

use ntfy::{
    FakeNtfy, Fault, response,
    rules::{Access, Rights, Settings, Version},
};
use promptcron::{
    config::{Auth, Network, Ntfy, Service, Target},
    model::Timestamp,
    push::{Client, Disposition, File, Kind, Message, PushError, Receipt},
};

fn with_auth(url: &str, auth: Option<Auth>) -> Target {
    let ntfy = Ntfy {
        server: url.parse().unwrap(),
        topic: "hotine".to_owned(),
        auth,
    };
    Target::new(Arc::from("phone"), Service::Ntfy(ntfy))
}

fn target(url: &str) -> Target {
    with_auth(url, None)
}

fn with_token(url: &str, token: &str) -> Target {
    with_auth(url, Some(Auth::Token(token.into())))
}

fn message() -> Message {
    Message {
        topic: "hotine".to_owned(),
        message: "今日金价 801.5 元/克 <涨>\n\n第二段".to_owned(),
        title: Some("金价分析".to_owned()),
        priority: Some(3),
        tags: vec!["moneybag".to_owned()],
        sequence_id: Some("gold-17-1".to_owned()),
        ..Message::default()
    }
}

fn long(bytes: usize) -> Message {
    Message {
        message: "a".repeat(bytes),
        ..message()
    }
}

async fn push(target: &Target) -> Result<Receipt, PushError> {
    let client = Client::with_timeout(&target.way(), Duration::from_millis(500)).unwrap();
    client.push(target, &message()).await
}

/// The error's text with the server's random port taken out.
fn said(error: &PushError, ntfy: &FakeNtfy) -> String {
    let url = ntfy.url();
    error
        .to_string()
        .replace(url.trim_end_matches('/'), "http://ntfy")
}

fn now() -> Timestamp {
    "2026-11-23T08:00:00Z".parse().unwrap()
}

/// The disposition in a few words: how long to wait, counted from [`now`].
fn next(error: &PushError) -> String {
    match error.disposition(now()) {
        Disposition::Retry { not_before } => {
            format!("retry after {} s", (not_before - now()).num_seconds())
        }
        other => format!("{other:?}"),
    }
}

async fn fault(fault: Fault) -> String {
    let ntfy = FakeNtfy::start();
    ntfy.fail(1, fault);
    let error = push(&target(&ntfy.url())).await.unwrap_err();
    assert_eq!(ntfy.publishes().len(), 1, "one push is one request");
    format!(
        "{:?}, {}\n{}",
        error.kind(),
        next(&error),
        said(&error, &ntfy)
    )
}

#[tokio::test]
async fn a_push_is_one_json_request_to_the_root() {
    let ntfy = FakeNtfy::start();
    let receipt = push(&target(&ntfy.url())).await.unwrap();
    let requests = ntfy.requests();
    assert_eq!(requests.len(), 1);
    let port = ntfy.url().rsplit(':').next().unwrap().replace('/', "");
    let head = requests[0]
        .head
        .replace(&port, "PORT")
        .replace(env!("CARGO_PKG_VERSION"), "VERSION")
        .replace("\r\n", "\n");
    insta::assert_snapshot!(head, @r"
    POST / HTTP/1.1
    content-type: application/json
    accept: */*
    user-agent: promptcron/VERSION
    host: 127.0.0.1:PORT
    content-length: 158
    ");
    insta::assert_snapshot!(requests[0].text(), @r#"{"topic":"hotine","message":"今日金价 801.5 元/克 <涨>\n\n第二段","title":"金价分析","priority":3,"tags":["moneybag"],"sequence_id":"gold-17-1"}"#);
    assert_eq!(receipt.id, "fake00000001");
    assert_eq!(receipt.sequence_id.as_deref(), Some("gold-17-1"));
    assert_eq!(ntfy.messages("hotine")[0]["time"], receipt.time.timestamp());
}

#[tokio::test]
async fn an_old_server_is_told_by_its_reply() {
    let ntfy = FakeNtfy::with(Settings {
        version: Version::V2_13,
        ..Settings::default()
    });
    assert_eq!(push(&target(&ntfy.url())).await.unwrap().sequence_id, None);
}

#[tokio::test]
async fn credentials_go_into_one_header() {
    let ntfy = FakeNtfy::start();
    push(&with_token(&ntfy.url(), "tk_1234")).await.unwrap();
    let basic = Auth::Basic {
        user: "phil".to_owned(),
        password: "金 mypass".into(),
    };
    let basic = with_auth(&ntfy.url(), Some(basic));
    push(&basic).await.unwrap();
    let sent = ntfy.requests();
    let header = |n: usize| sent[n].header("authorization").unwrap();
    assert_eq!(
        [header(0), header(1)],
        ["Bearer tk_1234", "Basic cGhpbDrph5EgbXlwYXNz"]
    );
}

#[tokio::test]
async fn ntfys_errors_say_what_to_do_next() {
    let mut lines = Vec::new();
    for code in [
        40301, 40401, 41303, 42901, 42905, 42908, 42909, 50001, 50701,
    ] {
        lines.push(fault(Fault::Code(code)).await);
    }
    insta::assert_snapshot!(lines.join("\n\n"), @r"
    Forbidden, GiveUp
    ntfy.phone (http://ntfy, topic hotine): HTTP 403, code 40301: forbidden — the topic is protected: set a token, or user and password; see https://ntfy.sh/docs/publish/#authentication

    NotFound, GiveUp
    ntfy.phone (http://ntfy, topic hotine): HTTP 404, code 40401: page not found — server must be ntfy's own root, without topic or path

    TooLarge, GiveUp
    ntfy.phone (http://ntfy, topic hotine): HTTP 413, code 41303: JSON body too large — set max_bytes to 4000 or less, and shorten title and tags

    RateLimited, retry after 5 s
    ntfy.phone (http://ntfy, topic hotine): HTTP 429, code 42901: limit reached: too many requests — the next attempt waits; push less often, or in fewer parts; see https://ntfy.sh/docs/publish/#limitations

    OtherLimit, retry after 3600 s
    ntfy.phone (http://ntfy, topic hotine): HTTP 429, code 42905: limit reached: daily bandwidth reached — the next attempt waits an hour; the server's owner can raise it; see https://ntfy.sh/docs/publish/#limitations

    DailyQuota, retry after 57660 s
    ntfy.phone (http://ntfy, topic hotine): HTTP 429, code 42908: limit reached: daily message quota reached — the next attempt waits for 00:00 UTC; a paid account or a server of your own has more; see https://ntfy.sh/docs/publish/#limitations

    AuthFailures, retry after 300 s
    ntfy.phone (http://ntfy, topic hotine): HTTP 429, code 42909: limit reached: too many auth failures — the credentials are probably wrong: correct them, then wait some minutes; see https://ntfy.sh/docs/publish/#limitations

    ServerError, retry after 0 s
    ntfy.phone (http://ntfy, topic hotine): HTTP 500, code 50001: internal server error — the server's own log says more

    NoSubscriber, GiveUp
    ntfy.phone (http://ntfy, topic hotine): HTTP 507, code 50701: cannot publish to UnifiedPush topic without previously active subscriber — up and 12 characters is a UnifiedPush topic: choose another topic
    ");
}

#[tokio::test]
async fn replies_that_are_not_ntfys_say_so() {
    let json = |status, body| Fault::Raw(response(status, "", body));
    let faults = [
        Fault::html(200, "登录校园网"),
        Fault::html(502, "502 Bad Gateway"),
        Fault::html(503, "503 Service Unavailable"),
        Fault::redirect(301, "https://ntfy.example.com/"),
        Fault::redirect(302, "http://login.example.com/?next=1"),
        Fault::Raw(response(429, "Retry-After: 90\r\n", "slow down")),
        json(200, r#"{"ok":true}"#),
        json(
            200,
            r#"{"id":"a","time":1,"event":"open","topic":"hotine"}"#,
        ),
        json(
            200,
            r#"{"id":"a","time":1,"event":"message","topic":"other"}"#,
        ),
        json(200, ""),
        json(204, ""),
        json(418, "teapot"),
    ];
    let mut lines = Vec::new();
    for one in faults {
        lines.push(fault(one).await);
    }
    insta::assert_snapshot!(lines.join("\n\n"), @r#"
    NotNtfy, retry after 60 s
    ntfy.phone (http://ntfy, topic hotine): HTTP 200: it answered with an HTML page, "登录校园网" — that is no ntfy server: check server, and sign in if the network asks for it

    ServerError, Ambiguous
    ntfy.phone (http://ntfy, topic hotine): HTTP 502: an HTML page, "502 Bad Gateway" — the server's own log says more

    ServerError, retry after 0 s
    ntfy.phone (http://ntfy, topic hotine): HTTP 503: an HTML page, "503 Service Unavailable" — the server's own log says more

    Moved, GiveUp
    ntfy.phone (http://ntfy, topic hotine): HTTP 301: it redirects to https://ntfy.example.com/ — redirects would lose the message: set server to where it leads

    Redirect, retry after 60 s
    ntfy.phone (http://ntfy, topic hotine): HTTP 302: it redirects to http://login.example.com/?next=1 — redirects would lose the message: is there a sign-in page in between?

    RateLimited, retry after 90 s
    ntfy.phone (http://ntfy, topic hotine): HTTP 429: slow down — the next attempt waits; push less often, or in fewer parts

    NotNtfy, retry after 60 s
    ntfy.phone (http://ntfy, topic hotine): HTTP 200: it answered with {"ok":true} — that is no ntfy server: check server, and sign in if the network asks for it

    NotNtfy, retry after 60 s
    ntfy.phone (http://ntfy, topic hotine): HTTP 200: it answered with the event "open" — that is no ntfy server: check server, and sign in if the network asks for it

    WrongTopic, GiveUp
    ntfy.phone (http://ntfy, topic hotine): HTTP 200: the message went to the topic "other" — something between here and ntfy rewrites requests

    NotNtfy, retry after 60 s
    ntfy.phone (http://ntfy, topic hotine): HTTP 200: it answered with an empty body — that is no ntfy server: check server, and sign in if the network asks for it

    NotNtfy, retry after 60 s
    ntfy.phone (http://ntfy, topic hotine): HTTP 204: an empty body — that is no ntfy server: check server, and sign in if the network asks for it

    BadRequest, GiveUp
    ntfy.phone (http://ntfy, topic hotine): HTTP 418: teapot — correct what it names in the job or the target
    "#);
}

#[tokio::test]
async fn an_end_after_sending_is_ambiguous_whatever_was_stored() {
    let ends = [
        (Fault::Hang, 0),
        (Fault::HangAfterStoring, 1),
        (Fault::ResetBeforeStoring, 0),
        (Fault::ResetAfterStoring, 1),
        (Fault::TruncatedReply, 1),
    ];
    let mut lines = Vec::new();
    for (fault, stored) in ends {
        let ntfy = FakeNtfy::start();
        ntfy.fail(1, fault.clone());
        let error = push(&target(&ntfy.url())).await.unwrap_err();
        assert_eq!(error.kind(), Kind::Ambiguous, "{fault:?}: {error}");
        assert_eq!(
            error.disposition(now()),
            Disposition::Ambiguous,
            "{fault:?}"
        );
        assert_eq!(ntfy.messages("hotine").len(), stored, "{fault:?}");
        lines.push(said(&error, &ntfy));
    }
    insta::assert_snapshot!(lines.join("\n"), @r"
    ntfy.phone (http://ntfy, topic hotine): no whole answer: operation timed out — it may have arrived all the same
    ntfy.phone (http://ntfy, topic hotine): no whole answer: operation timed out — it may have arrived all the same
    ntfy.phone (http://ntfy, topic hotine): no whole answer: Connection reset by peer (os error 104) — it may have arrived all the same
    ntfy.phone (http://ntfy, topic hotine): no whole answer: Connection reset by peer (os error 104) — it may have arrived all the same
    ntfy.phone (http://ntfy, topic hotine): no whole answer: end of file before message length reached — it may have arrived all the same
    ");
}

#[tokio::test]
async fn no_connection_is_certainly_no_delivery() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    drop(listener);
    let error = push(&target(&url)).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Unreachable);
    assert_eq!(next(&error), "retry after 0 s");
    let text = error
        .to_string()
        .replace(url.trim_end_matches('/'), "http://ntfy");
    insta::assert_snapshot!(text, @"ntfy.phone (http://ntfy, topic hotine): cannot connect: Connection refused (os error 111) — is the server running, and are its address, proxy and certificate right?");
}

#[tokio::test]
async fn a_text_that_became_a_file_is_no_success() {
    let ntfy = FakeNtfy::with(Settings {
        version: Version::V2_13,
        ..Settings::default()
    });
    let target = target(&ntfy.url());
    let client = Client::new(&target.way()).unwrap();
    client.push(&target, &long(4095)).await.unwrap();
    let error = client.push(&target, &long(4096)).await.unwrap_err();
    assert_eq!(
        (error.kind(), next(&error).as_str()),
        (Kind::BecameFile, "GiveUp")
    );
    insta::assert_snapshot!(said(&error, &ntfy), @"ntfy.phone (http://ntfy, topic hotine): HTTP 200: the text of 4096 bytes arrived as a file, attachment.txt — it was too long for one message: set max_bytes to 4000 or less");
}

#[tokio::test]
async fn a_server_without_attachments_refuses_long_texts() {
    let ntfy = FakeNtfy::with(Settings {
        attachments: false,
        ..Settings::default()
    });
    let target = target(&ntfy.url());
    let client = Client::new(&target.way()).unwrap();
    let error = client.push(&target, &long(4097)).await.unwrap_err();
    insta::assert_snapshot!(said(&error, &ntfy), @"ntfy.phone (http://ntfy, topic hotine): HTTP 400, code 40014: invalid request: attachments not allowed — this server takes no files, and a text of 4096 bytes or more is one to ntfy: set max_bytes to 4000 or less; see https://ntfy.sh/docs/config/#attachments");
    let error = client.push(&target, &long(8192)).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.ntfy_code()),
        (Kind::TooLarge, Some(41303))
    );
}

#[tokio::test]
async fn an_attachment_that_was_asked_for_is_a_success() {
    let ntfy = FakeNtfy::start();
    let target = target(&ntfy.url());
    let message = Message {
        attach: Some("https://example.com/chart.png".to_owned()),
        ..message()
    };
    let client = Client::new(&target.way()).unwrap();
    client.push(&target, &message).await.unwrap();
    assert!(ntfy.messages("hotine")[0].contains_key("attachment"));
}

fn guarded() -> FakeNtfy {
    FakeNtfy::with(Settings {
        access: Some(Access {
            headers: vec!["Bearer tk_right".to_owned()],
            user: Rights::WriteOnly,
            everyone: Rights::Deny,
        }),
        ..Settings::default()
    })
}

#[tokio::test]
async fn wrong_and_missing_credentials_are_told_apart() {
    let ntfy = guarded();
    let wrong = push(&with_token(&ntfy.url(), "tk_wrong"))
        .await
        .unwrap_err();
    let none = push(&target(&ntfy.url())).await.unwrap_err();
    assert_eq!([next(&wrong), next(&none)], ["GiveUp", "GiveUp"]);
    insta::assert_snapshot!(said(&wrong, &ntfy), @"ntfy.phone (http://ntfy, topic hotine): HTTP 401, code 40101: unauthorized — the token or password is wrong: create a token (`ntfy token add USER`, or Account in the web app) and set it; see https://ntfy.sh/docs/publish/#authentication");
    insta::assert_snapshot!(said(&none, &ntfy), @"ntfy.phone (http://ntfy, topic hotine): HTTP 403, code 40301: forbidden — the topic is protected: set a token, or user and password; see https://ntfy.sh/docs/publish/#authentication");
    push(&with_token(&ntfy.url(), "tk_right")).await.unwrap();
}

#[tokio::test]
async fn secrets_never_enter_an_error() {
    let ntfy = FakeNtfy::start();
    let echo = r#"<html>you sent "Bearer tk_se\"cret" and cGhpbDpwYXNzIHdvcmQ= and pass word"#;
    ntfy.outage(Some(Fault::Raw(response(500, "", &echo.replace('\\', "")))));
    let basic = Auth::Basic {
        user: "phil".to_owned(),
        password: "pass word".into(),
    };
    let basic = with_auth(&ntfy.url(), Some(basic));
    for target in [with_token(&ntfy.url(), "tk_se\"cret"), basic] {
        let error = push(&target).await.unwrap_err();
        for text in [
            error.to_string(),
            format!("{error:?}"),
            format!("{target:?}"),
        ] {
            for secret in ["tk_se", "pass word", "cGhpbDpwYXNz"] {
                assert!(!text.contains(secret), "{secret} in {text}");
            }
        }
    }
    let unsendable = push(&with_token(&ntfy.url(), "tk_a\nb")).await.unwrap_err();
    assert_eq!(unsendable.kind(), Kind::Unsendable, "{unsendable}");
    assert!(!unsendable.to_string().contains("tk_a"), "{unsendable}");
}

#[tokio::test]
async fn an_endless_page_is_cut() {
    let ntfy = FakeNtfy::start();
    let page = format!("<html><title>big</title>{}", "x".repeat(300_000));
    ntfy.fail(1, Fault::Raw(response(200, "", &page)));
    let error = push(&target(&ntfy.url())).await.unwrap_err();
    assert_eq!(error.kind(), Kind::NotNtfy);
    assert!(error.to_string().len() < 300, "{error}");
}

#[tokio::test]
async fn a_proxy_is_used_where_one_is_set() {
    let proxy = FakeNtfy::start();
    let network = Network {
        proxy: Some(proxy.url().parse().unwrap()),
        ca: None,
    };
    let target = Target {
        network,
        ..target("http://ntfy.invalid/")
    };
    let client = Client::new(&target.way()).unwrap();
    // A proxy is asked for the whole address, which the stand-in takes for a wrong path.
    let error = client.push(&target, &message()).await.unwrap_err();
    assert_eq!(error.kind(), Kind::NotFound);
    assert_eq!(proxy.requests()[0].line(), "POST http://ntfy.invalid/");
    assert_eq!(proxy.take_violations().len(), 1);
}

#[tokio::test]
async fn health_is_told_without_a_push() {
    let ntfy = guarded();
    let open = FakeNtfy::start();
    let ask = async |target: &Target| Client::new(&target.way()).unwrap().health(target).await;
    let known = ask(&with_token(&ntfy.url(), "tk_right")).await.unwrap();
    let public = ask(&target(&open.url())).await.unwrap();
    let wrong = ask(&with_token(&ntfy.url(), "tk_wrong")).await.unwrap_err();
    let text = format!("{known}\n{public}\n{}", said(&wrong, &ntfy))
        .replace(ntfy.url().trim_end_matches('/'), "http://ntfy")
        .replace(open.url().trim_end_matches('/'), "http://open");
    insta::assert_snapshot!(text, @r"
    ntfy.phone (http://ntfy, topic hotine): reachable, credentials of phil accepted, 17280 of 17280 messages left today; topic not readable (nor need it be); whether it takes pushes only a push tells
    ntfy.phone (http://open, topic hotine): reachable, without credentials, 17280 of 17280 messages left today; topic readable; whether it takes pushes only a push tells
    ntfy.phone (http://ntfy, topic hotine): HTTP 401, code 40101: unauthorized — the token or password is wrong: create a token (`ntfy token add USER`, or Account in the web app) and set it; see https://ntfy.sh/docs/publish/#authentication
    ");
    assert!(ntfy.publishes().is_empty() && open.publishes().is_empty());
}

fn file() -> File {
    File {
        name: "金价.md".to_owned(),
        text: "# 金价\n\n今日 **801.5** 元/克".to_owned(),
    }
}

async fn push_with_file(target: &Target, message: &Message) -> Result<Receipt, PushError> {
    let client = Client::with_timeout(&target.way(), Duration::from_millis(500)).unwrap();
    client.push_with_file(target, message, &file()).await
}

#[tokio::test]
async fn a_file_is_the_body_and_its_message_is_in_headers() {
    let ntfy = FakeNtfy::start();
    let receipt = push_with_file(&with_token(&ntfy.url(), "tk_1234"), &message())
        .await
        .unwrap();
    let request = &ntfy.requests()[0];
    assert_eq!(request.line(), "POST /hotine");
    assert_eq!(request.text(), file().text);
    assert_eq!(request.header("authorization"), Some("Bearer tk_1234"));
    assert_eq!(receipt.sequence_id.as_deref(), Some("gold-17-1"));
    let stored = &ntfy.messages("hotine")[0];
    assert_eq!(stored["message"], message().message);
    assert_eq!(stored["title"], "金价分析");
    assert_eq!(stored["priority"], 3);
    assert_eq!(stored["tags"][0], "moneybag");
    assert_eq!(stored["attachment"]["name"], "金价.md");
}

#[tokio::test]
async fn a_file_that_is_not_taken_is_told_from_other_errors() {
    let without = FakeNtfy::with(Settings {
        attachments: false,
        ..Settings::default()
    });
    let error = push_with_file(&target(&without.url()), &message())
        .await
        .unwrap_err();
    assert!(error.refuses_file(), "{error}");
    for (fault, is_file) in [
        (Fault::Code(41301), true),
        (Fault::Code(42905), true),
        (Fault::html(413, "Request Entity Too Large"), true),
        (Fault::html(400, "Request Header Too Large"), true),
        (Fault::html(431, "Request Header Fields Too Large"), true),
        (Fault::Code(40301), false),
        (Fault::Code(42901), false),
        (Fault::Code(50001), false),
        (Fault::html(502, "Bad Gateway"), false),
        (Fault::ResetAfterStoring, false),
    ] {
        let ntfy = FakeNtfy::start();
        ntfy.fail(1, fault.clone());
        let error = push_with_file(&target(&ntfy.url()), &message())
            .await
            .unwrap_err();
        assert_eq!(error.refuses_file(), is_file, "{fault:?}: {error}");
    }
}
