//! What the integration tests share: a gateway inside the test's own process, and requests to it.
//!
//! It is the real composition over a temporary folder, on a port of its own. A request is data in, an [`Answer`] is data out.

mod answer;
mod gateway;
mod image;
mod raw;

pub use answer::Answer;
pub use gateway::TestGateway;
pub use image::{EMPTY, IMAGE_CONFIG, INDEX, MANIFEST, digest, digest512, index, manifest};
pub use raw::raw;
