//! Whatever an ntfy server answers: success only for this message in this topic, and no error that
//! tells a secret. `cargo +nightly fuzz run ntfy -- -max_total_time=600 -timeout=5`

#![no_main]

use libfuzzer_sys::fuzz_target;
use promptcron::push::fuzzing::{SECRET, judge};

fuzz_target!(|input: (u16, bool, Option<&str>, &[u8])| {
    let (status, has_file, retry_after, body) = input;
    match judge(status, has_file, retry_after, body) {
        Ok(receipt) => {
            assert_eq!(status, 200, "only a 200 is a success");
            assert!(!receipt.id.is_empty(), "a receipt names its message");
        }
        Err(error) => {
            assert!(!error.to_string().trim().is_empty(), "an error has words");
            assert!(
                !error.to_string().contains(SECRET) && !format!("{error:?}").contains(SECRET),
                "no error holds a secret"
            );
        }
    }
});
