//! The keys a config file may hold: what the reader accepts and what config.example.toml must show.

pub(super) const ROOT: &[&str] = &[
    "timezone",
    "language",
    "max_in_flight",
    "drain",
    "keep",
    "alerts",
    "alerts_per_hour",
    "heartbeat_url",
    "heartbeat_url_env",
    "heartbeat_url_file",
    "heartbeat_url_credential",
    "watch",
    "ledger",
    "web",
    "ai",
    "ntfy",
    "webhook",
    "job",
];

pub(super) const LEDGER: &[&str] = &["url"];

pub(super) const WEB: &[&str] = &[
    "listen",
    "token",
    "token_env",
    "token_file",
    "token_credential",
    "public_url",
    "hosts",
    "link_for",
];

pub(super) const AI: &[&str] = &[
    "api",
    "base_url",
    "model",
    "tokens",
    "tokens_env",
    "tokens_file",
    "tokens_credential",
    "min_interval",
    "quota",
    "use_search",
    "stream",
    "connect_timeout",
    "first_byte_timeout",
    "idle_timeout",
    "timeout",
    "params",
    "proxy",
    "ca_file",
];

pub(super) const QUOTA: &[&str] = &["rounds", "per"];

pub(super) const NTFY: &[&str] = &[
    "server",
    "topic",
    "token",
    "token_env",
    "token_file",
    "token_credential",
    "user",
    "password",
    "password_env",
    "password_file",
    "password_credential",
    "title",
    "priority",
    "tags",
    "click",
    "attach",
    "filename",
    "icon",
    "actions",
    "delay",
    "email",
    "call",
    "markdown",
    "cache",
    "firebase",
    "style",
    "quotes",
    "links",
    "code",
    "tables",
    "heading_marks",
    "width",
    "long",
    "max_bytes",
    "max_parts",
    "pace",
    "quiet",
    "quiet_mode",
    "timezone",
    "send_first",
    "fallback",
    "fallback_after",
    "proxy",
    "ca_file",
];

pub(super) const WEBHOOK: &[&str] = &[
    "url",
    "url_env",
    "url_file",
    "url_credential",
    "headers",
    "body",
    "expect",
    "expect_json",
    "title",
    "priority",
    "tags",
    "click",
    "style",
    "quotes",
    "links",
    "code",
    "tables",
    "heading_marks",
    "width",
    "long",
    "max_bytes",
    "max_parts",
    "pace",
    "quiet",
    "quiet_mode",
    "timezone",
    "send_first",
    "fallback",
    "fallback_after",
    "proxy",
    "ca_file",
];

/// The buttons below a push, and what each kind may hold.
pub(super) const ACTION: &[&str] = &[
    "action", "label", "url", "method", "headers", "body", "intent", "extras", "value", "clear",
];
pub(super) const ACTION_VIEW: &[&str] = &["action", "label", "url", "clear"];
pub(super) const ACTION_BROADCAST: &[&str] = &["action", "label", "intent", "extras", "clear"];
pub(super) const ACTION_HTTP: &[&str] = &[
    "action", "label", "url", "method", "headers", "body", "clear",
];
pub(super) const ACTION_COPY: &[&str] = &["action", "label", "value", "clear"];

/// How fast a target may be sent to.
pub(super) const PACE: &[&str] = &["burst", "every", "per_day"];

/// Where the secret of a header is.
pub(super) const SECRET: &[&str] = &["env", "file", "credential"];

pub(super) const JOB: &[&str] = &[
    "name",
    "cron",
    "every",
    "at",
    "timezone",
    "jitter",
    "catch_up",
    "catch_up_window",
    "overlap",
    "start_deadline",
    "retry_for",
    "push_retry_for",
    "prompt",
    "prompt_file",
    "system",
    "ai",
    "model",
    "use_search",
    "conversation",
    "reset",
    "history_max_chars",
    "to",
    "ntfy",
    "topic",
    "notify",
    "silent_if",
    "title",
    "priority",
    "tags",
    "click",
    "attach",
    "filename",
    "icon",
    "actions",
    "delay",
    "email",
    "call",
    "markdown",
    "cache",
    "firebase",
    "style",
    "quotes",
    "links",
    "code",
    "tables",
    "heading_marks",
    "width",
    "heartbeat_url",
    "heartbeat_url_env",
    "heartbeat_url_file",
    "heartbeat_url_credential",
    "enabled",
];

/// One kind of table and every key it may hold.
#[derive(Clone, Copy, Debug)]
pub struct TableKeys {
    /// The table as a file's header names it: `[ai.NAME]`; empty for the top of the file.
    pub table: &'static str,
    /// Its keys.
    pub keys: &'static [&'static str],
}

/// Every table and key of a config file, for the documentation and its tests.
#[must_use]
pub fn keys() -> Vec<TableKeys> {
    let table = |table, keys| TableKeys { table, keys };
    vec![
        table("", ROOT),
        table("[ledger]", LEDGER),
        table("[web]", WEB),
        table("[ai.NAME]", AI),
        table("[ntfy.NAME]", NTFY),
        table("[webhook.NAME]", WEBHOOK),
        table("[[job]]", JOB),
    ]
}
