//! Which file is read where the command line names none.

use std::path::{Path, PathBuf};

use super::{env::Env, suggest};

/// Where a file is looked for, in this order, where neither `--config` nor the environment names one.
const PLACES: &[&str] = &["config.toml", "/etc/promptcron/config.toml"];

/// No config file was named, and none is where one is looked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "no config file: {} do not exist; write one as config.example.toml shows, or name one with --config FILE or PROMPTCRON_CONFIG",
    suggest::joined(looked, "and")
)]
pub struct NoFile {
    /// The places that were looked at.
    pub looked: Vec<String>,
}

/// Finds the config file: `--config`, else `PROMPTCRON_CONFIG`, else ./config.toml, else
/// /etc/promptcron/config.toml. A named file is taken as it is; reading it tells whether it exists.
///
/// # Errors
/// None is named and none exists.
pub fn locate(explicit: Option<PathBuf>, env: &dyn Env) -> Result<PathBuf, NoFile> {
    let places: Vec<_> = PLACES.iter().map(Path::new).collect();
    locate_in(explicit, env, &places)
}

fn locate_in(
    explicit: Option<PathBuf>,
    env: &dyn Env,
    places: &[&Path],
) -> Result<PathBuf, NoFile> {
    let named = explicit.or_else(|| env.non_empty("PROMPTCRON_CONFIG").map(PathBuf::from));
    let found = named.or_else(|| {
        places
            .iter()
            .find(|place| place.exists())
            .map(|p| p.to_path_buf())
    });
    found.ok_or_else(|| NoFile {
        looked: places
            .iter()
            .map(|place| place.display().to_string())
            .collect(),
    })
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, fs};

    use super::*;

    #[test]
    fn the_first_of_the_four_places_counts() {
        let folder = tempfile::tempdir().unwrap();
        let (here, etc) = (folder.path().join("here"), folder.path().join("etc"));
        let places = [here.as_path(), etc.as_path()];
        let none = BTreeMap::new();
        let set = BTreeMap::from([("PROMPTCRON_CONFIG".to_owned(), "from-env".to_owned())]);

        fs::write(&etc, "").unwrap();
        assert_eq!(locate_in(None, &none, &places), Ok(etc.clone()));
        fs::write(&here, "").unwrap();
        assert_eq!(locate_in(None, &none, &places), Ok(here.clone()));
        assert_eq!(locate_in(None, &set, &places), Ok("from-env".into()));
        assert_eq!(locate_in(Some("x".into()), &set, &places), Ok("x".into()));
    }

    #[test]
    fn a_file_that_is_nowhere_is_told_with_the_places_and_the_way_out() {
        let places = [Path::new("no-such-1"), Path::new("no-such-2")];
        let why = locate_in(None, &BTreeMap::new(), &places).unwrap_err();
        insta::assert_snapshot!(why, @"no config file: no-such-1 and no-such-2 do not exist; write one as config.example.toml shows, or name one with --config FILE or PROMPTCRON_CONFIG");
    }
}
