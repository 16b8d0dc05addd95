//! The Helm plugin.
