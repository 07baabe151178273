//! From what the kernel side tells of a call to what the model shows of it.

use gostall_model::{FdInfo, Tail};
use gostall_probes::{Call, FdSeen};
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
