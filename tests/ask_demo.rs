//! The demo's stand-in AI, asked by the real client.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "support/endpoint.rs"]
mod endpoint;

use endpoint::client;
use promptcron::{
    ask::{ErrorKind, Question},
    config::types::Api,
    demo::ai,
};
use tokio_util::sync::CancellationToken;

#[tokio::test]
async fn the_real_client_gets_answers_and_errors_from_the_stand_in() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base_url = format!("http://{}/v1", listener.local_addr().unwrap());
    let stop = CancellationToken::new();
    let serving = tokio::spawn(ai::serve(listener, stop.clone()));
    let client = client(endpoint::endpoint(Api::Kimi, &base_url, &["DEMO-TOKEN"]));
    let token = client.endpoint().tokens.first();

    client.probe(token).await.unwrap();
    let question = Question::new("分析金价");
    let first = client.ask(&question, token).await.unwrap();
    assert_eq!(first.text, ai::answer_for("分析金价", false));
    assert_eq!(
        (first.model.as_str(), first.sources.len()),
        ("kimi-search", 3)
    );
    let mut endpoint = endpoint::endpoint(Api::Kimi, &base_url, &["DEMO-TOKEN"]);
    endpoint.stream = false;
    let whole = endpoint::client(endpoint).ask(&question, token).await;
    let whole = whole.unwrap();
    assert_eq!((whole.text, whole.sources), (first.text, first.sources));
    let second = client.ask(&Question::new("gold?"), token).await.unwrap();
    assert_ne!(first.conversation, second.conversation);
    assert_eq!(second.conversation.map(|kept| kept.id.len()), Some(20));

    let error = client.ask(&Question::new("？"), None).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::BadRequest);
    assert_eq!(error.code(), Some("-2000"));

    drop(client);
    stop.cancel();
    serving.await.unwrap().unwrap();
}
