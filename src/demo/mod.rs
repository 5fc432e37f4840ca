//! Stand-ins for an AI service and for ntfy with a phone, so that `promptcron demo` shows the
//! whole way without a token and without a network. Nothing of the daemon depends on them.

pub mod ai;
mod card;
pub mod inbox;

pub use card::draw;
