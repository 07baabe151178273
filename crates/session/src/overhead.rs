//! What tracing costs, measured while it runs: the kernel's account of our programs, in
//! short samples (keeping it costs time itself), and our own CPU time and memory.

use std::time::{Duration, Instant};

use gostall_model::Overhead;
use gostall_probes::{Probes, RunStats, RunTotals};
use gostall_targets::usage;

/// How long one sample lasts, and when the next is taken: each second at first, then rarer. The guard against calls
/// that become too dear waits for two.
const SAMPLE: Duration = Duration::from_millis(20);
const EVERY: Duration = Duration::from_millis(1000);
const AT_FIRST: u32 = 5;
const LATER: Duration = Duration::from_secs(5);
const LONGEST: Duration = Duration::from_millis(300);
const FIRST: Duration = Duration::from_millis(120);
/// Too few calls make a mean of nothing.
const ENOUGH_CALLS: u64 = 20;

#[derive(Debug)]
struct Running {
    _stats: RunStats,
    since: Instant,
    check: Instant,
    totals: RunTotals,
    exact: RunTotals,
    seen: u64,
}

/// What one run of a program costs a process that is not watched, ns: every process of
/// the machine passes the probes, and leaves after one look-up. To be asked while nobody
/// is watched yet.
pub(crate) fn bystander_ns(probes: &Probes) -> f64 {
    const CALLS: usize = 2000;
    let Ok(_stats) = RunStats::enable() else {
        return 0.0;
    };
    let before = probes.run_totals();
    for _ in 0..CALLS {
        // SAFETY: getppid takes nothing and always succeeds.
        unsafe { libc::getppid() };
    }
    let after = probes.run_totals();
    let runs = after.runs.saturating_sub(before.runs);
    if runs == 0 {
        0.0
    } else {
        (after.run_ns - before.run_ns) as f64 / runs as f64
    }
}

/// Takes samples as time goes by.
#[derive(Debug)]
pub(crate) struct Meter {
    began: Instant,
    cpu: Duration,
    next: Instant,
    taken: u32,
    running: Option<Running>,
    bystander_ns: f64,
    run_ns: u64,
    runs: u64,
    calls: u64,
    time: Duration,
    last: Option<Sample>,
    exact: RunTotals,
    with_exact: bool,
}

/// What one sample showed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sample {
    /// Counted from 1.
    pub(crate) number: u64,
    /// As [`Overhead::bpf_ns_per_syscall`].
    pub(crate) ns_per_call: f64,
    /// As [`Overhead::bpf_cpu_fraction`].
    pub(crate) cpu_fraction: f64,
}

impl Meter {
    /// `exact`: the programs of --exact are there, too.
    pub(crate) fn start(bystander_ns: f64, exact: bool) -> Self {
        let now = Instant::now();
        Self {
            began: now,
            cpu: usage::cpu_time(),
            next: now + FIRST,
            taken: 0,
            running: None,
            bystander_ns,
            run_ns: 0,
            runs: 0,
            calls: 0,
            time: Duration::ZERO,
            last: None,
            exact: RunTotals::default(),
            with_exact: exact,
        }
    }

    /// The latest sample.
    pub(crate) fn last(&self) -> Option<Sample> {
        self.last
    }

    /// Takes the next sample soon.
    pub(crate) fn soon(&mut self) {
        self.next = Instant::now() + EVERY;
    }

    /// What so many runs cost a watched call. A watched call runs both programs; the other runs
    /// were everybody else's.
    fn ns_per_call(&self, run_ns: u64, runs: u64, calls: u64) -> f64 {
        let others = runs.saturating_sub(2 * calls) as f64 * self.bystander_ns;
        (run_ns as f64 - others).max(0.0) / calls as f64
    }

    /// When [`Meter::tick`] wants to be called next.
    pub(crate) fn due(&self) -> Instant {
        self.running.as_ref().map_or(self.next, |r| r.check)
    }

    pub(crate) fn tick(&mut self, probes: &Probes) {
        let now = Instant::now();
        if now < self.due() {
            return;
        }
        let Ok(counters) = probes.counters() else {
            return;
        };
        match self.running.take() {
            None => {
                // Without the privilege there is no account; the report says null.
                if let Ok(stats) = RunStats::enable() {
                    self.running = Some(Running {
                        _stats: stats,
                        since: now,
                        check: now + SAMPLE,
                        totals: probes.run_totals(),
                        exact: self.exact_totals(probes),
                        seen: counters.seen,
                    });
                }
                self.taken += 1;
                self.next = now + if self.taken < AT_FIRST { EVERY } else { LATER };
            }
            // A quiet target needs a longer look.
            Some(mut r) if counters.seen < r.seen + ENOUGH_CALLS && r.since.elapsed() < LONGEST => {
                r.check = now + r.since.elapsed();
                self.running = Some(r);
            }
            Some(r) => {
                let totals = probes.run_totals();
                let run_ns = totals.run_ns.saturating_sub(r.totals.run_ns);
                let runs = totals.runs.saturating_sub(r.totals.runs);
                let calls = counters.seen.saturating_sub(r.seen);
                let time = r.since.elapsed();
                let exact = self.exact_totals(probes);
                self.exact.run_ns += exact.run_ns.saturating_sub(r.exact.run_ns);
                self.exact.runs += exact.runs.saturating_sub(r.exact.runs);
                if calls >= ENOUGH_CALLS {
                    self.last = Some(Sample {
                        number: self.last.map_or(1, |s| s.number + 1),
                        ns_per_call: self.ns_per_call(run_ns, runs, calls),
                        cpu_fraction: run_ns as f64 / time.as_nanos() as f64,
                    });
                }
                self.run_ns += run_ns;
                self.runs += runs;
                self.calls += calls;
                self.time += time;
            }
        }
    }

    fn exact_totals(&self, probes: &Probes) -> RunTotals {
        if self.with_exact {
            probes.exact_totals()
        } else {
            RunTotals::default()
        }
    }

    /// How long the program of --exact runs at a time, ns.
    pub(crate) fn exact_run_ns(&self) -> Option<f64> {
        (self.exact.runs > 0).then(|| self.exact.run_ns as f64 / self.exact.runs as f64)
    }

    pub(crate) fn overhead(&self) -> Overhead {
        let wall = self.began.elapsed().as_secs_f64();
        let agent = usage::cpu_time().saturating_sub(self.cpu).as_secs_f64();
        let measured = self.time > Duration::ZERO;
        Overhead {
            bpf_ns_per_syscall: (self.calls >= ENOUGH_CALLS)
                .then(|| self.ns_per_call(self.run_ns, self.runs, self.calls)),
            bpf_cpu_fraction: measured.then(|| self.run_ns as f64 / 1e9 / self.time.as_secs_f64()),
            agent_cpu_fraction: (wall > 0.0).then(|| agent / wall),
            agent_rss_bytes: Some(usage::rss_bytes()),
            exact: None,
        }
    }
}
