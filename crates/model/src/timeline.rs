//! Requests kept whole: what was called on their behalf and, derived from that, what they waited for in between.
//!
//! Facts come in as [`Timeline`]s; [`events`] orders them and adds the waits between two calls. Which requests are
//! worth keeping is [`crate::slowest`]'s business.

use std::collections::HashMap;
use std::sync::Arc;

use crate::errno;
use crate::ledger::{Doing, LedgerState};
use crate::snapshot::{TimelineEvent, TimelineKind};
use crate::sysno::Arch;
use crate::tails::errno_of;

/// Time between calls that is shorter is left out: the runtime's and net/http's own steps.
const GAP_NS: u64 = 10_000;

/// What a moment is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MomentKind {
    /// A system call.
    Call,
    /// Between calls: ready, and no processor free.
    Runq,
    /// Between calls: its cgroup's time used up.
    Throttled,
    /// Between calls: blocked on a page that has to be read.
    Fault,
}

/// A call made on behalf of a request, or a time in which it had no processor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moment {
    /// Which of them.
    pub kind: MomentKind,
    /// When it began, ns after the request did.
    pub at_ns: u64,
    /// How long it took, ns.
    pub duration_ns: u64,
    /// Syscall number.
    pub nr: u16,
    /// What it returned; `-errno` on failure.
    pub ret: i64,
    /// By the goroutine that serves the request.
    pub own: bool,
    /// Whose it is, if known.
    pub goid: Option<u64>,
    /// By the runtime on the goroutine's behalf.
    pub runtime: bool,
    /// It would have blocked: the goroutine waits after it, for `state`.
    pub again: bool,
    /// Of its duration: waiting for what it asked for,
    pub blocked_ns: u64,
    /// for a processor,
    pub runq_ns: u64,
    /// for its cgroup's time.
    pub throttled_ns: u64,
    /// What it waited for, or what the goroutine waits for after it.
    pub state: Option<LedgerState>,
    /// Its descriptor.
    pub fd: Option<i32>,
    /// What that led to, or the path it was called with.
    pub what: Option<Arc<str>>,
}

/// The goroutine that serves the request was found doing this.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Look {
    /// When first, ns after the request began.
    pub at_ns: u64,
    /// ... and when last.
    pub until_ns: u64,
    /// How often.
    pub looks: u32,
    /// What.
    pub doing: Doing,
}

/// A request kept whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timeline {
    /// Its endpoint's leaf.
    pub leaf: u32,
    /// Its status with flags, as the `res` of a [`crate::NR_REQUEST`] series.
    pub res: u16,
    /// When it began, ns since the Unix epoch.
    pub start_unix_ns: u64,
    /// How long it took.
    pub duration_ns: u64,
    /// Process id.
    pub pid: u32,
    /// The goroutine that served it, if known.
    pub goid: Option<u64>,
    /// W3C trace id: 32 hex digits.
    pub trace_id: Option<String>,
    /// W3C parent span id: 16 hex digits.
    pub span_id: Option<String>,
    /// It is slower than all requests that are to be kept.
    pub slow: bool,
    /// It was among the slowest of its leaf when it ended.
    pub slowest: bool,
    /// Calls and times without a processor, in any order.
    pub moments: Vec<Moment>,
    /// What its goroutine was found doing, in order.
    pub looks: Vec<Look>,
    /// Moments that found no room.
    pub cut: u32,
}

impl Doing {
    /// What was found, as a state of the ledger; none for what the kernel knows better.
    fn state(self) -> Option<LedgerState> {
        match self {
            Doing::Running => Some(LedgerState::CpuUser),
            Doing::State(LedgerState::Unknown) | Doing::InCall => None,
            Doing::State(state) => Some(state),
        }
    }
}

/// What happened in a request, in order.
pub(crate) fn events(t: &Timeline, arch: Arch) -> Vec<TimelineEvent> {
    // A connection's goroutine has no processor after its request, too; calls made then are the request's.
    let within = |m: &&Moment| m.kind == MomentKind::Call || m.at_ns < t.duration_ns;
    let mut moments: Vec<&Moment> = t.moments.iter().filter(within).collect();
    moments.sort_by_key(|m| (m.at_ns, m.duration_ns));
    let mut out: Vec<TimelineEvent> = moments.iter().map(|m| event(m, t, arch)).collect();
    out.extend(waits(&moments, t, arch));
    out.extend(gaps(&out, t, &moments));
    out.extend(looks(t));
    out.sort_by_key(|e| (e.at_ns, std::cmp::Reverse(e.duration_ns)));
    out
}

fn event(m: &Moment, t: &Timeline, arch: Arch) -> TimelineEvent {
    let bare = TimelineEvent::new(
        m.at_ns,
        m.duration_ns,
        match m.kind {
            MomentKind::Call => TimelineKind::Syscall,
            MomentKind::Runq => TimelineKind::Runq,
            MomentKind::Throttled => TimelineKind::Throttled,
            MomentKind::Fault => TimelineKind::Fault,
        },
        if m.own { t.goid } else { m.goid },
    );
    if m.kind != MomentKind::Call {
        return bare;
    }
    TimelineEvent {
        name: Some(arch.syscall_name(m.nr)),
        result: Some(errno::result_name(errno_of(m.ret))),
        ret: Some(m.ret),
        fd: m.fd,
        what: m.what.as_deref().map(str::to_owned),
        runtime: m.runtime,
        blocked_ns: m.blocked_ns,
        runq_ns: m.runq_ns,
        throttled_ns: m.throttled_ns,
        state: m.state.filter(|_| m.blocked_ns > 0 && !m.again),
        ..bare
    }
}

/// A goroutine that waits for a descriptor.
struct Pending<'a> {
    call: &'a Moment,
    since: u64,
}

/// Setting a timer may wake the poller: that is no call of the goroutine's own.
fn wakes_poller(m: &Moment, name: &str) -> bool {
    let what = m.what.as_deref().unwrap_or_default();
    name == "write"
        && (m.ret == 8 && what.starts_with("anon_inode:[eventfd") || m.ret == 1 && what == "pipe")
}

/// From a call that would have blocked to the same goroutine's next on the same descriptor. One that calls elsewhere
/// has given up, nobody knows when.
fn waits(moments: &[&Moment], t: &Timeline, arch: Arch) -> Vec<TimelineEvent> {
    let mut pending: HashMap<Option<u64>, Pending> = HashMap::new();
    let mut out = Vec::new();
    for m in moments.iter().filter(|m| m.kind == MomentKind::Call) {
        let who = match (m.own, m.goid) {
            (true, _) => None,
            (false, Some(goid)) => Some(goid),
            (false, None) => continue,
        };
        let name = arch.syscall_name(m.nr);
        // What the runtime does meanwhile, and calls without a descriptor, say nothing.
        if m.runtime || m.fd.is_none() || name == "epoll_ctl" || wakes_poller(m, &name) {
            continue;
        }
        if let Some(p) = pending.remove(&who)
            && p.call.fd == m.fd
            && m.at_ns > p.since
        {
            out.push(TimelineEvent {
                name: Some(arch.syscall_name(p.call.nr)),
                fd: p.call.fd,
                what: p.call.what.as_deref().map(str::to_owned),
                state: p.call.state,
                ..TimelineEvent::new(
                    p.since,
                    m.at_ns - p.since,
                    TimelineKind::Wait,
                    if m.own { t.goid } else { m.goid },
                )
            });
        }
        if m.again {
            let since = m.at_ns + m.duration_ns;
            pending.insert(who, Pending { call: m, since });
        }
    }
    out
}

/// What is left of its own goroutine's time: computing, or waiting within the runtime.
fn gaps(events: &[TimelineEvent], t: &Timeline, moments: &[&Moment]) -> Vec<TimelineEvent> {
    // Where goroutines cannot be told nothing is known of what lies between.
    if t.goid.is_none() {
        return Vec::new();
    }
    let mut busy: Vec<(u64, u64)> = events
        .iter()
        .filter(|e| e.goroutine == t.goid)
        .map(|e| (e.at_ns, e.at_ns + e.duration_ns))
        .collect();
    busy.sort_unstable();
    // Calls that were cut are somewhere after those that were not.
    let end = if t.cut == 0 {
        t.duration_ns
    } else {
        moments.iter().map(|m| m.at_ns).max().unwrap_or(0)
    };
    busy.push((end, end));
    let mut out = Vec::new();
    let mut at = 0;
    for (from, to) in busy {
        let from = from.min(end);
        if from > at && from - at >= GAP_NS {
            let mut gap = TimelineEvent::new(at, from - at, TimelineKind::Go, t.goid);
            (gap.state, gap.looks) = found(t, at, from);
            out.push(gap);
        }
        at = at.max(to);
    }
    out
}

/// What its goroutine was found doing in that time, where all looks agree, and how many there were.
fn found(t: &Timeline, from: u64, to: u64) -> (Option<LedgerState>, Option<u32>) {
    let within = |l: &&Look| l.until_ns >= from && l.at_ns <= to;
    let mut state = None;
    let mut looks = 0;
    for look in t.looks.iter().filter(within) {
        match (look.doing.state(), state) {
            (Some(found), None) => state = Some(found),
            (Some(found), Some(before)) if found == before => {}
            _ => return (None, None),
        }
        looks += look.looks;
    }
    (state, state.map(|_| looks))
}

/// The looks, those in a row that found the same as one.
fn looks(t: &Timeline) -> Vec<TimelineEvent> {
    let mut out: Vec<TimelineEvent> = Vec::new();
    for look in &t.looks {
        let Some(state) = look.doing.state() else {
            continue;
        };
        match out.last_mut() {
            Some(last) if last.state == Some(state) => {
                last.duration_ns = look.until_ns.saturating_sub(last.at_ns);
                last.looks = last.looks.map(|n| n + look.looks);
            }
            _ => out.push(TimelineEvent {
                state: Some(state),
                looks: Some(look.looks),
                ..TimelineEvent::new(
                    look.at_ns,
                    look.until_ns.saturating_sub(look.at_ns),
                    TimelineKind::Look,
                    t.goid,
                )
            }),
        }
    }
    out
}
