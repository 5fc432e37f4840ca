//! Watching the config's folders: editors replace files and mounts swap links, so every event in a
//! folder is a reason to look, and only changed content is a reason to reload.

use std::{
    collections::BTreeSet,
    hash::{DefaultHasher, Hash, Hasher},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use notify::{RecommendedWatcher, RecursiveMode, Watcher};
use tokio::{sync::mpsc, time::timeout};
use tracing::{debug, info, warn};

use super::{engine::Engine, reload::Request};
use crate::config::Config;

/// As long as this nothing may happen before a change counts as written.
const QUIET: Duration = Duration::from_millis(300);

/// Asks for a reload when a watched file has changed, until the stop signal.
pub(super) async fn run(engine: Arc<Engine>, reload: mpsc::Sender<Request>) -> anyhow::Result<()> {
    let (event, mut events) = mpsc::channel(1);
    let mut revisions = engine.subscribe();
    let mut watching: Option<(BTreeSet<PathBuf>, RecommendedWatcher)> = None;
    let mut seen = contents(&engine.revision().config);
    loop {
        let revision = revisions.borrow_and_update().clone();
        let folders = folders(&revision.config);
        if watching
            .as_ref()
            .is_none_or(|(watched, _)| *watched != folders)
        {
            watching = watcher(&folders, &event).map(|watcher| (folders, watcher));
        }
        tokio::select! {
            Some(()) = events.recv() => {
                while let Ok(Some(())) = timeout(QUIET, events.recv()).await {}
                let now = contents(&engine.revision().config);
                if std::mem::replace(&mut seen, now) != now {
                    let request = Request { asked_by: "a changed file", reply: None };
                    reload.send(request).await.ok();
                }
            }
            changed = revisions.changed() => {
                if changed.is_err() { return Ok(()) }
                seen = contents(&engine.revision().config);
            }
            () = engine.stop.stopping() => return Ok(()),
        }
    }
}

/// The folders of the files; none where `watch` is off.
fn folders(config: &Config) -> BTreeSet<PathBuf> {
    let folder = |file: &PathBuf| match file.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_path_buf(),
        _ => PathBuf::from("."),
    };
    config
        .files
        .iter()
        .filter(|_| config.watch)
        .map(folder)
        .collect()
}

fn watcher(folders: &BTreeSet<PathBuf>, event: &mpsc::Sender<()>) -> Option<RecommendedWatcher> {
    if folders.is_empty() {
        return None;
    }
    let event = event.clone();
    let look = move |_: notify::Result<notify::Event>| {
        // An event that nobody has taken yet says the same as this one.
        event.try_send(()).ok();
    };
    let watched = notify::recommended_watcher(look).and_then(|mut watcher| {
        for folder in folders {
            watcher.watch(folder, RecursiveMode::NonRecursive)?;
        }
        Ok(watcher)
    });
    if watched.is_ok() {
        info!(folders = folders.len(), "watching the config's folders");
    }
    watched
        .inspect_err(|error| warn!(%error, "the config's folder cannot be watched: reload by HUP or `promptcron reload`"))
        .ok()
}

/// What the files hold, in one number; a file that cannot be read counts as such.
fn contents(config: &Config) -> u64 {
    let mut hasher = DefaultHasher::new();
    for file in config.files.iter().filter(|_| config.watch) {
        file.hash(&mut hasher);
        read(file).hash(&mut hasher);
    }
    hasher.finish()
}

fn read(file: &Path) -> Option<Vec<u8>> {
    std::fs::read(file)
        .inspect_err(
            |error| debug!(file = %file.display(), %error, "a watched file cannot be read"),
        )
        .ok()
}
