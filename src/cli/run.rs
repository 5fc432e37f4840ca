//! `promptcron run`: the daemon.

use std::{path::PathBuf, sync::Arc};

use super::Failure;
use crate::{
    clock::SystemClock,
    config::{self, Config, SystemEnv},
    daemon::{self, Loader, Stop, Surroundings},
    web,
};

/// Runs until TERM or INT; HUP reads the config again.
pub(super) fn run(config: Config) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let (stop, hup) = (Stop::default(), Arc::default());
        stop.on_signals(Arc::clone(&hup))?;
        let surroundings = Surroundings {
            clock: Arc::new(SystemClock),
            stop,
            hup,
            load: Some(loader(config.file.clone())),
            listener: listener(&config)?,
        };
        daemon::run(config, surroundings, || ()).await?;
        Ok(())
    })
}

/// Opened before anything else: a port that cannot be had is told at once.
fn listener(config: &Config) -> anyhow::Result<Option<std::net::TcpListener>> {
    let web = config.web.as_ref();
    web.map(|web| web::listen(web.listen)).transpose()
}

fn loader(file: PathBuf) -> Loader {
    Arc::new(move |now| config::load(&file, now, &SystemEnv))
}
