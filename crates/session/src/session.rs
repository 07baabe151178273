//! The run itself: start, drain, adapt, end.

use std::collections::{BTreeMap, HashSet};
use std::ffi::OsString;
use std::sync::Arc;
use std::time::{Duration, Instant};

use gostall_model::{
    Arch, Attribution, Model, Protocol, Route, Sampling, Snapshot, Tail, TargetInfo, Window,
};
use gostall_probes::{CpuTicks, Event, Extras, Filter, Probes, SlotState, TailRule};
use gostall_targets::{Launched, Selector, Target, maps};

use crate::cpu::Account;
use crate::describe;
use crate::error::Error;
use crate::exact::Exact;
use crate::handlers::Handlers;
use crate::lineage::Lineage;
use crate::overhead::Meter;
use crate::program::{Program, Programs};
use crate::sampler::{Sampler, Subject};
use crate::watchdog::Watchdog;

mod follow;
mod guard;
mod start;

use follow::Follow;
use guard::Guard;
pub use guard::Guards;

/// Whom to watch.
#[derive(Debug)]
pub enum Start {
    /// Processes that run.
    Running {
        /// Them.
        targets: Vec<Target>,
        /// How they were found: by it, those started again are found too. What it says of
        /// children holds for all.
        selector: Selector,
    },
    /// A command to start; it is traced from its first instruction.
    Launch {
        /// Command and arguments.
        argv: Vec<OsString>,
    },
}

/// What to record and what to raise.
#[derive(Debug, Default)]
pub struct Options {
    /// What is recorded.
    pub filter: Filter,
    /// What is raised call by call.
    pub tail: TailRule,
    /// The user's routes.
    pub routes: Vec<Route>,
    /// What the run may cost.
    pub guards: Guards,
    /// What is recorded beyond the ordinary.
    pub extras: Extras,
    /// A file will be created for the result: the privilege to do so anywhere is kept.
    pub writes_file: bool,
}

/// A process that is or was watched.
#[derive(Debug)]
pub struct Traced {
    /// Its pid.
    pub pid: u32,
    /// The process at the time we met it.
    pub target: Option<Target>,
    /// Its executable, when it is Go.
    pub program: Option<Arc<Program>>,
    /// Run-time minus link-time addresses.
    pub bias: u64,
}

/// Before the window opens the probes run unrecorded for a moment: connections and
/// goroutines that are in use are then known when it does.
const WARM_UP: Duration = Duration::from_millis(100);
/// The longest time between two looks at the ring buffer. Each look takes a processor away
/// from a saturated target for a moment: 20 a second were measured to cost it 5 % of its
/// throughput. The ring holds much more than a quarter of a second's snapshots.
const TICK: Duration = Duration::from_millis(250);
/// The same while somebody reads every line as it comes.
const LIVE_TICK: Duration = Duration::from_millis(50);
/// Arguments of a launched command that are looked at for an executable.
const WORDS: usize = 16;
const ADAPT_EVERY: Duration = Duration::from_millis(250);
/// So many times at first; then one time in so many.
const ADAPT_OFTEN: u32 = 8;
const ADAPT_RARELY: u32 = 4;

/// A run.
pub struct Session {
    probes: Probes,
    tick: Duration,
    programs: Programs,
    slots: BTreeMap<u32, Traced>,
    launched: Option<Launched>,
    model: Model,
    meter: Meter,
    bystander_ns: f64,
    clock_offset: u64,
    opened: Option<(u64, Instant)>,
    adapt_at: Instant,
    adapted: u32,
    lineage: Lineage,
    handlers: Handlers,
    known_leaves: HashSet<u32>,
    /// Device and inode of what the kernel side knows before it is executed.
    known_exes: HashSet<(u64, u64)>,
    follow: Option<Follow>,
    /// How many processes there were at the beginning.
    begun: usize,
    notices: Vec<String>,
    filter: Filter,
    tail: TailRule,
    guard: Guard,
    watchdog: Option<Watchdog>,
    sampler: Option<Sampler>,
    exact: Option<Exact>,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session")
            .field("slots", &self.slots)
            .finish_non_exhaustive()
    }
}

/// This machine's architecture; targets of another one do not run here.
pub fn native_arch() -> Arch {
    if cfg!(target_arch = "aarch64") {
        Arch::Aarch64
    } else {
        Arch::X86_64
    }
}

impl Session {
    fn met(
        &mut self,
        slot: u32,
        pid: u32,
        target: Option<Target>,
        program: Option<Arc<Program>>,
        bias: u64,
    ) {
        if let (Some(p), Some(t)) = (&program, &target) {
            self.model.set_target(TargetInfo {
                pid,
                exe: t.exe_display.to_string_lossy().into_owned(),
                go_version: p.facts.version.as_ref().map(|v| v.raw.clone()),
                module: p
                    .facts
                    .build
                    .as_ref()
                    .map(|b| b.path.clone())
                    .filter(|p| !p.is_empty()),
                arch: native_arch(),
                attribution: match p.layout {
                    Some(_) => Attribution::Goroutines,
                    None => Attribution::Threads,
                },
            });
        }
        if let (Some(sampler), Some(program)) = (&self.sampler, &program) {
            let program = Arc::clone(program);
            sampler.watch(slot, Subject { pid, program, bias });
        }
        self.slots.insert(
            slot,
            Traced {
                pid,
                target,
                program,
                bias,
            },
        );
    }

    /// The processes met so far.
    pub fn traced(&self) -> impl Iterator<Item = &Traced> {
        self.slots.values()
    }

    /// How long the window has been open.
    pub fn elapsed(&self) -> Duration {
        self.opened.map_or(Duration::ZERO, |(_, at)| at.elapsed())
    }

    /// Requests counted so far.
    pub fn requests(&self) -> u64 {
        self.probes.counters().map_or(0, |c| c.requests)
    }

    /// Goes on until `until`, or until there is nothing more to see, and calls `each` with every call that is raised
    /// ([`TailRule::trace`]), named as it comes. `each` ends the run by returning false.
    pub fn run(
        &mut self,
        until: Instant,
        mut each: impl FnMut(&gostall_model::Event) -> bool,
    ) -> Result<(), Error> {
        while Instant::now() < until && !self.over() {
            for tail in self.step(until)? {
                if !each(&self.event(&tail)?) {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// Changes what is recorded from now on. What was recorded before stays as it was.
    pub fn set_filter(&mut self, filter: Filter) {
        self.probes.set_filter(&filter);
        self.filter = filter;
        self.model.set_sampling(self.sampling());
    }

    /// Changes what is raised call by call from now on.
    pub fn set_tail(&mut self, rule: &TailRule) {
        self.tick = if rule.trace { LIVE_TICK } else { TICK };
        self.probes.set_tail(rule);
    }

    /// Waits for events (until `until` at the latest, and a tick at most) and handles
    /// them. Calls asked for by `trace` are returned; snapshots go to the model.
    pub fn step(&mut self, until: Instant) -> Result<Vec<Tail>, Error> {
        let now = Instant::now();
        let wake = until.min(now + self.tick).min(self.meter.due());
        let events = self.probes.drain(wake.saturating_duration_since(now))?;
        let mut lines = Vec::new();
        for event in events {
            match event {
                Event::Call(call) => {
                    let tail = describe::tail(&call, self.slots.get(&call.slot), self.clock_offset);
                    if call.tail {
                        self.model.add_tail(tail.clone());
                    }
                    if call.trace {
                        lines.push(tail);
                    }
                }
                Event::Exec { slot, tgid, known } => {
                    if let Some(pid) = self.own_pid(slot, tgid) {
                        self.executed(slot, pid, known)?;
                    }
                }
                Event::Lineage { slot } => {
                    if let Some(t) = self.slots.get(&slot) {
                        self.lineage.attach(&mut self.probes, t);
                    }
                }
                Event::BirthsIdle => self.lineage.review(&mut self.probes)?,
                Event::Secure { .. } => self.handlers.secure(&mut self.probes),
                Event::Unmarked => self.probes.mark_threads()?,
                Event::Frames => self.handlers.frames(&mut self.probes),
                Event::FramesIdle => self.handlers.frames_idle(&mut self.probes),
                Event::HandlersIdle => self.handlers.handlers_idle(&mut self.probes)?,
                Event::Path { .. } => self.handlers.path(),
                Event::RoutesIdle => self.handlers.routes_idle(),
                Event::Line(line) => {
                    let looks = self.sampler.iter().find_map(|s| s.looks_at(&line));
                    let traced = self.slots.get(&line.slot);
                    self.model.add_timeline(describe::timeline(
                        &line,
                        &looks.unwrap_or_default(),
                        traced,
                        self.clock_offset,
                    ));
                }
            }
        }
        self.meter.tick(&self.probes);
        if self.opened.is_some() {
            self.watchdog.iter().for_each(Watchdog::tick);
            self.follow()?;
            self.guard()?;
        }
        if Instant::now() >= self.adapt_at {
            self.adapt_at = Instant::now() + ADAPT_EVERY;
            self.adapted += 1;
            // Its table is large, and what is usual does not change that often.
            if self.adapted < ADAPT_OFTEN || self.adapted.is_multiple_of(ADAPT_RARELY) {
                self.probes.adapt()?;
            }
            self.lineage.review(&mut self.probes)?;
            self.handlers.review(&mut self.probes);
            // Lines name their routes as they come; a report does so at its end.
            if self.tick == LIVE_TICK {
                self.learn_routes()?;
            }
        }
        Ok(lines)
    }

    /// A followed process runs another executable.
    fn executed(&mut self, slot: u32, pid: u32, known: bool) -> Result<(), Error> {
        let target = Target::read(pid).ok();
        let path = gostall_targets::proc::path(pid, "exe");
        let program = self.programs.get(&path).ok().map(|(p, _)| p);
        let bias = match (&program, maps::maps(pid)) {
            (Some(p), Ok(m)) => p.bias(&m),
            _ => 0,
        };
        if !known {
            let state = match &program {
                Some(p) if p.layout.is_some() => SlotState::Go,
                Some(_) => SlotState::Threads,
                None => SlotState::Ignored,
            };
            let layout = program.as_ref().and_then(|p| p.layout.as_ref());
            self.probes.set_executable(slot, layout, bias, state)?;
        }
        self.met(slot, pid, target, program, bias);
        if let Some(t) = self.slots.get(&slot) {
            self.lineage.attach(&mut self.probes, t);
            self.handlers.meet(&mut self.probes, t);
        }
        self.measure(slot)
    }

    /// From now on this slot's requests are measured between calls, too, if that was asked for.
    fn measure(&mut self, slot: u32) -> Result<(), Error> {
        if let (Some(exact), Some(t)) = (&mut self.exact, self.slots.get(&slot)) {
            let known = exact.missing.len();
            exact.meet(&mut self.probes, slot, t)?;
            self.notices.extend_from_slice(&exact.missing[known..]);
            self.model.set_sampling(self.sampling());
        }
        Ok(())
    }

    /// What is left out, by request or by guards, and what `--exact` cannot measure.
    fn sampling(&self) -> Sampling {
        Sampling {
            guards: self.guard.acts().to_vec(),
            exact_missing: self.exact.iter().flat_map(|e| e.missing.clone()).collect(),
            ..sampling(&self.filter)
        }
    }

    /// Names a call's owner for a live line.
    pub fn event(&mut self, tail: &Tail) -> Result<gostall_model::Event, Error> {
        if tail.leaf >= gostall_model::LEAF_FIRST_NODE && !self.known_leaves.contains(&tail.leaf) {
            let (model, known) = (&mut self.model, &mut self.known_leaves);
            self.probes.nodes(|n| {
                known.insert(n.id);
                model.add_node(n);
            })?;
        }
        Ok(self.model.event(tail))
    }

    /// What a person should know that happened since the last call, a line each.
    pub fn notices(&mut self) -> Vec<String> {
        std::mem::take(&mut self.notices)
    }

    fn targets_gone(&mut self) -> bool {
        if self.follow.is_some() {
            return false;
        }
        if let Some(l) = &mut self.launched {
            return !matches!(l.try_wait(), Ok(None));
        }
        self.slots
            .values()
            .all(|t| t.target.as_ref().is_none_or(|t| !t.is_alive()))
    }

    /// The exit status of the launched command, once it has ended.
    pub fn launched_status(&mut self) -> Option<std::process::ExitStatus> {
        self.launched
            .as_mut()
            .and_then(|l| l.try_wait().ok().flatten())
    }

    /// Takes the probes away and closes the window. What was recorded stays readable;
    /// calls raised by `trace` up to now are returned.
    pub fn stop(&mut self) -> Result<Vec<Tail>, Error> {
        let Some((start_unix_ns, at)) = self.opened.take() else {
            return Ok(Vec::new());
        };
        self.watchdog = None;
        if let Some(sampler) = &mut self.sampler {
            sampler.stop();
        }
        self.probes.set_counting(false);
        let duration_ns = at.elapsed().as_nanos() as u64;
        let mut overhead = self.meter.overhead();
        if let Some(exact) = &self.exact {
            let hits = self.probes.counters()?.exact_hits;
            overhead.exact = Some(exact.cost(hits, self.meter.exact_run_ns(), duration_ns));
        }
        self.model.set_overhead(overhead);
        self.probes.detach();
        // What we started for the sake of the window ends with it.
        if let Some(l) = &mut self.launched {
            l.terminate();
        }
        self.model.set_window(Window {
            start_unix_ns,
            duration_ns,
        });
        self.step(Instant::now())
    }

    /// Live events that found the ring buffer full.
    pub fn events_dropped(&self) -> Result<u64, Error> {
        Ok(self.probes.counters()?.losses.ring_full)
    }

    /// Takes what routers and handlers have told of paths.
    fn learn_routes(&mut self) -> Result<(), Error> {
        let model = &mut self.model;
        self.probes
            .routes(|leaf, templates, not_found, protocols| {
                for t in templates {
                    model.learn(leaf, t);
                }
                if not_found.by_router {
                    model.learn_none(leaf);
                }
                if not_found.by_handler {
                    model.learn_refusal();
                }
                let named = [
                    (protocols.http1, Protocol::Http1),
                    // Every gRPC call is HTTP/2.
                    (protocols.http2 && !protocols.grpc, Protocol::Http2),
                    (protocols.grpc, Protocol::Grpc),
                ];
                for (_, protocol) in named.into_iter().filter(|(has, _)| *has) {
                    model.add_protocol(leaf, protocol);
                }
            })?;
        Ok(())
    }

    /// What is of no request: who computed, and what other goroutines did.
    fn background(&mut self) -> Result<(), Error> {
        let Some(sampler) = &self.sampler else {
            return Ok(());
        };
        let mut ticks: BTreeMap<u32, Vec<CpuTicks>> = BTreeMap::new();
        self.probes
            .cpu_ticks(|t| ticks.entry(t.slot).or_default().push(t))?;
        let mut account = Account::default();
        for (slot, ns) in sampler.cpu_ns() {
            if let Some(program) = self.slots.get(&slot).and_then(|t| t.program.as_ref()) {
                let ticks = ticks.get(&slot).map_or(&[][..], Vec::as_slice);
                account.process(program, ns, ticks);
            }
        }
        let clocks = !ticks.is_empty();
        sampler.censuses(|_, census| account.census(census, clocks));
        let (rows, cpu) = account.finish();
        self.model.set_background(rows, cpu);
        if let Some(paging) = sampler.paging() {
            self.model.set_paging(paging);
        }
        let model = &mut self.model;
        self.probes.faults(|leaf, n| model.add_faults(leaf, n))?;
        Ok(())
    }

    /// Everything recorded, named. Call it after [`Session::stop`] for a whole window.
    pub fn snapshot(&mut self) -> Result<Arc<Snapshot>, Error> {
        let model = &mut self.model;
        self.probes.nodes(|n| model.add_node(n))?;
        self.probes.chunks(|c| model.add_chunk(c))?;
        self.learn_routes()?;
        let model = &mut self.model;
        self.probes
            .walls(|leaf, exact| model.add_exact(leaf, exact))?;
        if self.exact.is_some() {
            self.probes
                .measured(|leaf, measured| model.add_measured(leaf, measured))?;
        }
        for (leaf, found) in self.sampler.iter().flat_map(Sampler::found) {
            model.add_found(leaf, &found);
        }
        self.background()?;
        let model = &mut self.model;
        let counters = self.probes.counters()?;
        let mut losses = counters.losses;
        // Where handlers told of requests, what those connections carried was seen.
        if counters.handled > 0 {
            (losses.tls_connections, losses.http2_connections) = (0, 0);
        }
        for (slot, t) in &self.slots {
            // What a Go program called while its executable was still being read.
            if t.program.is_some() {
                losses.calls_lost += self.probes.pending_calls(*slot)?;
            }
        }
        model.set_losses(losses);
        for t in self.slots.values() {
            if let Some(p) = &t.program {
                p.release_pages();
            }
        }
        Ok(self.model.snapshot())
    }
}

fn sampling(filter: &Filter) -> Sampling {
    Sampling {
        one_request_in: filter.one_request_in,
        syscalls: filter.syscalls.as_ref().map(|set| {
            set.iter()
                .map(|&nr| native_arch().syscall_name(nr).into_owned())
                .collect()
        }),
        slower_than_ns: filter.slower_than_ns,
        exact_missing: Vec::new(),
        guards: Vec::new(),
    }
}
