//! The Helm plugin.

pub mod chart;
