//! Who is asking, and what they may do.
//!
//! Every operation of the registry takes a [`Caller`]. What a caller may not read does not exist for that caller.

use std::{collections::BTreeSet, sync::Arc};

use crate::oci::Repository;

/// What someone wants to do with a repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    /// See that it exists, list and pull.
    Read,
    /// Push, tag, mount into.
    Write,
    /// Delete tags, manifests and blobs.
    Delete,
}

/// Who is asking.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Principal {
    /// Somebody who did not say.
    Anonymous,
    /// The gateway itself, for its jobs.
    System,
}

/// What a principal may do.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Grants {
    hidden: Arc<BTreeSet<String>>,
}

impl Grants {
    /// Allows everything.
    #[must_use]
    pub fn all() -> Self {
        Self::default()
    }

    /// Allows everything but these prefixes of repository names, which stay invisible. A prefix is whole segments: `team` covers `team`
    /// and `team/a`.
    #[must_use]
    pub fn all_but(hidden: impl IntoIterator<Item = String>) -> Self {
        Self {
            hidden: Arc::new(hidden.into_iter().collect()),
        }
    }
}

/// A principal and what it may do, as found out for one request or one job. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Caller {
    principal: Principal,
    grants: Grants,
}

impl Caller {
    /// Returns a caller who did not say who they are.
    #[must_use]
    pub fn anonymous(grants: Grants) -> Self {
        Self {
            principal: Principal::Anonymous,
            grants,
        }
    }

    /// Returns the gateway itself, which may do everything.
    #[must_use]
    pub fn system() -> Self {
        Self {
            principal: Principal::System,
            grants: Grants::all(),
        }
    }

    /// Returns who is asking.
    #[must_use]
    pub fn principal(&self) -> &Principal {
        &self.principal
    }

    /// Says whether the caller may do something with a repository.
    #[must_use]
    pub fn may(&self, _action: Action, repository: &Repository) -> bool {
        self.grants.hidden.is_empty() || !repository.prefixes().any(|prefix| self.grants.hidden.contains(prefix))
    }

    /// Returns what tells sets of readable repositories apart: callers with equal keys may read the same repositories.
    #[must_use]
    pub fn read_key(&self) -> &Grants {
        &self.grants
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hidden_prefixes_cover_whole_segments() {
        let caller = Caller::anonymous(Grants::all_but(["secret".into(), "team/b".into()]));
        let may = |name: &str| caller.may(Action::Read, &name.parse().unwrap());
        assert!(may("secrets") && may("team/a") && may("team/bb") && may("team"));
        assert!(!may("secret") && !may("secret/x") && !may("team/b/c"));
        assert!(Caller::system().may(Action::Delete, &"secret".parse().unwrap()));
    }
}
