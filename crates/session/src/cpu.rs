//! Who computes: a process's CPU time is the kernel's account, exact; the ticks of the processors' clocks say for whom it
//! was, by role and by the function that a goroutine began with.

use std::collections::{BTreeMap, HashMap};

use gostall_gobin::Role as GoRole;
use gostall_model::{Background, CpuByRole, CpuTime, Role, Started};
use gostall_probes::{CPU_REQUEST, CpuTicks};

use crate::background::{self, Census, OTHER};
use crate::program::Program;

/// The CPU time of a process, its ended threads included.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CpuClock {
    id: libc::clockid_t,
    first_ns: u64,
    last_ns: u64,
}

impl CpuClock {
    pub(crate) fn start(pid: u32) -> Option<Self> {
        // CPUCLOCK_SCHED of the process (include/linux/posix-timers.h, make_process_cpuclock).
        let id = (!(pid as libc::clockid_t) << 3) | 2;
        let now = read(id)?;
        Some(Self {
            id,
            first_ns: now,
            last_ns: now,
        })
    }

    /// Once it has ended, what was read last stays.
    pub(crate) fn look(&mut self) {
        if let Some(now) = read(self.id) {
            self.last_ns = self.last_ns.max(now);
        }
    }

    pub(crate) fn used_ns(&self) -> u64 {
        self.last_ns - self.first_ns
    }
}

fn read(id: libc::clockid_t) -> Option<u64> {
    let mut t = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: t is writable.
    let ok = unsafe { libc::clock_gettime(id, &mut t) } == 0;
    ok.then_some(t.tv_sec as u64 * 1_000_000_000 + t.tv_nsec as u64)
}

/// Puts together what looks and ticks have found.
#[derive(Debug, Default)]
pub(crate) struct Account {
    ticks: u64,
    total_ns: u64,
    by_role: BTreeMap<String, u64>,
    started: HashMap<(String, Role), Started>,
    watched_ns: u64,
}

/// The name and role of whoever was started with a function.
fn named(program: &Program, start: u64) -> (String, Role) {
    if start == OTHER {
        return ("(other)".to_owned(), Role::Background);
    }
    let role = match program.facts.role(start) {
        Some(r) if background::is_runtimes(Some(r)) => match r {
            GoRole::Finalizer | GoRole::Cleanup | GoRole::SignalLoop => Role::Runtime,
            _ => Role::Gc,
        },
        _ => Role::Background,
    };
    let name = program.started(start);
    (name.unwrap_or_else(|| "(unknown)".to_owned()), role)
}

impl Account {
    /// Adds a process: its ticks, and the CPU time that they are to share out.
    pub(crate) fn process(&mut self, program: &Program, cpu_ns: u64, ticks: &[CpuTicks]) {
        let all: u64 = ticks.iter().map(|t| t.ticks).sum();
        self.total_ns += cpu_ns;
        self.ticks += all;
        if all == 0 {
            *self.by_role.entry("unknown".into()).or_default() += cpu_ns;
            return;
        }
        let mut left = cpu_ns;
        let mut done = 0;
        for t in ticks {
            done += t.ticks;
            // The last takes what rounding left.
            let ns = (cpu_ns as f64 * t.ticks as f64 / all as f64) as u64;
            let ns = if done == all { left } else { ns.min(left) };
            left -= ns;
            let role = match t.who {
                CPU_REQUEST => "requests".to_owned(),
                leaf @ 0..CPU_REQUEST => {
                    let role = Role::from_leaf(leaf as u32).unwrap_or(Role::Unknown);
                    role.name().to_owned()
                }
                start => {
                    let (name, role) = named(program, start);
                    let one = self.started.entry((name, role)).or_default();
                    let cpu = one.cpu.get_or_insert_default();
                    cpu.add(CpuTime {
                        user_ns: if t.kernel { 0 } else { ns },
                        kernel_ns: if t.kernel { ns } else { 0 },
                    });
                    role.name().to_owned()
                }
            };
            *self.by_role.entry(role).or_default() += ns;
        }
    }

    /// Adds what was found of a process's goroutines; `clocks`: there were ticks to be had.
    pub(crate) fn census(&mut self, census: &Census, clocks: bool) {
        let (found, watched) = census.found();
        self.watched_ns = self.watched_ns.max(watched.as_nanos() as u64);
        for (start, looks) in found {
            let key = named(&census.subject().program, start);
            let one = self.started.entry(key).or_default();
            one.looks.add(&looks);
            if clocks {
                one.cpu.get_or_insert_default();
            }
        }
    }

    /// The report's parts.
    pub(crate) fn finish(self) -> (Vec<Background>, Option<CpuByRole>) {
        let started = self.started.into_iter();
        let rows = gostall_model::background(
            started.map(|((name, role), s)| (name, role, s)),
            self.watched_ns,
        );
        let cpu = (self.ticks > 0).then_some(CpuByRole {
            total_ns: self.total_ns,
            ticks: self.ticks,
            by_role: self.by_role,
        });
        (rows, cpu)
    }
}
