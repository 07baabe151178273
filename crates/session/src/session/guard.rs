//! Guards: what keeps gostall from costing more than was agreed, whatever the target does. Each act
//! is in the report, for it changes what the numbers cover.
//!
//! They look once a second. Whether the agent itself still moves is [`crate::watchdog`]'s part.

use std::time::{Duration, Instant};

use gostall_model::{GuardAct, GuardAction};
use gostall_targets::usage;

use super::Session;
use crate::error::Error;

/// What the run may cost.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Guards {
    /// CPU time of the agent, as a share of one processor; above it fewer requests are sampled.
    /// `None`: no bound, for output that a person asked for call by call.
    pub cpu: Option<f64>,
    /// Resident memory of the agent, bytes; above it no more snapshots are taken.
    pub memory_bytes: u64,
    /// What our programs may add to one system call, ns; above it they are detached.
    pub cost_ns: f64,
    /// What the probes of `--exact` may take, as a share of one processor; above it they are detached and the ledger is
    /// sampled.
    pub exact: f64,
}

impl Default for Guards {
    fn default() -> Self {
        Self {
            cpu: Some(Self::CPU),
            memory_bytes: Self::MEMORY_BYTES,
            cost_ns: Self::COST_NS,
            exact: Self::EXACT,
        }
    }
}

impl Guards {
    /// 2 % of a processor. A debug build is ten times slower at everything and no measure.
    pub const CPU: f64 = if cfg!(debug_assertions) { 5.0 } else { 0.02 };
    /// 80 MB; a busy agent was measured at a third of it.
    pub const MEMORY_BYTES: u64 = 80_000_000;
    /// 100 us: some two hundred times what is usual. On a virtual machine whose host has no time for it 50 us were
    /// measured, as a mean of seconds: that is the host's cost, and ends.
    pub const COST_NS: f64 = 100_000.0;
    /// Half a processor: whoever asks for it accepts a cost (a saturated server was measured to take a seventh), but a
    /// server that does little else than change its goroutines' status would stand still.
    pub const EXACT: f64 = 0.5;
}

const LOOK: Duration = Duration::from_secs(1);
/// So many looks in a row above the CPU budget: less is a burst, as when many stacks are named.
const LOOKS_ABOVE: u32 = 5;
/// One request in so many at the rarest: a busy server still shows each endpoint.
const RAREST: u32 = 1024;
/// Samples in a row that are too dear; in some of them the hypervisor may have taken the CPU away, and on a busy host in
/// two in a row.
const SAMPLES_ABOVE: u32 = 5;
/// Below this share of a processor dear calls do no harm: cold caches make the calls of an idle
/// server dear.
const HARMLESS: f64 = 0.02;
/// Looks in a row at which `--exact` takes more than it may.
const EXACT_ABOVE: u32 = 3;
/// The ring buffer is not left alone for longer than this.
const LONGEST_TICK: Duration = Duration::from_secs(1);

/// What the guards have seen.
#[derive(Debug)]
pub(super) struct Guard {
    bounds: Guards,
    next: Instant,
    cpu: Duration,
    cpu_at: Instant,
    cpu_above: u32,
    sample: u64,
    cost_above: u32,
    snapshots_stopped: bool,
    exact_hits: u64,
    exact_above: u32,
    acts: Vec<GuardAction>,
    pub(super) detached: bool,
}

impl Guard {
    pub(super) fn new(bounds: Guards) -> Self {
        let now = Instant::now();
        Self {
            bounds,
            next: now + LOOK,
            cpu: usage::cpu_time(),
            cpu_at: now,
            cpu_above: 0,
            sample: 0,
            cost_above: 0,
            snapshots_stopped: false,
            exact_hits: 0,
            exact_above: 0,
            acts: Vec::new(),
            detached: false,
        }
    }

    /// What was done so far.
    pub(super) fn acts(&self) -> &[GuardAction] {
        &self.acts
    }

    /// The agent's share of a processor since the last look.
    fn cpu_share(&mut self) -> f64 {
        let (cpu, now) = (usage::cpu_time(), Instant::now());
        let share = cpu.saturating_sub(self.cpu).as_secs_f64()
            / (now - self.cpu_at).as_secs_f64().max(f64::EPSILON);
        (self.cpu, self.cpu_at) = (cpu, now);
        share
    }
}

impl Session {
    /// Looks whether the run costs more than it may, when it is time to.
    pub(super) fn guard(&mut self) -> Result<(), Error> {
        self.guard_cost();
        if Instant::now() < self.guard.next {
            return Ok(());
        }
        self.guard.next = Instant::now() + LOOK;
        self.guard_cpu();
        self.guard_memory();
        self.guard_exact()
    }

    /// Does what may wait for somebody else, as writing to a reader who has paused: that is no
    /// stall of gostall's.
    pub fn waiting<T>(&self, f: impl FnOnce() -> T) -> T {
        self.watchdog.iter().for_each(|w| w.set_off(true));
        let result = f();
        self.watchdog.iter().for_each(|w| w.set_off(false));
        result
    }

    /// Whether there is nothing more to see: every target has ended and none can come again, or a
    /// guard took the probes away.
    pub fn over(&mut self) -> bool {
        self.guard.detached || self.targets_gone()
    }

    fn act(&mut self, action: GuardAct, reason: String) {
        self.notices.push(reason.clone());
        self.guard.acts.push(GuardAction {
            action,
            after_ns: self.elapsed().as_nanos() as u64,
            reason,
        });
        self.model.set_sampling(self.sampling());
    }

    fn guard_cpu(&mut self) {
        let share = self.guard.cpu_share();
        let Some(budget) = self.guard.bounds.cpu else {
            return;
        };
        if share <= budget {
            self.guard.cpu_above = 0;
            return;
        }
        self.guard.cpu_above += 1;
        let n = self.filter.one_request_in.max(1);
        if self.guard.cpu_above < LOOKS_ABOVE || n >= RAREST {
            return;
        }
        self.guard.cpu_above = 0;
        self.filter.one_request_in = n * 2;
        self.probes.set_filter(&self.filter);
        self.tick = (self.tick * 2).min(LONGEST_TICK);
        self.act(
            GuardAct::SamplingRaised,
            format!(
                "gostall took {:.1} % of a processor, more than --cpu-budget {}: from now on the calls of one request in {} are recorded",
                share * 100.0,
                budget * 100.0,
                n * 2
            ),
        );
    }

    fn guard_memory(&mut self) {
        let (rss, budget) = (usage::rss_bytes(), self.guard.bounds.memory_bytes);
        if rss <= budget || self.guard.snapshots_stopped {
            return;
        }
        self.guard.snapshots_stopped = true;
        self.tail.snapshots = false;
        self.probes.set_tail(&self.tail);
        for t in self.slots.values() {
            if let Some(p) = &t.program {
                p.release_pages();
            }
        }
        self.act(
            GuardAct::SnapshotsStopped,
            format!(
                "gostall's memory is {} MB, more than --memory-budget {} MB: from now on no slow call is kept with its stack",
                rss / 1_000_000,
                budget / 1_000_000
            ),
        );
    }

    /// Looked at once a second: so many hits since.
    fn guard_exact(&mut self) -> Result<(), Error> {
        let Some(exact) = &mut self.exact else {
            return Ok(());
        };
        let hits = self.probes.counters()?.exact_hits;
        let new = hits - self.guard.exact_hits;
        self.guard.exact_hits = hits;
        let cost = exact.cost(new, self.meter.exact_run_ns(), LOOK.as_nanos() as u64);
        let bound = self.guard.bounds.exact;
        let Some(share) = cost.cpu_fraction.filter(|share| *share > bound) else {
            self.guard.exact_above = 0;
            return Ok(());
        };
        self.guard.exact_above += 1;
        if self.guard.exact_above < EXACT_ABOVE {
            return Ok(());
        }
        exact.give_up(&mut self.probes)?;
        self.act(
            GuardAct::ExactStopped,
            format!(
                "--exact cost {:.1} % of a processor, more than --exact-budget {}: its probes were taken away, the ledger is sampled",
                share * 100.0,
                bound * 100.0
            ),
        );
        Ok(())
    }

    fn guard_cost(&mut self) {
        let Some(sample) = self.meter.last() else {
            return;
        };
        if sample.number == self.guard.sample || self.guard.detached {
            return;
        }
        self.guard.sample = sample.number;
        let bound = self.guard.bounds.cost_ns;
        if sample.ns_per_call <= bound || sample.cpu_fraction < HARMLESS {
            self.guard.cost_above = 0;
            return;
        }
        self.guard.cost_above += 1;
        self.meter.soon();
        if self.guard.cost_above < SAMPLES_ABOVE {
            return;
        }
        self.guard.detached = true;
        self.probes.set_counting(false);
        self.probes.detach();
        self.act(
            GuardAct::Detached,
            format!(
                "tracing cost the target {:.1} us a system call, more than --max-cost {:.1} us: the probes were taken away, the report ends here",
                sample.ns_per_call / 1e3,
                bound / 1e3
            ),
        );
    }
}
