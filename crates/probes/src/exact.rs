//! `--exact`: what the kernel side must know of an executable to tell what its goroutines wait for, from when on a
//! process is measured, what was measured, and what that costs.

use std::path::Path;
use std::time::{Duration, Instant};

use gostall_bpf::{abi, types};
use gostall_model::{LedgerState as S, Measured};
use libbpf_rs::{Link, MapCore, MapFlags};

use crate::error::Error;
use crate::hooks::{drop_behind, multi};
use crate::loader::Probes;
use crate::{batch, bytes};

/// What a wait reason of the runtime means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wait {
    /// `None`: for a descriptor, of which the kernel knows more.
    pub state: Option<S>,
    /// A function on the stack may say better.
    pub stack: bool,
    /// It receives from a channel, which may be a timer's.
    pub receives: bool,
}

/// Where the fields are that lead from a goroutine to the type of the channel it waits for, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "each is named after its struct and field")]
pub struct TimerOffsets {
    pub g_waiting: u32,
    pub sudog_c: u32,
    pub hchan_elemtype: u32,
}

/// How an executable's goroutines wait.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ExactWaits {
    /// g.waitreason
    pub g_waitreason: u32,
    /// g.sched.sp
    pub g_sched_sp: u32,
    /// g.sched.bp; `None`: stacks cannot be followed.
    pub g_sched_bp: Option<u32>,
    /// See there.
    pub timer: Option<TimerOffsets>,
    /// By the reason's number.
    pub reasons: Vec<Wait>,
    /// Functions that stand for something, link-time, by their beginnings.
    pub functions: Vec<(u64, u64, S)>,
}

/// Sites in an executable: offset in the file and cookie of each.
#[derive(Debug, Clone, Default)]
pub struct ExactSites {
    /// Where the runtime changes a goroutine's status; empty where one that is needed is not there.
    pub status: Vec<(u64, u64)>,
    /// Where it stops and starts the world.
    pub world: Vec<(u64, u64)>,
    /// What is needed and not there.
    pub missing: Vec<&'static str>,
}

/// Cookie of a change of status: the goroutine parks, and has said why.
pub const EXACT_PARKS: u64 = abi::GS_X_PARKS as u64;
/// Cookie of the world's: it is started, not stopped.
pub const EXACT_STARTS: u64 = abi::GS_X_STARTS as u64;
/// Cookie of the world's: the probe stands on the branch of a stack check.
pub const EXACT_JBE: u64 = abi::GS_HOOK_JBE as u64;

fn number(state: Option<S>) -> u8 {
    let n = match state {
        None => abi::GS_X_IO,
        Some(S::RunqGo) => abi::GS_X_RUNQ_GO,
        Some(S::Lock) => abi::GS_X_LOCK,
        Some(S::Channel) => abi::GS_X_CHANNEL,
        Some(S::Timer) => abi::GS_X_TIMER,
        Some(S::Gc) => abi::GS_X_GC,
        Some(S::NetClientRead) => abi::GS_X_CLIENT_READ,
        Some(S::NetClientWrite) => abi::GS_X_CLIENT_WRITE,
        Some(S::NetUpstreamConnect) => abi::GS_X_UPSTREAM_CONNECT,
        Some(S::NetUpstreamRead) => abi::GS_X_UPSTREAM_READ,
        Some(S::NetUpstreamWrite) => abi::GS_X_UPSTREAM_WRITE,
        Some(S::NetDns) => abi::GS_X_DNS,
        Some(_) => abi::GS_X_UNKNOWN,
    };
    n as u8
}

fn exe_of(waits: &ExactWaits) -> types::gs_exact_exe {
    let mut exe = types::gs_exact_exe {
        off_reason: waits.g_waitreason,
        off_sp: waits.g_sched_sp,
        off_bp: waits.g_sched_bp.unwrap_or(0),
        reasons: [abi::GS_X_UNKNOWN as u8; abi::GS_X_REASONS as usize],
        // The search goes by these: a place that is not used is behind everything.
        begins: [u64::MAX; abi::GS_X_FUNCTIONS as usize],
        ..Default::default()
    };
    if let Some(t) = waits.timer {
        exe.off_waiting = t.g_waiting;
        exe.sudog_c = t.sudog_c;
        exe.hchan_elemtype = t.hchan_elemtype;
    }
    for (to, wait) in exe.reasons.iter_mut().zip(&waits.reasons) {
        *to = number(wait.state);
        if wait.stack {
            *to |= abi::GS_X_STACK as u8;
        }
        if wait.receives {
            *to |= abi::GS_X_RECEIVES as u8;
        }
    }
    exe.begins[0] = 0;
    for (at, (begin, end, state)) in (1..exe.begins.len()).zip(&waits.functions) {
        (exe.begins[at], exe.ends[at]) = (*begin, *end);
        exe.states[at] = number(Some(*state));
    }
    exe
}

/// A function of our own to put a probe at.
mod own {
    std::arch::global_asm!(
        ".globl gostall_probed",
        ".type gostall_probed,@function",
        "gostall_probed:",
        "nop",
        "ret",
        ".size gostall_probed, . - gostall_probed",
    );
    unsafe extern "C" {
        pub(super) fn gostall_probed();
    }
}

impl Probes {
    pub(crate) fn exact_exe_write(&self, exe_id: u32, waits: &ExactWaits) -> Result<(), Error> {
        let exact = &self.skel.maps.rodata_data;
        if exact.as_ref().is_none_or(|r| r.exact_on == 0) {
            return Ok(());
        }
        self.maps()
            .exact_exes
            .update(
                &exe_id.to_ne_bytes(),
                bytes::of(&exe_of(waits)),
                MapFlags::ANY,
            )
            .map_err(Error::write("exact_exes"))
    }

    /// Sees changes of status in the executable behind `path`.
    pub fn attach_exact(&mut self, path: &Path, sites: &ExactSites) -> Result<(), Error> {
        let p = &self.skel.progs;
        let mut links = Vec::new();
        for (program, sites, what) in [
            (
                &p.on_status,
                &sites.status,
                "the uprobes at changes of goroutines' status",
            ),
            (
                &p.on_world,
                &sites.world,
                "the uprobes at stopTheWorld and startTheWorld",
            ),
        ] {
            if !sites.is_empty() {
                links.push(multi(program, path, sites, what)?);
            }
        }
        self.hooks.exact.append(&mut links);
        Ok(())
    }

    /// No longer sees them.
    pub fn detach_exact(&mut self) {
        drop_behind(&mut self.hooks.exact);
    }

    /// Requests of a process that begin from now on are measured; or none is (any more).
    pub fn measure(&self, slot: u32, on: bool) -> Result<(), Error> {
        let mut now = libc::timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        // SAFETY: now is writable.
        unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &mut now) };
        let s = types::gs_exact_slot {
            since_ns: if on {
                now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
            } else {
                0
            },
            ..Default::default()
        };
        self.maps()
            .exact_slots
            .update(&slot.to_ne_bytes(), bytes::of(&s), MapFlags::ANY)
            .map_err(Error::write("exact_slots"))
    }

    /// What was measured of each leaf's requests that ended.
    pub fn measured(&self, mut each: impl FnMut(u32, &Measured)) -> Result<(), Error> {
        batch::each(&self.maps().exact_ledgers, "exact_ledgers", |key, value| {
            let key = u32::from_ne_bytes(key[..4].try_into().expect("a key has 4 bytes"));
            let sums: types::gs_exact_sums = bytes::to(value);
            let ns = |state: u32| sums.ns[state as usize];
            let measured = Measured {
                runq_go: ns(abi::GS_X_RUNQ_GO),
                throttled: ns(abi::GS_X_THROTTLED),
                lock: ns(abi::GS_X_LOCK),
                channel: ns(abi::GS_X_CHANNEL),
                timer: ns(abi::GS_X_TIMER),
                gc: ns(abi::GS_X_GC),
                client_read: ns(abi::GS_X_CLIENT_READ),
                client_write: ns(abi::GS_X_CLIENT_WRITE),
                upstream_connect: ns(abi::GS_X_UPSTREAM_CONNECT),
                upstream_read: ns(abi::GS_X_UPSTREAM_READ),
                upstream_write: ns(abi::GS_X_UPSTREAM_WRITE),
                dns: ns(abi::GS_X_DNS),
                unknown: ns(abi::GS_X_UNKNOWN),
                total: ns(abi::GS_X_TOTAL),
            };
            each(key >> abi::GS_KEY_CPU_BITS, &measured);
        })
    }

    /// Where to put the probe of [`Probes::trap`]: an address of this process.
    pub fn own_site() -> u64 {
        own::gostall_probed as *const () as u64
    }

    /// How long so many hits of a probe take whose program does next to nothing: the way into the kernel and back.
    /// `file_offset` is that of [`Probes::own_site`] in this process's executable.
    pub fn trap(&self, file_offset: u64, hits: u32) -> Result<Duration, Error> {
        let me = Path::new("/proc/self/exe");
        let link: Link = multi(
            &self.skel.progs.on_status,
            me,
            &[(file_offset, 0)],
            "a uprobe at gostall itself",
        )?;
        let begin = Instant::now();
        for _ in 0..hits {
            // SAFETY: it does nothing, and returns.
            unsafe { own::gostall_probed() };
        }
        let took = begin.elapsed();
        drop(link);
        Ok(took)
    }
}
