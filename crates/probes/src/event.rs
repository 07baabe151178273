//! Records of the ring buffer, decoded.

use std::cell::RefCell;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::rc::Rc;
use std::time::Duration;

use gostall_bpf::{abi, types};
use libbpf_rs::{MapCore, RingBuffer, RingBufferBuilder};

use crate::bytes;
use crate::error::Error;
use crate::loader::Probes;
use crate::timeline::{self, Line};

/// What a call's descriptor led to, as the kernel saw it at that moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FdSeen {
    /// A file; its path in the target's own root, perhaps cut short at the front.
    File(String),
    /// A socket.
    Socket {
        /// Address family (AF_INET, ...).
        family: u16,
        /// TCP state's number.
        state: u8,
        /// Own address.
        local: Option<SocketAddr>,
        /// The peer's address.
        remote: Option<SocketAddr>,
    },
    /// A pipe or FIFO; a FIFO's path.
    Pipe(String),
    /// An eventfd, an epoll instance and the like: its name.
    Anonymous(String),
}

/// One syscall raised by itself.
#[derive(Debug, Clone)]
pub struct Call {
    /// A tail snapshot (else a line of `trace`; it may be both).
    pub tail: bool,
    /// Asked for by `trace`.
    pub trace: bool,
    /// When it began, CLOCK_MONOTONIC ns.
    pub start_ns: u64,
    /// How long it took, ns.
    pub dur_ns: u64,
    /// What it returned.
    pub ret: i64,
    /// Its six argument registers.
    pub args: [u64; 6],
    /// Syscall number.
    pub nr: u16,
    /// Whom it is charged to.
    pub leaf: u32,
    /// Which watched process.
    pub slot: u32,
    /// Its pid (the kernel's own numbering).
    pub tgid: u32,
    /// Its thread.
    pub tid: u32,
    /// The goroutine, if known.
    pub goid: Option<u64>,
    /// Its parent, if known.
    pub parent: Option<u64>,
    /// The request's W3C trace id and parent span.
    pub traceparent: Option<(u128, u64)>,
    /// The descriptor, if it took one.
    pub fd: Option<i32>,
    /// What that led to.
    pub seen: Option<FdSeen>,
    /// The path argument, if it took one.
    pub path: Option<String>,
    /// User stack, innermost first: run-time addresses.
    pub stack: Vec<u64>,
}

/// Something the kernel side tells.
#[derive(Debug, Clone)]
pub enum Event {
    /// A syscall.
    Call(Box<Call>),
    /// A followed process executed a program; `known` when its executable had been
    /// made known.
    Exec {
        /// The slot it now has.
        slot: u32,
        /// Its pid.
        tgid: u32,
        /// See above.
        known: bool,
    },
    /// Births of goroutines need to be seen in this slot.
    Lineage {
        /// Which watched process.
        slot: u32,
    },
    /// Many births were seen and none mattered.
    BirthsIdle,
    /// TLS or HTTP/2 is spoken in this slot: handlers need to be seen.
    Secure {
        /// Which watched process.
        slot: u32,
    },
    /// Many handlers were seen, of requests the wire had shown.
    HandlersIdle,
    /// A thread could not be marked at its birth: [`crate::Probes::mark_threads`] is due.
    Unmarked,
    /// HTTP/2 writes large frames.
    Frames,
    /// Frames by the hundred, none of them large.
    FramesIdle,
    /// A path was met for the first time.
    Path {
        /// In which watched process.
        slot: u32,
    },
    /// Many routed requests were seen, and all their routes are known.
    RoutesIdle,
    /// A slow request has ended.
    Line(Box<Line>),
}

pub(crate) fn path_of(parts: &[u8]) -> String {
    let mut names: Vec<_> = parts
        .split(|&b| b == 0)
        .filter(|p| !p.is_empty())
        .map(String::from_utf8_lossy)
        .collect();
    names.reverse();
    format!("/{}", names.join("/"))
}

pub(crate) fn address(family: u16, bytes: &[u8; 16], port: u16) -> Option<SocketAddr> {
    let ip = match i32::from(family) {
        libc::AF_INET => IpAddr::V4(Ipv4Addr::from([bytes[0], bytes[1], bytes[2], bytes[3]])),
        libc::AF_INET6 => IpAddr::V6(Ipv6Addr::from(*bytes)),
        _ => return None,
    };
    Some(SocketAddr::new(ip.to_canonical(), port))
}

fn call(e: &types::gs_event) -> Call {
    let some = |v: u64| (v != 0).then_some(v);
    let stack_len = (e.stack_len as usize).min(e.data.len());
    let path_end = (stack_len + e.path_len as usize).min(e.data.len());
    let arg_end = (path_end + e.arg_len as usize).min(e.data.len());
    let path = path_of(&e.data[stack_len..path_end]);
    let arg = e.data[path_end..arg_end]
        .split(|&b| b == 0)
        .next()
        .unwrap_or_default();
    let seen = match u32::from(e.fd_kind) {
        abi::GS_FD_SOCKET => Some(FdSeen::Socket {
            family: e.family,
            state: e.sock_state,
            local: address(e.family, &e.laddr, e.lport),
            remote: address(e.family, &e.raddr, e.rport).filter(|a| a.port() != 0),
        }),
        abi::GS_FD_PIPE => Some(FdSeen::Pipe(path)),
        abi::GS_FD_ANON => Some(FdSeen::Anonymous(path.trim_start_matches('/').to_owned())),
        abi::GS_FD_FILE => Some(FdSeen::File(path)),
        _ => None,
    };
    Call {
        tail: e.flags & abi::GS_EF_TAIL != 0,
        trace: e.flags & abi::GS_EF_TRACE != 0,
        start_ns: e.start_ns,
        dur_ns: e.dur_ns,
        ret: e.ret,
        args: e.args,
        nr: e.nr as u16,
        leaf: e.leaf,
        slot: e.slot,
        tgid: e.tgid,
        tid: e.tid,
        goid: some(e.goid),
        parent: some(e.parent),
        traceparent: (e.flags & abi::GS_EF_TRACEPARENT != 0).then_some((
            u128::from(e.trace_hi) << 64 | u128::from(e.trace_lo),
            e.span,
        )),
        fd: (e.fd >= 0).then_some(e.fd),
        seen,
        path: (e.arg_len > 0).then(|| String::from_utf8_lossy(arg).into_owned()),
        stack: e.data[..stack_len]
            .chunks_exact(8)
            .map(|b| u64::from_ne_bytes(b.try_into().expect("eight bytes")))
            .take_while(|&pc| pc != 0)
            .collect(),
    }
}

fn decode(data: &[u8]) -> Option<Event> {
    let kind = data.get(..4)?;
    if kind == abi::GS_E_TIMELINE.to_ne_bytes() {
        return Some(Event::Line(Box::new(timeline::decode(data))));
    }
    let e: types::gs_event = bytes::to(data);
    Some(match e.kind {
        abi::GS_E_CALL => Event::Call(Box::new(call(&e))),
        abi::GS_E_EXEC => Event::Exec {
            slot: e.slot,
            tgid: e.tgid,
            known: e.flags != 0,
        },
        abi::GS_E_LINEAGE => Event::Lineage { slot: e.slot },
        abi::GS_E_BIRTHS_IDLE => Event::BirthsIdle,
        abi::GS_E_SECURE => Event::Secure { slot: e.slot },
        abi::GS_E_HANDLERS_IDLE => Event::HandlersIdle,
        abi::GS_E_UNMARKED => Event::Unmarked,
        abi::GS_E_FRAMES => Event::Frames,
        abi::GS_E_FRAMES_IDLE => Event::FramesIdle,
        abi::GS_E_PATH => Event::Path { slot: e.slot },
        abi::GS_E_ROUTES_IDLE => Event::RoutesIdle,
        _ => return None,
    })
}

/// The ring buffer's reader; what it has taken waits in `taken`.
pub(crate) struct Ring {
    ring: RingBuffer<'static>,
    taken: Rc<RefCell<Vec<Event>>>,
}

impl Ring {
    pub(crate) fn new(map: &dyn MapCore) -> Result<Self, Error> {
        let taken = Rc::new(RefCell::new(Vec::new()));
        let into = Rc::clone(&taken);
        let mut builder = RingBufferBuilder::new();
        builder
            .add(map, move |data: &[u8]| {
                into.borrow_mut().extend(decode(data));
                0
            })
            .map_err(Error::read("events"))?;
        Ok(Self {
            ring: builder.build().map_err(Error::read("events"))?,
            taken,
        })
    }
}

impl Probes {
    /// Waits up to `timeout` for something urgent, then takes all there is.
    pub fn drain(&self, timeout: Duration) -> Result<Vec<Event>, Error> {
        // Interrupted by a signal: whatever there is, is taken below.
        let _ = self.ring.ring.poll(timeout);
        self.ring.ring.consume().map_err(Error::read("events"))?;
        Ok(self.ring.taken.take())
    }
}
