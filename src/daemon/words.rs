//! The few words promptcron itself adds to a push, in the config's language. Pure.

use crate::model::{Language, RunId};

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

/// Above a push that is late.
pub(super) fn late(language: Language, due: &str, sent: &str) -> String {
    match language {
        Language::En => format!("(due {due}, sent {sent})"),
        Language::Zh => format!("（原定 {due}，实际 {sent} 发送）"),
    }
}

/// The title of a notice.
pub(super) fn failed(language: Language, job: &str) -> String {
    match language {
        Language::En => format!("{job} failed"),
        Language::Zh => format!("{job} 运行失败"),
    }
}

/// The notice of a run that got no answer.
pub(super) fn no_answer(language: Language, due: &str, error: &str) -> String {
    match language {
        Language::En => format!("No answer for the run that was due {due}.\n{error}"),
        Language::Zh => format!("原定 {due} 的运行没有得到回答。\n{error}"),
    }
}

/// The notice of a run whose answer could not be pushed.
pub(super) fn not_pushed(language: Language, due: &str, run_id: RunId, error: &str) -> String {
    match language {
        Language::En => format!(
            "The answer of the run that was due {due} could not be pushed (`promptcron show {run_id}` has it).\n{error}"
        ),
        Language::Zh => format!(
            "原定 {due} 的运行已有回答，但推送失败（用 `promptcron show {run_id}` 查看回答）。\n{error}"
        ),
    }
}
