//! The uprobes: births of goroutines, handlers, routers. Each set is attached and taken away while the rest goes on.

use std::path::Path;

use gostall_bpf::abi;
use libbpf_rs::{Link, ProgramMut, UprobeMultiOpts};

use crate::error::Error;
use crate::exact::ExactSites;
use crate::loader::Probes;

/// See [`Hook::cookie`].
pub const HOOK_ARG_SHIFT: u32 = abi::GS_HOOK_ARG_SHIFT;
/// See [`Hook::cookie`]: the stream is of gRPC's own transport.
pub const HOOK_GRPC: u64 = abi::GS_HOOK_GRPC as u64;
/// See [`Hook::cookie`]: where [`HookKind::Http2Left`] has the offset of the status.
pub const HOOK_STATUS_SHIFT: u32 = abi::GS_HOOK_STATUS_SHIFT;
/// See [`Hook::cookie`]: where [`HookKind::TlsRead`] has the number of the register with the connection.
pub const HOOK_REG_SHIFT: u32 = abi::GS_HOOK_REG_SHIFT;
/// See [`Hook::cookie`]: the router is done with the request.
pub const HOOK_MATCHED: u64 = abi::GS_HOOK_MATCHED as u64;

/// What stands at a site.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum HookKind {
    /// A server's handler is called with a `*http.Request`.
    Handler,
    /// `(*response).finishRequest`.
    Http1Finish,
    /// The end of HTTP/2's handlerDone.
    Http2Done,
    /// An HTTP/2 handler has panicked.
    Http2Panic,
    /// The beginning of HTTP/2's handlerDone (up to Go 1.21).
    Http2Left,
    /// A stream is closed because its client has reset it or left.
    StreamClosed,
    /// HTTP/2 writes a frame on a goroutine of its own.
    FrameWrite,
    /// gRPC hands a stream to its method.
    GrpcStream,
    /// gRPC gives a method's status to the transport.
    GrpcStatus,
    /// `http.Error`.
    HttpError,
    /// `(*response).Hijack`.
    Hijack,
    /// A router is called with a `*http.Request`.
    Router,
    /// gin's router is called.
    Gin,
    /// echo's router is called.
    Echo,
    /// gorilla's router is called.
    GorillaBegin,
    /// gorilla's router has chosen a route.
    Gorilla,
    /// fiber tries a route.
    Fiber,
    /// fiber knows whether it fits.
    FiberMatched,
    /// httprouter looks a path up.
    HttprouterBegin,
    /// httprouter has found its handle and parameters, or none.
    Httprouter,
    /// crypto/tls hands over what it has decrypted.
    TlsRead,
    /// crypto/tls is handed what to encrypt.
    TlsWrite,
}

/// A site.
#[derive(Debug, Clone, Copy)]
pub struct Hook {
    /// What stands there.
    pub kind: HookKind,
    /// Where, in the file.
    pub file_offset: u64,
    /// What the program is told: whether it stands on the branch of a stack check, which argument it is to read
    /// (abi.h, `GS_HOOK_*`); for [`HookKind::Http2Done`] the offset of the status.
    pub cookie: u64,
}

/// All sites of an executable.
#[derive(Debug, Clone, Default)]
pub struct Hooks {
    /// Those that tell of requests over TLS and HTTP/2.
    pub handlers: Vec<Hook>,
    /// Those that tell whose frames goroutines of HTTP/2 write.
    pub frames: Vec<Hook>,
    /// Those that tell the templates of routes.
    pub routers: Vec<Hook>,
    /// What cannot be probed, and what is not seen for that.
    pub missing: Vec<String>,
    /// Those that tell exactly what goroutines do between calls.
    pub exact: ExactSites,
}

/// A set that comes and goes as one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HookSet {
    /// [`Hooks::handlers`].
    Handlers,
    /// [`Hooks::frames`].
    Frames,
    /// [`Hooks::routers`].
    Routers,
}

/// Links by set.
#[derive(Default)]
pub(crate) struct HookLinks {
    pub(crate) newproc: Vec<Link>,
    handlers: Vec<Link>,
    frames: Vec<Link>,
    routers: Vec<Link>,
    pub(crate) exact: Vec<Link>,
}

impl HookLinks {
    /// Takes all away, and waits for it. The kernel lets a grace period pass for each link, so they go side by side.
    pub(crate) fn clear(&mut self) {
        let sets = [
            &mut self.newproc,
            &mut self.handlers,
            &mut self.frames,
            &mut self.routers,
            &mut self.exact,
        ];
        let leaving: Vec<_> = sets.into_iter().flat_map(drop_behind).collect();
        for thread in leaving {
            let _ = thread.join();
        }
    }
}

/// Takes links away without waiting (the ring buffer would overflow meanwhile), side by side: each site is hit until
/// its link's turn comes.
pub(crate) fn drop_behind(links: &mut Vec<Link>) -> Vec<std::thread::JoinHandle<()>> {
    links
        .drain(..)
        .map(|link| std::thread::spawn(move || drop(link)))
        .collect()
}

/// Attaches a program at file offsets, each with its cookie.
pub(crate) fn multi(
    program: &ProgramMut<'_>,
    path: &Path,
    sites: &[(u64, u64)],
    what: &'static str,
) -> Result<Link, Error> {
    let opts = UprobeMultiOpts {
        offsets: sites.iter().map(|s| s.0 as usize).collect(),
        cookies: sites.iter().map(|s| s.1).collect(),
        ..Default::default()
    };
    program
        .attach_uprobe_multi_with_opts(-1, path, "", opts)
        .map_err(Error::attach(what))
}

impl Probes {
    /// Sees goroutines being born in the executable behind `path` (a `/proc/PID/exe`).
    pub fn attach_newproc(&mut self, path: &Path, file_offset: u64) -> Result<(), Error> {
        self.bss().births_idle = 0;
        let program = &self.skel.progs.on_newproc;
        let what = "the uprobe at runtime.newproc";
        let link = multi(program, path, &[(file_offset, 0)], what)?;
        self.hooks.newproc.push(link);
        Ok(())
    }

    /// No longer sees births, until the kernel side asks for it.
    pub fn detach_newproc(&mut self) {
        drop_behind(&mut self.hooks.newproc);
        self.bss().lineage_wanted = 0;
    }

    /// Attaches a set of sites in the executable behind `path`, ends before beginnings.
    pub fn attach_hooks(&mut self, set: HookSet, path: &Path, sites: &[Hook]) -> Result<(), Error> {
        let bss = self.bss();
        match set {
            HookSet::Handlers => (bss.handlers_idle, bss.handlers_wanted) = (0, 1),
            HookSet::Frames => (bss.frames_idle, bss.frames_wanted) = (0, 1),
            HookSet::Routers => (bss.routes_idle, bss.routes_wanted) = (0, 1),
        }
        let kinds = [
            HookKind::Http1Finish,
            HookKind::Http2Done,
            HookKind::Http2Panic,
            HookKind::Http2Left,
            HookKind::StreamClosed,
            HookKind::FrameWrite,
            HookKind::GrpcStatus,
            HookKind::GrpcStream,
            HookKind::HttpError,
            HookKind::Hijack,
            HookKind::Router,
            HookKind::Gin,
            HookKind::Echo,
            HookKind::GorillaBegin,
            HookKind::Gorilla,
            HookKind::FiberMatched,
            HookKind::Fiber,
            HookKind::Httprouter,
            HookKind::HttprouterBegin,
            HookKind::Handler,
            HookKind::TlsWrite,
            HookKind::TlsRead,
        ];
        let mut links = Vec::new();
        for kind in kinds {
            let here: Vec<(u64, u64)> = sites
                .iter()
                .filter(|h| h.kind == kind)
                .map(|h| (h.file_offset, h.cookie))
                .collect();
            if here.is_empty() {
                continue;
            }
            let p = &self.skel.progs;
            let program = match kind {
                HookKind::Handler => &p.on_handler,
                HookKind::Http1Finish => &p.on_http1_finish,
                HookKind::Http2Done => &p.on_http2_done,
                HookKind::Http2Panic => &p.on_http2_panic,
                HookKind::Http2Left => &p.on_http2_left,
                HookKind::GrpcStatus => &p.on_grpc_status,
                HookKind::StreamClosed => &p.on_stream_closed,
                HookKind::FrameWrite => &p.on_frame_write,
                HookKind::GrpcStream => &p.on_grpc_stream,
                HookKind::HttpError => &p.on_http_error,
                HookKind::Hijack => &p.on_hijack,
                HookKind::Router => &p.on_router,
                HookKind::Gin => &p.on_gin,
                HookKind::Echo => &p.on_echo,
                HookKind::GorillaBegin => &p.on_gorilla_begin,
                HookKind::Gorilla => &p.on_gorilla,
                HookKind::Fiber => &p.on_fiber,
                HookKind::FiberMatched => &p.on_fiber_matched,
                HookKind::HttprouterBegin => &p.on_httprouter_begin,
                HookKind::Httprouter => &p.on_httprouter,
                HookKind::TlsRead => &p.on_tls_read,
                HookKind::TlsWrite => &p.on_tls_write,
            };
            links.push(multi(program, path, &here, "the uprobes at handlers")?);
        }
        match set {
            HookSet::Handlers => self.hooks.handlers.append(&mut links),
            HookSet::Frames => self.hooks.frames.append(&mut links),
            HookSet::Routers => self.hooks.routers.append(&mut links),
        }
        Ok(())
    }

    /// A set stays: the kernel side is to count anew before it asks.
    pub fn ask_again(&mut self, set: HookSet) {
        match set {
            HookSet::Handlers => self.bss().handlers_idle = 0,
            HookSet::Frames => self.bss().frames_idle = 0,
            HookSet::Routers => self.bss().routes_idle = 0,
        }
    }

    /// Takes a set away everywhere, until the kernel side asks for it.
    pub fn detach_hooks(&mut self, set: HookSet) {
        match set {
            HookSet::Handlers => {
                drop_behind(&mut self.hooks.handlers);
                self.bss().handlers_wanted = 0;
            }
            HookSet::Frames => {
                drop_behind(&mut self.hooks.frames);
                self.bss().frames_wanted = 0;
            }
            HookSet::Routers => {
                drop_behind(&mut self.hooks.routers);
                self.bss().routes_wanted = 0;
            }
        }
    }
}
