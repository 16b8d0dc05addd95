//! What both headers of an entry have: little-endian numbers, flags, names and extra fields.

use crate::archive::{ArchiveError, ambiguous, malformed};

/// The flag of an entry whose sizes follow its content.
pub(super) const SIZES_FOLLOW: u16 = 8;
/// The flag of names in UTF-8.
const UTF8: u16 = 0x800;
/// The flags that an entry can have here; 2 and 4 say how hard it was compressed.
const KNOWN: u16 = 2 | 4 | SIZES_FOLLOW | UTF8;
/// The extra field with sizes of 64 bits.
pub(super) const WIDE: u16 = 1;
/// The extra field with another name, which some readers prefer.
const UNICODE_NAME: u16 = 0x7075;

/// Numbers and bytes one after the other. What is not there is zero or nothing: callers ask for what they have read.
pub(super) struct Fields<'a>(pub(super) &'a [u8]);

impl<'a> Fields<'a> {
    pub(super) fn bytes(&mut self, count: usize) -> &'a [u8] {
        let (bytes, rest) = self.0.split_at(count.min(self.0.len()));
        self.0 = rest;
        bytes
    }

    pub(super) fn u16(&mut self) -> u16 {
        self.bytes(2).try_into().map_or(0, u16::from_le_bytes)
    }

    pub(super) fn u32(&mut self) -> u32 {
        self.bytes(4).try_into().map_or(0, u32::from_le_bytes)
    }

    pub(super) fn u64(&mut self) -> u64 {
        self.bytes(8).try_into().map_or(0, u64::from_le_bytes)
    }
}

/// The fields that both headers have, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Common {
    pub(super) flags: u16,
    pub(super) method: u16,
    pub(super) sum: u32,
    pub(super) packed: u32,
    pub(super) size: u32,
    pub(super) name_bytes: u16,
    pub(super) extra_bytes: u16,
}

impl Common {
    pub(super) fn read(fields: &mut Fields<'_>) -> Self {
        let (flags, method) = (fields.u16(), fields.u16());
        // Time and date, in local time of wherever it was.
        fields.u32();
        Self {
            flags,
            method,
            sum: fields.u32(),
            packed: fields.u32(),
            size: fields.u32(),
            name_bytes: fields.u16(),
            extra_bytes: fields.u16(),
        }
    }

    pub(super) fn sizes_follow(&self) -> bool {
        self.flags & SIZES_FOLLOW != 0
    }

    /// Refuses what is not read here.
    pub(super) fn check(&self, path: &str) -> Result<(), ArchiveError> {
        let malformed = |problem: &str| Err(malformed(path, problem));
        match self {
            _ if self.flags & 1 != 0 => malformed("is encrypted"),
            _ if self.flags & !KNOWN != 0 => malformed("has flags of features that are not supported"),
            _ if !matches!(self.method, 0 | 8) => malformed("is neither stored nor deflated"),
            _ if self.method == 0 && self.packed != self.size => malformed("is stored with two sizes"),
            _ if self.packed == u32::MAX || self.size == u32::MAX => malformed("has a size that needs the 64-bit form of zip"),
            _ => Ok(()),
        }
    }
}

/// Returns a name as text, if all readers see the same.
pub(super) fn name(bytes: &[u8], flags: u16) -> Result<String, ArchiveError> {
    let name = String::from_utf8_lossy(bytes).into_owned();
    let problem = match bytes {
        [] => "it has no name",
        _ if bytes.contains(&0) => "its name holds a NUL, at which some readers end it",
        _ if bytes.contains(&b'\\') => "its name holds a backslash, which some readers take for a slash",
        _ if flags & UTF8 != 0 && name.contains('\u{fffd}') => "its name is not in the UTF-8 that its flags promise",
        _ => return Ok(name),
    };
    Err(ambiguous("zip-name", &name, problem))
}

/// Looks at the extra fields, and returns the one with sizes of 64 bits.
pub(super) fn extra<'a>(mut bytes: &'a [u8], name: &[u8], path: &str) -> Result<Option<&'a [u8]>, ArchiveError> {
    let mut wide = None;
    // Tools that align content fill up with zeros, too few of them for a field.
    while bytes.len() >= 4 || bytes.iter().any(|byte| *byte != 0) {
        let mut fields = Fields(bytes);
        let (id, length) = (fields.u16(), usize::from(fields.u16()));
        let Some((field, rest)) = fields.0.split_at_checked(length).filter(|_| bytes.len() >= 4) else {
            return Err(ambiguous(
                "zip-extra",
                path,
                "its extra fields are not as they should be, and some readers ignore them all",
            ));
        };
        match id {
            WIDE if wide.is_none() => wide = Some(field),
            WIDE => return Err(ambiguous("zip-extra", path, "it has sizes of 64 bits twice")),
            // A version and the checksum of the name that it replaces stand before the other name.
            UNICODE_NAME if field.get(5..) != Some(name) => {
                return Err(ambiguous(
                    "zip-name",
                    path,
                    "an extra field gives it another name, which some readers prefer",
                ));
            }
            _ => {}
        }
        bytes = rest;
    }
    Ok(wide)
}
