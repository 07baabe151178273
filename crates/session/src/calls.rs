//! What a thread in a system call waits for, by what `/proc` says of it at this moment: for goroutines that no request
//! has, whose calls are not timed one by one, and for those that a request waits for.

use std::fs;
use std::os::unix::fs::FileTypeExt;

use gostall_model::BackgroundState as S;
use gostall_probes::{Blocks, blocks};
use gostall_targets::proc;

/// `None`: it is not told, or it is in no call any more.
pub(crate) fn waits_for(pid: u32, tid: u64) -> Option<S> {
    let path = proc::path(pid, "task").join(format!("{tid}/syscall"));
    let text = fs::read_to_string(path).ok()?;
    let mut words = text.split_ascii_whitespace();
    let nr = match words.next()? {
        // On a processor, or ready for one.
        "running" => return Some(S::On),
        nr => nr.parse::<u16>().ok()?,
    };
    let argument = |w: &str| u64::from_str_radix(w.trim_start_matches("0x"), 16).ok();
    Some(match blocks(&crate::native_arch().syscall_name(nr)) {
        Blocks::Disk => S::Disk,
        Blocks::Lock => S::CallLock,
        Blocks::Else => S::CallOther,
        Blocks::Descriptor => {
            let fd = argument(words.next()?)?;
            let meta = fs::metadata(proc::path(pid, "fd").join(fd.to_string())).ok()?;
            let kind = meta.file_type();
            if kind.is_fifo() {
                S::Pipe
            } else if kind.is_socket() {
                S::Network
            } else if kind.is_file() || kind.is_block_device() {
                S::Disk
            } else {
                S::CallOther
            }
        }
    })
}
