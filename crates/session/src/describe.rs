//! From what the kernel side tells of a call to what the model shows of it.

use std::sync::Arc;

use gostall_model::{FdInfo, Look, Moment, Tail, Timeline};
use gostall_probes::{Call, FdSeen, Line, LineCall};
use gostall_targets::sockets;

use crate::session::Traced;

/// Address families of socket(2).
fn family_name(family: u16, remote: bool) -> String {
    match i32::from(family) {
        // The kernel side does not say the protocol; a peer and a state make it TCP in practice.
        libc::AF_INET | libc::AF_INET6 if remote => "TCP".into(),
        libc::AF_INET | libc::AF_INET6 => "INET".into(),
        libc::AF_UNIX => "UNIX".into(),
        libc::AF_NETLINK => "NETLINK".into(),
        other => format!("AF_{other}"),
    }
}

fn fd_info(seen: &FdSeen) -> FdInfo {
    match seen {
        FdSeen::File(path) => FdInfo::File { path: path.clone() },
        FdSeen::Pipe(path) if path != "/" => FdInfo::Other {
            text: format!("pipe:{path}"),
        },
        FdSeen::Pipe(_) => FdInfo::Other {
            text: "pipe".into(),
        },
        FdSeen::Anonymous(name) => FdInfo::Other {
            text: format!("anon_inode:{name}"),
        },
        FdSeen::Socket {
            family,
            state,
            local,
            remote,
        } => FdInfo::Socket {
            family: family_name(*family, remote.is_some()),
            local: local.map(|a| a.to_string()),
            remote: remote.map(|a| a.to_string()),
            state: local
                .is_some()
                .then(|| sockets::tcp_state_name(*state).to_owned()),
        },
    }
}

/// The call as the model takes it.
pub(crate) fn tail(call: &Call, traced: Option<&Traced>, clock_offset: u64) -> Tail {
    let stack = traced
        .and_then(|t| Some((t, t.program.as_ref()?)))
        .map(|(t, p)| p.symbolize(call.stack.iter().map(|pc| pc.wrapping_sub(t.bias))))
        .unwrap_or_default();
    Tail {
        leaf: call.leaf,
        nr: call.nr,
        ret: call.ret,
        duration_ns: call.dur_ns,
        ts_unix_ns: (call.start_ns + call.dur_ns).wrapping_add(clock_offset),
        // The kernel's number is another one where gostall is in a pid namespace of its own.
        pid: traced.map_or(call.tgid, |t| t.pid),
        tid: call.tid,
        goid: call.goid,
        parent_goid: call.parent,
        args: call.args,
        fd: call.seen.as_ref().map(fd_info),
        fd_number: call.fd,
        path: call.path.clone(),
        stack,
        trace_id: call.traceparent.map(|(t, _)| format!("{t:032x}")),
        span_id: call.traceparent.map(|(_, s)| format!("{s:016x}")),
    }
}

/// What a descriptor leads to, in a word: a path, whom it is connected to.
fn what(seen: &FdSeen) -> Option<Arc<str>> {
    let text = match fd_info(seen) {
        FdInfo::File { path } => path,
        FdInfo::Other { text } => text,
        FdInfo::Socket { remote, family, .. } => remote.unwrap_or(family),
    };
    Some(text.into())
}

/// A request kept whole as the model takes it.
pub(crate) fn timeline(
    line: &Line,
    looks: &[Look],
    traced: Option<&Traced>,
    clock_offset: u64,
) -> Timeline {
    let seen: Vec<Option<Arc<str>>> = line
        .seen
        .iter()
        .map(|s| s.as_ref().and_then(what))
        .collect();
    let moment = |c: &LineCall| {
        // Of a call that began before its request did, only what lies in it.
        let before = line.begin_ns.saturating_sub(c.begin_ns);
        Moment {
            kind: c.kind,
            at_ns: c.begin_ns.saturating_sub(line.begin_ns),
            duration_ns: c.dur_ns.saturating_sub(before),
            nr: c.nr,
            ret: c.ret,
            own: c.own,
            goid: c.goid,
            runtime: c.runtime,
            again: c.again,
            blocked_ns: c.blocked_ns.min(c.dur_ns.saturating_sub(before)),
            runq_ns: c.runq_ns,
            throttled_ns: c.throttled_ns,
            state: c.state,
            fd: c.fd,
            what: c.seen.and_then(|at| seen.get(at)?.clone()),
        }
    };
    Timeline {
        leaf: line.leaf,
        res: line.res,
        start_unix_ns: line.begin_ns.wrapping_add(clock_offset),
        duration_ns: line.end_ns.saturating_sub(line.begin_ns),
        pid: traced.map_or(0, |t| t.pid),
        goid: line.goid,
        trace_id: line.traceparent.map(|(t, _)| format!("{t:032x}")),
        span_id: line.traceparent.map(|(_, s)| format!("{s:016x}")),
        slow: line.slow,
        slowest: line.slowest,
        moments: line.calls.iter().map(moment).collect(),
        looks: looks.to_vec(),
        cut: line.cut,
    }
}
