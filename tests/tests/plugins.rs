//! Plugins over HTTP, in the test's own process: how they are loaded, what they are asked, what they can do and what they cannot.
//!
//! The guests are components that `cargo xtask guests` builds from `tests/guests`.
#![allow(
    missing_docs,
    clippy::panic,
    clippy::needless_pass_by_value,
    clippy::unwrap_used,
    reason = "a test is not an interface, fails by panicking, and reads better with values than with references"
)]

mod plugins {
    mod attacks;
    mod bounds;
    mod caching;
    mod findings;
    mod fixture;
    mod hidden;
    mod jobs;
    mod loading;
    mod machine_code;
    mod misbehaving_services;
    mod publishing;
    mod push;
    mod scheduling;
    mod services;
    mod several;
    mod surface;
    mod twins;
    mod views;
}
