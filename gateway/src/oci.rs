//! The vocabulary of the OCI distribution specification.
//!
//! Pure types that cannot hold a bad value: whoever has a [`Digest`], a [`Repository`], a [`Tag`] or a [`Manifest`] need not check
//! it again. This module does no input or output and knows nothing of the rest of the gateway.

mod code;
mod digest;
mod location;
mod manifest;
mod media_type;
mod name;
mod scope;

pub use code::ErrorCode;
pub use digest::{Algorithm, Digest, DigestError, Hasher};
pub use location::Location;
pub use manifest::{Descriptor, MANIFEST_CANDIDATES_MAX, Manifest, ManifestError, ManifestKind, referrers_tag};
pub use media_type::{MediaType, media_types};
pub use name::{NameError, Reference, Repository, Tag};
pub use scope::{Prefix, PrefixError, Prefixes, Scope};
