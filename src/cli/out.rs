//! Printing: a reader that has seen enough is no error, a full disk is one.

/// Prints a line on stdout, as `println!` does, and hands the error on instead of ending the
/// process.
macro_rules! say {
    ($($line:tt)*) => {{
        use std::io::Write as _;
        writeln!(std::io::stdout(), $($line)*)?
    }};
}

pub(super) use say;
