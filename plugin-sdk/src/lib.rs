//! Writing Portolan plugins in Rust.
//!
//! A plugin is a type that implements [`Plugin`] and one trait for each capability that it has, and one line that registers it:
//!
//! ```
//! use portolan_plugin_sdk::{Artifact, Claim, Context, Error, Plugin, Spec, Validator, Verdict, plugin};
//!
//! struct Note;
//!
//! impl Plugin for Note {
//!     fn spec() -> Spec {
//!         Spec::new("note", "1.0.0").title("Notes").claim(Claim::new("application/vnd.example.note.v1+json"))
//!     }
//! }
//!
//! impl Validator for Note {
//!     fn validate(_: &Context, _: &Artifact) -> Result<Verdict, Error> {
//!         Ok(Verdict::accept([]))
//!     }
//! }
//!
//! plugin!(Note: validator);
//! ```
//!
//! Built for `wasm32-unknown-unknown`, the module exports exactly the description and the capabilities that are named, and imports
//! nothing of WASI. Built for any other target it exports nothing, so that the logic of a plugin is tested with plain
//! `cargo test`: everything that a plugin returns is plain data. What the gateway hands over (an [`Artifact`], a [`Catalog`], a
//! [`Request`] ...) exists inside of the gateway only; keep the functions that take it thin.
//!
//! [`archive`], [`yaml`] and [`json`] read what strangers made: every one of them is bounded, and its cost is in proportion to its
//! input. A plugin judges what another program will read later, and nearly all of those programs are written in Go. So each reader
//! sees what the Go reader sees, or refuses what common readers see differently:
//!
//! | format | follows | refuses beyond that |
//! |---|---|---|
//! | tar | `archive/tar` | chains of extended headers, content of what is no file, a type in the mode that is another, numbers and prefixes in odd forms, anything behind the end |
//! | gzip | `compress/gzip`, several members included | reserved flags, anything behind the last member |
//! | zip | `archive/zip` | headers that differ from the directory, names that are there twice or in two forms, gaps, anything before or behind |
//! | YAML | `sigs.k8s.io/yaml`, and so YAML 1.1 with its booleans and Unicode line ends | keys of different types that read the same, a byte order mark inside, `!!timestamp`, `!!binary` that is no text |
//! | JSON | `encoding/json` | keys that are there twice, bad UTF-8, halves of surrogate pairs; with [`json::only_exact`] keys that fold to known ones |
//!
//! docs/writing-plugins.md lists the rules.

extern crate self as portolan_plugin_sdk;

pub mod archive;
mod artifact;
mod bindings;
mod capability;
mod catalog;
mod change;
mod content;
mod context;
mod entry;
mod error;
#[doc(hidden)]
pub mod export;
mod finding;
pub mod json;
pub mod log;
mod properties;
mod reader;
mod service;
mod spec;
pub mod yaml;

#[doc(hidden)]
pub use wit_bindgen;

pub use artifact::{Artifact, Blob, Descriptor};
pub use capability::{Admitter, Comparer, Indexer, Plugin, Renderer, Scanner, Service, Validator};
pub use catalog::{Catalog, CatalogItem, CatalogPage};
pub use change::Change;
pub use content::{Content, Options};
pub use context::{Context, Push};
pub use entry::{Entry, Reference};
pub use error::Error;
pub use finding::{Finding, Location, Severity, Verdict};
pub use properties::Properties;
pub use reader::BlobReader;
pub use service::{Publication, Refusal, Request, Response};
pub use spec::{Claim, Command, Limits, ServiceSpec, Spec, View, ViewOption};

/// Registers a plugin: exports its description and exactly the capabilities that are named, which are any of `validator`,
/// `admitter`, `indexer`, `renderer`, `scanner`, `comparer` and `service`.
///
/// A type that does not implement a trait that is named does not compile, on any target.
#[macro_export]
macro_rules! plugin {
    ($plugin:ident: $($capability:ident),+ $(,)?) => {
        #[cfg(target_arch = "wasm32")]
        const _: () = {
            type Exported = $crate::export::Adapter<$plugin>;
            $crate::export::describe::export!(Exported with_types_in $crate::export::describe);
            $($crate::export::$capability::export!(Exported with_types_in $crate::export::$capability);)+
        };
        #[cfg(not(target_arch = "wasm32"))]
        const _: () = {
            const fn implements_plugin<P: $crate::Plugin>() {}
            implements_plugin::<$plugin>();
            $({
                const fn implements<P: $crate::export::$capability::Capability>() {}
                implements::<$plugin>();
            })+
        };
    };
}
