//! What ntfy accepts, as checks to run before anything is sent. Pure.
//!
//! The numbers and patterns are those of ntfy's server and its `docs/publish.md`; where versions
//! differ the stricter one stands, so that what passes here passes everywhere.

use emojis::EmojiVersion;

/// The longest message in bytes of UTF-8.
///
/// The limit is 4,096, and servers before 2026 count a message of exactly 4,096 as too long: they
/// turn it into a file, or refuse it.
pub const MAX_MESSAGE_BYTES: usize = 4_095;

/// The most bytes of all tags together (servers since 2026, code 40058).
pub const MAX_TAGS_BYTES: usize = 512;

const MAX_TOPIC_BYTES: usize = 64;

/// Names that ntfy's own pages have.
const RESERVED_TOPICS: [&str; 9] = [
    "docs", "static", "file", "app", "metrics", "account", "settings", "signup", "login",
];

/// The API's folder; older servers take it for a topic, and then nobody can read it.
const API_PREFIX: &str = "v1";

/// The newest emoji that ntfy's apps know a short code for.
const NEWEST_KNOWN: EmojiVersion = EmojiVersion::new(13, 1);

/// Checks a topic's name: `^[-_A-Za-z0-9]{1,64}$`, and none of ntfy's own pages.
///
/// # Errors
/// What is wrong with it and what is allowed, without naming the key it stood at.
pub fn check_topic(topic: &str) -> Result<(), String> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if topic.is_empty() {
        return Err("the topic is empty: it needs 1 to 64 letters, digits, - or _".to_owned());
    }
    if topic.contains("://") {
        return Err(format!(
            "{topic:?} is an address: put its last part here, and the rest at server"
        ));
    }
    if let Some(wrong) = topic.chars().find(|&c| !allowed(c)) {
        return Err(format!(
            "{topic:?} is no ntfy topic: {wrong:?} is not allowed, only A-Z, a-z, 0-9, - and _"
        ));
    }
    if topic.len() > MAX_TOPIC_BYTES {
        let length = topic.len();
        return Err(format!(
            "{topic:?} is no ntfy topic: it has {length} characters, {MAX_TOPIC_BYTES} is the most"
        ));
    }
    if topic == API_PREFIX || RESERVED_TOPICS.contains(&topic) {
        return Err(format!(
            "{topic:?} is a page of ntfy itself: choose another topic"
        ));
    }
    Ok(())
}

/// Reads a priority by name or number: 1 or min, 2 or low, 3 or default, 4 or high, 5 or max.
///
/// `urgent` is max, as in ntfy's own command line.
///
/// # Errors
/// What is allowed.
pub fn parse_priority(text: &str) -> Result<u8, String> {
    match text.trim().to_ascii_lowercase().as_str() {
        "1" | "min" => Ok(1),
        "2" | "low" => Ok(2),
        "3" | "default" => Ok(3),
        "4" | "high" => Ok(4),
        "5" | "max" | "urgent" => Ok(5),
        _ => Err(priority_help(&format!("{text:?}"))),
    }
}

/// Checks a priority that is a number.
///
/// # Errors
/// What is allowed.
pub fn check_priority(number: i64) -> Result<u8, String> {
    match u8::try_from(number) {
        Ok(priority @ 1..=5) => Ok(priority),
        _ => Err(priority_help(&number.to_string())),
    }
}

fn priority_help(what: &str) -> String {
    format!("{what} is no priority: use 1 to 5, or min, low, default, high, max")
}

/// Checks tags as the user wrote them, in the size they will have when sent.
///
/// # Errors
/// A tag with a comma, which ntfy would split, and more than 512 bytes in all.
pub fn check_tags(tags: &[String]) -> Result<(), String> {
    if let Some(tag) = tags.iter().find(|tag| tag.contains(',')) {
        return Err(format!(
            "the tag {tag:?} has a comma, where ntfy would split it: write two tags"
        ));
    }
    let bytes: usize = short_codes(tags).iter().map(String::len).sum();
    if bytes > MAX_TAGS_BYTES {
        return Err(format!(
            "the tags have {bytes} bytes together, ntfy takes {MAX_TAGS_BYTES}: use fewer or shorter ones"
        ));
    }
    Ok(())
}

/// Tags as phones want them: an emoji becomes its short code, the rest stays; trimmed, none empty.
///
/// The apps show a known short code as an emoji before the title, but a raw emoji as a word below
/// the text.
#[must_use]
pub fn short_codes(tags: &[String]) -> Vec<String> {
    tags.iter()
        .map(|tag| tag.trim())
        .filter(|tag| !tag.is_empty())
        .map(|tag| short_code(tag).unwrap_or(tag).to_owned())
        .collect()
}

/// The short code ntfy's apps know an emoji by; a skin tone is lost, as they know none.
///
/// None for text, and for an emoji newer than the apps' table: its code would be shown as a word,
/// while the emoji itself is at least an emoji.
fn short_code(tag: &str) -> Option<&'static str> {
    let emoji = emojis::get(tag)?;
    let toneless = emoji
        .with_skin_tone(emojis::SkinTone::Default)
        .unwrap_or(emoji);
    (toneless.emoji_version() <= NEWEST_KNOWN)
        .then(|| toneless.shortcode())
        .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owned(tags: &[&str]) -> Vec<String> {
        tags.iter().map(|&tag| tag.to_owned()).collect()
    }

    #[test]
    fn topics_that_ntfy_takes_pass() {
        let longest = "a".repeat(64);
        for topic in ["hotine", "A-b_9", "-", "v2", "Docs", longest.as_str()] {
            assert_eq!(check_topic(topic), Ok(()), "{topic}");
        }
    }

    #[test]
    fn topics_that_ntfy_refuses_say_why() {
        let too_long = "a".repeat(65);
        let topics = [
            "",
            "金价",
            "my topic",
            "ab/cd",
            "https://ntfy.sh/hotine",
            "docs",
            "v1",
            too_long.as_str(),
        ];
        let said: Vec<String> = topics
            .iter()
            .map(|topic| check_topic(topic).unwrap_err())
            .collect();
        insta::assert_snapshot!(said.join("\n"), @r#"
        the topic is empty: it needs 1 to 64 letters, digits, - or _
        "金价" is no ntfy topic: '金' is not allowed, only A-Z, a-z, 0-9, - and _
        "my topic" is no ntfy topic: ' ' is not allowed, only A-Z, a-z, 0-9, - and _
        "ab/cd" is no ntfy topic: '/' is not allowed, only A-Z, a-z, 0-9, - and _
        "https://ntfy.sh/hotine" is an address: put its last part here, and the rest at server
        "docs" is a page of ntfy itself: choose another topic
        "v1" is a page of ntfy itself: choose another topic
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" is no ntfy topic: it has 65 characters, 64 is the most
        "#);
    }

    #[test]
    fn priorities_have_names_and_numbers() {
        let read = |text| parse_priority(text).unwrap();
        assert_eq!(
            ["min", "low", "default", "high", "max"].map(read),
            [1, 2, 3, 4, 5]
        );
        assert_eq!(["1", "5", " Urgent "].map(read), [1, 5, 5]);
        assert_eq!(check_priority(4), Ok(4));
        for wrong in [0, 6, -1, 259] {
            assert!(check_priority(wrong).is_err(), "{wrong}");
        }
        insta::assert_snapshot!(parse_priority("higher").unwrap_err(), @r#""higher" is no priority: use 1 to 5, or min, low, default, high, max"#);
        insta::assert_snapshot!(check_priority(0).unwrap_err(), @"0 is no priority: use 1 to 5, or min, low, default, high, max");
    }

    #[test]
    fn an_emoji_becomes_the_short_code_phones_know() {
        let pairs = [
            ("💰", "moneybag"),
            ("⚠️", "warning"),
            ("⚠", "warning"),
            ("🎉", "tada"),
            ("👍", "+1"),
            ("👍🏽", "+1"),
            ("🇨🇳", "cn"),
            ("🚨", "rotating_light"),
            ("✅", "white_check_mark"),
            ("📈", "chart_with_upwards_trend"),
            ("❤", "heart"),
            ("1️⃣", "one"),
            ("👨‍💻", "man_technologist"),
        ];
        for (emoji, code) in pairs {
            assert_eq!(short_codes(&owned(&[emoji])), [code], "{emoji}");
        }
    }

    #[test]
    fn other_tags_stay_as_they_are() {
        let tags = owned(&[" gold ", "", "  ", "moneybag", "金价", "1", "🫠", "💰💰"]);
        assert_eq!(
            short_codes(&tags),
            ["gold", "moneybag", "金价", "1", "🫠", "💰💰"]
        );
    }

    #[test]
    fn tags_are_measured_as_they_are_sent() {
        assert_eq!(check_tags(&owned(&["💰", "gold"])), Ok(()));
        assert_eq!(check_tags(&vec!["💰".to_owned(); 64]), Ok(()));
        let said = check_tags(&vec!["💰".to_owned(); 65]).unwrap_err();
        insta::assert_snapshot!(said, @"the tags have 520 bytes together, ntfy takes 512: use fewer or shorter ones");
        insta::assert_snapshot!(check_tags(&owned(&["gold,silver"])).unwrap_err(), @r#"the tag "gold,silver" has a comma, where ntfy would split it: write two tags"#);
    }
}
