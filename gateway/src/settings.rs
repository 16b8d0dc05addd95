//! What the settings of all modules have in common: sizes and times as people write them, and what is wrong with a value.
//!
//! Each module owns its settings, their defaults and their bounds. It says what is wrong with them as [`Problems`], by key; `config`
//! finds the line of the key and refuses the configuration.

mod units;

use std::{fmt::Display, ops::RangeInclusive, time::Duration};

pub(crate) use units::{optional_size, optional_time, show_size, show_time, size, time};

/// What is wrong with one key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The key with the tables that it is in, outermost first: `plugins`, `limits`, `handles_max`.
    pub path: Vec<String>,
    /// What is wrong, and what would be right.
    pub reason: String,
}

/// What is wrong with the keys of one table.
#[derive(Debug, Default)]
pub struct Problems {
    table: Vec<String>,
    found: Vec<Problem>,
}

impl Problems {
    /// Returns what was found.
    #[must_use]
    pub fn into_found(self) -> Vec<Problem> {
        self.found
    }

    /// Looks at a table inside of this one.
    pub fn within(&mut self, table: &str, look: impl FnOnce(&mut Self)) {
        self.table.push(table.to_owned());
        look(self);
        self.table.pop();
    }

    /// Refuses the value of a key.
    pub fn refuse(&mut self, key: &str, reason: impl Into<String>) {
        let mut path = self.table.clone();
        path.push(key.to_owned());
        self.found.push(Problem {
            path,
            reason: reason.into(),
        });
    }

    /// Refuses a number outside of its bounds.
    pub fn count(&mut self, key: &str, value: impl TryInto<u64>, allowed: RangeInclusive<u64>) {
        self.bounds(key, &value.try_into().unwrap_or(u64::MAX), allowed, |count| *count);
    }

    /// Refuses a size in bytes outside of its bounds.
    pub fn size(&mut self, key: &str, bytes: u64, allowed: RangeInclusive<u64>) {
        self.bounds(key, &bytes, allowed, |bytes| show_size(*bytes));
    }

    /// Refuses a time outside of its bounds.
    pub fn time(&mut self, key: &str, time: Duration, allowed: RangeInclusive<Duration>) {
        self.bounds(key, &time, allowed, |time| show_time(*time));
    }

    fn bounds<T: PartialOrd, S: Display>(&mut self, key: &str, value: &T, allowed: RangeInclusive<T>, show: impl Fn(&T) -> S) {
        if value < allowed.start() {
            self.refuse(
                key,
                format!("{} is too little, the least is {}", show(value), show(allowed.start())),
            );
        } else if value > allowed.end() {
            self.refuse(
                key,
                format!("{} is too much, the most is {}", show(value), show(allowed.end())),
            );
        }
    }
}
