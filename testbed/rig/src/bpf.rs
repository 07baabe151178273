//! Which eBPF programs exist, by bpf(2) itself: what a dead agent left behind shows nowhere else.

use std::collections::BTreeSet;
use std::fs;

const BPF_PROG_GET_NEXT_ID: i32 = 11;

/// Ids of all loaded programs of the machine.
pub fn all_programs() -> BTreeSet<u32> {
    let mut found = BTreeSet::new();
    // start_id, next_id, open_flags: union bpf_attr in linux/bpf.h.
    let mut attr = [0u32; 3];
    loop {
        // SAFETY: attr is valid for its size and lives across the call.
        let r = unsafe {
            libc::syscall(
                libc::SYS_bpf,
                BPF_PROG_GET_NEXT_ID,
                &raw mut attr,
                size_of_val(&attr),
            )
        };
        if r != 0 {
            let e = std::io::Error::last_os_error();
            assert_eq!(
                e.raw_os_error(),
                Some(libc::ENOENT),
                "bpf(BPF_PROG_GET_NEXT_ID): {e}"
            );
            return found;
        }
        found.insert(attr[1]);
        attr[0] = attr[1];
    }
}

/// Ids of the programs that a process holds a descriptor of, or a link to.
pub fn programs_of(pid: u32) -> BTreeSet<u32> {
    let Ok(dir) = fs::read_dir(format!("/proc/{pid}/fdinfo")) else {
        return BTreeSet::new();
    };
    let ids = dir
        .flatten()
        .filter_map(|e| fs::read_to_string(e.path()).ok())
        .flat_map(|text| {
            let id = text
                .lines()
                .find_map(|l| l.strip_prefix("prog_id:")?.trim().parse().ok());
            id.into_iter().collect::<Vec<u32>>()
        });
    ids.collect()
}
