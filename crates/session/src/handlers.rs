//! When to watch handlers and routers: TLS and HTTP/2 need the first, templates of routes the second; plain HTTP/1
//! needs neither for long.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use gostall_probes::{Error, HookSet, Probes};

use crate::program::Program;
use crate::session::Traced;

/// Handlers stay watched this long after one told of a request that the wire had not shown.
const SECURE_FOR: Duration = Duration::from_secs(30);
/// Routers are attached again at most this often.
const ROUTES_EVERY: Duration = Duration::from_secs(1);
/// Routers stay watched this long after a path was met for the first time: who meets one soon meets more.
const ROUTES_FOR: Duration = Duration::from_millis(500);

/// Which executables' handlers and routers are watched.
#[derive(Debug, Default)]
pub(crate) struct Handlers {
    programs: Vec<(PathBuf, Arc<Program>)>,
    known: HashSet<usize>,
    handlers: bool,
    frames: bool,
    routers: bool,
    routers_at: Option<Instant>,
    routers_due: bool,
    routers_idle: bool,
    paths: u32,
    paths_at: Option<Instant>,
    handled: u64,
    handled_at: Option<Instant>,
}

impl Handlers {
    /// A process is met: its executable's handlers and routers are watched at first, for who knows what it speaks.
    /// Refused (no uprobes here), requests are those of the wire.
    pub(crate) fn meet(&mut self, probes: &mut Probes, traced: &Traced) {
        let Some(program) = &traced.program else {
            return;
        };
        if !self.known.insert(Arc::as_ptr(program) as usize) {
            return;
        }
        let exe = gostall_targets::proc::path(traced.pid, "exe");
        self.programs.push((exe, Arc::clone(program)));
        self.detach(probes, HookSet::Handlers);
        self.detach(probes, HookSet::Frames);
        self.detach(probes, HookSet::Routers);
        self.attach(probes, HookSet::Handlers);
        self.attach(probes, HookSet::Frames);
        self.attach(probes, HookSet::Routers);
    }

    fn attach(&mut self, probes: &mut Probes, set: HookSet) {
        for (exe, program) in &self.programs {
            let Some(layout) = &program.layout else {
                continue;
            };
            let sites = match set {
                HookSet::Handlers => &layout.hooks.handlers,
                HookSet::Frames => &layout.hooks.frames,
                HookSet::Routers => &layout.hooks.routers,
            };
            // Without uprobes the wire alone tells; doctor says so.
            let _ = probes.attach_hooks(set, exe, sites);
        }
        match set {
            HookSet::Handlers => self.handlers = true,
            HookSet::Frames => self.frames = true,
            HookSet::Routers => {
                (self.routers, self.routers_due, self.routers_idle) = (true, false, false);
                self.routers_at = Some(Instant::now());
            }
        }
    }

    fn detach(&mut self, probes: &mut Probes, set: HookSet) {
        probes.detach_hooks(set);
        match set {
            HookSet::Handlers => self.handlers = false,
            HookSet::Frames => self.frames = false,
            HookSet::Routers => self.routers = false,
        }
    }

    /// TLS or HTTP/2 is spoken.
    pub(crate) fn secure(&mut self, probes: &mut Probes) {
        if !self.handlers {
            self.attach(probes, HookSet::Handlers);
        }
    }

    /// HTTP/2 writes large frames.
    pub(crate) fn frames(&mut self, probes: &mut Probes) {
        if !self.frames {
            self.attach(probes, HookSet::Frames);
        }
    }

    /// Frames were seen in vain for a while: all fit the buffer.
    pub(crate) fn frames_idle(&mut self, probes: &mut Probes) {
        self.detach(probes, HookSet::Frames);
    }

    /// Handlers were seen in vain for a while.
    pub(crate) fn handlers_idle(&mut self, probes: &mut Probes) -> Result<(), Error> {
        let handled = probes.counters()?.handled;
        if handled > self.handled {
            (self.handled, self.handled_at) = (handled, Some(Instant::now()));
        }
        if self.handled_at.is_some_and(|at| at.elapsed() < SECURE_FOR) {
            probes.ask_again(HookSet::Handlers);
        } else {
            self.detach(probes, HookSet::Handlers);
        }
        Ok(())
    }

    /// A path was met for the first time.
    pub(crate) fn path(&mut self) {
        self.routers_due = true;
    }

    /// Routers were seen in vain for a while.
    pub(crate) fn routes_idle(&mut self) {
        self.routers_idle = true;
    }

    /// Routers go when they told nothing new by the hundred, nor was a new path met for a while.
    fn review_routers(&mut self, probes: &mut Probes) {
        let paths = probes.paths_known();
        if paths != self.paths {
            (self.paths, self.paths_at) = (paths, Some(Instant::now()));
        }
        if self.routers_idle && self.paths_at.is_none_or(|at| at.elapsed() >= ROUTES_FOR) {
            self.detach(probes, HookSet::Routers);
        }
    }

    /// What is due: now and then.
    pub(crate) fn review(&mut self, probes: &mut Probes) {
        if self.routers {
            self.review_routers(probes);
        } else if self.routers_due
            && self
                .routers_at
                .is_none_or(|at| at.elapsed() >= ROUTES_EVERY)
        {
            self.attach(probes, HookSet::Routers);
        }
    }
}
