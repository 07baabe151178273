//! Which processes are watched, and what the kernel side must know of each.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use gostall_bpf::{abi, types};
use libbpf_rs::{MapCore, MapFlags};

use crate::bytes;
use crate::error::Error;
use crate::exact::ExactWaits;
use crate::hooks::Hooks;
use crate::loader::Probes;

/// A goroutine start function and what it makes of its goroutine.
#[derive(Debug, Clone, Copy)]
pub struct RolePc {
    /// Link-time address.
    pub pc: u64,
    /// A leaf below 32 (abi.h, `gs_leaf`).
    pub leaf: u32,
}

/// What the kernel side needs to know of a Go executable. Offsets are bytes, addresses
/// are link-time.
#[derive(Debug, Clone, Default)]
pub struct Layout {
    /// g.goid
    pub goid: i32,
    /// g.parentGoid; `None` before Go 1.21.
    pub parent_goid: Option<i32>,
    /// g.m
    pub g_m: i32,
    /// g.startpc
    pub startpc: i32,
    /// m.curg
    pub curg: i32,
    /// g's thread-local slot, relative to the thread pointer.
    pub tls: Option<i64>,
    /// Address of the first executable segment.
    pub text_vaddr: u64,
    /// The range of runtime.sysmon.
    pub sysmon: Option<(u64, u64)>,
    /// C code is linked in: threads without a g are its own.
    pub cgo: bool,
    /// Start functions with a role.
    pub roles: Vec<RolePc>,
    /// File offset of `call runtime.runqput` in newproc: where births are seen.
    pub newproc_site: Option<u64>,
    /// What the probes at handlers read.
    pub http: HttpOffsets,
    /// Where those probes go.
    pub hooks: Hooks,
    /// How its goroutines wait; `None`: not known.
    pub exact: Option<ExactWaits>,
}

/// Fields of net/http's types, in bytes; `None`: not known, or not in this release.
#[derive(Debug, Clone, Copy, Default)]
#[allow(missing_docs, reason = "each is named after its struct and field")]
pub struct HttpOffsets {
    pub request_method: Option<u32>,
    pub request_uri: Option<u32>,
    pub request_pattern: Option<u32>,
    pub request_pat: Option<u32>,
    pub pattern_str: Option<u32>,
    pub response_status: Option<u32>,
    pub request_tls: Option<u32>,
    pub request_header: Option<u32>,
    pub maps: Option<GoMaps>,
}

/// How Go's maps lie in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GoMaps {
    /// Buckets and their overflow, up to Go 1.23.
    Buckets,
    /// Groups of slots, since.
    Swiss,
}

impl HttpOffsets {
    fn to_abi(self) -> types::gs_http {
        let off = |o: Option<u32>| o.map_or(-1, |v| v as i32);
        types::gs_http {
            req_method: off(self.request_method),
            req_uri: off(self.request_uri),
            req_pattern: off(self.request_pattern),
            req_pat: off(self.request_pat),
            pattern_str: off(self.pattern_str),
            resp_status: off(self.response_status),
            grpc_method: -1,
            req_tls: off(self.request_tls),
            req_header: off(self.request_header),
            maps: match self.maps {
                None => 0,
                Some(GoMaps::Buckets) => abi::GS_MAPS_BUCKETS as i32,
                Some(GoMaps::Swiss) => abi::GS_MAPS_SWISS as i32,
            },
        }
    }
}

/// How a process is watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SlotState {
    /// Calls are charged to goroutines and requests.
    Go,
    /// No offsets: requests by their bytes, all else by thread.
    Threads,
    /// Not watched (any more).
    Ignored,
}

fn target_of(layout: Option<&Layout>, exe_id: u32) -> types::gs_target {
    let mut t = types::gs_target {
        off_parent: -1,
        exe_id,
        ..Default::default()
    };
    let Some(l) = layout else {
        t.state = abi::GS_SLOT_THREADS;
        return t;
    };
    t.state = abi::GS_SLOT_GO;
    t.off_goid = l.goid;
    t.off_parent = l.parent_goid.unwrap_or(-1);
    t.off_g_m = l.g_m;
    t.off_startpc = l.startpc;
    t.off_curg = l.curg;
    t.cgo = l.cgo.into();
    t.tls_known = l.tls.is_some().into();
    t.tls_off = l.tls.unwrap_or(0);
    t.text_vaddr = l.text_vaddr;
    t.http = l.http.to_abi();
    (t.sysmon_lo, t.sysmon_hi) = l.sysmon.unwrap_or((0, 0));
    t
}

impl Probes {
    fn slot_take(&mut self) -> Result<u32, Error> {
        let bss = self.bss();
        let slot = bss.next_slot;
        if slot >= abi::GS_MAX_SLOTS {
            return Err(Error::TooManyTargets {
                max: abi::GS_MAX_SLOTS,
            });
        }
        bss.next_slot = slot + 1;
        Ok(slot)
    }

    fn target_write(&self, slot: u32, t: &types::gs_target) -> Result<(), Error> {
        self.maps()
            .targets
            .update(&slot.to_ne_bytes(), bytes::of(t), MapFlags::ANY)
            .map_err(Error::write("targets"))
    }

    pub(crate) fn target_read(&self, slot: u32) -> Result<types::gs_target, Error> {
        let value = self
            .maps()
            .targets
            .lookup(&slot.to_ne_bytes(), MapFlags::ANY)
            .map_err(Error::read("targets"))?;
        Ok(value.map(|v| bytes::to(&v)).unwrap_or_default())
    }

    fn roles_write(&mut self, layout: Option<&Layout>) -> Result<u32, Error> {
        self.next_exe += 1;
        let exe_id = self.next_exe;
        for r in layout.map_or(&[][..], |l| &l.roles) {
            let key = u64::from(exe_id) << 48 | (r.pc & 0xffff_ffff_ffff);
            self.maps()
                .role_pcs
                .update(&key.to_ne_bytes(), &r.leaf.to_ne_bytes(), MapFlags::ANY)
                .map_err(Error::write("role_pcs"))?;
        }
        if let Some(exact) = layout.and_then(|l| l.exact.as_ref()) {
            self.exact_exe_write(exe_id, exact)?;
        }
        Ok(exe_id)
    }

    /// Watches a running process: its threads now and to come; what it forks too if
    /// `follow`. `bias` is run-time minus link-time address. Returns its slot, which
    /// events name. [`Probes::mark_threads`] then finds the threads it has.
    pub fn add_process(
        &mut self,
        pid: u32,
        layout: Option<&Layout>,
        bias: u64,
        follow: bool,
    ) -> Result<u32, Error> {
        let exe_id = self.roles_write(layout)?;
        let slot = self.slot_take()?;
        let mut t = target_of(layout, exe_id);
        (t.tgid, t.bias, t.follow) = (pid, bias, follow.into());
        self.target_write(slot, &t)?;
        self.mark(pid, slot)?;
        Ok(slot)
    }

    /// Watches a process that is about to execute a program: nothing is recorded until
    /// it does.
    pub fn add_held(&mut self, pid: u32) -> Result<(), Error> {
        self.mark(pid, abi::GS_LIMBO)
    }

    /// Sets up the slot of processes between fork and exec.
    pub(crate) fn limbo_write(&mut self) -> Result<(), Error> {
        let slot = self.slot_take()?;
        debug_assert_eq!(slot, abi::GS_LIMBO, "it is the first one taken");
        let t = types::gs_target {
            state: abi::GS_SLOT_IGNORED,
            follow: 1,
            ..Default::default()
        };
        self.target_write(slot, &t)
    }

    /// Makes an executable known before anybody executes it, so that its processes are
    /// charged right from their first instruction.
    pub fn add_executable(
        &mut self,
        dev: u64,
        ino: u64,
        layout: Option<&Layout>,
    ) -> Result<(), Error> {
        let exe_id = self.roles_write(layout)?;
        let slot = self.slot_take()?;
        self.target_write(slot, &target_of(layout, exe_id))?;
        // The kernel's own encoding of a device number: 12 bits major, 20 minor.
        let (major, minor) = (libc::major(dev), libc::minor(dev));
        let key = types::exe_key {
            dev: u64::from(major) << 20 | u64::from(minor),
            ino,
        };
        self.maps()
            .known_exes
            .update(bytes::of(&key), &slot.to_ne_bytes(), MapFlags::ANY)
            .map_err(Error::write("known_exes"))
    }

    /// Says what a followed process turned out to execute.
    pub fn set_executable(
        &mut self,
        slot: u32,
        layout: Option<&Layout>,
        bias: u64,
        state: SlotState,
    ) -> Result<(), Error> {
        let exe_id = self.roles_write(layout)?;
        let old = self.target_read(slot)?;
        let mut t = target_of(layout, exe_id);
        t.state = match state {
            SlotState::Go => abi::GS_SLOT_GO,
            SlotState::Threads => abi::GS_SLOT_THREADS,
            SlotState::Ignored => abi::GS_SLOT_IGNORED,
        };
        (t.tgid, t.follow, t.bias) = (old.tgid, old.follow, bias);
        (t.pending_calls, t.exec_ns) = (old.pending_calls, old.exec_ns);
        self.target_write(slot, &t)
    }

    /// Takes what was seen so far as the past: goroutines with higher ids were born
    /// while we watched.
    pub fn settle(&self, slot: u32) -> Result<(), Error> {
        let mut t = self.target_read(slot)?;
        t.born_goid = t.max_goid;
        self.target_write(slot, &t)
    }

    /// Calls that returned while a followed process's executable was being read.
    pub fn pending_calls(&self, slot: u32) -> Result<u64, Error> {
        Ok(self.target_read(slot)?.pending_calls)
    }

    /// The slot a process is watched under. Its pid is meant as gostall sees it, so this tells who
    /// is who where the kernel's numbers are others (a pid namespace of gostall's own).
    pub fn slot_of(&self, pid: u32) -> Option<u32> {
        let fd = pidfd(pid).ok()?;
        let key = fd.as_raw_fd().to_ne_bytes();
        let value = self.maps().threads.lookup(&key, MapFlags::ANY).ok()??;
        Some(bytes::to::<types::gs_thread>(&value).slot)
    }

    /// Puts the mark on a process's first thread; the others get it by
    /// [`Probes::mark_threads`].
    fn mark(&self, pid: u32, slot: u32) -> Result<(), Error> {
        let fd = pidfd(pid)?;
        let thread = types::gs_thread {
            slot,
            ..Default::default()
        };
        self.maps()
            .threads
            .update(
                &fd.as_raw_fd().to_ne_bytes(),
                bytes::of(&thread),
                MapFlags::ANY,
            )
            .map_err(Error::write("threads"))
    }
}

fn pidfd(pid: u32) -> Result<OwnedFd, Error> {
    // SAFETY: pidfd_open takes plain integers and returns a new descriptor or -1.
    let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
    if fd < 0 {
        return Err(Error::Process {
            pid,
            why: io::Error::last_os_error(),
        });
    }
    // SAFETY: a fresh descriptor that nobody else owns.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as i32) })
}
