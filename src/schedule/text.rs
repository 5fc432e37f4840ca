//! Cron text as people write it: nicknames, the number of fields, croner's reading of them,
//! and errors that name the field.

use croner::parser::{CronParser, Seconds, Year};

use super::{
    ScheduleError,
    field::{DAY_OF_MONTH, DAY_OF_WEEK, FIELDS},
};

const FIVE_OR_SIX: &str = "write 5 (minute hour day-of-month month day-of-week), such as `0 8 * * 1-5`, or 6 with seconds first";

/// A pattern's six fields, checked; seconds are `0` where the text has none.
///
/// # Errors
/// A wrong number of fields, an unknown nickname, and any item that is no value of its field.
pub(super) fn fields(text: &str) -> Result<[&str; 6], ScheduleError> {
    let text = text.trim();
    if text.is_empty() {
        return Err(ScheduleError(format!(
            "cron: the text is empty; {FIVE_OR_SIX}"
        )));
    }
    let expanded = match text.strip_prefix('@') {
        Some(nickname) => expand(nickname)?,
        None => text,
    };
    let fields = split(expanded)?;
    for (field, items) in FIELDS.iter().zip(fields) {
        field
            .check(items)
            .map_err(|why| ScheduleError(format!("{}: {why}", field.name)))?;
    }
    Ok(fields)
}

fn expand(nickname: &str) -> Result<&'static str, ScheduleError> {
    let name = nickname.to_ascii_lowercase();
    match name.as_str() {
        "yearly" | "annually" => Ok("0 0 1 1 *"),
        "monthly" => Ok("0 0 1 * *"),
        "weekly" => Ok("0 0 * * 0"),
        "daily" | "midnight" => Ok("0 0 * * *"),
        "hourly" => Ok("0 * * * *"),
        "reboot" => Err(ScheduleError(
            "@reboot names no instant, and a restart must not ask again; write a time such as `0 8 * * *`, or `promptcron once JOB` to run it now".into(),
        )),
        _ if name.starts_with("every") => Err(ScheduleError(
            "`@every` is a key of its own here: write `every = \"15m\"` instead of `cron`".into(),
        )),
        _ => Err(ScheduleError(format!(
            "`@{nickname}` is unknown; allowed: @yearly, @annually, @monthly, @weekly, @daily, @midnight, @hourly"
        ))),
    }
}

fn split(text: &str) -> Result<[&str; 6], ScheduleError> {
    let fields: Vec<&str> = text.split_whitespace().collect();
    match fields[..] {
        [minute, hour, dom, month, dow] => Ok(["0", minute, hour, dom, month, dow]),
        [second, minute, hour, dom, month, dow] => Ok([second, minute, hour, dom, month, dow]),
        [_, _, _, _, _, _, _] => Err(ScheduleError(
            "cron: 7 fields, but a year field is not supported; remove the last one, or write `at` for a single instant".into(),
        )),
        _ => Err(ScheduleError(format!(
            "cron: not 5 or 6 fields but {}; {FIVE_OR_SIX}",
            fields.len()
        ))),
    }
}

/// The fields as croner reads them.
///
/// # Errors
/// What croner refuses, with the field named.
pub(super) fn parse(fields: [&str; 6]) -> Result<croner::Cron, ScheduleError> {
    let parser = CronParser::builder()
        .seconds(Seconds::Required)
        .year(Year::Disallowed)
        .build();
    parser
        .parse(&fields.join(" "))
        .map_err(|whole| blame(&parser, fields, &whole.to_string()))
}

/// The field that croner refuses, which is the one that fails among `*`s, and what may stand there: croner's own words
/// speak of its insides.
fn blame(parser: &CronParser, fields: [&str; 6], whole: &str) -> ScheduleError {
    for (index, text) in fields.into_iter().enumerate() {
        let mut alone = ["*"; 6];
        alone[index] = text;
        if parser.parse(&alone.join(" ")).is_err() {
            let field = &FIELDS[index];
            return ScheduleError(format!("{}: {}", field.name, field.refused(text)));
        }
    }
    ScheduleError(plain(whole))
}

/// croner's message in the manner of ours: lower case, no full stop, no inner type's name.
pub(super) fn plain(message: &str) -> String {
    let message = message.strip_prefix("Component error: ").unwrap_or(message);
    let message = message.trim_end_matches('.');
    let mut chars = message.chars();
    let first = chars.next().map(|c| c.to_ascii_lowercase());
    first.into_iter().chain(chars).collect()
}

/// Why no day matches.
pub(super) fn never(fields: [&str; 6]) -> ScheduleError {
    let (dom, month, dow) = (fields[DAY_OF_MONTH], fields[4], fields[DAY_OF_WEEK]);
    let why = if dow.eq_ignore_ascii_case("l") {
        "day-of-week: `L` alone names no day; write `6L` for the last Saturday, or `L` as the day-of-month".into()
    } else if dow.starts_with('+') {
        format!(
            "day-of-month and day-of-week: `{dom}` and `{dow}` never come together in month `{month}`; remove the `+`, or change one of them"
        )
    } else {
        format!("day-of-month: `{dom}` never comes in month `{month}`; change one of them")
    };
    ScheduleError(why)
}
