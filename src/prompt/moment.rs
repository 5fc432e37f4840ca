//! An instant as a prompt says it: in the job's zone and the config's language. Pure.

use std::{fmt, fmt::Write as _, sync::Arc};

use chrono::{DateTime, Datelike, Weekday};
use chrono_tz::Tz;
use minijinja::{Error, ErrorKind, State, Value, value::Object, value::ObjectRepr};

use crate::model::Language;

/// `23 November 2026 08:00`; `.format("%Y-%m-%d")` gives any other form.
#[derive(Clone, Debug)]
pub(super) struct Moment {
    at: DateTime<Tz>,
    language: Language,
}

impl Moment {
    pub(super) fn of(at: DateTime<Tz>, language: Language) -> Self {
        Self { at, language }
    }

    /// `23 November 2026`, or `2026年11月23日`.
    pub(super) fn date(&self) -> String {
        let format = match self.language {
            Language::En => "%-d %B %Y",
            Language::Zh => "%Y年%-m月%-d日",
        };
        self.at.format(format).to_string()
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.date(), self.at.format("%H:%M"))
    }
}

impl Object for Moment {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn call_method(
        self: &Arc<Self>,
        _: &mut State<'_, '_>,
        method: &str,
        args: &[Value],
    ) -> Result<Value, Error> {
        if method != "format" {
            return Err(Error::from(ErrorKind::UnknownMethod));
        }
        let wrong = |detail: &'static str| Error::new(ErrorKind::InvalidOperation, detail);
        let [format] = args else {
            return Err(wrong("format takes one text, such as format(\"%Y-%m-%d\")"));
        };
        let format = format.as_str();
        let format = format.ok_or_else(|| wrong("format takes a text, such as \"%Y-%m-%d\""))?;
        let mut text = String::new();
        // chrono finds out what is wrong with a format while it writes.
        write!(text, "{}", self.at.format(format))
            .map_err(|_| wrong("this is no format; write one such as \"%Y-%m-%d %H:%M\""))?;
        Ok(Value::from(text))
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// `Monday`, or `星期一`.
pub(super) fn weekday(at: &DateTime<Tz>, language: Language) -> &'static str {
    let (en, zh) = match at.weekday() {
        Weekday::Mon => ("Monday", "星期一"),
        Weekday::Tue => ("Tuesday", "星期二"),
        Weekday::Wed => ("Wednesday", "星期三"),
        Weekday::Thu => ("Thursday", "星期四"),
        Weekday::Fri => ("Friday", "星期五"),
        Weekday::Sat => ("Saturday", "星期六"),
        Weekday::Sun => ("Sunday", "星期日"),
    };
    match language {
        Language::En => en,
        Language::Zh => zh,
    }
}
