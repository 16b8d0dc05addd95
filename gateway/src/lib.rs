//! Portolan, an OCI registry gateway that learns artifact types from WebAssembly plugins.
