//! What the integration tests share.

pub mod chart;
pub mod process;
pub mod tool;
