//! The daemon's socket beside its ledger, for `promptcron reload` and `tokens`: one request and one
//! reply, each a line of JSON.

use std::{
    ffi::OsString,
    fs, io,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use anyhow::Context;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{UnixListener, UnixStream},
    sync::{mpsc, oneshot},
    time::timeout,
};
use tracing::{debug, warn};

use super::{
    engine::Engine,
    reload::Request,
    tokens::{EndpointStanding, standings_of},
};

/// The longest request.
const MOST_BYTES: u64 = 1_024;

/// How long a client may take to say what it wants.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long a command waits for the daemon: less than the 90 s that systemd gives `ExecReload=`.
const MOST_WAIT: Duration = Duration::from_mins(1);

/// What a client asks for.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", tag = "command")]
enum Command {
    /// Read the config again.
    Reload {
        /// Only where this is its file.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        of: Option<PathBuf>,
    },
    /// Say how the tokens stand.
    Tokens,
}

/// What came of a reload.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reloaded {
    /// Whether the new config runs now.
    pub taken: bool,
    /// What changed with it.
    pub changes: Vec<String>,
    /// Why it was not taken.
    pub errors: Vec<String>,
}

/// Where the socket of a ledger's daemon is.
#[must_use]
pub fn socket_path(ledger: &Path) -> PathBuf {
    let mut name = OsString::from(ledger);
    name.push(".sock");
    PathBuf::from(name)
}

/// Asks the daemon of a ledger to read its config again; where that daemon may be another one, only if its file is `of`.
///
/// # Errors
/// No daemon is there, or it went away.
pub async fn ask_to_reload(ledger: &Path, of: Option<PathBuf>) -> anyhow::Result<Reloaded> {
    ask(ledger, &Command::Reload { of }, MOST_WAIT).await
}

/// Asks the daemon of a ledger how its tokens stand.
///
/// # Errors
/// No daemon is there, or it went away.
pub async fn ask_for_tokens(ledger: &Path) -> anyhow::Result<Vec<EndpointStanding>> {
    ask(ledger, &Command::Tokens, MOST_WAIT).await
}

async fn ask<T: DeserializeOwned>(
    ledger: &Path,
    command: &Command,
    most_wait: Duration,
) -> anyhow::Result<T> {
    let path = socket_path(ledger);
    let request = serde_json::to_string(command)? + "\n";
    let reply = timeout(most_wait, exchange(&path, &request))
        .await
        .with_context(|| {
            format!(
                "the daemon at {} has not answered within {most_wait:?}: it is stopped, or its disk hangs; see its log",
                path.display()
            )
        })?
        .with_context(|| {
            format!(
                "no daemon answers at {}: is `promptcron run` running on this ledger (a changed [ledger] url counts from the next start), and may this user reach it",
                path.display()
            )
        })?;
    serde_json::from_str(&reply)
        .with_context(|| format!("the daemon's reply is not understood: {reply:?}"))
}

async fn exchange(path: &Path, request: &str) -> io::Result<String> {
    let mut stream = BufReader::new(UnixStream::connect(path).await?);
    stream.write_all(request.as_bytes()).await?;
    let mut reply = String::new();
    match stream.read_line(&mut reply).await? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        _ => Ok(reply),
    }
}

/// Listens until the stop signal. A socket that cannot be made costs `promptcron reload`, no more.
pub(super) async fn run(engine: Arc<Engine>, reload: mpsc::Sender<Request>) -> anyhow::Result<()> {
    let path = socket_path(engine.ledger.path());
    let listener = match listen(&path) {
        Ok(listener) => listener,
        Err(error) => {
            warn!(socket = %path.display(), %error, "`promptcron reload` will not work: reload by HUP; nor will `promptcron tokens` beside this daemon");
            return Ok(());
        }
    };
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                match accepted {
                    Ok((stream, _)) => drop(tokio::spawn(serve(stream, engine.clone(), reload.clone()))),
                    Err(error) => {
                        warn!(%error, "a command could not be taken");
                        tokio::time::sleep(PATIENCE).await;
                    }
                }
            }
            () = engine.stop.stopping() => break,
        }
    }
    fs::remove_file(&path).ok();
    Ok(())
}

/// The ledger's lock is ours, so a socket that is there already belongs to no one.
fn listen(path: &Path) -> io::Result<UnixListener> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(path)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o660))?;
    Ok(listener)
}

async fn serve(stream: UnixStream, engine: Arc<Engine>, reload: mpsc::Sender<Request>) {
    if let Err(error) = answer(stream, &engine, &reload).await {
        debug!(error = format!("{error:#}"), "a command was not answered");
    }
}

async fn answer(
    mut stream: UnixStream,
    engine: &Engine,
    reload: &mpsc::Sender<Request>,
) -> anyhow::Result<()> {
    let mut line = String::new();
    let (reader, mut writer) = stream.split();
    let mut reader = BufReader::new(reader.take(MOST_BYTES));
    timeout(PATIENCE, reader.read_line(&mut line)).await??;
    let reply = match serde_json::from_str(&line)? {
        Command::Reload { of } => {
            let own = &engine.revision().config.file;
            let reloaded = match of.filter(|of| !is_same(of, own)) {
                Some(of) => refused(&of, own),
                None => reloaded(reload).await?,
            };
            serde_json::to_string(&reloaded)?
        }
        Command::Tokens => serde_json::to_string(&standings_of(engine))?,
    };
    writer.write_all((reply + "\n").as_bytes()).await?;
    Ok(())
}

fn is_same(one: &Path, other: &Path) -> bool {
    one == other
        || fs::canonicalize(one)
            .ok()
            .is_some_and(|one| fs::canonicalize(other).is_ok_and(|other| one == other))
}

fn refused(of: &Path, own: &Path) -> Reloaded {
    let why = format!(
        "the daemon that answers runs on {}, not on {}",
        own.display(),
        of.display()
    );
    Reloaded {
        errors: vec![why],
        ..Reloaded::default()
    }
}

async fn reloaded(reload: &mpsc::Sender<Request>) -> anyhow::Result<Reloaded> {
    let (reply, outcome) = oneshot::channel();
    let request = Request {
        asked_by: "promptcron reload",
        reply: Some(reply),
    };
    reload.send(request).await?;
    Ok(match outcome.await? {
        Ok(changes) => Reloaded {
            taken: true,
            changes,
            errors: Vec::new(),
        },
        Err(errors) => Reloaded {
            taken: false,
            changes: Vec::new(),
            errors,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_daemon_that_stands_still_is_not_waited_for_forever() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = folder.path().join("promptcron.db");
        let listener = UnixListener::bind(socket_path(&ledger)).unwrap();
        let patience = Duration::from_millis(20);
        let asked = ask::<Reloaded>(&ledger, &Command::Reload { of: None }, patience).await;
        let waited = asked.unwrap_err().to_string();
        assert!(waited.contains("has not answered within 20ms"), "{waited}");
        drop(listener);
        let refused = ask_to_reload(&ledger, None).await.unwrap_err().to_string();
        assert!(refused.contains("no daemon answers at"), "{refused}");
    }
}
