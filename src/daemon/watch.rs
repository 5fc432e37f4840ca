//! Watching the config's folders: editors replace files and mounts swap links, so every change in a
//! folder is a reason to look, and only changed content is a reason to reload.

use std::{collections::BTreeSet, path::PathBuf, sync::Arc, time::Duration};

use notify::{
    Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher,
    event::{AccessKind, AccessMode},
};
use tokio::{
    sync::mpsc,
    task::{JoinError, spawn_blocking},
    time::timeout,
};
use tracing::{info, warn};

use super::{engine::Engine, reload::Request};
use crate::config::Files;

/// As long as this nothing may happen before a change counts as written.
const QUIET: Duration = Duration::from_millis(300);

/// A folder in which something always happens is looked at this often.
const NOISY: Duration = Duration::from_secs(3);

/// A folder that cannot be watched is tried again this often, and its files are looked at.
const LOOK_AGAIN: Duration = Duration::from_secs(60);

/// Asks for a reload when a file has changed since the config was last read, until the stop signal.
pub(super) async fn run(engine: Arc<Engine>, reload: mpsc::Sender<Request>) -> anyhow::Result<()> {
    let (event, mut events) = mpsc::channel(1);
    let mut readings = engine.subscribe();
    let mut watched = Watched::default();
    // Something has happened; and since the last reload was asked for.
    let (mut has_changed, mut since_asked) = (false, false);
    loop {
        let files = readings.borrow_and_update().clone();
        let folders = match engine.revision().config.watch {
            true => files.folders(),
            false => BTreeSet::new(),
        };
        if has_changed || folders != watched.folders || watched.lacks_some {
            // After a change too: what has the folder's name may be another folder.
            watched = watched.followed_by(folders, &event);
            if !watched.folders.is_empty() && differ(&files).await? {
                ask(&reload).await;
                since_asked = false;
            }
        }
        let look_again = tokio::time::sleep(match watched.lacks_some {
            true => LOOK_AGAIN,
            false => Duration::MAX,
        });
        has_changed = tokio::select! {
            Some(()) = events.recv() => {
                settle(&mut events).await;
                since_asked = true;
                true
            }
            () = look_again => false,
            read = readings.changed() => match read {
                // What came while it was read was held against what had been read before.
                Ok(()) => std::mem::take(&mut since_asked),
                Err(_) => return Ok(()),
            },
            () = engine.stop.stopping() => return Ok(()),
        };
    }
}

async fn differ(files: &Arc<Files>) -> Result<bool, JoinError> {
    let files = Arc::clone(files);
    spawn_blocking(move || files.differ()).await
}

async fn ask(reload: &mpsc::Sender<Request>) {
    let request = Request {
        asked_by: "a changed file",
        reply: None,
    };
    // Refused only when the daemon stops.
    reload.send(request).await.ok();
}

async fn settle(events: &mut mpsc::Receiver<()>) {
    let quiet = async { while let Ok(Some(())) = timeout(QUIET, events.recv()).await {} };
    timeout(NOISY, quiet).await.ok();
}

/// The folders under watch.
#[derive(Default)]
struct Watched {
    folders: BTreeSet<PathBuf>,
    /// One of them cannot be watched.
    lacks_some: bool,
    _watcher: Option<RecommendedWatcher>,
}

impl Watched {
    fn followed_by(self, folders: BTreeSet<PathBuf>, event: &mpsc::Sender<()>) -> Self {
        if folders.is_empty() {
            return Self::default();
        }
        let (watcher, unseen) = watcher(&folders, event.clone());
        let was_told = folders == self.folders && self.lacks_some != unseen.is_empty();
        if !was_told {
            for error in &unseen {
                warn!(%error, "a folder of the config cannot be watched");
            }
            let seen = folders.len().saturating_sub(unseen.len());
            info!(folders = seen, "watching the config's folders");
        }
        Self {
            folders,
            lacks_some: !unseen.is_empty(),
            _watcher: watcher,
        }
    }
}

/// What watches the folders, and why it does not watch some of them.
fn watcher(
    folders: &BTreeSet<PathBuf>,
    event: mpsc::Sender<()>,
) -> (Option<RecommendedWatcher>, Vec<notify::Error>) {
    let look = move |happened: notify::Result<Event>| {
        if happened.map_or(true, |happened| is_change(happened.kind)) {
            // An event that nobody has taken yet says the same as this one.
            event.try_send(()).ok();
        }
    };
    let mut watcher = match notify::recommended_watcher(look) {
        Ok(watcher) => watcher,
        Err(error) => return (None, vec![error]),
    };
    let watched = folders
        .iter()
        .map(|folder| watcher.watch(folder, RecursiveMode::NonRecursive));
    let unseen = watched.filter_map(Result::err).collect();
    (Some(watcher), unseen)
}

/// That somebody reads, promptcron itself before all, changes nothing.
fn is_change(kind: EventKind) -> bool {
    match kind {
        EventKind::Access(access) => access == AccessKind::Close(AccessMode::Write),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn reading_is_no_event() {
        let folder = tempfile::tempdir().unwrap();
        let (read, written) = (folder.path().join("read"), folder.path().join("written"));
        fs::write(&read, "金价？").unwrap();
        let (tell, told) = std::sync::mpsc::channel();
        let mut watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
            tell.send(event.unwrap()).unwrap();
        })
        .unwrap();
        watcher
            .watch(folder.path(), RecursiveMode::NonRecursive)
            .unwrap();
        fs::read(&read).unwrap();
        fs::write(&written, "银价？").unwrap();
        let mut seen = Vec::new();
        // The last event of what was written.
        let last = EventKind::Access(AccessKind::Close(AccessMode::Write));
        while let Ok(event) = told.recv_timeout(Duration::from_mins(1)) {
            let is_last = event.kind == last;
            seen.push(event);
            if is_last {
                break;
            }
        }
        let of = |path: &PathBuf| -> Vec<EventKind> {
            let events = seen.iter().filter(|event| event.paths.contains(path));
            events.map(|event| event.kind).collect()
        };
        assert!(!of(&read).is_empty(), "{seen:?}");
        assert!(!of(&read).into_iter().any(is_change), "{seen:?}");
        assert!(of(&written).into_iter().any(is_change), "{seen:?}");
    }
}
