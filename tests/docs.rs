//! What the documents show is what the binary prints, and what they name is there.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{
    collections::BTreeMap,
    fs,
    io::{BufRead, BufReader},
    path::Path,
    process::{Command, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

use clap::CommandFactory;
use promptcron::{
    cli::Cli,
    config,
    demo::{ai, inbox::Inbox},
};
use regex::Regex;
use tokio::{net::TcpListener, task::JoinSet};
use tokio_util::sync::CancellationToken;

const ENGLISH: &str = include_str!("../README.md");
const CHINESE: &str = include_str!("../README.zh-CN.md");
const OPERATION: &str = include_str!("../docs/operation.md");
const MIGRATION: &str = include_str!("../docs/migrate-from-the-script.md");
const READMES: [&str; 2] = [ENGLISH, CHINESE];

const RUN: &str = "cargo run --release -- demo";
const TEST: &str = "cargo test --locked";

/// The endpoint that the READMEs' config names.
const SHOWN_AI: &str = "http://127.0.0.1:8000/v1";

/// How long the daemon has for its first lines; a test waits for them and no longer.
const PATIENCE: Duration = Duration::from_secs(60);

/// The fenced blocks of a language, in order.
fn blocks<'a>(text: &'a str, language: &str) -> Vec<&'a str> {
    let fence = Regex::new(r"(?ms)^```(\w+)\n(.*?)^```$").unwrap();
    let found: Vec<&str> = fence
        .captures_iter(text)
        .filter(|block| &block[1] == language)
        .map(|block| block.get(2).unwrap().as_str())
        .collect();
    assert!(!found.is_empty(), "no block of {language}");
    found
}

/// A command of a console block with the output shown below it.
#[derive(Debug)]
struct Step<'a> {
    command: &'a str,
    shown: String,
}

fn steps(readme: &str) -> Vec<Step<'_>> {
    let mut steps: Vec<Step<'_>> = Vec::new();
    for line in blocks(readme, "console").into_iter().flat_map(str::lines) {
        match line.strip_prefix("$ promptcron ") {
            Some(command) => steps.push(Step {
                command,
                shown: String::new(),
            }),
            None => {
                let step = steps.last_mut().expect("a block begins with a command");
                step.shown += line;
                step.shown.push('\n');
            }
        }
    }
    steps
}

impl Step<'_> {
    fn word(&self) -> &str {
        self.command.split(' ').next().unwrap()
    }

    /// What differs from run to run, named by what it is.
    fn mask(&self, text: &str) -> String {
        let patterns: &[(&str, &str)] = match self.word() {
            // `--after` makes it the same every day.
            "next" => &[],
            "check" => &[
                (r"\d{4}-\d\d-\d\d \w{3} ", "DAY "),
                (r"[+-]\d\d:00", "OFFSET"),
            ],
            "history" => &[
                (r"\d{4}-\d\d-\d\d \w{3} [\d:]+ [+-]\d\d:00", "INSTANT"),
                (r"\d+ ms", "N ms"),
                (" +", " "),
            ],
            "run" => &[
                (r"\d{4}-\d\d-\d\dT[\d:.]+Z", "INSTANT"),
                (r"_ms=\d+", "_ms=N"),
            ],
            _ => &[(r"\d+ ms", "N ms")],
        };
        let masked = |text: String, (pattern, name): &(&str, &str)| {
            let pattern = Regex::new(pattern).unwrap();
            pattern.replace_all(&text, *name).into_owned()
        };
        patterns.iter().fold(text.to_owned(), masked)
    }

    fn compare(&self, printed: &str) {
        let (shown, masked) = (self.mask(&self.shown), self.mask(printed));
        let whole = Regex::new(&format!(r"\A{}\z", pattern(&shown))).unwrap();
        assert!(
            whole.is_match(&masked),
            "`promptcron {}` prints:\n{printed}\nbut the README shows:\n{}",
            self.command,
            self.shown
        );
    }
}

/// A shown text as a pattern: a line of `…` stands for any lines.
fn pattern(shown: &str) -> String {
    let line = |line: &str| match line {
        "…" => r"(?:.*\n)*?".to_owned(),
        line => regex::escape(line) + r"\n",
    };
    shown.lines().map(line).collect()
}

/// The demo's stand-ins, for the services that the READMEs' config names.
struct StandIns {
    ai: String,
    inbox: String,
    stop: CancellationToken,
    tasks: JoinSet<std::io::Result<()>>,
}

impl StandIns {
    async fn start() -> Self {
        let (ai_listener, inbox_listener) = (
            TcpListener::bind("127.0.0.1:0").await.unwrap(),
            TcpListener::bind("127.0.0.1:0").await.unwrap(),
        );
        let url = |listener: &TcpListener| format!("http://{}", listener.local_addr().unwrap());
        let (ai, inbox) = (url(&ai_listener), url(&inbox_listener));
        let stop = CancellationToken::new();
        let mut tasks = JoinSet::new();
        tasks.spawn(ai::serve(ai_listener, stop.clone()));
        tasks.spawn(Inbox::default().serve(inbox_listener, stop.clone()));
        Self {
            ai,
            inbox,
            stop,
            tasks,
        }
    }

    /// The shown config with the stand-ins' addresses.
    fn config(&self, shown: &str) -> String {
        assert!(shown.contains(SHOWN_AI) && shown.contains("[ntfy.phone]"));
        let server = format!("[ntfy.phone]\nserver = \"{}\"\n#", self.inbox);
        shown
            .replace(SHOWN_AI, &format!("{}/v1", self.ai))
            .replace("[ntfy.phone]", &server)
    }

    async fn end(mut self) {
        self.stop.cancel();
        while let Some(ended) = self.tasks.join_next().await {
            ended.unwrap().unwrap();
        }
    }
}

fn promptcron(folder: &Path, command: &str) -> Command {
    let mut child = Command::new(env!("CARGO_BIN_EXE_promptcron"));
    child
        .args(command.split(' '))
        .current_dir(folder)
        // A config, a zone or a proxy of whoever runs the tests is not the reader's.
        .env_clear();
    child
}

/// What a command prints; its stderr has to be empty.
fn printed(folder: &Path, command: &str) -> String {
    let output = promptcron(folder, command).output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "`promptcron {command}`: {stderr}");
    assert_eq!(stderr, "", "`promptcron {command}`");
    String::from_utf8(output.stdout).unwrap()
}

/// The first lines that the daemon logs.
fn logged(folder: &Path, lines: usize) -> String {
    let mut daemon = promptcron(folder, "run")
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let stderr = BufReader::new(daemon.stderr.take().unwrap());
    let (sender, receiver) = mpsc::channel();
    let reader = thread::spawn(move || {
        for line in stderr.lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                break;
            }
        }
    });
    let next = |_| receiver.recv_timeout(PATIENCE).ok();
    let found: Vec<String> = (0..lines).map_while(next).collect();
    drop(receiver);
    daemon.kill().unwrap();
    daemon.wait().unwrap();
    reader.join().unwrap();
    found.join("\n") + "\n"
}

/// Types every command of a README, in its order, in a folder with its config.
async fn follow(readme: &str) {
    let stand_ins = StandIns::start().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config.toml");
    let config = stand_ins.config(blocks(readme, "toml")[0]);
    fs::write(&file, &config).unwrap();
    let steps = steps(readme);
    let words: Vec<&str> = steps.iter().map(Step::word).collect();
    assert_eq!(
        words,
        ["check", "next", "once", "once", "history", "audit", "run"]
    );
    for step in &steps {
        let output = match step.word() {
            "run" => {
                // Nobody waits until eight o'clock.
                let soon = config.replace("0 8 * * 1-5", "* * * * * *");
                assert_ne!(soon, config);
                fs::write(&file, soon).unwrap();
                logged(folder.path(), step.shown.lines().count())
            }
            _ => printed(folder.path(), step.command),
        };
        step.compare(&output);
    }
    stand_ins.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_english_readme_shows_what_is_printed() {
    follow(ENGLISH).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_chinese_readme_shows_what_is_printed() {
    follow(CHINESE).await;
}

#[test]
fn the_readmes_show_the_demo_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let output = printed(folder.path(), "demo --once");
    for readme in READMES {
        let card = blocks(readme, "text")[0];
        let shown = Regex::new(&format!("(?m)^{}", pattern(card))).unwrap();
        assert!(shown.is_match(&output), "{card}\nis not in:\n{output}");
    }
}

#[test]
fn the_readmes_begin_with_one_command_to_run_and_one_to_test() {
    for readme in READMES {
        assert_eq!(
            blocks(readme, "sh")[..2],
            [RUN, TEST].map(|c| format!("{c}\n"))
        );
        assert_eq!(readme.matches("cargo run").count(), 1);
        assert_eq!(readme.matches("cargo test").count(), 1);
    }
    let ci = include_str!("../.ci/run");
    assert!(
        ci.contains(&format!(" {TEST}\n")),
        "CI runs what the README says"
    );
}

#[test]
fn the_readmes_make_the_promise_in_its_words() {
    let promise = "**at most one trigger per occurrence, at-least-once delivery; a duplicate is possible only \
        when ntfy's answer was lost, and then carries the same `sequence_id`, so Android and the web app replace it.**";
    assert!(ENGLISH.contains(promise));
    let promise = "**每个时刻至多触发一次，推送至少送达一次；只有 ntfy 的应答丢失时才可能重复，\
        而重复的那条带着相同的 `sequence_id`，Android 和网页端会用它替换前一条。**";
    assert!(CHINESE.contains(promise));
}

#[test]
fn every_config_that_the_readmes_show_is_valid() {
    let key = ("MOONSHOT_API_KEY".to_owned(), "sk-1234567890".to_owned());
    let env = BTreeMap::from([key]);
    for readme in READMES {
        let [smallest, official] = blocks(readme, "toml")[..] else {
            panic!("two configs");
        };
        let (head, rest) = smallest.split_once("[ai.kimi]").unwrap();
        let (_, tail) = rest.split_once("[ntfy.phone]").unwrap();
        for text in [smallest, &format!("{head}{official}\n[ntfy.phone]{tail}")] {
            let path = Path::new("config.toml");
            let config = config::parse(text, path, chrono::Utc::now(), &env).unwrap();
            assert!(config.warnings.is_empty());
        }
    }
}

#[test]
fn the_config_in_place_of_the_script_is_valid() {
    let [shown] = blocks(MIGRATION, "toml")[..] else {
        panic!("one config");
    };
    let path = Path::new("config.toml");
    let config = config::parse(shown, path, chrono::Utc::now(), &BTreeMap::new()).unwrap();
    assert!(config.warnings.is_empty(), "{:?}", config.warnings);
}

#[test]
fn every_command_that_the_guides_name_is_there() {
    // Only what stands in code: prose says what promptcron does.
    let code = Regex::new(r"`[^`\n]+`|(?m)^promptcron [a-z]+ /.*$").unwrap();
    let named = Regex::new(r"promptcron ([a-z]+)\b").unwrap();
    let commands: Vec<String> = Cli::command()
        .get_subcommands()
        .map(|command| command.get_name().to_owned())
        .collect();
    let mut count = 0;
    for guide in [OPERATION, MIGRATION] {
        for shown in code.find_iter(guide) {
            for found in named.captures_iter(shown.as_str()) {
                let known = |name: &str| commands.iter().any(|command| command == name);
                // `docker compose exec promptcron promptcron history`
                assert!(
                    known(&found[1]) || &found[1] == "promptcron",
                    "{}",
                    shown.as_str()
                );
                count += 1;
            }
        }
    }
    assert!(count > 10, "{count} commands");
}

#[test]
fn every_message_that_the_guide_explains_is_in_the_source() {
    let sources = sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src/daemon"));
    let rows = table(OPERATION, "What each message means");
    assert!(rows.len() > 10, "{rows:?}");
    for row in rows {
        let message = row.split('`').nth(1).unwrap();
        assert!(sources.contains(&format!("\"{message}\"")), "{message}");
    }
}

/// The text of every file in a folder and below.
fn sources(folder: &Path) -> String {
    let text = |path: &Path| match path.is_file() {
        true => fs::read_to_string(path).unwrap(),
        false => sources(path),
    };
    let files = fs::read_dir(folder).unwrap();
    files.map(|file| text(&file.unwrap().path())).collect()
}

/// The table below a heading, a row each, without its head.
fn table<'a>(readme: &'a str, heading: &str) -> Vec<&'a str> {
    let (_, below) = readme.split_once(&format!("\n## {heading}\n")).unwrap();
    let rows = below.lines().skip_while(|line| !line.starts_with('|'));
    let rows: Vec<&str> = rows
        .take_while(|line| line.starts_with('|'))
        .skip(2)
        .collect();
    assert!(!rows.is_empty(), "{heading}");
    rows
}

#[test]
fn every_key_that_the_readmes_name_is_in_the_example() {
    let example = include_str!("../config.example.toml");
    let name = Regex::new("`([a-z_]+)`").unwrap();
    for (readme, heading) in [(ENGLISH, "Config reference"), (CHINESE, "配置说明")] {
        for row in table(readme, heading) {
            let keys = row.split('|').nth(2).unwrap();
            for key in name.captures_iter(keys).map(|found| found[1].to_owned()) {
                let shown = Regex::new(&format!("(?m)^(# )?{key} = ")).unwrap();
                assert!(shown.is_match(example), "{key}");
            }
        }
    }
}

#[test]
fn the_readmes_list_every_command() {
    let name = Regex::new("`([a-z]+)").unwrap();
    let cli = Cli::command();
    let mut commands: Vec<&str> = cli.get_subcommands().map(clap::Command::get_name).collect();
    commands.sort_unstable();
    for (readme, heading) in [(ENGLISH, "Commands"), (CHINESE, "命令")] {
        let rows = table(readme, heading);
        let first = rows.iter().map(|row| row.split('|').nth(1).unwrap());
        let mut listed: Vec<&str> = first
            .flat_map(|cell| name.captures_iter(cell))
            .map(|found| found.get(1).unwrap().as_str())
            .collect();
        listed.sort_unstable();
        assert_eq!(listed, commands);
    }
}

#[test]
fn every_file_that_the_documents_name_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let link =
        Regex::new(r"\]\(([^):#]+)\)|`((?:src|tests|migrations|packaging)/[\w./]+)`").unwrap();
    for file in [
        "README.md",
        "README.zh-CN.md",
        "CHANGELOG.md",
        "docs/architecture.md",
        "docs/migrate-from-the-script.md",
        "docs/notices.md",
        "docs/operation.md",
    ] {
        let file = root.join(file);
        let text = fs::read_to_string(&file).unwrap();
        let mut links = 0;
        for found in link.captures_iter(&text) {
            let target = match (found.get(1), found.get(2)) {
                (Some(link), _) => file.parent().unwrap().join(link.as_str()),
                (_, Some(path)) => root.join(path.as_str()),
                _ => unreachable!("one of the two has matched"),
            };
            assert!(
                target.exists(),
                "{} in {}",
                target.display(),
                file.display()
            );
            links += 1;
        }
        assert!(links > 0, "{}", file.display());
    }
}

#[test]
fn the_changelog_has_this_version() {
    let head = format!("## [{}]", env!("CARGO_PKG_VERSION"));
    assert!(include_str!("../CHANGELOG.md").contains(&head));
}
