use super::*;

fn facts(language: Language, last: Option<Last>) -> Facts<'static> {
    Facts {
        job: "金价",
        zone: Tz::Asia__Shanghai,
        language,
        now: "2026-11-23T00:01:30Z".parse().unwrap(),
        scheduled_at: "2026-11-23T00:00:00Z".parse().unwrap(),
        last,
    }
}

fn last() -> Option<Last> {
    Some(Last {
        answer: "涨 {{ job }}".to_owned(),
        delivered_at: "2026-11-22T00:00:05Z".parse().unwrap(),
    })
}

fn prompt(text: &str) -> Prompt {
    Prompt::parse(text.into()).unwrap_or_else(|error| panic!("{text}: {error:?}"))
}

fn filled(text: &str) -> String {
    prompt(text).fill(&facts(Language::En, last())).unwrap()
}

#[test]
fn a_prompt_without_braces_is_sent_byte_for_byte() {
    for text in [
        "分析金价。\n\n",
        "  {\"a\": {\"b\": 1} }\r\n}}\t",
        "100 % } {x} %} #}",
        "",
    ] {
        assert_eq!(filled(text), text);
    }
}

#[test]
fn times_are_those_of_the_jobs_zone_in_the_configs_language() {
    let text = "{{ now }}|{{ date }}|{{ weekday }}|{{ time }}|{{ scheduled_at }}|{{ job }}|{{ last.answer }}|{{ last.delivered_at }}";
    let filled = |language| prompt(text).fill(&facts(language, last())).unwrap();
    insta::assert_snapshot!(filled(Language::En), @"23 November 2026 08:01|23 November 2026|Monday|08:01|23 November 2026 08:00|金价|涨 {{ job }}|22 November 2026 08:00");
    insta::assert_snapshot!(filled(Language::Zh), @"2026年11月23日 08:01|2026年11月23日|星期一|08:01|2026年11月23日 08:00|金价|涨 {{ job }}|2026年11月22日 08:00");
}

#[test]
fn an_instant_takes_any_form() {
    let text = "{{ now.format('%Y-%m-%d') }} {{ scheduled_at.format(\"%H\") }}";
    assert_eq!(filled(text), "2026-11-23 08");
}

#[test]
fn on_the_first_run_there_is_no_last_answer() {
    let text = "新闻？{% if last %}上次（{{ last.delivered_at }}）：{{ last.answer }}{% else %}首次{% endif %}";
    let first = prompt(text).fill(&facts(Language::Zh, None)).unwrap();
    assert_eq!(first, "新闻？首次");
    let later = prompt(text).fill(&facts(Language::Zh, last())).unwrap();
    assert_eq!(later, "新闻？上次（2026年11月22日 08:00）：涨 {{ job }}");
    let bare = prompt("[{{ last.answer }}{{ last.delivered_at }}]");
    assert_eq!(bare.fill(&facts(Language::En, None)).unwrap(), "[]");
}

#[test]
fn only_a_prompt_that_speaks_of_the_last_answer_wants_it() {
    assert!(prompt("{% if last %}x{% endif %}").wants_last());
    assert!(prompt("{{ last.answer }}").wants_last());
    assert!(!prompt("{{ now }} last").wants_last());
    assert!(!prompt("last").wants_last());
}

#[test]
fn a_tag_that_stands_alone_leaves_no_empty_line() {
    let text = "a\n  {% if last %}\nb\n  {% endif %}\nc\n";
    assert_eq!(filled(text), "a\nb\nc\n");
}

#[test]
fn braces_may_be_meant_as_they_stand() {
    let text = "{% raw %}{{ nothing|nix }} {% if x %}{% endraw %} {# {{ no }} #}{{ '{{ x|y }}' }}";
    assert_eq!(filled(text), "{{ nothing|nix }} {% if x %} {{ x|y }}");
}

/// The text with a mark where it is wrong, and what is said.
fn wrong(text: &str) -> String {
    let error = Prompt::parse(text.into()).expect_err(text);
    let (before, after) = text.split_at(error.at);
    format!("{before}▶{after}\n  {}", error.message).replace('\n', "\n")
}

#[test]
fn what_is_wrong_with_a_template_is_told_with_its_place() {
    let all = [
        "上海\n{{ today }}",
        "{{ last.anser }}",
        "{% if lst %}x{% endif %}",
        "{% if false %}{{ now|uper }}{% endif %}",
        "{{ now is old }}",
        "{{ env('HOME') }}",
        "{{ now.format(1) }}",
        "{{ now.format('%Q') }}",
        "{{ job.split(',') }}",
        "{% if weekday == 'Monday' %}{{ now.fromat('%Y') }}{% endif %}",
        "{% if weekday == '星期三' %}\n{{ date + 1 }}{% endif %}",
        "{% if last and weekday == 'Sunday' %}{{ last.delivered_at.format('%Q') }}{% endif %}",
        "{{ now",
        "{% if now %}",
        "{% include 'x' %}",
        "{% for i in range(100000) %}{% for j in range(100000) %}x{% endfor %}{% endfor %}",
        "{{ 'x' * 1000000000 }}",
    ];
    insta::assert_snapshot!(all.map(wrong).join("\n"), @r#"
    上海
    {{ ▶today }}
      there is no today; a prompt knows now, date, weekday, time, scheduled_at, job, last.answer and last.delivered_at
    {{ ▶last.anser }}
      there is no last.anser; a prompt knows now, date, weekday, time, scheduled_at, job, last.answer and last.delivered_at
    {% if ▶lst %}x{% endif %}
      there is no lst; a prompt knows now, date, weekday, time, scheduled_at, job, last.answer and last.delivered_at
    {% if false %}{{ now|▶uper }}{% endif %}
      there is no filter uper
    {{ now is ▶old }}
      there is no test old
    {{ ▶env('HOME') }}
      there is no env; a prompt knows now, date, weekday, time, scheduled_at, job, last.answer and last.delivered_at
    {{ now▶.format(1) }}
      invalid operation: format takes a text, such as "%Y-%m-%d"
    {{ now▶.format('%Q') }}
      invalid operation: this is no format; write one such as "%Y-%m-%d %H:%M"
    {{ ▶job.split(',') }}
      there is no job.split; job is a text; filters change it, such as job|upper
    {% if weekday == 'Monday' %}{{ ▶now.fromat('%Y') }}{% endif %}
      there is no now.fromat; now knows format, such as now.format("%Y-%m-%d")
    {% if weekday == '星期三' %}
    {{ ▶date + 1 }}{% endif %}
      invalid operation: tried to use + operator on unsupported types string and number
    {% if last and weekday == 'Sunday' %}{{ last.delivered_at▶.format('%Q') }}{% endif %}
      invalid operation: this is no format; write one such as "%Y-%m-%d %H:%M"
    {{ ▶now
      unexpected end of input, expected end of variable block; for braces that are meant as they stand write {% raw %}…{% endraw %}
    {% if now ▶%}
      unexpected end of input, expected end of block; for braces that are meant as they stand write {% raw %}…{% endraw %}
    {% ▶include 'x' %}
      unknown statement include; for braces that are meant as they stand write {% raw %}…{% endraw %}
    ▶{% for i in range(100000) %}{% for j in range(100000) %}x{% endfor %}{% endfor %}
      takes too many steps; make its loops shorter
    {{ ▶'x' * 1000000000 }}
      takes too many steps; make its loops shorter
    "#);
}

#[test]
fn what_only_a_run_shows_to_be_wrong_has_its_line_and_column() {
    let prompt = prompt("上海\n{% if job == '金价' %}涨 {{ now.format(1) }}{% endif %}");
    let error = prompt.fill(&facts(Language::Zh, None)).unwrap_err();
    assert_eq!(prompt.position(error.at), (2, 29));
}

#[test]
fn nothing_of_the_environment_is_in_reach() {
    for text in [
        "{{ PATH }}",
        "{{ environ }}",
        "{{ debug() }}",
        "{{ self }}",
        "${HOME} {{ HOME }}",
    ] {
        assert!(Prompt::parse(text.into()).is_err(), "{text}");
    }
}
