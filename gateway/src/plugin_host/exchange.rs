//! A request in a native client protocol on its way to a guest, and the answer that the guest drafts.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::{
    oci::{Algorithm, Digest, Hasher, Repository},
    registry::{Blob, Change, Finding, Staged},
};

/// A request, as a guest may see it.
pub(crate) struct Inquiry {
    /// The method in upper case.
    pub(crate) method: String,
    /// The scheme and authority under which clients reach the gateway, with the path in front of it, if any.
    pub(crate) origin: String,
    /// The well-known document that is asked for.
    pub(crate) well_known: Option<String>,
    /// The path below the mount.
    pub(crate) path: String,
    /// The parameters of the query.
    pub(crate) query: Vec<(String, String)>,
    /// The headers that guests may see, their names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    /// The body.
    pub(crate) body: Option<Blob>,
}

/// Why a request cannot be answered as it was asked.
pub(crate) struct Reason {
    /// The error code of the distribution specification.
    pub(crate) code: String,
    /// The status that suits.
    pub(crate) status: u16,
    /// What happened.
    pub(crate) message: String,
    /// What a plugin found in what was to be published.
    pub(crate) findings: Vec<Finding>,
}

/// What an answer may hold.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AnswerLimits {
    /// The most bytes of the body that a guest may write. Blobs do not count.
    pub(crate) body_bytes_max: u64,
    /// The most bytes that a guest may stage.
    pub(crate) staged_bytes_max: u64,
    /// The most bytes of parts of blobs that a guest may stage.
    pub(crate) part_bytes_max: u64,
}

/// An answer that is being drafted. Clones share the draft.
#[derive(Clone)]
pub(crate) struct Answer(Arc<Mutex<Draft>>);

/// What a guest has said so far.
pub(crate) struct Draft {
    pub(crate) limits: AnswerLimits,
    /// Why it may change nothing, as a sentence for the plugin, where it may not.
    pub(crate) unchanging: Option<&'static str>,
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<DraftPart>,
    /// How many bytes of the body were written.
    pub(crate) written: u64,
    pub(crate) staged: HashMap<Digest, Staged>,
    pub(crate) staged_bytes: u64,
    pub(crate) part_bytes: u64,
    pub(crate) changes: Vec<Change>,
    /// What tells versions of the answer apart, once it is complete: see [`Draft::seal`].
    pub(crate) hash: Digest,
}

/// A part of a body.
pub(crate) enum DraftPart {
    /// Bytes that the guest wrote.
    Bytes(Vec<u8>),
    /// A blob that the caller may read in this repository.
    Blob(Repository, Blob),
}

impl Answer {
    /// Begins an empty answer with status 200, and says why it may change nothing, where it may not.
    pub(crate) fn new(limits: AnswerLimits, unchanging: Option<&'static str>) -> Self {
        Self(Arc::new(Mutex::new(Draft::new(limits, unchanging))))
    }

    /// Takes hold of the draft.
    pub(crate) fn draft(&self) -> MutexGuard<'_, Draft> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the draft and leaves an empty one.
    pub(crate) fn take(&self) -> Draft {
        let mut draft = self.draft();
        let empty = Draft::new(draft.limits, draft.unchanging);
        std::mem::replace(&mut *draft, empty)
    }
}

impl Draft {
    fn new(limits: AnswerLimits, unchanging: Option<&'static str>) -> Self {
        Self {
            limits,
            unchanging,
            status: 200,
            headers: Vec::new(),
            body: Vec::new(),
            written: 0,
            staged: HashMap::new(),
            staged_bytes: 0,
            part_bytes: 0,
            changes: Vec::new(),
            hash: Digest::sha256(b""),
        }
    }

    /// Appends bytes to the body.
    pub(crate) fn write(&mut self, bytes: Vec<u8>) {
        self.written += bytes.len() as u64;
        match self.body.last_mut() {
            Some(DraftPart::Bytes(last)) => last.extend_from_slice(&bytes),
            _ => self.body.push(DraftPart::Bytes(bytes)),
        }
    }

    /// Hashes what the client gets, and nothing else. So the hash is the same after a restart, and tells nothing of what the caller may not
    /// read and of how often that changes.
    pub(crate) fn seal(&mut self) {
        let mut hasher = Hasher::new(Algorithm::Sha256);
        let mut add = |kind: &str, bytes: &[u8]| {
            // With kind and length in front nothing can pass for something else.
            hasher.update(format!("{kind} {}:", bytes.len()).as_bytes());
            hasher.update(bytes);
        };
        for (name, value) in &self.headers {
            add("header", name.as_bytes());
            add("value", value.as_bytes());
        }
        for part in &self.body {
            match part {
                DraftPart::Bytes(bytes) => add("bytes", bytes),
                DraftPart::Blob(_, blob) => add("blob", blob.digest.as_str().as_bytes()),
            }
        }
        self.hash = hasher.finish();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_tell_what_is_sent_and_nothing_else() {
        let hash = |headers: &[(&str, &str)], pieces: &[&str]| {
            let limits = AnswerLimits {
                body_bytes_max: 9,
                staged_bytes_max: 9,
                part_bytes_max: 9,
            };
            let mut draft = Draft::new(limits, None);
            draft.headers = headers
                .iter()
                .map(|(name, value)| ((*name).into(), (*value).into()))
                .collect();
            pieces.iter().for_each(|piece| draft.write(piece.as_bytes().to_vec()));
            draft.seal();
            draft.hash
        };
        let (plain, html) = (&[("content-type", "text/plain")], &[("content-type", "text/html")]);
        assert_eq!(hash(plain, &["ab"]), hash(plain, &["a", "b"]));
        for other in [hash(html, &["ab"]), hash(plain, &["b"]), hash(plain, &[]), hash(&[], &["ab"])] {
            assert_ne!(other, hash(plain, &["ab"]));
        }
    }
}
