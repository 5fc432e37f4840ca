//! "did you mean": the nearest of the names that would have been right.

/// The nearest name, if one is near enough to have been meant.
pub(super) fn nearest<'n>(
    wrong: &str,
    names: impl IntoIterator<Item = &'n str>,
) -> Option<&'n str> {
    let wrong = wrong.to_lowercase();
    let names: Vec<_> = names.into_iter().collect();
    if let Some(longer) = names.iter().find(|name| is_abbreviation(&wrong, name)) {
        return Some(longer);
    }
    names
        .into_iter()
        .map(|name| {
            (
                strsim::damerau_levenshtein(&wrong, &name.to_lowercase()),
                name,
            )
        })
        .filter(|(distance, name)| *distance <= reach(name))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

/// `prio` for `priority`.
fn is_abbreviation(short: &str, name: &str) -> bool {
    short.chars().count() >= 3 && name.to_lowercase().starts_with(short)
}

/// How many slips of the finger a name of this length may be away.
fn reach(name: &str) -> usize {
    match name.chars().count() {
        0..=2 => 1,
        3..=6 => 2,
        _ => 3,
    }
}

/// `; did you mean "x"?` or nothing.
pub(super) fn did_you_mean<'n>(wrong: &str, names: impl IntoIterator<Item = &'n str>) -> String {
    nearest(wrong, names).map_or_else(String::new, |name| format!("; did you mean {name:?}?"))
}

/// `"a", "b" and "c"`.
pub(super) fn listed<'n>(names: impl IntoIterator<Item = &'n str>) -> String {
    let quoted: Vec<_> = names.into_iter().map(|name| format!("{name:?}")).collect();
    joined(&quoted, "and")
}

/// `a, b or c`.
pub(super) fn joined<S: AsRef<str>>(names: &[S], word: &str) -> String {
    match names {
        [] => String::new(),
        [one] => one.as_ref().to_owned(),
        [head @ .., last] => {
            let head: Vec<_> = head.iter().map(AsRef::as_ref).collect();
            format!("{} {word} {}", head.join(", "), last.as_ref())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_finger_is_understood_and_another_word_is_not() {
        let names = ["prompt", "prompt_file", "priority", "ntfy"];
        assert_eq!(nearest("promt", names), Some("prompt"));
        assert_eq!(nearest("Priority", names), Some("priority"));
        assert_eq!(nearest("nfty", names), Some("ntfy"));
        assert_eq!(nearest("prio", names), Some("priority"));
        assert_eq!(nearest("colour", names), None);
    }

    #[test]
    fn lists_read_as_sentences() {
        assert_eq!(joined(&["a", "b", "c"], "or"), "a, b or c");
        assert_eq!(listed(["kimi"]), "\"kimi\"");
    }
}
