//! The processors' clocks, which say who computes: a software event on each processor, a hundred times a second. Where
//! the kernel refuses them, nobody's CPU time is told apart.

use std::fs;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use gostall_bpf::{abi, types};
use libbpf_rs::Link;

use crate::error::Error;
use crate::loader::Probes;
use crate::{batch, bytes};

/// Ticks a second and processor: not a divisor of what programs do by the clock.
const HERTZ: u64 = 99;
/// [`CpuTicks::who`] of any request.
pub const CPU_REQUEST: u64 = abi::GS_FIRST_NODE as u64;

/// Ticks that found a process computing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CpuTicks {
    /// Whose threads.
    pub slot: u32,
    /// For whom: a role's leaf (below 32), [`CPU_REQUEST`], or the link-time address of the function that a goroutine
    /// began with.
    pub who: u64,
    /// In the kernel, or in the program's own code.
    pub kernel: bool,
    /// How many.
    pub ticks: u64,
}

/// The attached events.
#[derive(Default)]
pub(crate) struct Clocks(Vec<Link>);

impl Clocks {
    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }
}

/// The processors that are there now, `0-3,5`.
fn online() -> Vec<i32> {
    let text = fs::read_to_string("/sys/devices/system/cpu/online").unwrap_or_default();
    let mut cpus = Vec::new();
    for part in text.trim().split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        if let (Ok(first), Ok(last)) = (first.parse::<i32>(), last.parse::<i32>()) {
            cpus.extend(first..=last.min(first.saturating_add(4095)));
        }
    }
    cpus
}

fn open(cpu: i32) -> std::io::Result<OwnedFd> {
    let mut attr = libbpf_sys::perf_event_attr {
        type_: libbpf_sys::PERF_TYPE_SOFTWARE,
        size: size_of::<libbpf_sys::perf_event_attr>() as u32,
        config: u64::from(libbpf_sys::PERF_COUNT_SW_CPU_CLOCK),
        ..Default::default()
    };
    attr.__bindgen_anon_1.sample_freq = HERTZ;
    attr.set_freq(1);
    // SAFETY: the structure is filled and its size given; the others are integers.
    let fd = unsafe {
        libc::syscall(
            libc::SYS_perf_event_open,
            &raw const attr,
            -1,
            cpu,
            -1,
            libbpf_sys::PERF_FLAG_FD_CLOEXEC,
        )
    };
    if fd < 0 {
        return Err(std::io::Error::last_os_error());
    }
    // SAFETY: the kernel has just given it to us.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as i32) })
}

impl Probes {
    /// Starts to ask the processors' clocks who computes.
    pub fn attach_clocks(&mut self) -> Result<(), Error> {
        let what = "the CPU clock's perf event";
        let mut links = Vec::new();
        for cpu in online() {
            let event = open(cpu).map_err(|e| Error::Attach {
                what,
                why: e.to_string(),
            })?;
            // The link holds the event from here on.
            let link = self
                .skel
                .progs
                .on_cpu_clock
                .attach_perf_event(event.as_raw_fd())
                .map_err(Error::attach(what))?;
            std::mem::forget(event);
            links.push(link);
        }
        self.clocks = Clocks(links);
        Ok(())
    }

    /// Calls `each` with what the clocks have found so far.
    pub fn cpu_ticks(&self, mut each: impl FnMut(CpuTicks)) -> Result<(), Error> {
        batch::each(&self.maps().cpu_ticks, "cpu_ticks", |key, value| {
            let key: types::gs_cpu_key = bytes::to(key);
            each(CpuTicks {
                slot: key.slot,
                who: key.who,
                kernel: key.kernel != 0,
                ticks: u64::from_ne_bytes(value[..8].try_into().expect("a value has 8 bytes")),
            });
        })
    }
}
