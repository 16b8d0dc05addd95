//! The gateway over HTTP, in the test's own process: the distribution API, bad input, durability over a restart, who may see what.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    reason = "a test is not an interface, and fails by what it unwraps"
)]

mod it {
    mod blobs;
    mod conditions;
    mod connections;
    mod deletes;
    mod heads;
    mod indexes;
    mod input;
    mod keeping;
    mod listings;
    mod manifests;
    mod memory;
    mod mounts;
    mod operate;
    mod parts;
    mod places;
    mod process;
    mod proxies;
    mod referrers;
    mod resources;
    mod uploads;
    mod visibility;
}
