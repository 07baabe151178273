//! In which namespaces and container a process lives, as seen from gostall's own: for display, and
//! for the doctor, because a tracer in a pid namespace of its own sees other pids than the kernel.
//!
//! A container has no kernel object; what is said of it is read off the cgroup's name, as the
//! runtimes write it.

use std::fs;
use std::os::unix::fs::MetadataExt;

use crate::cgroup::{Membership, memberships};
use crate::target::Target;

/// `PROC_PID_INIT_INO` of the kernel's include/linux/proc_ns.h: the inode of the first pid namespace.
const INITIAL_PID_NS: u64 = 0xEFFF_FFFC;

/// Whether gostall runs in the machine's first pid namespace. `None` when `/proc` does not tell.
///
/// In any other one the pids the kernel hands to a BPF program are not those in `/proc`.
#[must_use]
pub fn in_initial_pid_ns() -> Option<bool> {
    own("pid").map(|inode| inode == INITIAL_PID_NS)
}

/// The inode of one of gostall's own namespaces: `pid`, `net`, `mnt`, ...
#[must_use]
pub fn own(kind: &str) -> Option<u64> {
    fs::metadata(format!("/proc/self/ns/{kind}"))
        .ok()
        .map(|m| m.ino())
}

/// Where a process lives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Its pid in its own pid namespace, where that is not gostall's.
    pub inner_pid: Option<u32>,
    /// Whether its network namespace is not gostall's.
    pub other_net: bool,
    /// Whether its mount namespace is not gostall's.
    pub other_mnt: bool,
    /// The container, when the cgroup's name tells of one.
    pub container: Option<Container>,
}

/// A container, as its runtime names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Container {
    /// One of a few known names, such as `docker` or `cri-containerd`; empty when only the id is there.
    pub runtime: String,
    /// The id: 64 hexadecimal digits, as a rule shown by their first 12.
    pub id: String,
}

/// Where the process lives, relative to gostall.
#[must_use]
pub fn place(target: &Target) -> Place {
    Place {
        inner_pid: target
            .ns_pids
            .last()
            .copied()
            .filter(|_| target.ns_pids.len() > 1),
        other_net: own("net").is_some_and(|own| own != target.net_ns),
        other_mnt: own("mnt").is_some_and(|own| own != target.mnt_ns),
        container: container_of(&memberships(target.pid)),
    }
}

/// The names runtimes put before the id, in a systemd scope or as the directory above.
const RUNTIMES: [&str; 6] = [
    "docker",
    "libpod",
    "cri-containerd",
    "nerdctl",
    "crio",
    "buildah",
];

fn container_of(memberships: &[Membership]) -> Option<Container> {
    memberships.iter().find_map(|m| {
        let components: Vec<_> = m.path.iter().filter_map(|c| c.to_str()).collect();
        // The innermost names the container; what lies below it (systemd inside) does not.
        (0..components.len()).rev().find_map(|i| {
            let name = components[i]
                .strip_suffix(".scope")
                .unwrap_or(components[i]);
            let (runtime, id) = match name.rsplit_once('-') {
                Some((runtime, id)) => (runtime, id),
                // Docker with cgroupfs: /docker/ID
                None => (i.checked_sub(1).map_or("", |p| components[p]), name),
            };
            is_container_id(id).then(|| Container {
                runtime: RUNTIMES
                    .iter()
                    .find(|r| **r == runtime)
                    .map_or_else(String::new, |r| (*r).to_owned()),
                id: id.to_owned(),
            })
        })
    })
}

fn is_container_id(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn container(path: &str) -> Option<Container> {
        container_of(&[Membership {
            controllers: Vec::new(),
            path: path.into(),
        }])
    }

    #[test]
    fn names_of_the_runtimes() {
        let id = "0123456789abcdef".repeat(4);
        for (path, runtime) in [
            (format!("/docker/{id}"), "docker"),
            (format!("/system.slice/docker-{id}.scope"), "docker"),
            (
                format!("/machine.slice/libpod-{id}.scope/container"),
                "libpod",
            ),
            (
                format!("/kubepods.slice/kubepods-pod1.slice/cri-containerd-{id}.scope"),
                "cri-containerd",
            ),
            (format!("/kubepods/besteffort/pod1234/{id}"), ""),
            (format!("/{id}"), ""),
        ] {
            let found = container(&path).unwrap_or_else(|| panic!("{path}"));
            assert_eq!(
                (found.runtime.as_str(), &found.id),
                (runtime, &id),
                "{path}"
            );
        }
        assert_eq!(container("/user.slice/user-0.slice/session-1.scope"), None);
        assert_eq!(container("/"), None);
    }

    #[test]
    fn own_place() {
        let target = Target::read(std::process::id()).unwrap();
        let place = place(&target);
        assert!(!place.other_net && !place.other_mnt);
    }
}
