//! One field of cron text: what may stand in it, and what to say where something else does.
//!
//! croner names no field in its errors and reads a name in any field (`MON` as minute 1),
//! so each field is looked at here first; what passes is still croner's to judge.

/// One field of a pattern and what may stand in it.
pub(super) struct Field {
    /// The name people know it by.
    pub(super) name: &'static str,
    min: u32,
    max: u32,
    names: &'static [&'static str],
    /// The number of the first name.
    first_name: u32,
}

/// The six fields, seconds first.
pub(super) const FIELDS: [Field; 6] = [
    Field::numeric("second", 0, 59),
    Field::numeric("minute", 0, 59),
    Field::numeric("hour", 0, 23),
    Field::numeric("day-of-month", 1, 31),
    Field {
        names: &[
            "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
        ],
        first_name: 1,
        ..Field::numeric("month", 1, 12)
    },
    Field {
        names: &["sun", "mon", "tue", "wed", "thu", "fri", "sat"],
        ..Field::numeric("day-of-week", 0, 7)
    },
];

/// Where the day fields stand in [`FIELDS`].
pub(super) const DAY_OF_MONTH: usize = 3;
pub(super) const DAY_OF_WEEK: usize = 5;

impl Field {
    const fn numeric(name: &'static str, min: u32, max: u32) -> Self {
        Self {
            name,
            min,
            max,
            names: &[],
            first_name: 0,
        }
    }

    fn is_day_of_week(&self) -> bool {
        self.name == FIELDS[DAY_OF_WEEK].name
    }

    fn is_day_of_month(&self) -> bool {
        self.name == FIELDS[DAY_OF_MONTH].name
    }

    /// Checks a field's text.
    ///
    /// # Errors
    /// What is wrong and how to fix it, without the field's name.
    pub(super) fn check(&self, items: &str) -> Result<(), String> {
        let items = match items.strip_prefix('+') {
            Some(rest) if self.is_day_of_week() => rest,
            _ => items,
        };
        if items.contains(',') && items.split(',').any(|item| item == "*") {
            return Err(format!(
                "`{items}` adds to `*`, which is every value already; write `*`"
            ));
        }
        items.split(',').try_for_each(|item| self.check_item(item))
    }

    /// One item of a list: a value, a range or `*`, perhaps with a step or a day suffix.
    fn check_item(&self, item: &str) -> Result<(), String> {
        let (range, step) = match item.split_once('/') {
            Some((range, step)) => (range, Some(step)),
            None => (item, None),
        };
        if let Some((_, nth)) = range.split_once('#') {
            self.check_nth(item, nth)?;
        }
        let range = self.without_suffix(range);
        match range {
            "" if item.is_empty() => {
                return Err(format!(
                    "empty item; remove the extra comma, or write {}",
                    self.allowed()
                ));
            }
            // `L` and `LW` stand alone: the suffix is all there is.
            "" if step.is_none() => {}
            "*" => {}
            "?" if self.is_day_of_month() || self.is_day_of_week() => {}
            _ => self.check_values(range, step)?,
        }
        step.map_or(Ok(()), |step| self.check_step(item, step))
    }

    fn check_values(&self, range: &str, step: Option<&str>) -> Result<(), String> {
        let Some((from, to)) = range.split_once('-') else {
            if range.is_empty() {
                let step = step.unwrap_or_default();
                return Err(format!(
                    "`/{step}` has a step without a range; write `*/{step}`"
                ));
            }
            let value = self.value(range, range)?;
            return step.map_or(Ok(()), |step| {
                Err(format!(
                    "`{range}/{step}` has a step without a range; write `{value}-{}/{step}`",
                    self.max
                ))
            });
        };
        let (from, to) = (self.value(from, range)?, self.range_end(to, range)?);
        if from <= to {
            return Ok(());
        }
        let last = if self.is_day_of_week() { 6 } else { self.max };
        Err(format!(
            "`{range}` runs backwards; write it as two ranges: `{from}-{last},{}-{to}`",
            self.min
        ))
    }

    fn check_step(&self, item: &str, step: &str) -> Result<(), String> {
        // A day suffix may follow the step; croner judges it.
        let digits = step.split('#').next().unwrap_or_default();
        match digits.parse::<u32>() {
            Ok(0) => Err(format!(
                "`{item}` has a step of 0, which never moves on; write 1 or more"
            )),
            Ok(_) => Ok(()),
            Err(_) => Err(format!(
                "`{item}` has no number after its `/`; write a step such as `*/5`"
            )),
        }
    }

    fn check_nth(&self, item: &str, nth: &str) -> Result<(), String> {
        match nth {
            _ if !self.is_day_of_week() => Ok(()),
            "1" | "2" | "3" | "4" | "5" | "L" | "l" => Ok(()),
            _ => Err(format!(
                "`{item}` names no week of a month; write `#1` to `#5`, or `L` for the last"
            )),
        }
    }

    /// The item without what only day fields may carry: `L`, `W` and `#n`.
    fn without_suffix<'a>(&self, item: &'a str) -> &'a str {
        let is_last = |c: char| c.eq_ignore_ascii_case(&'l');
        let is_day = |c: char| is_last(c) || c.eq_ignore_ascii_case(&'w');
        if self.is_day_of_week() {
            let item = item.split('#').next().unwrap_or_default();
            item.strip_suffix(is_last).unwrap_or(item)
        } else if self.is_day_of_month() {
            item.trim_end_matches(is_day)
        } else {
            item
        }
    }

    /// The end of a range: Sunday there is day 7, so that `sat-sun` runs forwards.
    fn range_end(&self, text: &str, item: &str) -> Result<u32, String> {
        if self.is_day_of_week() && text.eq_ignore_ascii_case("sun") {
            return Ok(7);
        }
        self.value(text, item)
    }

    /// A value of this field; `item` is what a message quotes.
    fn value(&self, text: &str, item: &str) -> Result<u32, String> {
        let name = self.names.iter().position(|n| n.eq_ignore_ascii_case(text));
        if let Some(index) = name {
            return Ok(self.first_name + u32::try_from(index).unwrap_or(u32::MAX));
        }
        let is_number = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        match text.parse::<u32>() {
            Ok(n) if is_number && n < self.min => Err(format!("{n} is below {}", self.min)),
            Ok(n) if is_number && n > self.max => Err(format!("{n} is above {}", self.max)),
            Ok(n) if is_number => Ok(n),
            _ if is_number => Err(format!("{text} is above {}", self.max)),
            _ => Err(self.refused(item)),
        }
    }

    /// That an item cannot stand here, and what can.
    pub(super) fn refused(&self, item: &str) -> String {
        format!("`{item}` is not allowed; write {}", self.allowed())
    }

    /// What may stand in this field, for the end of a message.
    fn allowed(&self) -> String {
        let extras = match self.name {
            "day-of-month" => ", `L` (last day), `15W` (nearest weekday), `LW`",
            "month" => " or jan-dec",
            "day-of-week" => " or sun-sat, `5L` (last Friday), `1#2` (second Monday)",
            _ => "",
        };
        format!(
            "`*`, or numbers {}-{}{extras}, with `,` `-` and `/`",
            self.min, self.max
        )
    }
}
