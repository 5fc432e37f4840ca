//! The TOML file to checked values; every error with file, line and column.
//!
//! The types here are what the rest of the crate sees: everything in them is valid. Inside,
//! [`keys()`] says what a file may hold, `section` and `item` read values and collect what is wrong with them in `reading`,
//! and `root`, `ai`, `ntfy`, `webhook`, `job` and `text` say what each table means.

mod actions;
mod ai;
mod body;
mod chain;
mod conversation;
mod courtesy;
mod defined;
mod diff;
mod duration;
mod env;
mod errors;
mod expand;
mod extras;
mod fields;
mod files;
mod heartbeat;
mod item;
mod job;
mod jwt;
mod keys;
pub mod kimi;
mod ledger;
mod limits;
mod literal;
mod locate;
mod lookalike;
mod network;
mod notification;
mod ntfy;
pub mod ntfy_rules;
mod pace;
mod reading;
mod root;
mod secrets;
mod section;
mod silence;
mod source;
mod suggest;
mod targets;
mod text;
mod tokens;
mod told;
pub mod types;
mod urls;
mod way;
mod web;
mod webhook;
mod zone;

use std::path::Path;

pub use actions::{Action, Button};
pub use body::{Body, Page};
pub use courtesy::{Courtesy, Pace, Pacing, QuietMode, SentFirst};
pub use diff::{Change, diff};
pub use env::{Env, SystemEnv};
pub use errors::{Error, Errors};
pub use extras::Extras;
pub use files::Files;
pub use keys::{TableKeys, keys};
pub use ledger::{default as default_ledger, ledger_of};
pub use locate::{NoFile, locate};
pub use notification::Notification;
pub use root::parse;
pub use silence::{Notify, Pattern};
pub use told::{Told, told, told_job};
pub use types::*;
pub use way::Way;
pub use webhook::{Header, SecretUrl, Webhook};

use crate::model::Timestamp;

/// Reads a config file, and the files it names.
///
/// `now` tells which `at` is past.
///
/// # Errors
/// The file cannot be read, or everything that is wrong with it, in the file's order.
pub fn load(file: &Path, now: Timestamp, env: &dyn Env) -> Result<Config, Errors> {
    let mut files = Files::default();
    match files.read_text(file) {
        Ok(text) => parse(&text, file, now, env),
        Err(why) => Err(Errors {
            list: vec![Error::unread(file, &why)],
            files,
        }),
    }
}
