//! The few words promptcron itself adds to a push, in the config's language. Pure.

use crate::model::Language;

/// Below an answer that the AI did not finish.
pub(super) fn cut_off(language: Language) -> &'static str {
    match language {
        Language::En => "(cut off: the AI stopped at its length limit)",
        Language::Zh => "（回答不完整：AI 达到长度上限而中断）",
    }
}

/// Above the sources of an answer, in a file with the whole of it.
pub(super) fn sources(language: Language) -> &'static str {
    match language {
        Language::En => "Sources:",
        Language::Zh => "来源：",
    }
}

/// Below an answer of another endpoint than the first of its job's chain.
pub(super) fn fallback(language: Language, ai: &str, first: &str) -> String {
    match language {
        Language::En => format!("(answered by {ai}: {first} could not)"),
        Language::Zh => format!("（{first} 未能回答，由 {ai} 代答）"),
    }
}

/// On the button that asks once more.
pub(super) fn again(language: Language) -> &'static str {
    match language {
        Language::En => "Ask again",
        Language::Zh => "再问一次",
    }
}

/// On the button that pauses the job.
pub(super) fn pause(language: Language) -> &'static str {
    match language {
        Language::En => "Pause",
        Language::Zh => "暂停",
    }
}

/// Above a push that is late.
pub(super) fn late(language: Language, due: &str, sent: &str) -> String {
    match language {
        Language::En => format!("(due {due}, sent {sent})"),
        Language::Zh => format!("（原定 {due}，实际 {sent} 发送）"),
    }
}

/// Above an answer that a fallback gets.
pub(super) fn instead_of(language: Language, target: &str) -> String {
    match language {
        Language::En => format!("(for {target}, which cannot be reached)"),
        Language::Zh => format!("（本应发往 {target}，但目前无法送达）"),
    }
}
