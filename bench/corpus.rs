//! What the benchmarks of phone text work on.

use serde_json::Value;

/// Real answers of the recorded cases, over and over.
pub(crate) fn corpus(bytes: usize) -> String {
    let vectors = include_str!("../tests/vectors/classic.jsonl").lines();
    let whole = include_str!("../tests/vectors/phone-text.jsonl")
        .lines()
        .last();
    let answers: Vec<String> = vectors
        .chain(whole)
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|vector| matches!(vector["id"].as_str(), Some(id) if id.starts_with("p-real") || id == "z-01"))
        .filter_map(|vector| Some(vector["input"].as_str()?.replace("搜索结果来自：", "来源：")))
        .collect();
    assert!(!answers.is_empty(), "the vectors hold real answers");
    let mut text = String::with_capacity(bytes + 10_000);
    for answer in answers.iter().cycle() {
        if text.len() >= bytes {
            break;
        }
        text += answer;
        text += "\n\n";
    }
    text
}
