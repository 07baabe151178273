//! What the probes cost, by the kernel's own account. Keeping that account costs two
//! clock reads a run, so it is switched on for moments only.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use crate::error::Error;
use crate::loader::Probes;

/// Run time and runs of the syscall pair.
#[derive(Debug, Clone, Copy, Default)]
pub struct RunTotals {
    /// Nanoseconds both programs ran, over all CPUs; grows only while a [`RunStats`] lives.
    pub run_ns: u64,
    /// Runs of both programs, every process's calls included; as above.
    pub runs: u64,
}

/// While this lives the kernel keeps the account.
#[derive(Debug)]
pub struct RunStats(#[allow(dead_code, reason = "held for its Drop")] OwnedFd);

impl RunStats {
    /// Switches the account on.
    pub fn enable() -> Result<Self, Error> {
        // SAFETY: takes an enum, returns a new descriptor or a negative number.
        let fd = unsafe { libbpf_sys::bpf_enable_stats(libbpf_sys::BPF_STATS_RUN_TIME) };
        if fd < 0 {
            return Err(Error::Stats(io::Error::from_raw_os_error(-fd)));
        }
        // SAFETY: a fresh descriptor that nobody else owns.
        Ok(Self(unsafe { OwnedFd::from_raw_fd(fd) }))
    }
}

fn info(fd: BorrowedFd<'_>) -> Option<libbpf_sys::bpf_prog_info> {
    let mut info = libbpf_sys::bpf_prog_info::default();
    let mut len = size_of::<libbpf_sys::bpf_prog_info>() as u32;
    // SAFETY: info is a valid bpf_prog_info of the length given; its pointers are null, so the
    // kernel writes only into info itself.
    let r = unsafe { libbpf_sys::bpf_prog_get_info_by_fd(fd.as_raw_fd(), &mut info, &mut len) };
    (r == 0).then_some(info)
}

impl Probes {
    /// The account so far.
    pub fn run_totals(&self) -> RunTotals {
        let mut t = RunTotals::default();
        for fd in self.hot_programs() {
            if let Some(i) = info(fd) {
                t.run_ns += i.run_time_ns;
                t.runs += i.run_cnt;
            }
        }
        t
    }

    /// The same of the program at changes of goroutines' status.
    pub fn exact_totals(&self) -> RunTotals {
        let of = info(self.skel.progs.on_status.as_fd());
        of.map_or_else(RunTotals::default, |i| RunTotals {
            run_ns: i.run_time_ns,
            runs: i.run_cnt,
        })
    }

    /// Runs the kernel left out because the program was already running on that CPU.
    pub(crate) fn missed_runs(&self) -> u64 {
        self.hot_programs()
            .into_iter()
            .filter_map(info)
            .map(|i| i.recursion_misses)
            .sum()
    }
}
