//! What a goroutine that another waits for is doing in a call: its thread is asked, for the goroutine itself does not
//! know. Only children of requests that wait for them are looked at so.

use std::fs;

use gostall_model::{Doing, LedgerState as S};
use gostall_probes::{Blocks, blocks};

use crate::session::native_arch;

/// Where `m.procid` may be: behind `g0`, `morebuf` (six words since Go 1.25, seven before) and a division's magic.
const PROCID: [u64; 2] = [72, 64];

/// What the thread of an `m` waits for in a call.
pub(crate) fn in_call(pid: u32, m: u64) -> Doing {
    let said = PROCID.iter().find_map(|offset| {
        let tid = word(pid, m + offset)?;
        fs::read_to_string(format!("/proc/{pid}/task/{tid}/syscall")).ok()
    });
    Doing::State(match said {
        // It came back while we looked.
        Some(text) if text.starts_with("running") => return Doing::Running,
        Some(text) => state(pid, &text).unwrap_or(S::Unknown),
        None => S::Unknown,
    })
}

fn word(pid: u32, at: u64) -> Option<u64> {
    let mut bytes = [0; 8];
    (crate::memory::read_pieces(pid, &[at], 8, &mut bytes) == 1)
        .then(|| u64::from_ne_bytes(bytes))
        // A thread's number, not a pointer.
        .filter(|tid| (1..1 << 22).contains(tid))
}

/// `/proc/PID/task/TID/syscall`: the number, then the arguments.
fn state(pid: u32, text: &str) -> Option<S> {
    let mut words = text.split_ascii_whitespace();
    let nr: u16 = words.next()?.parse().ok()?;
    let name = native_arch().syscall_name(nr);
    Some(match blocks(&name) {
        Blocks::Disk => S::SyscallDisk,
        Blocks::Lock => S::SyscallLock,
        Blocks::Else => S::SyscallOther,
        Blocks::Descriptor => {
            let fd = u32::from_str_radix(words.next()?.strip_prefix("0x")?, 16).ok()?;
            let file = fs::read_link(format!("/proc/{pid}/fd/{fd}")).ok()?;
            let file = file.to_string_lossy();
            if file.starts_with("pipe:") {
                S::SyscallPipe
            } else if file.starts_with('/') {
                S::SyscallDisk
            } else {
                return None;
            }
        }
    })
}
