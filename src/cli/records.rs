//! The ledger as the commands beside a daemon see it: found in a config file, whatever else may be
//! wrong with that file just now.

use std::path::{Path, PathBuf};

use chrono::Utc;
use chrono_tz::Tz;

use super::{Failure, block_on, next::named};
use crate::{
    config::{self, Config, SystemEnv},
    ledger::{Access, Ledger},
};

/// A config file's ledger, and its jobs where the file is valid.
pub(super) struct Records {
    path: PathBuf,
    /// None: a wrong file, or one whose secrets only the daemon's environment holds.
    config: Option<Config>,
}

impl Records {
    /// Finds the ledger of a config file.
    pub(super) fn of(file: &Path) -> Result<Self, Failure> {
        let ledger = match config::ledger_of(file, &SystemEnv) {
            Ok(ledger) => ledger,
            // Half-written, say: a daemon that runs on the default ledger is none the worse for it.
            Err(errors) => {
                let ledger = config::default_ledger(&SystemEnv);
                if !ledger.0.exists() {
                    return Err(Failure::config(errors));
                }
                eprintln!("{errors}\nusing the default ledger {}", ledger.0.display());
                ledger
            }
        };
        Ok(Self {
            path: ledger.0,
            config: config::load(file, Utc::now(), &SystemEnv).ok(),
        })
    }

    /// The ledger's file; it may not be there yet.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The jobs in the config's order, where it can be read.
    pub(super) fn jobs(&self) -> impl Iterator<Item = &str> {
        let jobs = self.config.iter().flat_map(|config| &config.jobs);
        jobs.map(|job| job.name.as_str())
    }

    /// The config's own zone, where it can be read.
    pub(super) fn zone(&self) -> Tz {
        self.config
            .as_ref()
            .map_or(Tz::UTC, |config| config.timezone)
    }

    /// The zone of a job, where the config tells it.
    pub(super) fn zone_of(&self, job: &str) -> Tz {
        let config = self.config.as_ref();
        let zone = |config: &Config| match config.job(job) {
            Some(job) => job.schedule.zone(),
            None => config.timezone,
        };
        config.map_or(Tz::UTC, zone)
    }

    /// A name that a person typed must be a job's, as far as the config tells.
    pub(super) fn check_job(&self, name: &str) -> Result<(), Failure> {
        match &self.config {
            Some(config) => named(config, name).map(drop).map_err(Failure::Config),
            None => Ok(()),
        }
    }

    /// One short look or transaction, beside a running daemon. A ledger that is not there yet is
    /// not made.
    pub(super) fn with<T, E: Into<anyhow::Error>>(
        &self,
        access: Access,
        act: impl AsyncFnOnce(&Ledger) -> Result<T, E>,
    ) -> Result<T, Failure> {
        if !self.path.exists() {
            return Err(Failure::Work(anyhow::anyhow!(
                "there is no ledger {} yet: `promptcron run` and `promptcron once` make it",
                self.path.display()
            )));
        }
        block_on(async {
            let ledger = Ledger::open(&self.path, access).await?;
            let done = act(&ledger).await;
            ledger.close().await;
            Ok(done?)
        })?
    }
}
