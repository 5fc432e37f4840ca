//! How a command ends when it does not end well.

use std::process::ExitCode;

use super::logging::complain;

/// What ended a command, and with which exit code.
#[derive(Debug)]
pub(super) enum Failure {
    /// The work failed: exit 1.
    Work(anyhow::Error),
    /// Wrong usage or config: exit 2.
    Config(anyhow::Error),
    /// The work failed, and the command has said so on stdout: exit 1.
    Told,
}

impl Failure {
    pub(super) fn work(error: impl Into<anyhow::Error>) -> Self {
        Self::Work(error.into())
    }

    pub(super) fn config(error: impl Into<anyhow::Error>) -> Self {
        Self::Config(error.into())
    }

    /// Prints it and gives the exit code.
    pub(super) fn report(self) -> ExitCode {
        match self {
            Self::Work(error) if is_closed(&error) => ExitCode::SUCCESS,
            Self::Work(error) => {
                complain(&error);
                ExitCode::from(1)
            }
            Self::Config(error) => {
                complain(&error);
                ExitCode::from(2)
            }
            Self::Told => ExitCode::from(1),
        }
    }
}

/// Whoever read our output has seen enough, such as `head`.
fn is_closed(error: &anyhow::Error) -> bool {
    let io = error.downcast_ref::<std::io::Error>();
    io.is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
}

impl<E: Into<anyhow::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::Work(error.into())
    }
}
