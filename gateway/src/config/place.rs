//! Where a key was set: the line of the file, a variable of the environment, or neither.

use std::path::Path;

use toml::de::{DeTable, DeValue};

use super::environment::Variables;
use crate::settings::Problem;

/// Words a problem with its place, for example `portolan.toml:3: [http] head_max: 0ms is too little, the least is 100ms`.
pub(super) fn word(problem: &Problem, file: &Path, text: &str, variables: &Variables) -> String {
    let place = match (variables.naming(&problem.path), line(text, &problem.path)) {
        (Some(variable), _) => format!("{variable}: "),
        (None, Some(line)) => format!("{}:{line}: ", file.display()),
        // By default, or by the command line.
        (None, None) => String::new(),
    };
    let (key, tables) = problem
        .path
        .split_last()
        .map_or(("", &[][..]), |(key, tables)| (key.as_str(), tables));
    format!("{place}[{}] {key}: {}", tables.join("."), problem.reason)
}

/// Returns the line on which a text sets a key.
pub(super) fn line(text: &str, path: &[String]) -> Option<usize> {
    let table = DeTable::parse(text).ok()?;
    let (last, tables) = path.split_last()?;
    let mut table = table.get_ref();
    for name in tables {
        let (_, value) = table.iter().find(|(key, _)| key.get_ref() == name)?;
        let DeValue::Table(inner) = value.get_ref() else { return None };
        table = inner;
    }
    let (key, _) = table.iter().find(|(key, _)| key.get_ref() == last)?;
    let before = text.get(..key.span().start)?;
    Some(before.matches('\n').count() + 1)
}
