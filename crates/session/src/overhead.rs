//! What tracing costs, measured while it runs: the kernel's account of our programs, in
//! short samples (keeping it costs time itself), and our own CPU time and memory.

use std::time::{Duration, Instant};

use gostall_model::Overhead;
use gostall_probes::{Probes, RunStats};
use gostall_targets::usage;

/// How long one sample lasts, and how often one is taken: 2 % of the time at most.
const SAMPLE: Duration = Duration::from_millis(20);
const EVERY: Duration = Duration::from_millis(1000);
const FIRST: Duration = Duration::from_millis(120);
/// Too few calls make a mean of nothing.
const ENOUGH_CALLS: u64 = 20;

#[derive(Debug)]
struct Running {
    _stats: RunStats,
    since: Instant,
    run_ns: u64,
    seen: u64,
}

/// Takes samples as time goes by.
#[derive(Debug)]
pub(crate) struct Meter {
    began: Instant,
    cpu: Duration,
    next: Instant,
    running: Option<Running>,
    run_ns: u64,
    calls: u64,
    time: Duration,
}

impl Meter {
    pub(crate) fn start() -> Self {
        let now = Instant::now();
        Self {
            began: now,
            cpu: usage::cpu_time(),
            next: now + FIRST,
            running: None,
            run_ns: 0,
            calls: 0,
            time: Duration::ZERO,
        }
    }

    /// When [`Meter::tick`] wants to be called next.
    pub(crate) fn due(&self) -> Instant {
        self.running.as_ref().map_or(self.next, |r| r.since + SAMPLE)
    }

    pub(crate) fn tick(&mut self, probes: &Probes) {
        let now = Instant::now();
        if now < self.due() {
            return;
        }
        let Ok(counters) = probes.counters() else { return };
        match self.running.take() {
            None => {
                // Without the privilege there is no account; the report says null.
                if let Ok(stats) = RunStats::enable() {
                    self.running = Some(Running {
                        _stats: stats,
                        since: Instant::now(),
                        run_ns: probes.run_totals().run_ns,
                        seen: counters.seen,
                    });
                }
                self.next = now + EVERY;
            }
            Some(r) => {
                self.run_ns += probes.run_totals().run_ns.saturating_sub(r.run_ns);
                self.calls += counters.seen.saturating_sub(r.seen);
                self.time += r.since.elapsed();
            }
        }
    }

    pub(crate) fn overhead(&self) -> Overhead {
        let wall = self.began.elapsed().as_secs_f64();
        let agent = usage::cpu_time().saturating_sub(self.cpu).as_secs_f64();
        let measured = self.time > Duration::ZERO;
        Overhead {
            bpf_ns_per_syscall: (self.calls >= ENOUGH_CALLS)
                .then(|| self.run_ns as f64 / self.calls as f64),
            bpf_cpu_fraction: measured
                .then(|| self.run_ns as f64 / 1e9 / self.time.as_secs_f64()),
            agent_cpu_fraction: (wall > 0.0).then(|| agent / wall),
            agent_rss_bytes: Some(usage::rss_bytes()),
        }
    }
}
