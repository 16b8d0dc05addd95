//! Who is asking, and what they may do.
//!
//! Every operation of the registry takes a [`Caller`]. What a caller may not read does not exist for that caller.

use crate::oci::{Repository, Scope};

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

/// What a principal may do: everything, with the repositories of a scope.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Grants {
    scope: Scope,
}

impl Grants {
    /// Allows everything.
    #[must_use]
    pub fn all() -> Self {
        Self::within(Scope::All)
    }

    /// Allows everything within a scope. Nothing outside of it exists for the principal.
    #[must_use]
    pub fn within(scope: Scope) -> Self {
        Self { scope }
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
    pub fn may(&self, action: Action, repository: &Repository) -> bool {
        self.scope(action).covers(repository)
    }

    /// Returns the repositories with which the caller may do something. Callers with the same scope for reading see the same.
    #[must_use]
    pub fn scope(&self, _action: Action) -> &Scope {
        &self.grants.scope
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oci::Prefixes;

    #[test]
    fn nothing_is_allowed_outside_of_the_scope() {
        let hidden = Prefixes::new(["secret".parse().unwrap()]).unwrap();
        let caller = Caller::anonymous(Grants::within(Scope::all_but(hidden)));
        for action in [Action::Read, Action::Write, Action::Delete] {
            assert!(caller.may(action, &"open".parse().unwrap()));
            assert!(!caller.may(action, &"secret/x".parse().unwrap()));
            assert!(Caller::system().may(action, &"secret/x".parse().unwrap()));
        }
    }
}
