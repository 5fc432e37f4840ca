//! `promptcron demo`: the real daemon between a stand-in AI and a stand-in phone.

use std::{
    collections::BTreeMap,
    io::{self, Write as _},
    net::SocketAddr,
    path::Path,
    sync::Arc,
};

use anyhow::Context;
use chrono::Utc;
use clap::Args;
use tokio::{net::TcpListener, sync::broadcast, task::JoinSet};
use tokio_util::sync::CancellationToken;

use super::{Failure, out::say};
use crate::{
    clock::SystemClock,
    config::{self, Config},
    daemon::{self, Stop, Surroundings},
    demo::{ai, draw, inbox::Inbox},
    push::Message,
};

/// What `demo` is told.
#[derive(Debug, Args)]
pub(super) struct DemoArgs {
    /// End after one delivered push
    #[arg(long)]
    once: bool,
}

/// The width of a phone, in columns.
const WIDTH: usize = 44;

const INTRO: &str = "\
This is promptcron with two stand-ins on this machine, so it needs no token and no network:
  stand-in AI     {ai}  (speaks kimi-free-api's protocol; its answers are canned)
  stand-in phone  {inbox}  (speaks ntfy's protocol; shows each push below)
The daemon between them is the real one. Its config:
";

const OUTRO: &str = "\
Next, with your own AI and phone (`cargo install --path .` makes promptcron a command):
  1. cp config.example.toml config.toml, and put in your token and your ntfy topic
  2. promptcron check           shows when each job is due
  3. promptcron once gold       asks once and rings your phone
  4. promptcron run             the daemon
";

/// Shows the whole way until it is interrupted, or until the first push with `--once`.
pub(super) fn run(args: &DemoArgs) -> Result<(), Failure> {
    let folder = tempfile::Builder::new()
        .prefix("promptcron-demo-")
        .tempdir()
        .context("cannot make a folder for the demo's ledger")?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let shown = runtime.block_on(show(folder.path(), args.once));
    let cleared = folder.close().context("cannot remove the demo's folder");
    shown?;
    cleared?;
    print!("{OUTRO}");
    Ok(())
}

async fn show(folder: &Path, once: bool) -> anyhow::Result<()> {
    let stop = Stop::default();
    stop.on_signals(Arc::default())?;
    let servers = CancellationToken::new();
    let mut tasks = JoinSet::new();
    let ai_at = serve_ai(&mut tasks, &servers).await?;
    let inbox = Inbox::default();
    let pushes = inbox.subscribe();
    let inbox_at = serve_inbox(&mut tasks, inbox, &servers).await?;
    let text = config_text(ai_at, inbox_at);
    say!(
        "{}",
        INTRO
            .replace("{ai}", &url(ai_at))
            .replace("{inbox}", &url(inbox_at))
    );
    say!("{}", indent(&text));
    let config = read(&text, folder)?;
    let surroundings = Surroundings::new(Arc::new(SystemClock), stop.clone());
    let daemon = tokio::spawn(daemon::run(config, surroundings, ready));
    watch(pushes, &stop, once).await?;
    daemon.await.context("the daemon died")??;
    servers.cancel();
    while let Some(ended) = tasks.join_next().await {
        ended.context("a stand-in died")??;
    }
    Ok(())
}

async fn serve_ai(
    tasks: &mut JoinSet<io::Result<()>>,
    stop: &CancellationToken,
) -> anyhow::Result<SocketAddr> {
    let (listener, address) = listen().await?;
    tasks.spawn(ai::serve(listener, stop.clone()));
    Ok(address)
}

async fn serve_inbox(
    tasks: &mut JoinSet<io::Result<()>>,
    inbox: Inbox,
    stop: &CancellationToken,
) -> anyhow::Result<SocketAddr> {
    let (listener, address) = listen().await?;
    tasks.spawn(inbox.serve(listener, stop.clone()));
    Ok(address)
}

async fn listen() -> anyhow::Result<(TcpListener, SocketAddr)> {
    let listener = TcpListener::bind("127.0.0.1:0")
        .await
        .context("cannot listen on 127.0.0.1")?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}

fn url(address: SocketAddr) -> String {
    format!("http://{address}")
}

/// A config as a user would write it.
fn config_text(ai: SocketAddr, inbox: SocketAddr) -> String {
    format!(
        r#"timezone = "Asia/Shanghai"

[ai.kimi]
api = "kimi"
base_url = "http://{ai}/v1"
tokens = ["stand-in-token-1", "stand-in-token-2"]

[ntfy.phone]
server = "http://{inbox}"
topic = "hotine"

[[job]]
name = "gold"
cron = "*/10 * * * * *"
prompt = "分析一下当前国内上海金价格，较上日变化，近期走势。给出投资建议。"
title = "金价分析"
tags = ["💰"]
"#
    )
}

fn indent(text: &str) -> String {
    text.lines()
        .map(|line| format!("  {line}").trim_end().to_owned() + "\n")
        .collect()
}

fn read(text: &str, folder: &Path) -> anyhow::Result<Config> {
    let state = folder.display().to_string();
    let env = BTreeMap::from([("STATE_DIRECTORY".to_owned(), state)]);
    Ok(config::parse(
        text,
        Path::new("demo.toml"),
        Utc::now(),
        &env,
    )?)
}

fn ready() {
    let line = "The job is due every 10 seconds. Ctrl-C ends the demo.\n";
    // Should nobody read it, the first push says so.
    writeln!(io::stdout(), "{line}").ok();
}

/// Prints each push as the phone would show it.
async fn watch(
    mut pushes: broadcast::Receiver<Message>,
    stop: &Stop,
    once: bool,
) -> anyhow::Result<()> {
    loop {
        let message = tokio::select! {
            message = pushes.recv() => message.context("the stand-in phone fell behind")?,
            () = stop.stopping() => return Ok(()),
        };
        say!("{}", draw(&message, WIDTH));
        if once {
            stop.drain();
        }
    }
}
