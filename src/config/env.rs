//! The environment as an argument, so that reading a config is a function of what it is given.

use std::{collections::BTreeMap, env::VarError};

/// Where `${VAR}`, `*_env`, `TZ` and `STATE_DIRECTORY` are looked up.
pub trait Env {
    /// The variable's value.
    ///
    /// # Errors
    /// `NotPresent` where it is not set, `NotUnicode` where its bytes are no text.
    fn var(&self, name: &str) -> Result<String, VarError>;

    /// The variable's value, where it is set to something.
    fn non_empty(&self, name: &str) -> Option<String> {
        self.var(name).ok().filter(|value| !value.is_empty())
    }
}

/// The process's own environment.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemEnv;

impl Env for SystemEnv {
    fn var(&self, name: &str) -> Result<String, VarError> {
        std::env::var(name)
    }
}

impl Env for BTreeMap<String, String> {
    fn var(&self, name: &str) -> Result<String, VarError> {
        self.get(name).cloned().ok_or(VarError::NotPresent)
    }
}
