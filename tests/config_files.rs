//! Whole config files: each kind of mistake with its message, what a valid file comes to, and that
//! the example shows every key.

#![allow(clippy::unwrap_used, reason = "a test may end at once")]

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use chrono_tz::Tz;
use promptcron::{
    config::{
        self, Api, Auth, Button, CatchUp, Config, Conversation, Errors, Extras, Job, Limits,
        Notify, Overlap, Pace, Pacing, Pattern, QuietMode, Quota, Reset, SecretUrl, SentFirst,
        ZoneSource,
    },
    model::{Language, Timestamp},
    prompt::Prompt,
    render::{Code, Links, Long, Quotes, Style, Tables, TextChoices},
};
use secrecy::ExposeSecret;

fn now() -> Timestamp {
    "2026-11-23T00:00:00Z".parse().unwrap()
}

/// The variables that the files in tests/config use.
fn env() -> BTreeMap<String, String> {
    [
        ("KIMI_TOKENS", "eyJhbGciTOKEN1, eyJhbGciTOKEN2"),
        ("EMPTY", ""),
        ("BROKEN_JSON", "[\"geheim-1\", geheim-2"),
        ("SPACED", "geheim mit Leerzeichen"),
        ("SECRET_TOPIC", "geheim/topic"),
        ("NTFY_TOKEN", "tk_geheim"),
        ("NTFY_TOKEN_URL", "https://example.com/hook/geheim"),
        ("TZ", "Asia/Shanghai"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into()
}

fn read(path: &Path) -> Result<Config, Errors> {
    config::load(path, now(), &env())
}

fn files(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new("tests/config").join(folder);
    let mut files: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "toml")
        })
        .collect();
    files.sort();
    files
}

fn valid(name: &str) -> Config {
    let path = Path::new("tests/config/valid").join(name);
    read(&path).unwrap_or_else(|errors| panic!("{errors}"))
}

/// Each invalid file has its messages beside it in NAME.err; `UPDATE_ERR=1` writes them anew.
#[test]
fn each_invalid_file_has_its_messages() {
    let files = files("invalid");
    assert!(files.len() >= 40, "only {} invalid files", files.len());
    let mut wrong = Vec::new();
    for path in files {
        let found = match read(&path) {
            Ok(_) => "no error\n".to_owned(),
            Err(errors) => format!("{errors}\n"),
        };
        let found = found.replace("tests/config/invalid/", "");
        let beside = path.with_extension("err");
        if std::env::var_os("UPDATE_ERR").is_some() {
            fs::write(&beside, &found).unwrap();
        }
        let wanted = fs::read_to_string(&beside).unwrap_or_default();
        if found != wanted {
            wrong.push(format!(
                "{}\nwanted:\n{wanted}found:\n{found}",
                path.display()
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn no_message_holds_a_secret() {
    let files = files("invalid");
    let holds = |path: &PathBuf| fs::read_to_string(path).unwrap().contains("geheim");
    assert!(files.iter().filter(|path| holds(path)).count() >= 10);
    for path in files {
        let errors = read(&path).unwrap_err();
        let shown = format!("{errors} {errors:?}");
        assert!(!shown.contains("geheim"), "{shown}");
    }
}

#[test]
fn each_valid_file_loads() {
    let files = files("valid");
    assert!(!files.is_empty());
    for path in files {
        if let Err(errors) = read(&path) {
            panic!("{errors}");
        }
    }
}

#[test]
fn the_smallest_file_is_filled_with_the_defaults() {
    let config = valid("smallest.toml");
    assert_eq!(
        (config.timezone, config.timezone_source),
        (Tz::Asia__Shanghai, ZoneSource::Environment)
    );
    assert_eq!(
        (config.max_in_flight, config.drain),
        (4, Duration::from_secs(25))
    );
    assert_eq!(config.keep, Duration::from_hours(90 * 24));
    assert_eq!(config.language, Language::En);
    assert_eq!(config.ledger.0, Path::new("promptcron.db"));
    assert_eq!((config.alerts, config.warnings), (None, vec![]));
    assert_eq!(config.alerts_per_hour, 6);

    let kimi = &config.endpoints["kimi"];
    assert_eq!(
        (kimi.api, kimi.model.as_str(), kimi.use_search),
        (Api::Kimi, "kimi", None)
    );
    assert_eq!(kimi.base_url.as_str(), "http://127.0.0.1:8000/v1");
    assert_eq!(
        (kimi.stream, kimi.limits, kimi.params.len()),
        (true, Limits::default(), 0)
    );
    assert_eq!(kimi.tokens.len(), 1);

    let phone = &config.targets["phone"];
    assert_eq!(
        (phone.url().as_str(), phone.ntfy().unwrap().topic.as_str()),
        ("https://ntfy.sh/", "hotine")
    );
    assert_eq!((phone.max_bytes, phone.max_parts), (1_500, 6));
    assert_eq!(
        (&phone.text, phone.long),
        (&TextChoices::default(), Long::Split)
    );
    assert!(phone.ntfy().unwrap().auth.is_none());

    let job = &config.jobs[0];
    assert_eq!(job.name.as_str(), "金价");
    assert_eq!(job.schedule.zone(), Tz::Asia__Shanghai);
    assert_eq!(
        (job.catch_up, job.overlap),
        (CatchUp::Latest, Overlap::Skip)
    );
    assert_eq!(
        (job.catch_up_window, job.start_deadline),
        (Duration::from_hours(6), None)
    );
    assert_eq!(
        (job.retry_for, job.push_retry_for),
        (Duration::from_hours(1), Duration::from_hours(24))
    );
    assert_eq!(
        (&*job.ai, &*job.targets),
        (["kimi".into()].as_slice(), ["phone".into()].as_slice())
    );
    assert_eq!((job.enabled, job.style, job.use_search), (true, None, None));
    assert_eq!(job.conversation, None);
    assert_eq!(job.text, TextChoices::default());
    assert_eq!(job.notification, config::Notification::default());
}

#[test]
fn every_key_reaches_its_place() {
    let config = valid("everything.toml");
    assert_eq!(
        (config.timezone, config.timezone_source),
        (Tz::Europe__Berlin, ZoneSource::File)
    );
    assert_eq!(
        (config.max_in_flight, config.drain),
        (8, Duration::from_secs(40))
    );
    assert_eq!(config.keep, Duration::from_hours(30 * 24));
    assert_eq!(config.language, Language::Zh);
    assert_eq!(config.alerts_per_hour, 20);
    assert_eq!(config.ledger.0, Path::new("/data/ledger.db"));
    assert_eq!(config.alerts.as_deref(), Some("phone"));

    let web = config.web.as_ref().unwrap();
    assert_eq!(web.listen.to_string(), "0.0.0.0:8443");
    assert_eq!(
        web.token.as_ref().unwrap().expose_secret(),
        "tk_geheim_page_token"
    );
    assert_eq!(
        web.public_url.as_ref().unwrap().as_str(),
        "https://cron.example.com/"
    );
    assert_eq!(
        (web.hosts.as_slice(), web.link_for),
        (
            ["promptcron.lan".to_owned()].as_slice(),
            Duration::from_hours(48)
        )
    );

    let kimi = &config.endpoints["kimi"];
    let labels: Vec<_> = kimi.tokens.iter().map(|token| &*token.label).collect();
    assert_eq!(labels, ["#1 …KEN1", "#2 …KEN2"]);
    assert_eq!(kimi.tokens[1].secret.expose_secret(), "eyJhbGciTOKEN2");
    assert_eq!((kimi.use_search, kimi.stream), (Some(false), false));
    let limits = Limits {
        connect: Duration::from_secs(5),
        first_byte: Some(Duration::from_mins(3)),
        idle: Duration::from_secs(45),
        whole: Duration::from_mins(5),
    };
    assert_eq!(kimi.limits, limits);

    let local = &config.endpoints["local"];
    assert_eq!(
        (local.api, local.model.as_str(), local.tokens.len()),
        (Api::Openai, "qwen", 0)
    );
    assert_eq!(
        (local.base_url.as_str(), local.use_search),
        ("http://localhost:11434/v1", None)
    );
    let params = serde_json::to_string(&local.params).unwrap();
    assert_eq!(
        params,
        r#"{"temperature":0.3,"max_tokens":2000,"stop":["完"],"extra":{"b":true,"a":1}}"#
    );
    assert_eq!(
        local.network.proxy.as_ref().unwrap().as_str(),
        "socks5://127.0.0.1:1080"
    );
    assert!(
        local
            .network
            .ca
            .as_ref()
            .unwrap()
            .starts_with(b"-----BEGIN CERTIFICATE-----")
    );

    let phone = &config.targets["phone"];
    assert_eq!(phone.url().as_str(), "https://push.example.com/ntfy/");
    assert!(
        matches!(&phone.ntfy().unwrap().auth, Some(Auth::Basic { user, password })
        if user == "叶" && password.expose_secret() == "pa ss")
    );
    assert_eq!(
        (phone.max_bytes, phone.max_parts, phone.style),
        (3_000, 3, Some(Style::Classic))
    );
    assert_eq!(phone.notification.priority, Some(4));
    let marks = |marks: [&str; 6]| Some(Box::new(marks.map(str::to_owned)));
    let text = TextChoices {
        quotes: Some(Quotes::Drop),
        links: Some(Links::Append),
        code: Some(Code::Bare),
        tables: Some(Tables::Records),
        heading_marks: marks(["#", "", "", "", "", ""]),
        width: Some(44),
    };
    assert_eq!((&phone.text, phone.long), (&text, Long::Attach));
    let extras = phone.notification.extras();
    let shown = |text: &Option<String>| text.clone().unwrap();
    assert_eq!(
        [&extras.filename, &extras.delay, &extras.email, &extras.call].map(shown),
        ["图.png", "90m", "phil@example.com", "yes"]
    );
    assert_eq!(
        (extras.markdown, extras.cache, extras.firebase),
        (Some(true), Some(true), Some(false))
    );
    insta::assert_snapshot!(actions(extras), @r#"
    {"action":"broadcast","label":"灯","intent":"com.example.LIGHT","extras":{"cmd":"on"}}
    {"action":"copy","label":"抄","value":"801"}
    Pause
    "#);

    let gold = &config.jobs[0];
    assert_eq!(gold.schedule.zone(), Tz::Asia__Shanghai);
    assert_eq!(
        (gold.catch_up, gold.overlap),
        (CatchUp::All, Overlap::Queue)
    );
    assert_eq!(gold.catch_up_window, Duration::from_hours(12));
    assert_eq!(gold.start_deadline, Some(Duration::from_mins(10)));
    let silent_if = gold.silent_if.as_ref().map(Pattern::as_str);
    assert_eq!(
        (gold.notify, silent_if),
        (Notify::Changed, Some("^(无|NONE)$"))
    );
    assert_eq!(
        (gold.retry_for, gold.push_retry_for),
        (Duration::from_mins(30), Duration::ZERO)
    );
    assert_eq!(
        gold.prompt.as_written(),
        "分析一下当前国内上海金价格 ${NOT_EXPANDED}"
    );
    let system = gold.system.as_ref().map(Prompt::as_written);
    assert_eq!(system, Some("你是分析师。"));
    assert_eq!(
        (&*gold.ai, gold.model.as_deref(), gold.use_search),
        (["kimi".into()].as_slice(), Some("k1"), Some(true))
    );
    let pace = config.endpoints["kimi"].pace;
    assert_eq!(pace.min_interval, Duration::from_secs(20));
    let quota = Quota {
        rounds: 30,
        per: Duration::from_hours(3),
    };
    assert_eq!(pace.quota, Some(quota));
    let conversation = Conversation {
        reset: Some(Reset::Turns(20)),
        history_max_chars: 5_000,
    };
    assert_eq!(gold.conversation, Some(conversation));
    let news = &config.jobs[1];
    assert!(news.system.as_ref().is_some_and(Prompt::wants_last));
    assert_eq!(*news.ai, ["local".into(), "kimi".into()]);
    let targets: Vec<_> = gold.targets.iter().map(|name| &**name).collect();
    assert_eq!(targets, ["phone", "ntfy.sh/hotine"]);
    let notification = &gold.notification;
    assert_eq!(notification.title.as_deref(), Some("金价分析 ${x}"));
    assert_eq!(
        (notification.priority, notification.tags.as_deref()),
        (Some(5), Some(["💰".to_owned()].as_slice()))
    );
    assert_eq!(notification.click.as_deref(), Some("tel:+8610"));
    let extras = notification.extras();
    assert_eq!(extras.attach.as_deref(), Some("https://example.com/a.png"));
    assert_eq!(extras.icon.as_deref(), Some("https://example.com/i.png"));
    let url = |url: &Option<Arc<SecretUrl>>| url.as_ref().unwrap().expose().to_string();
    assert_eq!(
        [url(&config.heartbeat_url), url(&gold.heartbeat_url)],
        [
            "https://hc-ping.com/geheim-daemon",
            "https://example.com/hook/geheim"
        ]
    );
    assert_eq!(
        (gold.topic.as_deref(), extras.delay.as_deref()),
        (Some("gold"), Some("tomorrow, 9am"))
    );
    insta::assert_snapshot!(actions(extras), @r#"
    Again
    {"action":"view","label":"打开","url":"geo:0,0","clear":true}
    {"action":"http","label":"关","url":"https://example.com/off","method":"PUT","headers":{"Authorization":"Bearer tk_geheim"},"body":"{}"}
    "#);
    assert_eq!((gold.style, gold.enabled), (Some(Style::Markdown), false));
    let text = TextChoices {
        quotes: Some(Quotes::Keep),
        links: Some(Links::Drop),
        code: Some(Code::Fence),
        tables: Some(Tables::Rows),
        heading_marks: marks(["一", "二", "三", "四", "", "${"]),
        width: Some(10),
    };
    assert_eq!(gold.text, text);

    let courtesy = &phone.courtesy;
    assert_eq!(
        courtesy.pacing,
        Pacing::Always(Pace {
            burst: 20,
            every: Duration::from_secs(3),
            per_day: Some(500)
        })
    );
    let (quiet, mode) = courtesy.quiet.unwrap();
    assert_eq!(
        (quiet.to_string().as_str(), mode),
        ("22:30-07:00 (Asia/Shanghai)", QuietMode::Low)
    );
    assert_eq!(courtesy.sent_first, SentFirst::First);
    assert_eq!(
        (&*courtesy.fallback[0], courtesy.fallback_after),
        ("house", Duration::from_mins(5))
    );

    let news: Vec<_> = config.jobs[1].targets.iter().map(|name| &**name).collect();
    assert_eq!(news, ["phone", "house"]);
    let house = &config.targets["house"];
    let webhook = house.webhook().unwrap();
    assert_eq!(house.courtesy.pacing, Pacing::Always(Pace::NTFY));
    assert_eq!(&*house.courtesy.fallback[0], "phone");
    assert_eq!(
        webhook.url.expose().as_str(),
        "https://example.com/hook/geheim"
    );
    assert_eq!(
        (webhook.headers.len(), &*webhook.content_type),
        (2, "application/json")
    );
    assert_eq!(webhook.headers[0].value.expose_secret(), "tk_geheim");
    assert_eq!(
        (webhook.expect.as_slice(), webhook.expect_json.len()),
        ([200, 204].as_slice(), 2)
    );
    assert_eq!(
        (house.max_bytes, house.max_parts, house.long),
        (20_000, 2, Long::Truncate)
    );
    assert_eq!(
        (house.text.width, house.notification.priority),
        (Some(44), Some(2))
    );

    assert_eq!(config.jobs[1].prompt.as_written(), "今天的新闻？\n请简短。");
    assert!(
        matches!(&config.targets["ntfy.sh/hotine"].ntfy().unwrap().auth, Some(Auth::Token(token))
        if token.expose_secret() == "tk_geheim")
    );
}

/// The buttons as ntfy gets them.
fn actions(extras: &Extras) -> String {
    let buttons = extras.actions.iter().flatten();
    let json = |button: &Button| match button {
        Button::Own(action) => serde_json::to_string(action).unwrap(),
        ready_made => format!("{ready_made:?}"),
    };
    buttons.map(json).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_jobs_topic_counts_on_its_own_targets_and_not_on_their_fallbacks() {
    let config = valid("everything.toml");
    let mut job = (*config.jobs[0]).clone();
    let topic = |job: &Job| {
        let seen = config.targets["phone"].for_job(job);
        seen.ntfy().unwrap().topic.clone()
    };
    assert_eq!(topic(&job), "gold");
    job.targets = ["house".into()].into();
    assert_eq!(topic(&job), "hotine");
}

#[test]
fn what_is_allowed_but_odd_is_a_warning_with_its_place() {
    let config = valid("odd.toml");
    assert_eq!(
        config.warnings,
        [
            "tests/config/valid/odd.toml:4:10: tokens: token #2 is the same as #1; it is used once",
            "tests/config/valid/odd.toml:11:6: at: this instant is past; the job will not run by itself",
        ]
    );
    assert_eq!(config.endpoints["kimi"].tokens.len(), 2);

    let file = Path::new("tests/config/valid/odd.toml");
    let earlier = "2025-12-23T23:59:59Z".parse().unwrap();
    let config = config::load(file, earlier, &env()).unwrap();
    assert_eq!(config.warnings.len(), 1, "{:?}", config.warnings);
}

#[test]
fn an_attachment_beside_attached_answers_is_a_warning() {
    let config = valid("two-files.toml");
    let told =
        "ntfy knows one attachment a message: beside attach, long = \"attach\" splits long answers";
    let file = "tests/config/valid/two-files.toml";
    assert_eq!(
        config.warnings,
        [
            format!("{file}:11:8: long: {told}"),
            format!("{file}:21:10: attach: {told}"),
        ]
    );
}

#[test]
fn a_push_that_is_given_up_before_its_fallback_is_a_warning() {
    let read = |keys: &str| {
        let text = format!(
            r#"[ai.kimi]
api = "kimi"
base_url = "http://127.0.0.1:8000/v1"
tokens = "TOKEN1"
[ntfy.phone]
topic = "hotine"
fallback = ["family"]
[ntfy.family]
topic = "family"
[[job]]
name = "gold"
cron = "0 8 * * *"
prompt = "?"
ntfy = "phone"
{keys}
"#
        );
        config::parse(&text, Path::new("c.toml"), now(), &env()).unwrap()
    };
    assert_eq!(read("").warnings, [""; 0]);
    assert_eq!(read("push_retry_for = \"31m\"").warnings, [""; 0]);
    assert_eq!(
        read("push_retry_for = \"30m\"").warnings,
        [
            "c.toml:15:18: push_retry_for: a push is given up before the fallback of ntfy.phone gets it; set it above that target's fallback_after"
        ]
    );
}

#[test]
fn a_file_saved_on_windows_loads() {
    let text = fs::read_to_string("tests/config/valid/smallest.toml").unwrap();
    let text = format!("\u{feff}{}", text.replace('\n', "\r\n"));
    let config = config::parse(&text, Path::new("c.toml"), now(), &env());
    let config = config.unwrap_or_else(|errors| panic!("{errors}"));
    assert_eq!(config.jobs[0].name.as_str(), "金价");
    let wrong = text.replace("api", "apy");
    let errors = config::parse(&wrong, Path::new("c.toml"), now(), &env()).unwrap_err();
    assert_eq!(errors.list[1].position, Some((2, 1)));
}

#[test]
fn an_inline_target_written_in_two_jobs_is_one() {
    let config = valid("inline.toml");
    let names: Vec<_> = config.targets.keys().map(|name| &**name).collect();
    assert_eq!(names, ["ntfy.example.com:8080/a/news", "ntfy.sh/hotine"]);
}

#[test]
fn no_debug_output_holds_a_secret() {
    let shown = format!("{:?}", valid("everything.toml"));
    for secret in [
        "eyJhbGci",
        "tk_geheim",
        "pa ss",
        "proxypass",
        "hook/geheim",
        "geheim-daemon",
    ] {
        assert!(!shown.contains(secret), "{secret}");
    }
}

#[test]
fn a_file_that_is_not_there_is_told() {
    let errors = read(Path::new("tests/config/none.toml")).unwrap_err();
    assert_eq!(
        errors.to_string(),
        "tests/config/none.toml: cannot be read: there is no such file; check the path"
    );
}

/// Ten thousand references, names and positions to look up: none may cost a walk through the file.
#[test]
fn ten_thousand_jobs_load_and_share_their_texts() {
    let head = fs::read_to_string("tests/config/valid/smallest.toml").unwrap();
    let mut text = head.clone();
    for i in 0..10_000 {
        let minute = i % 60;
        text += &format!(
            "[[job]]\nname = \"任务{i}\"\ncron = \"{minute} 8 * * 1-5\"\nprompt = \"分析一下当前国内上海金价格\"\nai = \"kimi\"\nntfy = \"phone\"\ntitle = \"金价分析\"\ntags = [\"💰\"]\n"
        );
    }
    let start = std::time::Instant::now();
    let config = config::parse(&text, Path::new("big.toml"), now(), &env());
    let took = start.elapsed();
    let config = config.unwrap_or_else(|errors| panic!("{errors}"));
    assert_eq!(config.jobs.len(), 10_001);
    let last = config.jobs.last().unwrap();
    assert_eq!(last.name.as_str(), "任务9999");
    assert!(std::ptr::eq(
        last.prompt.as_written(),
        config.jobs[0].prompt.as_written()
    ));
    // A walk per look-up would take minutes; the bound is wide for slow machines.
    assert!(took < Duration::from_secs(20), "{took:?}");
}

mod example {
    use super::*;

    const FILE: &str = "config.example.toml";

    fn text() -> String {
        fs::read_to_string(FILE).unwrap()
    }

    /// The table each `key = value` line stands in, the line's number, and the key; commented or not.
    fn shown(text: &str) -> Vec<(String, usize, String)> {
        let mut table = String::new();
        let mut shown = Vec::new();
        for (number, line) in text.lines().enumerate() {
            let line = line.strip_prefix("# ").unwrap_or(line);
            if let Some(header) = header(line) {
                table = header;
            }
            let Some((key, _)) = line.split_once(" = ") else {
                continue;
            };
            if key
                .chars()
                .all(|char| char.is_ascii_lowercase() || char == '_')
            {
                shown.push((kind(&table), number, key.to_owned()));
            }
        }
        shown
    }

    /// `[ai.kimi` of a line that begins a table.
    fn header(line: &str) -> Option<String> {
        let header = line.starts_with('[').then(|| line.split_once(']'))??;
        Some(header.0.to_owned())
    }

    /// Takes the mark of comment off a line, and off its table's header where that has one.
    fn uncommented(text: &str, number: usize) -> Option<String> {
        let mut lines: Vec<_> = text.lines().collect();
        lines[number] = lines[number].strip_prefix("# ")?;
        let begins = |line: &&str| header(line.strip_prefix("# ").unwrap_or(line)).is_some();
        if let Some(table) = lines[..number].iter().rposition(begins) {
            lines[table] = lines[table].strip_prefix("# ").unwrap_or(lines[table]);
            if lines[table].starts_with("[webhook.") {
                uncomment_what_a_webhook_needs(&mut lines[table..]);
            }
        }
        Some(lines.join("\n"))
    }

    fn uncomment_what_a_webhook_needs(lines: &mut [&str]) {
        for line in lines {
            let bare = line.strip_prefix("# ").unwrap_or(line);
            if ["url = ", "body = "]
                .iter()
                .any(|key| bare.starts_with(key))
            {
                *line = bare;
            }
        }
    }

    /// `[ai.kimi` is one of `[ai.NAME]`.
    fn kind(header: &str) -> String {
        match header.split_once('.') {
            Some((kind, _)) => format!("{kind}.NAME]"),
            None if header == "[[job" => "[[job]]".to_owned(),
            None if header.is_empty() => String::new(),
            None => format!("{header}]"),
        }
    }

    #[test]
    fn loads_as_it_is_with_no_variable_and_no_file() {
        let config = config::load(Path::new(FILE), now(), &BTreeMap::new());
        let config = config.unwrap_or_else(|errors| panic!("{errors}"));
        assert!(!config.jobs.is_empty());
        assert_eq!(config.warnings, Vec::<String>::new());
    }

    #[test]
    fn shows_every_key_and_no_other() {
        let shown = shown(&text());
        for table in config::keys() {
            for key in table.keys {
                let is_table = table.table.is_empty()
                    && ["ledger", "web", "ai", "ntfy", "webhook", "job"].contains(key);
                let found = shown.iter().any(|(t, _, k)| t == table.table && k == key);
                assert!(
                    found || is_table,
                    "{FILE} does not show {key} in {:?}",
                    table.table
                );
            }
        }
        for (table, number, key) in shown {
            let known = config::keys()
                .iter()
                .any(|t| t.table == table && t.keys.contains(&key.as_str()));
            assert!(known, "{FILE}:{}: {key} is no key of {table}", number + 1);
        }
    }

    /// Takes the mark of comment off one key at a time: only what its value cannot know of the
    /// reader's machine, or the key's rival beside it, may be wrong then.
    #[test]
    fn shows_values_that_are_allowed() {
        let text = text();
        let mut tried = 0;
        for (_, number, key) in shown(&text) {
            let Some(text) = uncommented(&text, number) else {
                continue;
            };
            tried += 1;
            let read = config::parse(&text, Path::new(FILE), now(), &BTreeMap::new());
            for error in read.err().map(|errors| errors.list).unwrap_or_default() {
                let rival = ["keep one", "beside"]
                    .iter()
                    .any(|word| error.message.contains(word));
                let elsewhere = ["is not set", "no such file", "LoadCredential="]
                    .iter()
                    .any(|word| error.message.contains(word));
                assert!(rival || elsewhere, "{FILE}: {key}: {error}");
            }
        }
        assert!(tried > 30, "only {tried} keys are commented");
    }
}
