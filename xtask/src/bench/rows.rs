//! The rows: on which servers each runs, what the machine itself would reach, and what holds it back.

use super::server::Kind;

/// A row.
pub(super) struct Row {
    /// Its name, as the load generator knows it.
    pub(super) name: &'static str,
    pub(super) title: &'static str,
    pub(super) servers: &'static [Kind],
    /// The row of the floor that it can at best reach.
    pub(super) floor: Option<&'static str>,
    /// The row that it should be equal to: the same without what the repository already holds.
    pub(super) base: Option<&'static str>,
    /// Whether a quick run leaves it out.
    pub(super) slow: bool,
    /// What holds it back.
    pub(super) note: &'static str,
}

const BOTH: &[Kind] = &[Kind::Plain, Kind::Reference];
const ALONE: &[Kind] = &[Kind::Plain];

const fn row(name: &'static str, title: &'static str, floor: &'static str, note: &'static str) -> Row {
    Row {
        name,
        title,
        servers: BOTH,
        floor: Some(floor),
        base: None,
        slow: false,
        note,
    }
}

const fn grown(name: &'static str, title: &'static str, base: &'static str, note: &'static str) -> Row {
    Row {
        name,
        title,
        servers: BOTH,
        floor: None,
        base: Some(base),
        slow: false,
        note,
    }
}

const LOOPBACK: &str = "floor-loopback-100mb";

pub(super) const ROWS: &[Row] = &[
    row("push-10kb", "push 10 KB, manifest, tag", "floor-write-10kb", ""),
    row("push-1mb", "push 1 MB, manifest, tag", "floor-write-1mb", ""),
    row("push-10mb", "push 10 MB, manifest, tag", "floor-write-10mb", ""),
    Row {
        slow: true,
        ..row("push-100mb", "push 100 MB, manifest, tag", "floor-write-100mb", "")
    },
    row("pull-1mb", "pull 1 MB", LOOPBACK, ""),
    row("pull-10mb", "pull 10 MB", LOOPBACK, ""),
    row("pull-100mb", "pull 100 MB", LOOPBACK, ""),
    Row {
        floor: None,
        ..row("manifest-get", "GET manifest by tag", "", "")
    },
    Row {
        floor: None,
        ..row("manifest-head", "HEAD manifest by tag", "", "")
    },
    Row {
        floor: None,
        ..row("tags-1000", "list of 1000 tags", "", "")
    },
    grown("get-at-3000", "GET manifest at 3000 tags", "manifest-get", ""),
    grown("pull-at-3000", "pull 1 MB at 3000 tags", "pull-1mb", ""),
    grown("push-at-3000", "push 10 KB at 3000 tags", "push-10kb", ""),
    Row {
        servers: ALONE,
        slow: true,
        ..grown("get-at-30000", "GET manifest at 30000 tags", "manifest-get", "")
    },
    Row {
        servers: ALONE,
        slow: true,
        ..grown("pull-at-30000", "pull 1 MB at 30000 tags", "pull-1mb", "")
    },
    Row {
        servers: ALONE,
        slow: true,
        ..grown("push-at-30000", "push 10 KB at 30000 tags", "push-10kb", "")
    },
    chart("chart-20kb", "push a chart of 20 KB"),
    chart("chart-500kb", "push a chart of 500 KB"),
    chart("chart-5mb", "push a chart of 5 MB"),
];

const fn chart(name: &'static str, title: &'static str) -> Row {
    Row {
        servers: &Kind::ALL,
        floor: None,
        ..row(name, title, "", "")
    }
}
