//! The list of changes, within the bounds of the contract and of what is worth reading.

use portolan_plugin_sdk::{Change, Severity};

use crate::rule::cut;

/// The most changes that are told, the last of which may say how many are left out.
const CHANGES_MAX: usize = 10_000;
/// The most bytes of one value.
const VALUE_BYTES_MAX: usize = 16 * 1024;
/// The most bytes of a path.
const PATH_BYTES_MAX: usize = 1024;
/// The most bytes of all changes together: more than anybody reads, less than a call of a plugin may return.
const TEXT_BYTES_MAX: usize = 4 * 1024 * 1024;

/// What a change is about. It is told beside the change, so that programs can group them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Group {
    Chart,
    Dependencies,
    Values,
    Files,
}

impl Group {
    fn name(self) -> &'static str {
        match self {
            Group::Chart => "chart",
            Group::Dependencies => "dependencies",
            Group::Values => "values",
            Group::Files => "files",
        }
    }
}

/// Changes that are being collected.
#[derive(Default)]
pub(super) struct Changes {
    list: Vec<Change>,
    bytes: usize,
    left_out: usize,
}

impl Changes {
    /// Notes that a value differs. Nothing is noted where both are the same.
    pub(super) fn note(&mut self, group: Group, path: &str, before: Option<&str>, after: Option<&str>, severity: Severity) {
        if before == after {
            return;
        }
        if self.left_out > 0 {
            self.left_out += 1;
            return;
        }
        let name = group.name();
        let separator = if group == Group::Files { '/' } else { '.' };
        let path = format!("{name}{separator}{}", cut(path, PATH_BYTES_MAX - name.len() - 1));
        let (before, after) = (
            before.map(|text| cut(text, VALUE_BYTES_MAX)),
            after.map(|text| cut(text, VALUE_BYTES_MAX)),
        );
        let bytes = path.len() + before.as_ref().map_or(0, String::len) + after.as_ref().map_or(0, String::len);
        if self.list.len() + 1 >= CHANGES_MAX || self.bytes + bytes > TEXT_BYTES_MAX {
            self.left_out += 1;
            return;
        }
        self.bytes += bytes;
        let kind = match (&before, &after) {
            (None, _) => "added",
            (_, None) => "removed",
            _ => "changed",
        };
        let change = Change {
            before,
            after,
            ..Change::new(path, kind)
        };
        self.list.push(change.severity(severity).property("group", group.name()));
    }

    /// Returns the changes; where some had to be left out, the last says how many.
    pub(super) fn finish(mut self) -> Vec<Change> {
        if self.left_out > 0 {
            let rest = Change {
                after: Some(format!("{} more changes are not listed.", self.left_out)),
                ..Change::new("…", "truncated")
            };
            self.list.push(rest);
        }
        self.list
    }
}

#[cfg(test)]
impl Changes {
    /// Returns a line for each change, as tests write them.
    pub(crate) fn lines(self) -> Vec<String> {
        let shown = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
        let line = |change: &Change| {
            let (before, after) = (shown(&change.before), shown(&change.after));
            format!("{} {}: {before} -> {after} {:?}", change.kind, change.path, change.severity)
        };
        self.finish().iter().map(line).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_bounded_in_number_and_size() {
        let mut many = Changes::default();
        (0..20_000).for_each(|index| many.note(Group::Values, &index.to_string(), None, Some("x"), Severity::Low));
        let many = many.finish();
        assert_eq!(many.len(), CHANGES_MAX);
        assert_eq!(
            many.last().unwrap().after.as_deref(),
            Some("10001 more changes are not listed.")
        );

        let mut large = Changes::default();
        let text = "x".repeat(100_000);
        (0..1000).for_each(|index| large.note(Group::Files, &index.to_string(), Some(&text), Some("x"), Severity::Low));
        let large = large.finish();
        assert!(
            large.len() < 300
                && large
                    .iter()
                    .all(|change| change.before.as_ref().is_none_or(|text| text.len() <= VALUE_BYTES_MAX))
        );
        assert_eq!(large.last().unwrap().kind, "truncated");
    }

    #[test]
    fn changes_have_a_kind_and_a_group() {
        let mut changes = Changes::default();
        changes.note(Group::Chart, "version", Some("1"), Some("2"), Severity::High);
        changes.note(Group::Chart, "home", Some("same"), Some("same"), Severity::High);
        changes.note(Group::Files, "a", None, Some("2"), Severity::Low);
        changes.note(Group::Values, "b", Some("1"), None, Severity::Low);
        let changes = changes.finish();
        let shown: Vec<_> = changes
            .iter()
            .map(|change| format!("{} {}", change.path, change.kind))
            .collect();
        assert_eq!(shown, ["chart.version changed", "files/a added", "values.b removed"]);
        assert_eq!(changes[0].properties["group"], "chart");
    }
}
