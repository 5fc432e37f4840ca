//! A copy of the ledger while a daemon writes to it: one moment of it, whole, checked before it
//! gets its name.

use std::{fs, os::unix::fs::MetadataExt as _, path::Path};

use anyhow::{Context, anyhow, bail, ensure};
use sqlx::{Connection, SqliteConnection, migrate::Migrate, sqlite::SqliteConnectOptions};
use tempfile::TempPath;

use super::{Ledger, MIGRATIONS, error::is_no_room};

/// What a backup holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backup {
    /// How many rows its table of runs has.
    pub runs: i64,
    /// The file's size.
    pub bytes: u64,
}

impl Ledger {
    /// Copies the ledger into a new file, which only its owner can read.
    ///
    /// The copy is made beside `target` and renamed to it once it is checked and on disk, so that
    /// `target` is a whole backup or not there. `overwrite`: a file of that name gives way.
    ///
    /// # Errors
    /// `target` is there already or is the ledger itself, it cannot be written, its disk is full,
    /// or the ledger is damaged or of a newer version.
    pub async fn backup(&self, target: &Path, overwrite: bool) -> anyhow::Result<Backup> {
        let named = || format!("backup {}", target.display());
        let target = std::path::absolute(target).with_context(named)?;
        self.check_target(&target, overwrite).with_context(named)?;
        let copy = place_beside(&target).with_context(named)?;
        self.copy_into(&copy).await.with_context(named)?;
        let runs = self.check(&copy).await.with_context(named)?;
        let bytes = settle(copy, &target, overwrite).with_context(named)?;
        Ok(Backup { runs, bytes })
    }

    fn check_target(&self, target: &Path, overwrite: bool) -> anyhow::Result<()> {
        let Ok(there) = fs::metadata(target) else {
            return Ok(());
        };
        let own = fs::metadata(self.path()).ok();
        ensure!(!there.is_dir(), "it is a folder: name a file in it");
        ensure!(there.is_file(), "it is a device or a pipe: name a file");
        ensure!(
            own.is_none_or(|own| (own.dev(), own.ino()) != (there.dev(), there.ino())),
            "it is the ledger itself: name another file"
        );
        ensure!(overwrite, EXISTS);
        Ok(())
    }

    /// `vacuum into` reads one moment of the ledger, beside whoever writes to it.
    async fn copy_into(&self, copy: &Path) -> anyhow::Result<()> {
        let path = copy
            .to_str()
            .context("its name is not UTF-8: name another file")?;
        let copied = sqlx::query("vacuum into $1").bind(path).execute(&self.pool);
        match copied.await {
            Ok(_) => Ok(()),
            Err(full) if is_no_room(&full) => Err(no_room()),
            Err(error) => Err(self.error(error).into()),
        }
    }

    /// The copy is sound and a ledger that this version reads; tells how many runs are in it.
    async fn check(&self, copy: &Path) -> anyhow::Result<i64> {
        let options = SqliteConnectOptions::new().filename(copy).read_only(true);
        let mut connection = SqliteConnection::connect_with(&options).await?;
        let said: String = sqlx::query_scalar("pragma integrity_check(1)")
            .fetch_one(&mut connection)
            .await?;
        ensure!(
            said == "ok",
            "the copy is damaged ({said}): check the disks (dmesg) and the ledger (`promptcron audit`)"
        );
        self.check_schema(&mut connection).await?;
        let runs = sqlx::query_scalar("select count(*) from run")
            .fetch_one(&mut connection)
            .await?;
        connection.close().await?;
        Ok(runs)
    }

    /// Every step that made its tables is one of ours; an older version made fewer of them.
    async fn check_schema(&self, connection: &mut SqliteConnection) -> anyhow::Result<()> {
        let ledger = self.path().display();
        let steps = connection
            .list_applied_migrations(&MIGRATIONS.table_name)
            .await
            .map_err(|_| anyhow!("{ledger} is no ledger of promptcron: check [ledger] url"))?;
        for step in steps {
            let ours = MIGRATIONS.iter().find(|ours| ours.version == step.version);
            ensure!(
                ours.is_some_and(|ours| ours.checksum == step.checksum),
                "the ledger {ledger} is of another version of promptcron: back it up with that one"
            );
        }
        Ok(())
    }
}

const EXISTS: &str = "it is there already: name another file, or say --overwrite";

fn no_room() -> anyhow::Error {
    anyhow!(
        "its disk is full: make room or name a file on another disk; the ledger is none the worse"
    )
}

/// An empty file beside the target, for its owner alone, gone again if nothing comes of it.
fn place_beside(target: &Path) -> anyhow::Result<TempPath> {
    let folder = target
        .parent()
        .context("it is a folder: name a file in it")?;
    let name = target.file_name().unwrap_or_default().to_string_lossy();
    let file = tempfile::Builder::new()
        .prefix(&format!(".{name}."))
        .suffix(".part")
        .tempfile_in(folder)
        .map_err(|error| {
            let why = error.kind();
            anyhow!("its folder must exist and be writable by this user ({why})")
        })?;
    Ok(file.into_temp_path())
}

/// Makes it durable and gives it its name.
fn settle(copy: TempPath, target: &Path, overwrite: bool) -> anyhow::Result<u64> {
    let file = fs::File::open(&copy)?;
    file.sync_all()?;
    let bytes = file.metadata()?.len();
    let renamed = match overwrite {
        true => copy.persist(target),
        false => copy.persist_noclobber(target),
    };
    if let Err(error) = renamed {
        match error.error.kind() {
            std::io::ErrorKind::AlreadyExists => bail!(EXISTS),
            _ => bail!("it cannot be given its name: {}", error.error),
        }
    }
    if let Some(folder) = target.parent() {
        fs::File::open(folder)?.sync_all()?;
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_appears_meanwhile_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("a.db");
        let copy = place_beside(&target).unwrap();
        fs::write(&target, "precious").unwrap();
        let refused = settle(copy, &target, false).unwrap_err();
        assert_eq!(refused.to_string(), EXISTS);
        assert_eq!(fs::read_to_string(&target).unwrap(), "precious");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
