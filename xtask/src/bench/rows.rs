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

impl Row {
    /// Says whether a server takes part. Another build of Portolan does where this one does.
    pub(super) fn runs_on(&self, kind: Kind) -> bool {
        let counterpart = match kind {
            Kind::Before => Kind::Plain,
            Kind::BeforeWithPlugin => Kind::WithPlugin,
            kind => kind,
        };
        self.servers.contains(&counterpart)
    }
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

const PUSH: &str = "four syncs one after the other: the blob's bytes, its folder, the commit that links it, the commit of manifest and tag. \
    Pushes at the same time share commits; most of the processor time is the kernel's, in `fsync`.";
const PUSH_LARGE: &str = "the disk. Of the processor time most goes into copying the bytes to the page cache and some into SHA-256; both are \
    in the figures of the machine alone.";
const PULL: &str = "copying: once from the page cache and once into the socket, on the same cores that the load generator uses to take the \
    bytes out again.";
const GET: &str = "HTTP itself and two lookups in SQLite, without a hop to another thread.";
const GROWN: &str = "the same as in a new repository: every lookup is one in a B-tree.";
const CHART: &str = "the syncs of three pushes, one connection. The plugin validates and indexes before the answer; its scan runs after the \
    answer, but on the same cores, so the difference in processor time holds it as well.";

pub(super) const ROWS: &[Row] = &[
    row("push-10kb", "push 10 KB, manifest, tag", "floor-write-10kb", PUSH),
    row("push-1mb", "push 1 MB, manifest, tag", "floor-write-1mb", PUSH_LARGE),
    row("push-10mb", "push 10 MB, manifest, tag", "floor-write-10mb", PUSH_LARGE),
    Row {
        slow: true,
        ..row("push-100mb", "push 100 MB, manifest, tag", "floor-write-100mb", PUSH_LARGE)
    },
    row("pull-1mb", "pull 1 MB", LOOPBACK, PULL),
    row("pull-10mb", "pull 10 MB", LOOPBACK, PULL),
    row("pull-100mb", "pull 100 MB", LOOPBACK, PULL),
    Row {
        floor: None,
        ..row("manifest-get", "GET manifest by tag", "", GET)
    },
    Row {
        floor: None,
        ..row("manifest-head", "HEAD manifest by tag", "", GET)
    },
    Row {
        floor: None,
        ..row(
            "tags-1000",
            "list of 1000 tags",
            "",
            "reading a thousand rows and writing them as JSON.",
        )
    },
    grown("get-at-3000", "GET manifest at 3000 tags", "manifest-get", GROWN),
    grown("pull-at-3000", "pull 1 MB at 3000 tags", "pull-1mb", GROWN),
    grown("push-at-3000", "push 10 KB at 3000 tags", "push-10kb", GROWN),
    Row {
        servers: ALONE,
        slow: true,
        ..grown("get-at-30000", "GET manifest at 30000 tags", "manifest-get", GROWN)
    },
    Row {
        servers: ALONE,
        slow: true,
        ..grown("pull-at-30000", "pull 1 MB at 30000 tags", "pull-1mb", GROWN)
    },
    Row {
        servers: ALONE,
        slow: true,
        ..grown("push-at-30000", "push 10 KB at 30000 tags", "push-10kb", GROWN)
    },
    chart("chart-20kb", "push a chart of 20 KB"),
    chart("chart-500kb", "push a chart of 500 KB"),
    chart("chart-5mb", "push a chart of 5 MB"),
];

const fn chart(name: &'static str, title: &'static str) -> Row {
    Row {
        servers: &Kind::PEERS,
        floor: None,
        ..row(name, title, "", CHART)
    }
}
