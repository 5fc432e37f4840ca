//! What is wrong with a config file: all of it at once, each with its place.

use std::{fmt, io, path::Path, sync::Arc};

use super::{files::Files, reading};

/// One thing that is wrong. Never holds a secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}{message}", self.place())]
pub struct Error {
    /// The file as it was named on the command line or found.
    pub file: Arc<str>,
    /// Line and column, both from 1, columns in characters; None where the file could not be read.
    pub position: Option<(usize, usize)>,
    /// What is wrong, what is allowed, what to do: lower case, one line.
    pub message: String,
}

impl Error {
    /// An error about the file as a whole.
    pub(super) fn whole(file: &Path, message: String) -> Self {
        Self {
            file: Arc::from(file.display().to_string()),
            position: None,
            message,
        }
    }

    /// The file cannot be read.
    pub(super) fn unread(file: &Path, why: &io::Error) -> Self {
        Self::whole(file, format!("cannot be read: {}", reading::reason(why)))
    }

    fn place(&self) -> String {
        match self.position {
            Some((line, column)) => format!("{}:{line}:{column}: ", self.file),
            None => format!("{}: ", self.file),
        }
    }
}

/// Everything that is wrong with a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Errors {
    /// In the file's order; at least one.
    pub list: Vec<Error>,
    /// What was read: before one of these has changed, it is all wrong still.
    pub files: Files,
}

impl fmt::Display for Errors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, error) in self.list.iter().enumerate() {
            if i > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{error}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Errors {}
