//! Portolan, an OCI registry gateway that learns artifact types from WebAssembly plugins.
//!
//! ARCHITECTURE.md at the top of the repository shows how the modules lie on each other.
#![cfg_attr(not(test), warn(clippy::indexing_slicing, clippy::expect_fun_call))]
// What these macros cannot print ends in a panic, and they wait for whoever reads it.
#![warn(clippy::print_stdout, clippy::print_stderr)]

pub mod app;
pub mod auth;
pub mod config;
pub mod http;
pub mod log;
pub mod metadata;
pub mod oci;
pub mod plugin_host;
pub mod registry;
pub mod services;
pub mod settings;
pub mod storage;
