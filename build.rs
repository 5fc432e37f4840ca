//! Notes when the program is built: a clock that reads less than that has not been set.

use std::{
    env,
    time::{SystemTime, UNIX_EPOCH},
};

const DAY: u64 = 24 * 60 * 60;

fn main() {
    println!("cargo:rerun-if-env-changed=SOURCE_DATE_EPOCH");
    println!("cargo:rerun-if-changed=migrations");
    let given = env::var("SOURCE_DATE_EPOCH")
        .ok()
        .and_then(|text| text.parse().ok());
    let now = || {
        SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| since.as_secs())
    };
    // The day is enough, and builds of one day stay alike.
    let built_at: u64 = given.unwrap_or_else(now) / DAY * DAY;
    println!("cargo:rustc-env=PROMPTCRON_BUILT_AT={built_at}");
}
