//! What can be asked. Every statement is a point lookup or a range of an index.

mod artifacts;
pub(super) mod collection;
mod entries;
mod jobs;
mod lists;
mod manifests;
mod others;
mod ranges;
mod revisions;
mod uploads;

/// The statements of the reads, for a test that looks at their plans.
#[cfg(test)]
pub(super) fn statements() -> Vec<&'static str> {
    let all = [
        artifacts::STATEMENTS,
        collection::STATEMENTS,
        entries::STATEMENTS,
        jobs::STATEMENTS,
        lists::STATEMENTS,
        manifests::STATEMENTS,
        others::STATEMENTS,
        revisions::STATEMENTS,
        uploads::STATEMENTS,
    ];
    all.concat()
}

/// The statements whose plans show no index.
#[cfg(test)]
pub(super) fn unplanned() -> Vec<&'static str> {
    entries::UNPLANNED.to_vec()
}
