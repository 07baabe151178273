//! Loading, attaching and detaching. Links live as file descriptors of this process:
//! whatever ends it (a crash, kill -9) detaches everything; nothing is ever pinned.

use std::io::Read;
use std::mem::MaybeUninit;
use std::os::fd::AsFd;
use std::time::Duration;

use gostall_bpf::{GostallMaps, GostallSkel, GostallSkelBuilder, OpenGostallSkel, abi, types};
use gostall_model::Arch;
use libbpf_rs::skel::{OpenSkel, SkelBuilder};
use libbpf_rs::{Iter, Link, OpenObject, PrintLevel};

use crate::clocks::Clocks;
use crate::error::{Error, chain};
use crate::event::Ring;
use crate::hooks::HookLinks;
use crate::timeline::Keep;

/// The loaded programs and their maps.
pub struct Probes {
    // Links are dropped before the skeleton that owns their programs.
    links: Vec<Link>,
    pub(crate) hooks: HookLinks,
    pub(crate) clocks: Clocks,
    pub(crate) ring: Ring,
    pub(crate) skel: GostallSkel<'static>,
    pub(crate) next_exe: u32,
    pub(crate) threshold_ns: Option<u64>,
}

impl std::fmt::Debug for Probes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Probes")
            .field("links", &self.links.len())
            .finish_non_exhaustive()
    }
}

/// libbpf's warnings, kept for the error that follows them.
fn keep_warnings() {
    fn print(level: PrintLevel, text: String) {
        if level == PrintLevel::Warn {
            WARNINGS.with_borrow_mut(|w| w.push_str(&text));
        }
    }
    libbpf_rs::set_print(Some((PrintLevel::Warn, print)));
}

thread_local! {
    static WARNINGS: std::cell::RefCell<String> = const { std::cell::RefCell::new(String::new()) };
}

/// The first of libbpf's warnings that says why; the whole log under GOSTALL_BPF_LOG.
fn load_error(e: &libbpf_rs::Error) -> Error {
    let log = WARNINGS.take();
    if std::env::var_os("GOSTALL_BPF_LOG").is_some() {
        eprintln!("{log}");
    }
    let why = chain(e);
    // A limit of the system's, not the verifier's verdict on what it had done by then.
    if why.contains("Too many open files") {
        return Error::Load { why };
    }
    // The verifier's last words, not the bare EACCES it also ends with.
    if let Some((before, _)) = log.split_once("-- END PROG LOAD LOG --") {
        let said = before
            .lines()
            .rev()
            .find(|l| !l.is_empty() && !l.starts_with("processed "));
        return Error::Verifier {
            why: said.unwrap_or_default().to_owned(),
        };
    }
    Error::Load { why }
}

/// Threads are marked in so many goes at most: a process may have thousands.
const MARK_TRIES: u32 = 200;
const MARK_AGAIN: Duration = Duration::from_millis(1);

/// What is recorded beyond the ordinary. Without it, it is no part of the loaded programs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Extras {
    /// Requests that are kept whole.
    pub keep: Keep,
    /// Reads and writes on clients' connections are told from others, which costs each some 100 ns: what changes would
    /// save can be said.
    pub what_if: bool,
    /// What goroutines do between calls is measured, not sampled: with what [`crate::HookSet::Exact`] takes.
    pub exact: bool,
}

impl Probes {
    /// Loads programs and maps. Nothing is attached yet, and nobody is watched.
    pub fn load(arch: Arch, extras: Extras) -> Result<Self, Error> {
        let Extras {
            keep,
            what_if,
            exact,
        } = extras;
        keep_warnings();
        // The skeleton borrows this for its whole life; a few bytes per session stay behind.
        let object: &'static mut MaybeUninit<OpenObject> =
            Box::leak(Box::new(MaybeUninit::uninit()));
        let mut open = GostallSkelBuilder::default()
            .open(object)
            .map_err(|e| load_error(&e))?;
        if let Some(rodata) = open.maps.rodata_data.as_deref_mut() {
            rodata.hash_seed = seed();
            rodata.keeps_timelines = u32::from(keep != Keep::default());
            rodata.slowest_kept = keep.slowest.min(abi::GS_SLOWEST_MAX);
            rodata.slow_ns = keep.slow_ns.unwrap_or(0);
            rodata.what_if = what_if.into();
            rodata.exact_on = exact.into();
        }
        let cpus = libbpf_rs::num_possible_cpus().map_err(|e| load_error(&e))?;
        open.maps
            .hot
            .set_max_entries(abi::GS_HOT * cpus as u32)
            .map_err(|e| load_error(&e))?;
        if keep == Keep::default() {
            // Its places are there from the beginning: some 23 MB.
            open.maps
                .timelines
                .set_max_entries(1)
                .map_err(|e| load_error(&e))?;
        }
        if !exact {
            leave_exact_out(&mut open).map_err(|e| load_error(&e))?;
        }
        let skel = open.load().map_err(|e| load_error(&e))?;
        let ring = Ring::new(&skel.maps.events)?;
        let mut probes = Self {
            links: Vec::new(),
            hooks: HookLinks::default(),
            clocks: Clocks::default(),
            ring,
            skel,
            next_exe: 0,
            threshold_ns: None,
        };
        probes.syscalls_write(arch);
        probes.limbo_write()?;
        Ok(probes)
    }

    pub(crate) fn bss(&mut self) -> &mut types::bss {
        self.skel
            .maps
            .bss_data
            .as_deref_mut()
            .expect("the object has variables")
    }

    /// Grows whenever a path is met for the first time.
    pub fn paths_known(&self) -> u32 {
        let data = self.skel.maps.data_data.as_deref();
        data.expect("the object has variables").next_node
    }

    pub(crate) fn maps(&self) -> &GostallMaps<'static> {
        &self.skel.maps
    }

    /// Attaches the base probes: threads first, so that none is missed, then the pair.
    /// Nobody is watched before [`Probes::add_process`] and [`Probes::mark_threads`].
    pub fn attach(&mut self) -> Result<(), Error> {
        let p = &self.skel.progs;
        self.links.push(
            p.on_newtask
                .attach()
                .map_err(Error::attach("tp_btf/task_newtask"))?,
        );
        self.links.push(
            p.on_exec
                .attach()
                .map_err(Error::attach("tp_btf/sched_process_exec"))?,
        );
        self.links.push(
            p.on_switch
                .attach()
                .map_err(Error::attach("tp_btf/sched_switch"))?,
        );
        self.links.push(
            p.on_wakeup
                .attach()
                .map_err(Error::attach("tp_btf/sched_wakeup"))?,
        );
        // Where a kernel has none (arm64), endpoints' page faults are not counted.
        self.links.extend(p.on_fault.attach().ok());
        self.links.push(
            p.on_sys_exit
                .attach()
                .map_err(Error::attach("tp_btf/sys_exit"))?,
        );
        self.links.push(
            p.on_sys_enter
                .attach()
                .map_err(Error::attach("tp_btf/sys_enter"))?,
        );
        Ok(())
    }

    /// Marks all threads whose leader is marked.
    pub fn mark_threads(&mut self) -> Result<(), Error> {
        for _ in 0..MARK_TRIES {
            self.bss().unmarked = 0;
            self.mark_once()?;
            if self.bss().unmarked == 0 {
                break;
            }
            // The kernel's store of memory for programs is filled up meanwhile.
            std::thread::sleep(MARK_AGAIN);
        }
        Ok(())
    }

    fn mark_once(&self) -> Result<(), Error> {
        let what = "iter/task";
        let link = self
            .skel
            .progs
            .mark_threads
            .attach()
            .map_err(Error::attach(what))?;
        let mut iter = Iter::new(&link).map_err(Error::attach(what))?;
        let mut sink = Vec::new();
        iter.read_to_end(&mut sink).map_err(|e| Error::Attach {
            what,
            why: e.to_string(),
        })?;
        Ok(())
    }

    /// Takes every probe away. The maps stay readable.
    pub fn detach(&mut self) {
        self.hooks.clear();
        self.clocks.clear();
        self.links.clear();
    }

    /// Descriptors of the programs that run with every syscall.
    pub(crate) fn hot_programs(&self) -> [std::os::fd::BorrowedFd<'_>; 2] {
        let p = &self.skel.progs;
        [p.on_sys_enter.as_fd(), p.on_sys_exit.as_fd()]
    }
}

/// Without --exact neither its programs are loaded nor is there room in its maps.
fn leave_exact_out(open: &mut OpenGostallSkel<'_>) -> Result<(), libbpf_rs::Error> {
    open.progs.on_status.set_autoload(false);
    open.progs.on_world.set_autoload(false);
    let maps = &mut open.maps;
    maps.exacts.set_max_entries(1)?;
    maps.exact_ledgers.set_max_entries(1)?;
    maps.exact_slots.set_max_entries(1)?;
    maps.exact_exes.set_max_entries(1)
}

/// Hashes of paths must not be predictable to whoever sends requests.
fn seed() -> u64 {
    let mut buf = [0u8; 8];
    // SAFETY: getrandom writes at most buf.len() bytes into buf.
    let n = unsafe { libc::getrandom(buf.as_mut_ptr().cast(), buf.len(), 0) };
    if n == 8 {
        u64::from_ne_bytes(buf)
    } else {
        std::process::id().into()
    }
}
