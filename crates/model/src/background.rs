//! Whatever of a process's time no request has: who computes, by role, and what goroutines of no request do, by the
//! function that they were started with. Looks and ticks come in; they are shared out here.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::ledger::{Doing, LedgerState};
use crate::role::Role;

/// What a goroutine of no request was found doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum BackgroundState {
    /// It had a P: computing, in a call that computes, or waiting for a processor.
    On,
    /// Ready, and no P free.
    RunqGo,
    /// Ready, and its cgroup's time used up.
    Throttled,
    /// A call that waits for a disk or a file system.
    Disk,
    /// For a pipe, or another file that Go's poller waits for.
    Pipe,
    /// A call that waits for a lock.
    CallLock,
    /// A call that waits for something else.
    CallOther,
    /// For whoever is at the other end of a socket.
    Network,
    /// For somebody to connect.
    Accept,
    /// For an upstream (net/http's or gRPC's helpers wait for it).
    Upstream,
    /// For a name server.
    Dns,
    /// Mutexes, conditions, wait groups.
    Lock,
    /// Channels and select.
    Channel,
    /// Sleeping, or a timer's channel.
    Timer,
    /// Helping or waiting for the collector.
    Gc,
    /// A goroutine of the runtime that has nothing to do.
    Idle,
    /// Not known.
    Unknown,
}

use BackgroundState as S;

/// What a goroutine of a request does, by what its thread was found in.
impl From<BackgroundState> for Doing {
    fn from(state: BackgroundState) -> Self {
        Doing::State(match state {
            S::On => return Doing::Running,
            S::Disk => LedgerState::SyscallDisk,
            S::Pipe => LedgerState::SyscallPipe,
            S::CallLock => LedgerState::SyscallLock,
            S::CallOther => LedgerState::SyscallOther,
            _ => LedgerState::Unknown,
        })
    }
}

impl BackgroundState {
    /// Its name in JSON; `None` where it is shared out further.
    pub fn name(self) -> Option<&'static str> {
        Some(match self {
            S::On => return None,
            S::RunqGo => "runq_go",
            S::Throttled => "throttled",
            S::Disk => "syscall_disk",
            S::Pipe => "syscall_pipe",
            S::CallLock => "syscall_lock",
            S::CallOther => "syscall_other",
            S::Network => "network",
            S::Accept => "accept",
            S::Upstream => "net_upstream_read",
            S::Dns => "net_dns",
            S::Lock => "lock",
            S::Channel => "channel",
            S::Timer => "timer",
            S::Gc => "gc",
            S::Idle => "idle",
            S::Unknown => "unknown",
        })
    }
}

/// What was found of the goroutines that one function started.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Looks {
    /// How often one of them was looked at.
    pub looks: u64,
    /// The time that the looks stand for, ns.
    pub states: BTreeMap<BackgroundState, u64>,
}

impl Looks {
    /// Counts a look that stands for so long.
    pub fn count(&mut self, state: BackgroundState, ns: u64) {
        self.looks += 1;
        *self.states.entry(state).or_default() += ns;
    }

    /// Adds another's.
    pub fn add(&mut self, other: &Looks) {
        self.looks += other.looks;
        for (state, ns) in &other.states {
            *self.states.entry(*state).or_default() += ns;
        }
    }
}

/// CPU time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CpuTime {
    /// In the program's own code, ns.
    pub user_ns: u64,
    /// In the kernel, ns.
    pub kernel_ns: u64,
}

impl CpuTime {
    /// Both.
    pub fn total_ns(&self) -> u64 {
        self.user_ns + self.kernel_ns
    }

    /// Adds another's.
    pub fn add(&mut self, other: CpuTime) {
        self.user_ns += other.user_ns;
        self.kernel_ns += other.kernel_ns;
    }
}

/// The goroutines of one function: a row of `background`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Background {
    /// The function that they were started with; `(other)`: beyond a bound.
    pub name: String,
    /// `background`, or the runtime's role whose goroutines these are.
    pub role: Role,
    /// How many there were at a time, on average.
    pub goroutines: f64,
    /// How often one of them was looked at.
    pub looks: u64,
    /// CPU time, by the clock's ticks; `null` where the kernel gives none.
    pub cpu_ns: Option<u64>,
    /// What they did, ns of goroutine time: `goroutines` times the time watched is its sum.
    pub ledger: BTreeMap<String, u64>,
}

/// What is known of one function's goroutines.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Started {
    /// What they were found doing.
    pub looks: Looks,
    /// What they computed; `None`: nobody was asked.
    pub cpu: Option<CpuTime>,
}

/// CPU time by role: `cpu` of a report.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CpuByRole {
    /// The processes' CPU time in the window, by the kernel's account.
    pub total_ns: u64,
    /// Ticks of the processors' clocks that found them computing: what `by_role` is shared out by.
    pub ticks: u64,
    /// ns by role; `requests` are all endpoints'. The sum is `total_ns`.
    pub by_role: BTreeMap<String, u64>,
}

/// Rows of their own; what is beyond is `(other)`.
const ROWS: usize = 40;

/// The rows, those that compute most first.
pub fn background(
    started: impl IntoIterator<Item = (String, Role, Started)>,
    watched_ns: u64,
) -> Vec<Background> {
    let mut by_name: BTreeMap<(String, Role), Started> = BTreeMap::new();
    for (name, role, more) in started {
        let one = by_name.entry((name, role)).or_default();
        one.looks.add(&more.looks);
        if let Some(cpu) = more.cpu {
            one.cpu.get_or_insert_default().add(cpu);
        }
    }
    let mut all: Vec<((String, Role), Started)> = by_name.into_iter().collect();
    all.sort_by_cached_key(|((name, _), s)| {
        let cpu = s.cpu.map_or(0, |c| c.total_ns());
        let waiting: u64 = s
            .looks
            .states
            .iter()
            .filter(|(state, _)| **state != S::Idle)
            .map(|(_, ns)| *ns)
            .sum();
        (
            std::cmp::Reverse(cpu),
            std::cmp::Reverse(waiting),
            name.clone(),
        )
    });
    let rest = all.split_off(all.len().min(ROWS));
    let mut rows: Vec<Background> = all
        .into_iter()
        .map(|((name, role), s)| row(name, role, &s, watched_ns))
        .collect();
    if !rest.is_empty() {
        let mut other = Started::default();
        for (_, s) in rest {
            other.looks.add(&s.looks);
            if let Some(cpu) = s.cpu {
                other.cpu.get_or_insert_default().add(cpu);
            }
        }
        rows.push(row("(other)".into(), Role::Background, &other, watched_ns));
    }
    rows
}

fn row(name: String, role: Role, s: &Started, watched_ns: u64) -> Background {
    let total: u64 = s.looks.states.values().sum();
    Background {
        name,
        role,
        goroutines: if watched_ns > 0 {
            (total as f64 / watched_ns as f64 * 100.0).round() / 100.0
        } else {
            0.0
        },
        looks: s.looks.looks,
        cpu_ns: s.cpu.map(|c| c.total_ns()),
        ledger: ledger(s),
    }
}

/// What was found on a P is shared out by the clock's ticks; what these leave was a wait for a processor.
fn ledger(s: &Started) -> BTreeMap<String, u64> {
    let mut out: BTreeMap<String, u64> = BTreeMap::new();
    let mut put = |name: &str, ns: u64| {
        if ns > 0 {
            *out.entry(name.to_owned()).or_default() += ns;
        }
    };
    let found = s.cpu.map_or(0, |c| c.total_ns());
    let of = |state| s.looks.states.get(&state).copied().unwrap_or_default();
    // The collector's workers look idle while they mark; their processors know better.
    let hidden = found.saturating_sub(of(S::On)).min(of(S::Idle));
    let mut states = s.looks.states.clone();
    if hidden > 0 {
        *states.entry(S::On).or_default() += hidden;
        states.insert(S::Idle, of(S::Idle) - hidden);
    }
    for (state, ns) in &states {
        if let Some(name) = state.name() {
            put(name, *ns);
            continue;
        }
        let Some(cpu) = s.cpu else {
            put("running", *ns);
            continue;
        };
        let on = *ns;
        let computed = found.min(on);
        let user = if found > 0 {
            (computed as f64 * cpu.user_ns as f64 / found as f64) as u64
        } else {
            0
        };
        put("cpu_user", user);
        put("cpu_kernel", computed - user);
        put("runq_os", on - computed);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn started(states: &[(BackgroundState, u64)], cpu: Option<(u64, u64)>) -> Started {
        let mut looks = Looks::default();
        for (state, ns) in states {
            looks.count(*state, *ns);
        }
        Started {
            looks,
            cpu: cpu.map(|(user_ns, kernel_ns)| CpuTime { user_ns, kernel_ns }),
        }
    }

    #[test]
    fn what_was_on_a_p_is_shared_out_by_the_clock() {
        let s = started(&[(S::On, 400), (S::Timer, 600)], Some((200, 100)));
        let rows = background([("main.f".into(), Role::Background, s)], 500);
        let ledger = &rows[0].ledger;
        assert_eq!(ledger["cpu_user"], 200);
        assert_eq!(ledger["cpu_kernel"], 100);
        assert_eq!(ledger["runq_os"], 100);
        assert_eq!(ledger["timer"], 600);
        assert_eq!(rows[0].goroutines, 2.0);
        assert_eq!(rows[0].cpu_ns, Some(300));
    }

    #[test]
    fn more_ticks_than_looks_make_no_more_time() {
        let s = started(&[(S::On, 100)], Some((300, 100)));
        let rows = background([("main.f".into(), Role::Background, s)], 100);
        assert_eq!(rows[0].ledger.values().sum::<u64>(), 100);
        assert_eq!(rows[0].ledger["cpu_user"], 75);
        assert_eq!(rows[0].cpu_ns, Some(400), "it is told apart from the looks");
    }

    #[test]
    fn what_seems_idle_and_computes_computes() {
        let s = started(&[(S::Idle, 1000)], Some((300, 0)));
        let rows = background([("runtime.f".into(), Role::Gc, s)], 1000);
        assert_eq!(rows[0].ledger["cpu_user"], 300);
        assert_eq!(rows[0].ledger["idle"], 700);
    }

    #[test]
    fn without_clocks_computing_is_not_told_from_waiting_for_a_processor() {
        let s = started(&[(S::On, 100)], None);
        let rows = background([("main.f".into(), Role::Background, s)], 100);
        assert_eq!(rows[0].ledger["running"], 100);
        assert_eq!(rows[0].cpu_ns, None);
    }

    #[test]
    fn too_many_functions_are_one_row() {
        let many = (0..100).map(|i| {
            (
                format!("main.f{i:02}"),
                Role::Background,
                started(&[(S::Channel, 1000 - i)], Some((0, 0))),
            )
        });
        let rows = background(many, 1000);
        assert_eq!(rows.len(), ROWS + 1);
        assert_eq!(rows[0].name, "main.f00");
        assert_eq!(rows[ROWS].name, "(other)");
        let sum: u64 = rows.iter().flat_map(|r| r.ledger.values()).sum();
        assert_eq!(sum, (0..100).map(|i| 1000 - i).sum::<u64>());
    }
}
