//! demo

mod card;
pub mod inbox;

pub use card::draw;
