//! An answer that the length limit cut off: asking for its rest, and joining the two. Pure.

use std::sync::Arc;

use super::{Conversation, Question, Turn, Usage, completion::Completion};

/// The longest repetition at the seam that is looked for, in bytes.
const OVERLAP: usize = 1024;
/// The shortest one that is taken for a repetition and not for chance, in bytes.
const SHORTEST_OVERLAP: usize = 12;

/// The question for the rest of `half`; in a conversation of kimi's, which knows what it said, that alone.
pub(super) fn question(question: &Question, half: &Completion) -> Question {
    let mut rest = Question {
        prompt: prompt(&half.text).to_owned(),
        // The rest needs no search of its own.
        use_search: Some(false),
        ..question.clone()
    };
    rest.history.push(Turn {
        prompt: question.prompt.clone(),
        answer: half.text.clone(),
    });
    if question.conversation != Conversation::None {
        rest.conversation = match &half.id {
            Some(id) => Conversation::GoOn {
                id: id.clone(),
                // The same token asks again, at once.
                token: Arc::default(),
            },
            None => Conversation::None,
        };
    }
    rest
}

/// In the language of the answer, as far as one can see.
fn prompt(half: &str) -> &'static str {
    if half.chars().any(|c| matches!(c, '\u{4e00}'..='\u{9fff}')) {
        "请从中断处接着写完，不要重复已经写过的内容，也不要加开场白。"
    } else {
        "Continue exactly where you stopped. Repeat nothing and add no preamble."
    }
}

/// Both halves as one answer.
pub(super) fn join(mut half: Completion, rest: Completion) -> Completion {
    let new = &rest.text[overlap(&half.text, &rest.text)..];
    if needs_space(&half.text, new) {
        half.text.push(' ');
    }
    half.text.push_str(new);
    half.sources.extend(rest.sources);
    half.usage = sum(half.usage, rest.usage);
    half.finish_reason = rest.finish_reason;
    half
}

/// How much of `rest` repeats the end of `half`: models like to begin the sentence anew.
fn overlap(half: &str, rest: &str) -> usize {
    let longest = rest.floor_char_boundary(OVERLAP.min(half.len()));
    (SHORTEST_OVERLAP..=longest)
        .rev()
        .find(|&length| rest.is_char_boundary(length) && half.ends_with(&rest[..length]))
        .unwrap_or(0)
}

/// True where two words would grow together: services cut between words and trim what they send.
fn needs_space(half: &str, rest: &str) -> bool {
    let ends_word = |c: char| c.is_ascii_alphabetic() || ",.;:!?)".contains(c);
    half.ends_with(ends_word) && rest.starts_with(|c: char| c.is_ascii_alphabetic())
}

fn sum(one: Option<Usage>, other: Option<Usage>) -> Option<Usage> {
    let (one, other) = (one?, other?);
    Some(Usage {
        prompt_tokens: one.prompt_tokens + other.prompt_tokens,
        completion_tokens: one.completion_tokens + other.completion_tokens,
        total_tokens: one.total_tokens + other.total_tokens,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn completion(text: &str) -> Completion {
        Completion {
            text: text.to_owned(),
            ..Completion::default()
        }
    }

    #[test]
    fn halves_are_joined_as_they_were_cut() {
        for (half, rest, whole) in [
            ("今日金价上", "涨。", "今日金价上涨。"),
            ("The price of", "gold rose.", "The price of gold rose."),
            ("It rose. ", "Then", "It rose. Then"),
            ("It rose.", "Then", "It rose. Then"),
            ("518", ".5 元", "518.5 元"),
            ("51", "8.5", "518.5"),
            ("- one\n", "- two", "- one\n- two"),
            (
                "金价上涨。今日上海金午盘",
                "今日上海金午盘报 518.5 元。",
                "金价上涨。今日上海金午盘报 518.5 元。",
            ),
            ("啊", "啊", "啊啊"),
            ("", "x", "x"),
        ] {
            assert_eq!(join(completion(half), completion(rest)).text, whole);
        }
    }

    #[test]
    fn the_rest_is_asked_for_after_the_half_and_in_its_language() {
        let half = completion("半个");
        let rest = question(&Question::new("金价？"), &half);
        let turn = Turn {
            prompt: "金价？".to_owned(),
            answer: "半个".to_owned(),
        };
        assert_eq!(rest.history, [turn]);
        assert!(rest.prompt.starts_with("请从中断处"), "{}", rest.prompt);
        assert_eq!(
            (rest.conversation, rest.use_search),
            (Conversation::None, Some(false))
        );
        let english = question(&Question::new("金价？"), &completion("half"));
        assert!(english.prompt.starts_with("Continue"));
    }

    #[test]
    fn a_kept_conversation_goes_on_under_its_own_id() {
        let asked = Question {
            conversation: Conversation::Begin,
            ..Question::new("？")
        };
        let half = Completion {
            id: Some("cud6d330699d1b4d19fb".to_owned()),
            ..completion("半个")
        };
        let rest = question(&asked, &half).conversation;
        assert!(matches!(rest, Conversation::GoOn { id, .. } if Some(&id) == half.id.as_ref()));
    }
}
