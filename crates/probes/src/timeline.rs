//! Requests kept whole, decoded: what the kernel side noted from their first call to their last.

use std::mem::offset_of;

use gostall_bpf::{abi, types};
use gostall_model::{LedgerState, MomentKind};

use crate::bytes;
use crate::event::{FdSeen, address, path_of};
use crate::walls::wait_state;

/// Which requests are kept whole; by default none, at no cost.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Keep {
    /// So many of the slowest of each endpoint (50 at most).
    pub slowest: u32,
    /// All that take so long.
    pub slow_ns: Option<u64>,
}

impl Keep {
    /// The most that `slowest` may be.
    pub const MOST: u32 = abi::GS_SLOWEST_MAX;
}

/// A request that was slow.
#[derive(Debug, Clone)]
pub struct Line {
    /// Which watched process.
    pub slot: u32,
    /// Its endpoint's leaf.
    pub leaf: u32,
    /// Its status with flags, as of the pseudo call that counts requests.
    pub res: u16,
    /// When it began, CLOCK_MONOTONIC ns.
    pub begin_ns: u64,
    /// When it ended.
    pub end_ns: u64,
    /// The goroutine that served it, in the target's memory.
    pub g: u64,
    /// ... and its number, if known.
    pub goid: Option<u64>,
    /// Its W3C trace id and parent span.
    pub traceparent: Option<(u128, u64)>,
    /// It is slower than [`Keep::slow_ns`].
    pub slow: bool,
    /// It was among the slowest of its leaf.
    pub slowest: bool,
    /// Its connection's descriptor; none for a stream.
    pub fd: Option<i32>,
    /// What its descriptors led to.
    pub seen: Vec<Option<FdSeen>>,
    /// Calls, and time without a processor, in the order in which they ended.
    pub calls: Vec<LineCall>,
    /// So many more there were no places for.
    pub cut: u32,
}

/// A call of a request, or a time in which it had no processor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LineCall {
    /// Which of them.
    pub kind: MomentKind,
    /// When it began, CLOCK_MONOTONIC ns.
    pub begin_ns: u64,
    /// How long it took.
    pub dur_ns: u64,
    /// What it returned.
    pub ret: i64,
    /// Syscall number.
    pub nr: u16,
    /// By the goroutine that serves the request.
    pub own: bool,
    /// Another goroutine's number, if known.
    pub goid: Option<u64>,
    /// By the runtime on the goroutine's behalf.
    pub runtime: bool,
    /// It would have blocked; `state` says for what.
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
    /// What that led to, or the path it was called with: an index into [`Line::seen`].
    pub seen: Option<usize>,
}

fn seen(f: &types::gs_fd_seen) -> Option<FdSeen> {
    let bytes = &f.path[..usize::from(f.path_len).min(f.path.len())];
    if f.fd < 0 {
        // A path argument, as it was given.
        let text = bytes.split(|&b| b == 0).next().unwrap_or_default();
        let mut text = String::from_utf8_lossy(text).into_owned();
        if f.cut != 0 {
            text.push('…');
        }
        return Some(FdSeen::File(text));
    }
    let path = if f.cut == 0 {
        path_of(bytes)
    } else {
        // From leaf to root: of the last component there is, a part may be missing.
        let whole = bytes.iter().rposition(|&b| b == 0).unwrap_or(0);
        format!("…{}", path_of(&bytes[..whole]))
    };
    Some(match u32::from(f.kind) {
        abi::GS_FD_SOCKET => FdSeen::Socket {
            family: f.family,
            state: f.sock_state,
            local: address(f.family, &f.laddr, f.lport),
            remote: address(f.family, &f.raddr, f.rport).filter(|a| a.port() != 0),
        },
        abi::GS_FD_PIPE => FdSeen::Pipe(path),
        abi::GS_FD_ANON => FdSeen::Anonymous(path.trim_start_matches('/').to_owned()),
        abi::GS_FD_FILE => FdSeen::File(path),
        _ => return None,
    })
}

fn call(m: &types::gs_moment) -> LineCall {
    let has = |flag: u32| u32::from(m.flags) & flag != 0;
    LineCall {
        kind: match u32::from(m.kind) {
            abi::GS_M_RUNQ => MomentKind::Runq,
            abi::GS_M_THROTTLED => MomentKind::Throttled,
            abi::GS_M_FAULT => MomentKind::Fault,
            _ => MomentKind::Call,
        },
        begin_ns: m.begin_ns,
        dur_ns: m.dur_ns,
        ret: m.ret,
        nr: m.nr,
        own: has(abi::GS_MF_OWN),
        goid: (m.goid != 0).then_some(m.goid),
        runtime: has(abi::GS_MF_RUNTIME),
        again: has(abi::GS_MF_AGAIN),
        blocked_ns: m.blocked_ns.min(m.dur_ns),
        runq_ns: m.runq_ns.min(m.dur_ns),
        throttled_ns: m.throttled_ns.min(m.dur_ns),
        state: wait_state(m.state.into())
            .filter(|_| has(abi::GS_MF_AGAIN) || has(abi::GS_MF_BLOCKED)),
        fd: (m.fd >= 0).then_some(m.fd),
        seen: usize::from(m.seen).checked_sub(1),
    }
}

pub(crate) fn decode(data: &[u8]) -> Line {
    let first = offset_of!(types::gs_timeline, moments);
    let (head, moments) = data.split_at(first.min(data.len()));
    let head: types::gs_timeline = bytes::to(head);
    let has = |flag: u32| head.flags & flag != 0;
    let calls: Vec<LineCall> = moments
        .chunks_exact(size_of::<types::gs_moment>())
        .map(bytes::to::<types::gs_moment>)
        // A place that was taken and not filled by the time the request ended.
        .filter(|m| m.request == head.begin_ns as u32)
        .map(|m| call(&m))
        .collect();
    let some = |v: u64| (v != 0).then_some(v);
    let fds = (head.nfds as usize).min(head.fds.len());
    Line {
        slot: head.slot,
        leaf: head.leaf,
        res: head.res as u16,
        begin_ns: head.begin_ns,
        end_ns: head.end_ns,
        g: head.g,
        goid: some(head.goid),
        traceparent: has(abi::GS_TF_TRACEPARENT).then_some((
            u128::from(head.trace_hi) << 64 | u128::from(head.trace_lo),
            head.span,
        )),
        slow: has(abi::GS_TF_SLOW),
        slowest: has(abi::GS_TF_SLOWEST),
        fd: (head.key >> 63 == 0).then_some(head.key as u32 as i32),
        seen: head.fds[..fds].iter().map(seen).collect(),
        cut: head.nmoments.saturating_sub(calls.len() as u32),
        calls,
    }
}
