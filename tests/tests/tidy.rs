//! Rules of the repository that a machine can check; ARCHITECTURE.md and CONTRIBUTING.md say why they are there.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking, in its helpers too"
)]

#[path = "tidy/contract.rs"]
mod contract;
#[path = "tidy/layers.rs"]
mod layers;
#[path = "tidy/readers.rs"]
mod readers;
#[path = "tidy/shape.rs"]
mod shape;
#[path = "tidy/source.rs"]
mod source;
#[path = "tidy/words.rs"]
mod words;
