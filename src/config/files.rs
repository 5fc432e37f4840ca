//! The files a config was read from, and what each held then.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    hash::{DefaultHasher, Hash, Hasher},
    io,
    path::{Path, PathBuf},
};

/// The config's own file and those it names, each with a fingerprint of what was read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Files(BTreeMap<PathBuf, Option<u64>>);

impl Files {
    /// Notes what a file held; None: it could not be read.
    pub(super) fn note(&mut self, file: &Path, held: Option<&[u8]>) {
        self.0.insert(file.to_path_buf(), held.map(fingerprint));
    }

    /// Reads a file, and notes it.
    pub(super) fn read(&mut self, file: &Path) -> io::Result<Vec<u8>> {
        let read = fs::read(file);
        self.note(file, read.as_deref().ok());
        read
    }

    /// Reads a file as text, and notes it.
    pub(super) fn read_text(&mut self, file: &Path) -> io::Result<String> {
        String::from_utf8(self.read(file)?).map_err(|_| io::ErrorKind::InvalidData.into())
    }

    /// Whether one of them holds something else now.
    #[must_use]
    pub fn differ(&self) -> bool {
        let now = |file: &Path| fs::read(file).ok().as_deref().map(fingerprint);
        self.0.iter().any(|(file, held)| now(file) != *held)
    }

    /// Where a change of them shows: their folders, or what is there of the way to one.
    #[must_use]
    pub fn folders(&self) -> BTreeSet<PathBuf> {
        let parents = self.0.keys().filter_map(|file| file.parent());
        parents.filter_map(nearest).collect()
    }
}

fn nearest(folder: &Path) -> Option<PathBuf> {
    let here = |folder: &Path| match folder.as_os_str().is_empty() {
        true => PathBuf::from("."),
        false => folder.to_path_buf(),
    };
    folder.ancestors().map(here).find(|folder| folder.is_dir())
}

fn fingerprint(bytes: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_differs_when_it_comes_changes_or_goes() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("prompt.md");
        let mut files = Files::default();
        files.note(&file, None);
        assert!(!files.differ());
        fs::write(&file, "金价？").unwrap();
        assert!(files.differ());
        files.note(&file, Some("金价？".as_bytes()));
        assert!(!files.differ());
        fs::write(&file, "银价？").unwrap();
        assert!(files.differ());
        fs::remove_file(&file).unwrap();
        assert!(files.differ());
    }

    #[test]
    fn a_folder_that_is_not_there_yet_shows_in_the_one_above() {
        let folder = tempfile::tempdir().unwrap();
        let mut files = Files::default();
        files.note(&folder.path().join("prompts/gold/a.md"), None);
        let only = |path: PathBuf| BTreeSet::from([path]);
        assert_eq!(files.folders(), only(folder.path().to_path_buf()));
        fs::create_dir(folder.path().join("prompts")).unwrap();
        assert_eq!(files.folders(), only(folder.path().join("prompts")));
        let mut here = Files::default();
        here.note(Path::new("config.toml"), None);
        assert_eq!(here.folders(), only(PathBuf::from(".")));
    }
}
