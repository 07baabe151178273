//! Another process's memory, read from outside: it is not stopped and does not notice. Nothing is ever written.

/// How much of a stack is looked at.
const STACK_BYTES: usize = 4096;
const FRAMES: usize = 32;

/// Reads pieces of another process's memory, each of `size` bytes, into `to`; how many came whole.
pub(crate) fn read_pieces(pid: u32, from: &[u64], size: usize, to: &mut [u8]) -> usize {
    let remote: Vec<libc::iovec> = from
        .iter()
        .map(|a| libc::iovec {
            iov_base: *a as *mut libc::c_void,
            iov_len: size,
        })
        .collect();
    let local = libc::iovec {
        iov_base: to.as_mut_ptr().cast(),
        iov_len: from.len() * size,
    };
    // SAFETY: `to` has room for all pieces; the remote side is only read.
    let n = unsafe {
        libc::process_vm_readv(
            pid as libc::pid_t,
            &local,
            1,
            remote.as_ptr(),
            remote.len() as libc::c_ulong,
            0,
        )
    };
    usize::try_from(n).unwrap_or(0) / size
}

pub(crate) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    bytes
        .get(at..at + 8)
        .map_or(0, |b| u64::from_ne_bytes(b.try_into().expect("8 bytes")))
}

/// Return addresses of a parked goroutine, innermost first, by its frame pointers.
pub(crate) fn stack(pid: u32, sp: u64, bp: u64) -> Vec<u64> {
    let mut bytes = [0u8; STACK_BYTES];
    let mut pcs = Vec::new();
    // The stack may end before so much: then what is there.
    let mut len = STACK_BYTES;
    while len >= 256 && read_pieces(pid, &[sp], len, &mut bytes) == 0 {
        len /= 2;
    }
    let mut frame = bp;
    while pcs.len() < FRAMES && frame >= sp && frame + 16 <= sp + len as u64 {
        let at = (frame - sp) as usize;
        pcs.push(u64_at(&bytes, at + 8));
        let next = u64_at(&bytes, at);
        if next <= frame {
            break;
        }
        frame = next;
    }
    pcs
}
