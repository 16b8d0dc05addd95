//! The SDK for Portolan plugins.
