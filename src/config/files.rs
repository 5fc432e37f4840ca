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

    /// Where a change of them shows: their folders, those of the links on the way to them, and where one is not there
    /// yet what there is of the way.
    #[must_use]
    pub fn folders(&self) -> BTreeSet<PathBuf> {
        self.0.keys().flat_map(|file| ways(file)).collect()
    }
}

/// As many links the system follows too (`ELOOP`, see `path_resolution(7)`).
const MOST_WAYS: usize = 40;

/// The folders through which the system finds a file.
fn ways(file: &Path) -> BTreeSet<PathBuf> {
    let (mut folders, mut seen) = (BTreeSet::new(), BTreeSet::new());
    let mut paths = vec![file.to_path_buf()];
    while let Some(path) = paths.pop().filter(|_| seen.len() < MOST_WAYS) {
        folders.extend(path.parent().and_then(nearest));
        for way in path.ancestors() {
            let (Ok(target), Some(folder)) = (fs::read_link(way), way.parent()) else {
                continue;
            };
            folders.extend(nearest(folder));
            let rest = path.strip_prefix(way).ok();
            let rest = rest.filter(|rest| !rest.as_os_str().is_empty());
            let target = folder.join(target);
            paths.push(rest.map_or(target.clone(), |rest| target.join(rest)));
        }
        paths.retain(|path| !seen.contains(path));
        seen.insert(path);
    }
    folders
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
        let (a, b) = (folder.path().join("a"), folder.path().join("b"));
        for version in [&a, &b] {
            fs::create_dir(version).unwrap();
            fs::write(version.join("config.toml"), "").unwrap();
        }
        // As tools do that keep configs elsewhere: a folder's link, and in there the file's.
        std::os::unix::fs::symlink("a", folder.path().join("now")).unwrap();
        std::os::unix::fs::symlink("../b/config.toml", a.join("linked.toml")).unwrap();
        let mut linked = Files::default();
        linked.note(&folder.path().join("now/linked.toml"), Some(b""));
        let seen: Vec<_> = linked
            .folders()
            .iter()
            .map(|folder| folder.canonicalize().unwrap())
            .collect();
        let top = folder.path().canonicalize().unwrap();
        for folder in [top.clone(), top.join("a"), top.join("b")] {
            assert!(seen.contains(&folder), "{folder:?} in {seen:?}");
        }
        let mut here = Files::default();
        here.note(Path::new("config.toml"), None);
        assert_eq!(here.folders(), only(PathBuf::from(".")));
    }
}
