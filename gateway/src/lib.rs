//! Portolan, an OCI registry gateway that learns artifact types from WebAssembly plugins.
//!
//! ARCHITECTURE.md at the top of the repository shows how the modules lie on each other.
#![cfg_attr(not(test), warn(clippy::indexing_slicing, clippy::expect_fun_call))]

pub mod auth;
pub mod metadata;
pub mod oci;
pub mod registry;
pub mod storage;
