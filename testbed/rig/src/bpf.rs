//! Which eBPF programs exist, by bpf(2) itself: what a dead agent left behind shows nowhere else.

use std::collections::BTreeSet;
use std::fs;

/// A kind of object that eBPF leaves in the kernel, with the command of bpf(2) that lists it (enum bpf_cmd in
/// linux/bpf.h) and its name in fdinfo.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BpfKind {
    /// Loaded programs.
    Program,
    /// Maps.
    Map,
    /// What attaches a program.
    Link,
}

impl BpfKind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Program, Self::Map, Self::Link];

    fn get_next_id(self) -> i32 {
        match self {
            Self::Program => 11,
            Self::Map => 12,
            Self::Link => 31,
        }
    }

    fn fdinfo(self) -> &'static str {
        match self {
            Self::Program => "prog_id:",
            Self::Map => "map_id:",
            Self::Link => "link_id:",
        }
    }
}

/// Ids of all loaded programs of the machine.
pub fn all_programs() -> BTreeSet<u32> {
    all_of(BpfKind::Program)
}

/// Ids of all objects of a kind on the machine.
pub fn all_of(kind: BpfKind) -> BTreeSet<u32> {
    let mut found = BTreeSet::new();
    // start_id, next_id, open_flags: union bpf_attr in linux/bpf.h.
    let mut attr = [0u32; 3];
    loop {
        // SAFETY: attr is valid for its size and lives across the call.
        let r = unsafe {
            libc::syscall(
                libc::SYS_bpf,
                kind.get_next_id(),
                &raw mut attr,
                size_of_val(&attr),
            )
        };
        if r != 0 {
            let e = std::io::Error::last_os_error();
            assert_eq!(
                e.raw_os_error(),
                Some(libc::ENOENT),
                "bpf(2), the next id of {kind:?}: {e}"
            );
            return found;
        }
        found.insert(attr[1]);
        attr[0] = attr[1];
    }
}

/// Ids of the programs that a process holds a descriptor of, or a link to.
pub fn programs_of(pid: u32) -> BTreeSet<u32> {
    held_by(pid, BpfKind::Program)
}

/// Ids of a kind that a process's descriptors name.
pub fn held_by(pid: u32, kind: BpfKind) -> BTreeSet<u32> {
    let Ok(dir) = fs::read_dir(format!("/proc/{pid}/fdinfo")) else {
        return BTreeSet::new();
    };
    let ids = dir
        .flatten()
        .filter_map(|e| fs::read_to_string(e.path()).ok())
        .flat_map(|text| {
            let id = text
                .lines()
                .find_map(|l| l.strip_prefix(kind.fdinfo())?.trim().parse().ok());
            id.into_iter().collect::<Vec<u32>>()
        });
    ids.collect()
}
