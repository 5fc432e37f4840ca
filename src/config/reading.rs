//! A config file being read: its text, its surroundings, and what was found wrong so far.

use std::{
    cell::RefCell,
    collections::{BTreeMap, HashSet},
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{env::Env, errors::Error, files::Files, source::Source};

/// Variables with shorter values are not hidden in messages: hiding "1" would garble them.
const HIDDEN_FROM: usize = 4;

/// What every part of the reader shares: errors are collected here, and reading goes on.
pub(super) struct Reading<'r> {
    pub(super) source: Source<'r>,
    pub(super) env: &'r dyn Env,
    /// `[web]` has one, right or wrong: some buttons need it.
    pub(super) has_public_url: bool,
    folder: PathBuf,
    errors: RefCell<Vec<(usize, String)>>,
    warnings: RefCell<Vec<(usize, String)>>,
    strings: RefCell<HashSet<Arc<str>>>,
    lists: RefCell<HashSet<Arc<[Arc<str>]>>>,
    files: RefCell<BTreeMap<PathBuf, Arc<str>>>,
    read: RefCell<Files>,
    /// The environment's values in the item that is being read.
    pub(super) used: RefCell<Vec<(String, String)>>,
}

impl<'r> Reading<'r> {
    pub(super) fn new(file: &Path, text: &'r str, env: &'r dyn Env) -> Self {
        let mut read = Files::default();
        read.note(file, Some(text.as_bytes()));
        Self {
            source: Source::new(file, text),
            env,
            has_public_url: false,
            folder: file.parent().map(Path::to_path_buf).unwrap_or_default(),
            errors: RefCell::default(),
            warnings: RefCell::default(),
            strings: RefCell::default(),
            lists: RefCell::default(),
            files: RefCell::default(),
            read: RefCell::new(read),
            used: RefCell::default(),
        }
    }

    /// Notes an error at a byte offset.
    pub(super) fn fault(&self, at: usize, message: impl Into<String>) {
        self.errors.borrow_mut().push((at, message.into()));
    }

    /// Notes a warning at a byte offset.
    pub(super) fn warn(&self, at: usize, message: impl Into<String>) {
        self.warnings.borrow_mut().push((at, message.into()));
    }

    /// The one shared copy of a text.
    pub(super) fn intern(&self, text: &str) -> Arc<str> {
        let mut strings = self.strings.borrow_mut();
        if let Some(known) = strings.get(text) {
            return Arc::clone(known);
        }
        let new: Arc<str> = Arc::from(text);
        strings.insert(Arc::clone(&new));
        new
    }

    /// The one shared copy of a list of names: most jobs have the same.
    pub(super) fn share(&self, names: Vec<Arc<str>>) -> Arc<[Arc<str>]> {
        let mut lists = self.lists.borrow_mut();
        if let Some(known) = lists.get(names.as_slice()) {
            return Arc::clone(known);
        }
        let new: Arc<[Arc<str>]> = Arc::from(names);
        lists.insert(Arc::clone(&new));
        new
    }

    /// A path of the file; relative ones start at the file's own folder.
    pub(super) fn path(&self, written: &str) -> PathBuf {
        self.folder.join(written)
    }

    /// The bytes of another file.
    pub(super) fn bytes(&self, path: &Path) -> Result<Vec<u8>, String> {
        let read = self.read.borrow_mut().read(path);
        read.map_err(|why| cannot_read(path, &why))
    }

    /// The text of another file, read once however many jobs name it.
    pub(super) fn file(&self, written: &str) -> Result<Arc<str>, String> {
        let path = self.path(written);
        if let Some(text) = self.files.borrow().get(&path) {
            return Ok(Arc::clone(text));
        }
        let text = self.read.borrow_mut().read_text(&path);
        let text = text.map_err(|why| cannot_read(&path, &why))?;
        let text: Arc<str> = Arc::from(text.trim_start_matches('\u{feff}'));
        self.files.borrow_mut().insert(path, Arc::clone(&text));
        Ok(text)
    }

    /// What was read, and what was found in the file's order: errors and warnings.
    pub(super) fn finish(self) -> (Files, Vec<Error>, Vec<String>) {
        let errors = sorted(self.errors.into_inner())
            .map(|(at, message)| Error {
                file: Arc::clone(&self.source.file),
                position: Some(self.source.position(at)),
                message,
            })
            .collect();
        let warnings = sorted(self.warnings.into_inner())
            .map(|(at, message)| {
                let (line, column) = self.source.position(at);
                format!("{}:{line}:{column}: {message}", self.source.file)
            })
            .collect();
        (self.read.into_inner(), errors, warnings)
    }

    /// Replaces the environment's values by the variables that gave them.
    pub(super) fn hide(&self, mut message: String) -> String {
        for (name, value) in self.used.borrow().iter() {
            if value.len() >= HIDDEN_FROM {
                message = message.replace(value.as_str(), &format!("${{{name}}}"));
            }
        }
        message
    }
}

fn sorted(mut found: Vec<(usize, String)>) -> impl Iterator<Item = (usize, String)> {
    found.sort_by_key(|(at, _)| *at);
    found.into_iter()
}

/// Why a file could not be read, and what to do.
fn cannot_read(path: &Path, why: &io::Error) -> String {
    format!("cannot read {}: {}", path.display(), reason(why))
}

pub(super) fn reason(why: &io::Error) -> String {
    match why.kind() {
        io::ErrorKind::NotFound => "there is no such file; check the path".to_owned(),
        io::ErrorKind::PermissionDenied => {
            "permission denied; let promptcron's user read it".to_owned()
        }
        io::ErrorKind::InvalidData => "it is not UTF-8; save it as UTF-8".to_owned(),
        io::ErrorKind::IsADirectory => "it is a folder; name a file".to_owned(),
        _ => format!("{why}; check the path and its permissions"),
    }
}
