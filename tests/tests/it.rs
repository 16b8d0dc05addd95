//! The gateway over HTTP, in the test's own process: the distribution API, bad input, durability over a restart, who may see what.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    reason = "a test is not an interface, and fails by what it unwraps"
)]

mod it {
    mod blobs;
    mod connections;
    mod deletes;
    mod indexes;
    mod input;
    mod listings;
    mod manifests;
    mod memory;
    mod mounts;
    mod operate;
    mod parts;
    mod process;
    mod referrers;
    mod resources;
    mod uploads;
    mod visibility;
}
