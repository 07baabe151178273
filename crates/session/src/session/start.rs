//! The beginning: executables are read while the programs load, the probes attach, whoever is watched is marked, and
//! the window opens.

use std::collections::{BTreeMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use gostall_model::Model;
use gostall_probes::{Keep, Probes};
use gostall_targets::{Launch, Selector, Target};

use super::follow::Follow;
use super::guard::Guard;
use super::{LIVE_TICK, Options, Session, Start, TICK, WARM_UP, WORDS, native_arch};
use crate::clock;
use crate::error::Error;
use crate::exact::Exact;
use crate::handlers::Handlers;
use crate::lineage::Lineage;
use crate::overhead::{self, Meter};
use crate::privileges;
use crate::program::{Program, Programs};
use crate::sampler::{Sampler, Subject};
use crate::watchdog::{self, Watchdog};

impl Session {
    /// Loads and attaches, and opens the window.
    pub fn start(start: Start, options: &Options) -> Result<Self, Error> {
        let mut programs = Programs::default();
        // Reading executables and loading programs take about as long as each other.
        let (ready, probes) = std::thread::scope(|scope| {
            let reading = scope.spawn(|| read(&mut programs, start));
            let probes = Probes::load(native_arch(), options.extras);
            let read = reading
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            (read, probes)
        });
        let (ready, mut probes) = (ready?, probes?);
        probes.set_filter(&options.filter);
        probes.set_tail(&options.tail);
        let mut model = Model::new(native_arch());
        model.set_routes(options.routes.clone());
        if options.extras.keep != Keep::default() {
            model.keep_slowest(options.extras.keep.slowest as usize);
        }
        model.set_what_if(options.extras.what_if);
        let mut session = Self {
            probes,
            tick: if options.tail.trace { LIVE_TICK } else { TICK },
            programs,
            slots: BTreeMap::new(),
            launched: None,
            model,
            meter: Meter::start(0.0, false),
            bystander_ns: 0.0,
            clock_offset: clock::offset_ns(),
            opened: None,
            adapt_at: Instant::now(),
            adapted: 0,
            lineage: Lineage::default(),
            handlers: Handlers::default(),
            known_leaves: HashSet::new(),
            known_exes: HashSet::new(),
            follow: None,
            begun: 0,
            notices: Vec::new(),
            filter: options.filter.clone(),
            tail: options.tail.clone(),
            guard: Guard::new(options.guards),
            watchdog: None,
            sampler: None,
            exact: None,
        };
        if options.extras.exact {
            session.exact = Some(Exact::new(&session.probes));
        }
        match ready {
            Ready::Running { targets, selector } => session.begin_running(targets, &selector)?,
            Ready::Launch { launch, known } => session.begin_launch(launch, known)?,
        }
        session.model.set_sampling(session.sampling());
        // Refused by the kernel (a sandbox without capset), the run is as safe as it was.
        let _ = privileges::drop_to_needed(options.writes_file, session.launched.is_some());
        session.sample(options.extras.keep != Keep::default());
        session.guard = Guard::new(options.guards);
        session.watchdog = Some(Watchdog::start(watchdog::STALL, watchdog::exit));
        Ok(session)
    }

    fn begin_running(&mut self, targets: Vec<Target>, selector: &Selector) -> Result<(), Error> {
        self.attach()?;
        self.begun = targets.len();
        for target in targets {
            self.adopt(target, selector.children)?;
        }
        self.follow = Follow::new(selector);
        self.probes.mark_threads()?;
        for t in self.slots.values() {
            self.lineage.attach(&mut self.probes, t);
            self.handlers.meet(&mut self.probes, t);
        }
        for slot in self.slots.keys().copied().collect::<Vec<_>>() {
            self.measure(slot)?;
        }
        std::thread::sleep(WARM_UP);
        for slot in self.slots.keys() {
            self.probes.settle(*slot)?;
        }
        self.open();
        Ok(())
    }

    fn begin_launch(&mut self, launch: Launch, known: Vec<Known>) -> Result<(), Error> {
        for (program, (dev, ino)) in known {
            self.probes
                .add_executable(dev, ino, program.layout.as_ref())?;
        }
        self.attach()?;
        self.probes.add_held(launch.pid())?;
        self.open();
        self.launched = Some(launch.release()?);
        Ok(())
    }

    /// Attaches while nobody is watched, so that what that costs can be measured.
    fn attach(&mut self) -> Result<(), Error> {
        self.probes.attach()?;
        // Refused, nobody's CPU time is told apart, and the report has none.
        let _ = self.probes.attach_clocks();
        self.bystander_ns = overhead::bystander_ns(&self.probes);
        Ok(())
    }

    /// Looks at goroutines from now on, on a thread that has no more privileges than are left by now. What they find is
    /// kept by request where requests are.
    fn sample(&mut self, keeps: bool) {
        // Without it, what the kernel sees is all there is.
        self.sampler = self
            .probes
            .in_flight()
            .ok()
            .and_then(|requests| Sampler::start(requests, keeps).ok());
        if let Some(sampler) = &self.sampler {
            for (slot, t) in &self.slots {
                if let Some(program) = &t.program {
                    let program = Arc::clone(program);
                    let (pid, bias) = (t.pid, t.bias);
                    sampler.watch(*slot, Subject { pid, program, bias });
                }
            }
        }
    }

    fn open(&mut self) {
        self.meter = Meter::start(self.bystander_ns, self.exact.is_some());
        self.probes.set_counting(true);
        self.opened = Some((clock::unix_ns(), Instant::now()));
    }
}

/// A program and its file's device and inode.
type Known = (Arc<Program>, (u64, u64));

/// What can be done before the kernel is asked for anything.
fn read(programs: &mut Programs, start: Start) -> Result<Ready, Error> {
    Ok(match start {
        Start::Running { targets, selector } => {
            for t in &targets {
                program_of(programs, t)?;
            }
            Ready::Running { targets, selector }
        }
        Start::Launch { argv } => {
            let launch = Launch::hold(&argv)?;
            // Known beforehand, a Go program is traced from its first instruction. A wrapper
            // (env, nice, a script) names it among its arguments.
            let words = argv.iter().skip(1).take(WORDS).map(PathBuf::from);
            let known = std::iter::once(launch.executable().to_owned())
                .chain(words.filter(|w| w.is_file()))
                .filter_map(|path| programs.get(&path).ok())
                .collect();
            Ready::Launch { launch, known }
        }
    })
}

enum Ready {
    Running {
        targets: Vec<Target>,
        selector: Selector,
    },
    Launch {
        launch: Launch,
        known: Vec<Known>,
    },
}

pub(super) fn program_of(programs: &mut Programs, target: &Target) -> Result<Arc<Program>, Error> {
    programs
        .get(&target.exe_open_path)
        .map(|(p, _)| p)
        .map_err(|why| Error::Program {
            pid: target.pid,
            exe: target.exe_display.to_string_lossy().into_owned(),
            why,
        })
}
