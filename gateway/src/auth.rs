//! Who is asking, and what they may do.
//!
//! Every operation of the registry takes a [`Caller`]. What a caller may not read does not exist for that caller.

use std::{
    fmt,
    net::{IpAddr, Ipv6Addr},
};

use crate::oci::{Repository, Scope};

/// What of an IPv6 address tells peers apart: one subscriber has a whole network of 64 bits.
const IPV6_PREFIX: u128 = !0 << 64;

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

/// Where somebody asks from. Whoever shares a peer shares what is divided between peers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Peer(IpAddr);

impl From<IpAddr> for Peer {
    fn from(address: IpAddr) -> Self {
        Self(match address.to_canonical() {
            IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & IPV6_PREFIX).into(),
            v4 => v4,
        })
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A principal and what it may do, as found out for one request or one job. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Caller {
    principal: Principal,
    grants: Grants,
    peer: Option<Peer>,
}

impl Caller {
    /// Returns a caller who did not say who they are.
    #[must_use]
    pub fn anonymous(grants: Grants) -> Self {
        Self {
            principal: Principal::Anonymous,
            grants,
            peer: None,
        }
    }

    /// Returns the same caller, asking from a peer.
    #[must_use]
    pub fn at(self, peer: Option<Peer>) -> Self {
        Self { peer, ..self }
    }

    /// Returns the gateway itself, which may do everything.
    #[must_use]
    pub fn system() -> Self {
        Self {
            principal: Principal::System,
            grants: Grants::all(),
            peer: None,
        }
    }

    /// Returns who is asking.
    #[must_use]
    pub fn principal(&self) -> &Principal {
        &self.principal
    }

    /// Returns where the caller asks from, where that is known.
    #[must_use]
    pub fn peer(&self) -> Option<Peer> {
        self.peer
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
