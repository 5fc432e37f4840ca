//! `[ledger]`: where the database file is.

use std::{
    fs,
    path::{Path, PathBuf},
};

use toml::de::DeTable;

use super::{env::Env, errors::Error, expand, source::Source, types::LedgerPath};

const DEFAULT: &str = "promptcron.db";

/// The ledger where the file names none.
#[must_use]
pub fn default(env: &dyn Env) -> LedgerPath {
    placed(Path::new(DEFAULT), env)
}

/// Reads `sqlite:FILE` or `sqlite://FILE`.
pub(super) fn parse(url: &str, env: &dyn Env) -> Result<LedgerPath, String> {
    if url.starts_with("postgres:") || url.starts_with("postgresql:") {
        return Err("PostgreSQL is not supported yet; write \"sqlite:promptcron.db\"".to_owned());
    }
    let Some(file) = url.strip_prefix("sqlite:") else {
        return Err("begins with no known database; write \"sqlite:\" and a file, such as \"sqlite:promptcron.db\"".to_owned());
    };
    let file = file.strip_prefix("//").unwrap_or(file);
    match file {
        "" => Err("names no file; write it like \"sqlite:promptcron.db\"".to_owned()),
        ":memory:" => Err("is memory, which a restart would forget; name a file, such as \"sqlite:promptcron.db\"".to_owned()),
        _ if file.ends_with('/') => Err("names a folder; add the file's name, such as promptcron.db".to_owned()),
        _ if file.contains(['?', '#']) => Err("holds a ? or #; options are not supported, name the file alone".to_owned()),
        _ => Ok(placed(Path::new(file), env)),
    }
}

/// The ledger of a config file, whatever else may be wrong with it: for commands that only need to
/// find the daemon.
///
/// # Errors
/// The file cannot be read, is not TOML, or its `[ledger] url` is wrong.
pub fn ledger_of(file: &Path, env: &dyn Env) -> Result<LedgerPath, Error> {
    let text = fs::read_to_string(file).map_err(|why| Error::unread(file, &why))?;
    let table = DeTable::parse(&text).map_err(|why| {
        let at = why.span().map_or(0, |span| span.start);
        Error {
            position: Some(Source::new(file, &text).position(at)),
            ..Error::whole(file, format!("not TOML: {}", why.message()))
        }
    })?;
    let ledger = table.get_ref().get("ledger");
    let url = ledger.and_then(|ledger| ledger.get_ref().get("url"));
    match url.and_then(|url| url.get_ref().as_str()) {
        None => Ok(default(env)),
        Some(url) => {
            let url = expand::expand(url, env)
                .map_err(|why| Error::whole(file, format!("[ledger] url {why}")))?;
            parse(&url.text, env).map_err(|why| Error::whole(file, format!("[ledger] url {why}")))
        }
    }
}

/// Relative paths start at the first folder of systemd's `STATE_DIRECTORY`, else at the working folder.
fn placed(file: &Path, env: &dyn Env) -> LedgerPath {
    let states = env.non_empty("STATE_DIRECTORY").unwrap_or_default();
    let folder = states
        .split(':')
        .next()
        .map(PathBuf::from)
        .unwrap_or_default();
    LedgerPath(folder.join(file))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn a_relative_file_is_in_the_state_directory() {
        let none = BTreeMap::new();
        let env = BTreeMap::from([("STATE_DIRECTORY".to_owned(), "/var/lib/p:/x".to_owned())]);
        for (url, bare, placed) in [
            ("sqlite:a.db", "a.db", "/var/lib/p/a.db"),
            ("sqlite://a.db", "a.db", "/var/lib/p/a.db"),
            ("sqlite:///data/a.db", "/data/a.db", "/data/a.db"),
            ("sqlite:/data/a.db", "/data/a.db", "/data/a.db"),
        ] {
            assert_eq!(parse(url, &none), Ok(LedgerPath(bare.into())), "{url}");
            assert_eq!(parse(url, &env), Ok(LedgerPath(placed.into())), "{url}");
        }
        assert_eq!(default(&env), LedgerPath("/var/lib/p/promptcron.db".into()));
    }
}
