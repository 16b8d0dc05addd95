//! Keys that the environment sets: `PORTOLAN_HTTP__LISTEN` is `listen` in `[http]`.

use super::{Config, ConfigError};

/// What variables begin with that set a key.
const PREFIX: &str = "PORTOLAN_";
/// What stands between a table and what is in it.
const SEPARATOR: &str = "__";

/// The variables that set keys.
#[derive(Debug, Default)]
pub(super) struct Variables(Vec<(String, String)>);

impl Variables {
    /// Takes those of the process.
    ///
    /// # Errors
    /// Names a variable whose value is no Unicode. Variables that set no key may be anything.
    pub(super) fn of_process() -> Result<Self, ConfigError> {
        let mut ours = Vec::new();
        for (name, value) in std::env::vars_os() {
            let Some(name) = name.to_str().filter(|name| sets_key(name)) else {
                continue;
            };
            let value = value.into_string().map_err(|value| ConfigError::Environment {
                variables: name.to_owned(),
                reason: format!("{value:?} is no text in UTF-8"),
            })?;
            ours.push((name.to_owned(), value));
        }
        Ok(Self(ours))
    }

    #[cfg(test)]
    pub(super) fn of(variables: &[(&str, &str)]) -> Self {
        let ours = variables.iter().filter(|(name, _)| sets_key(name));
        Self(ours.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the variable that sets a key, where one does.
    pub(super) fn naming(&self, path: &[String]) -> Option<&str> {
        let names = self.0.iter().map(|(name, _)| name.as_str());
        names.into_iter().find(|name| keys(name).eq(path.iter().cloned()))
    }

    /// Reads the configuration from a text with these variables over it.
    pub(super) fn over(&self, text: &str) -> Result<Config, ConfigError> {
        let refuse = |reason: String| ConfigError::Environment {
            variables: self.0.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(", "),
            reason,
        };
        let mut table: toml::Table = toml::from_str(text).map_err(|error| refuse(error.to_string()))?;
        for (name, value) in &self.0 {
            // What reads as TOML is taken as that - a number, a truth value, an array -, anything else as text.
            let read = toml::from_str::<toml::Table>(&format!("value = {value}"))
                .ok()
                .and_then(|mut table| table.remove("value"));
            let value = read.unwrap_or_else(|| toml::Value::String(value.clone()));
            insert(&mut table, &keys(name).collect::<Vec<_>>(), value).map_err(refuse)?;
        }
        table
            .try_into()
            .map_err(|error: toml::de::Error| refuse(error.to_string().trim_end().to_owned()))
    }
}

/// Says whether a variable sets a key. Others may share the beginning of the name; every key lies in a table.
fn sets_key(name: &str) -> bool {
    name.strip_prefix(PREFIX).is_some_and(|key| key.contains(SEPARATOR))
}

/// Returns the tables and the key that a variable names.
fn keys(name: &str) -> impl Iterator<Item = String> {
    let key = name.strip_prefix(PREFIX).unwrap_or(name);
    key.split(SEPARATOR).map(str::to_lowercase)
}

/// Sets a key to a value, with tables made as needed.
fn insert(table: &mut toml::Table, path: &[String], value: toml::Value) -> Result<(), String> {
    match path {
        [] => Ok(()),
        [key] => {
            table.insert(key.clone(), value);
            Ok(())
        }
        [first, rest @ ..] => match table.entry(first).or_insert_with(|| toml::Table::new().into()) {
            toml::Value::Table(inner) => insert(inner, rest, value),
            _ => Err(format!("{first} is not a table and cannot hold {}", rest.join("."))),
        },
    }
}
