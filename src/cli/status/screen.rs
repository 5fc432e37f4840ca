//! The same lines again and again: in place on a terminal, one after the other elsewhere.

use std::io::{self, IsTerminal, Write};

use terminal_size::{Height, Width, terminal_size};
use unicode_width::UnicodeWidthChar;

/// What was shown last.
#[derive(Default)]
pub(super) struct Screen {
    shown: Vec<String>,
}

impl Screen {
    /// Shows lines in the place of the last ones; where there is no terminal, only changed ones.
    pub(super) fn show(&mut self, lines: &[String]) -> io::Result<()> {
        let mut out = io::stdout().lock();
        if out.is_terminal() {
            let clear = if self.shown.is_empty() { "\x1b[2J" } else { "" };
            write!(out, "{clear}\x1b[H")?;
            let text = terminal_size()
                .map(|(Width(width), Height(height))| fitted(lines, width.into(), height.into()));
            for line in text.unwrap_or_else(|| lines.to_vec()) {
                write!(out, "{line}\x1b[K\r\n")?;
            }
            write!(out, "\x1b[J")?;
        } else if self.shown != lines {
            writeln!(out, "{}\n", lines.join("\n"))?;
        }
        out.flush()?;
        self.shown = lines.to_vec();
        Ok(())
    }
}

/// As much as a screen holds above the line on which the next command is typed.
fn fitted(lines: &[String], width: usize, height: usize) -> Vec<String> {
    let room = height.saturating_sub(1).max(2);
    let hidden = lines.len().saturating_sub(room);
    let mut fitted: Vec<String> = lines
        .iter()
        .take(room)
        .map(|line| cut(line, width))
        .collect();
    if hidden > 0 {
        fitted[room - 1] = cut(&format!("… and {} more", hidden + 1), width);
    }
    fitted
}

/// The beginning of a line, as wide as there is room.
fn cut(line: &str, width: usize) -> String {
    let mut taken = 0;
    let fits = |char: &char| {
        taken += char.width().unwrap_or(0);
        taken <= width
    };
    line.chars().take_while(fits).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_line_is_wider_and_no_screen_higher_than_the_terminal() {
        let lines = ["金价早报 1", "gold", "silver", "x"].map(str::to_owned);
        assert_eq!(fitted(&lines, 7, 4), ["金价早", "gold", "… and 2"]);
        assert_eq!(fitted(&lines, 40, 5), lines);
    }
}
