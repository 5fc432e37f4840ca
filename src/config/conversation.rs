//! `conversation` of a job and the keys beside it: whether its answers know what was said before.

use super::{
    item::Item,
    section::Section,
    types::{Conversation, Reset},
};

const HISTORY_MAX_CHARS: usize = 20_000;

/// Reads the three keys; None: each question stands alone.
pub(super) fn read(section: &Section<'_>) -> Option<Conversation> {
    let choices = &[("new", false), ("continue", true)];
    let goes_on = section.read("conversation", |item| item.choice(choices));
    let reset = section.read("reset", |item: &Item<'_>| reset(&item.text()?));
    let max_chars = section.read("history_max_chars", |item| item.int(100..=10_000_000));
    if goes_on != Some(true) {
        for key in ["reset", "history_max_chars"] {
            if let Some(item) = section.item(key) {
                item.fault(
                    "counts beside conversation = \"continue\" alone; add that, or remove this",
                );
            }
        }
        return None;
    }
    warn_of_turns_at_once(section);
    Some(Conversation {
        reset,
        history_max_chars: max_chars.unwrap_or(HISTORY_MAX_CHARS),
    })
}

fn reset(text: &str) -> Result<Reset, String> {
    let wrong = || {
        format!(
            "{text:?} is not known; write \"daily\", \"weekly\" or a number such as \"20 turns\""
        )
    };
    match text.trim() {
        "daily" => Ok(Reset::Daily),
        "weekly" => Ok(Reset::Weekly),
        turns => {
            let number = turns
                .strip_suffix("turns")
                .or_else(|| turns.strip_suffix("turn"))
                .and_then(|number| number.trim().parse().ok())
                .filter(|number| *number > 0);
            number.map(Reset::Turns).ok_or_else(wrong)
        }
    }
}

fn warn_of_turns_at_once(section: &Section<'_>) {
    let Some(item) = section.item("overlap") else {
        return;
    };
    if item.value.as_str() == Some("allow") {
        let message = "overlap: two runs at once of a conversation do not know of each other; \"queue\" lets the later one wait";
        section.reading.warn(item.at, message);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reset_is_a_day_a_week_or_a_number_of_turns() {
        for (text, expected) in [
            ("daily", Reset::Daily),
            ("weekly", Reset::Weekly),
            ("20 turns", Reset::Turns(20)),
            ("1 turn", Reset::Turns(1)),
            ("20turns", Reset::Turns(20)),
        ] {
            assert_eq!(reset(text), Ok(expected), "{text}");
        }
        for text in ["", "monthly", "turns", "0 turns", "-1 turns", "20"] {
            assert!(reset(text).is_err(), "{text}");
        }
    }
}
