//! Whatever a service streams: no panic, and an answer that does not depend on how its bytes arrive.
//! `cargo +nightly fuzz run stream -- -max_total_time=600 -timeout=5`

#![no_main]

use libfuzzer_sys::fuzz_target;
use promptcron::{ask::read_stream, config::Api};

fuzz_target!(|input: (u8, &[u8])| {
    let (piece, bytes) = input;
    for api in [Api::Kimi, Api::Openai] {
        let whole = read_stream(api, [bytes]);
        let pieces = read_stream(api, bytes.chunks(usize::from(piece).max(1)));
        assert_eq!(pieces, whole, "in pieces of {piece} bytes");
    }
});
