//! What the pipeline is held against: the same two requests a run in a bare reqwest loop, nothing
//! on disk. `bench-bare PORT RUNS IN_FLIGHT` prints the seconds that it took.

use std::{io::Write, sync::Arc, time::Instant};

use anyhow::Context as _;
use serde_json::{Value, json};
use tokio::{sync::Semaphore, task::JoinSet};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let numbers: Vec<usize> = std::env::args()
        .skip(1)
        .map(|number| number.parse())
        .collect::<Result<_, _>>()?;
    let [port, runs, in_flight] = numbers[..] else {
        anyhow::bail!("bench-bare PORT RUNS IN_FLIGHT");
    };
    let root = format!("http://127.0.0.1:{port}");
    let client = reqwest::Client::builder().no_proxy().build()?;
    let free = Arc::new(Semaphore::new(in_flight));
    let began = Instant::now();
    let mut tasks = JoinSet::new();
    for number in 0..runs {
        let permit = Arc::clone(&free).acquire_owned().await?;
        let (client, root) = (client.clone(), root.clone());
        tasks.spawn(async move {
            let done = run(&client, &root, number).await;
            drop(permit);
            done
        });
    }
    while let Some(done) = tasks.join_next().await {
        done??;
    }
    writeln!(std::io::stdout(), "{}", began.elapsed().as_secs_f64())?;
    Ok(())
}

/// Asks, and pushes the answer.
async fn run(client: &reqwest::Client, root: &str, number: usize) -> anyhow::Result<()> {
    let question = json!({
        "model": "kimi",
        "messages": [{ "role": "user", "content": format!("分析一下当前国内上海金价格 {number}") }],
        "use_search": true,
        "stream": false,
    });
    let asked = client
        .post(format!("{root}/v1/chat/completions"))
        .bearer_auth("stand-in-token")
        .json(&question);
    let answer: Value = asked.send().await?.error_for_status()?.json().await?;
    let text = answer["choices"][0]["message"]["content"].as_str();
    let message = json!({
        "topic": "bench",
        "message": text.context("an answer")?,
        "title": "金价分析",
        "tags": ["moneybag"],
        "sequence_id": format!("bench-{number}"),
    });
    let pushed = client.post(root).json(&message);
    let taken: Value = pushed.send().await?.error_for_status()?.json().await?;
    taken["id"].as_str().context("a receipt")?;
    Ok(())
}
