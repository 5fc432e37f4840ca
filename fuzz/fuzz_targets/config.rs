//! No config makes reading it panic or hang, and whatever is wrong with it has its place in the
//! file. `cargo +nightly fuzz run config -- -max_total_time=600 -timeout=5`

#![no_main]

use std::{collections::BTreeMap, path::Path};

use libfuzzer_sys::fuzz_target;
use promptcron::{config, model::Timestamp};

fuzz_target!(|text: &str| {
    let now = Timestamp::from_timestamp(1_764_000_000, 0).expect("an instant");
    let secret = "tk_fuzzed0secret0that0must0not0be0told";
    let env = BTreeMap::from([("TOKEN".to_owned(), secret.to_owned())]);
    // A folder that is not there: no file of this machine is read.
    let file = Path::new("/nowhere/config.toml");
    match config::parse(text, file, now, &env) {
        Ok(read) => {
            let again = config::parse(text, file, now, &env).expect("the same text is valid again");
            assert!(
                config::diff(&read, &again).is_empty(),
                "a config differs from itself"
            );
        }
        Err(errors) => {
            assert!(!errors.list.is_empty(), "an invalid config has an error");
            let lines = text.split('\n').count();
            for error in &errors.list {
                if let Some((line, column)) = error.position {
                    assert!((1..=lines).contains(&line) && column > 0, "{error}");
                }
                assert!(!error.message.trim().is_empty(), "an error has words");
            }
            assert!(
                text.contains(secret) || !errors.to_string().contains(secret),
                "no error holds a secret"
            );
        }
    }
});
