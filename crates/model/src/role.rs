//! The roles a syscall can have when it belongs to no request.
//! Deciding the role is the kernel side's work; this only names it and counts it.

use serde::{Deserialize, Serialize};

/// Whom a syscall outside of any request is charged to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// The Go scheduler: parking and waking threads.
    Scheduler,
    /// The network poller.
    Netpoll,
    /// The garbage collector and the scavenger.
    Gc,
    /// The monitor thread.
    Sysmon,
    /// The rest of the runtime.
    Runtime,
    /// C code.
    Cgo,
    /// A connection's goroutine between requests.
    Connection,
    /// A goroutine of no request.
    Background,
    /// It could not be told: threads without known goroutines. Kept apart from [`Role::Runtime`], since
    /// saying `runtime` would be a guess.
    Unknown,
}

impl Role {
    /// All roles, in the order of their leaves and of output.
    pub const ALL: [Role; 9] = [
        Role::Scheduler,
        Role::Netpoll,
        Role::Gc,
        Role::Sysmon,
        Role::Runtime,
        Role::Cgo,
        Role::Connection,
        Role::Background,
        Role::Unknown,
    ];

    /// The role of a leaf in 1..=31 ([`Role::Unknown`] for those without a meaning yet); `None` for
    /// `(other)` and for path nodes.
    pub fn from_leaf(leaf: u32) -> Option<Role> {
        match leaf {
            0 | 32.. => None,
            n => Some(
                Self::ALL
                    .get(n as usize - 1)
                    .copied()
                    .unwrap_or(Role::Unknown),
            ),
        }
    }

    /// The leaf that stands for this role.
    pub fn leaf(self) -> u32 {
        self as u32 + 1
    }

    /// Its name in every output.
    pub fn name(self) -> &'static str {
        match self {
            Role::Scheduler => "scheduler",
            Role::Netpoll => "netpoll",
            Role::Gc => "gc",
            Role::Sysmon => "sysmon",
            Role::Runtime => "runtime",
            Role::Cgo => "cgo",
            Role::Connection => "connection",
            Role::Background => "background",
            Role::Unknown => "unknown",
        }
    }

    /// Whether it is the runtime's own work, as `coverage.runtime` counts it.
    pub fn is_runtime(self) -> bool {
        matches!(
            self,
            Role::Scheduler | Role::Netpoll | Role::Gc | Role::Sysmon | Role::Runtime | Role::Cgo
        )
    }

    /// Whether a call of this role was made by a user goroutine.
    pub fn is_goroutine(self) -> bool {
        matches!(self, Role::Connection | Role::Background)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leaves_and_roles() {
        for role in Role::ALL {
            assert_eq!(Role::from_leaf(role.leaf()), Some(role));
            assert_eq!(
                serde_json::to_value(role).unwrap(),
                serde_json::Value::from(role.name())
            );
            assert!(!(role.is_runtime() && role.is_goroutine()));
        }
        assert_eq!(Role::from_leaf(0), None);
        assert_eq!(Role::from_leaf(32), None);
        assert_eq!(Role::from_leaf(31), Some(Role::Unknown));
        assert_eq!(Role::from_leaf(7), Some(Role::Connection));
    }
}
