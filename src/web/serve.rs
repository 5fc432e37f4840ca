//! Connections: how many there may be, how long each may take, and their end at a stop.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use anyhow::Context;
use axum::{Extension, Router, extract::ConnectInfo};
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::{GracefulShutdown, Watcher},
    service::TowerToHyperService,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
};
use tracing::{debug, warn};

/// Connections at once; more wait in the system's own queue.
const MOST: usize = 256;

/// How long a connection may take to send a request's head, and may be idle between two.
const HEAD: Duration = Duration::from_secs(30);

/// The longest head of a request.
const HEAD_BYTES: usize = 16 * 1024;

/// What requests under way get at a stop.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// The pause after a connection that could not be taken: the process may be out of files.
const PAUSE: Duration = Duration::from_millis(200);

/// Opens the port.
///
/// # Errors
/// The address is in use, is not this machine's, or the port needs more rights.
pub fn listen(address: SocketAddr) -> anyhow::Result<std::net::TcpListener> {
    let hint = |error: &io::Error| match error.kind() {
        io::ErrorKind::AddrInUse => "another program has this port; choose another in [web] listen",
        io::ErrorKind::PermissionDenied => "ports below 1024 need rights; choose a higher one",
        io::ErrorKind::AddrNotAvailable => "this machine has no such address",
        _ => "change [web] listen",
    };
    let listener = std::net::TcpListener::bind(address).map_err(|error| {
        let hint = hint(&error);
        anyhow::Error::new(error).context(format!("cannot listen on {address}: {hint}"))
    })?;
    listener
        .set_nonblocking(true)
        .context("cannot listen without blocking")?;
    Ok(listener)
}

/// Serves until `stop` ends; requests under way may finish.
pub(super) async fn serve(listener: TcpListener, app: Router, stop: impl Future<Output = ()>) {
    let slots = Arc::new(Semaphore::new(MOST));
    let ending = GracefulShutdown::new();
    tokio::pin!(stop);
    loop {
        let accepted = async {
            let slot = slots.clone().acquire_owned().await.ok();
            (slot, listener.accept().await)
        };
        tokio::select! {
            (slot, accepted) = accepted => match accepted {
                Ok((stream, peer)) => {
                    let connection = connection(stream, peer, app.clone(), ending.watcher());
                    tokio::spawn(async move {
                        connection.await;
                        drop(slot);
                    });
                }
                Err(error) => {
                    warn!(%error, "a connection could not be taken");
                    tokio::time::sleep(PAUSE).await;
                }
            },
            () = &mut stop => break,
        }
    }
    drop(listener);
    if tokio::time::timeout(LAST_WORDS, ending.shutdown())
        .await
        .is_err()
    {
        debug!("requests were cut off by the stop");
    }
}

/// Serves one connection to its end.
async fn connection(stream: TcpStream, peer: SocketAddr, app: Router, watcher: Watcher) {
    let service = TowerToHyperService::new(app.layer(Extension(ConnectInfo(peer))));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .max_header_size(HEAD_BYTES)
        .serve_connection(TokioIo::new(stream), service);
    if let Err(error) = watcher.watch(connection).await {
        debug!(%peer, %error, "a connection broke");
    }
}
