//! The page's own words, in English and Chinese, and which of the two a browser reads.

use axum::http::{HeaderMap, header};

use crate::model::Language;

/// Each word once, in both languages: none can be missing in one of them.
macro_rules! words {
    ($($name:ident: $en:literal, $zh:literal;)*) => {
        /// The labels of the page.
        pub(super) struct Words {
            $(pub(super) $name: &'static str,)*
        }

        const EN: Words = Words { $($name: $en,)* };
        const ZH: Words = Words { $($name: $zh,)* };
    };
}

words! {
    all_well: "All is well", "一切正常";
    answer_pruned: "The answer is no longer kept.", "回答已超过保存期限，不再保留。";
    asked: "Asked", "提问用时";
    asking_time: "How long the AI took", "AI 用时";
    attempts: "Attempts", "尝试";
    attention: "Needs you", "需要处理";
    back: "Back to the overview", "返回概览";
    back_page: "Back", "上一页";
    by_hand: "by hand", "手动";
    cancel: "Cancel run", "取消这次运行";
    colon: ": ", "：";
    config: "Config", "配置";
    config_dead: "The config file was refused; the old config goes on", "配置文件有误，未被采用；旧配置仍在运行";
    config_fix: "Mend the file, then reload.", "请修改文件，然后重新加载。";
    config_taken: "The config file was read again", "配置文件已重新读取";
    deliveries: "Deliveries", "推送";
    delivered: "delivered", "送达";
    due: "Due", "计划时间";
    empty_jobs: "No job has this name.", "没有这个名字的任务。";
    expired: "A link in a push opens its run for a while only. Log in to see it.", "推送里的链接只在一段时间内有效。登录后仍可查看。";
    expired_title: "Link expired", "链接已过期";
    expires: "Ends", "到期";
    feed: "Feed", "订阅";
    feed_hint: "An Atom feed of the answers. Its address is its key: whoever has it reads them without a login.", "以 Atom 订阅回答。地址本身就是钥匙：有地址即可免登录阅读。";
    forged: "It is incomplete, was changed, or is older than the token of [web]. Log in to see what it was for.", "链接不完整、被改动过，或者 [web] 的口令后来换过。登录后可查看。";
    forged_title: "This link is not valid", "链接无效";
    failed_job: "failed", "运行失败";
    failed_fix: "Look at its attempts; once the cause is mended, run it again.", "请查看各次尝试；解决问题后重新运行。";
    history: "History", "历史";
    last_day: "Last 24 hours", "最近 24 小时";
    last_used: "Last used", "上次使用";
    last_taken: "Last taken", "上次送达";
    login: "Log in", "登录";
    login_hint: "The token of [web] in the config.", "配置里 [web] 的口令。";
    logout: "Log out", "退出";
    next_page: "More", "下一页";
    newest: "Newest", "最新";
    next: "Next", "下一次";
    no_change: "Nothing has changed.", "没有变化。";
    no_tokens: "It is asked without a token.", "不使用令牌。";
    no_answer_yet: "No answer yet", "还没有回答";
    no_runs: "Nothing has run yet.", "还没有运行过。";
    not_allowed: "This is not allowed", "不允许";
    not_found: "Not found", "没有找到";
    not_now: "Not just now", "暂时不可用";
    nothing_due: "Nothing is due", "没有待运行的任务";
    nothing_owed: "Nothing is owed", "没有待推送的消息";
    older: "Older", "较早";
    open_full: "Open the full page", "打开完整页面";
    outcome: "Outcome", "结果";
    outbox_fix: "It is tried again by itself; is the server up, and does the topic still exist?", "会自动重试；请检查服务器是否在线、主题是否可用。";
    overview: "Overview", "概览";
    owed: "owed", "条待推送";
    owed_since: "Owed since", "最早一条";
    part: "Part", "部分";
    pause: "Pause", "暂停";
    phone_got: "What the phone got", "手机收到的内容";
    phone_lacks: "Not on the phone", "未到手机的内容";
    prompt: "Prompt", "提示词";
    reload: "Read the file again", "重新读取配置";
    resume: "Resume", "恢复";
    requests: "Requests, 24 h", "24 小时请求数";
    rounds_left: "Left of the quota", "剩余额度";
    run: "Run", "运行";
    run_now: "Run now", "立即运行";
    running_since: "asking for", "已提问";
    search: "Find a job", "查找任务";
    server: "Server", "服务器";
    settings: "Settings", "设置";
    started: "Started", "开始";
    stop: ".", "。";
    state: "State", "状态";
    target: "Target", "目标";
    targets: "Targets", "目标";
    token: "Token", "令牌";
    token_dead: "is dead", "已失效";
    token_fix: "Replace it in the config and reload.", "请在配置里换上新令牌，然后重新加载。";
    token_suspect: "was refused by the AI's server", "被 AI 服务拒绝";
    tokens: "Tokens", "令牌";
    too_many: "Too many requests", "请求过多";
    topic: "Topic", "主题";
    took: "Took", "用时";
    tries: "Tries", "次数";
    until: "until", "至";
    when: "When", "时间";
    wrong_token: "That is not the token of [web].", "口令不对。";
}

impl Words {
    /// Those of a language.
    pub(super) fn of(language: Language) -> &'static Self {
        match language {
            Language::En => &EN,
            Language::Zh => &ZH,
        }
    }
}

/// The language that a browser prefers of the two; English where it says neither.
pub(super) fn language(headers: &HeaderMap) -> Language {
    let wanted = headers.get(header::ACCEPT_LANGUAGE);
    let wanted = wanted
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let mut best = (0.0, Language::En);
    for item in wanted.split(',') {
        let (tag, rest) = item.split_once(';').unwrap_or((item, ""));
        let weight = rest
            .trim()
            .strip_prefix("q=")
            .and_then(|q| q.parse::<f32>().ok());
        let weight = weight.unwrap_or(1.0);
        let language = match tag.trim().split('-').next().unwrap_or_default() {
            "zh" => Language::Zh,
            "en" => Language::En,
            _ => continue,
        };
        if weight > best.0 {
            best = (weight, language);
        }
    }
    best.1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_browsers_first_choice_of_the_two_counts() {
        for (said, wanted) in [
            ("", Language::En),
            ("zh-CN,zh;q=0.9,en;q=0.8", Language::Zh),
            ("en-GB,en;q=0.9,zh;q=0.8", Language::En),
            ("de,zh-TW;q=0.7,en;q=0.3", Language::Zh),
            ("en;q=0.1, zh;q=0", Language::En),
            ("fr", Language::En),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT_LANGUAGE, said.parse().unwrap());
            assert_eq!(language(&headers), wanted, "{said}");
        }
    }
}
