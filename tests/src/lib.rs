//! What the integration tests share: a gateway inside the test's own process and requests to it; the gateway as a process of its
//! own and real clients to drive it with.
//!
//! Inside, it is the real composition over a temporary folder, on a port of its own. A request is data in, an [`Answer`] is data
//! out.
#![allow(
    clippy::panic,
    reason = "a harness ends a test by a panic that says what was asked and what came"
)]

mod answer;
pub mod chart;
mod gateway;
mod image;
pub mod process;
mod raw;
pub mod tool;

pub use answer::{Answer, metric};
pub use gateway::TestGateway;
pub use image::{EMPTY, IMAGE_CONFIG, INDEX, MANIFEST, digest, digest512, index, manifest};
pub use raw::{raw, truncated};
