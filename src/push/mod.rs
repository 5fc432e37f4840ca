//! A message to ntfy or a webhook; a receipt or a typed error back.
//!
//! One call is one request: what is tried again, and when, the caller decides by
//! [`PushError::disposition`], because every attempt is a row in its ledger.

mod advice;
mod client;
mod error;
mod file;
#[cfg(fuzzing)]
pub mod fuzzing;
mod health;
mod heartbeat;
mod lookup;
mod message;
mod redact;
mod reply;
mod webhook;

pub use client::Client;
pub use error::{Disposition, Kind, PushError};
pub use file::File;
pub use health::{Account, Health};
pub use heartbeat::{Beat, Unheard};
pub use lookup::Sighting;
pub use message::Message;
pub use reply::Receipt;
