//! `promptcron run`: the daemon.

use std::sync::Arc;

use super::Failure;
use crate::{
    clock::SystemClock,
    config::Config,
    daemon::{self, Stop},
};

/// Runs until TERM or INT.
pub(super) fn run(config: Config) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let stop = Stop::default();
        stop.on_signals()?;
        daemon::run(config, Arc::new(SystemClock), stop, daemon::ready).await?;
        Ok(())
    })
}
