//! Looks at the goroutines of requests in flight, from outside: their status and why they wait, read from the target's
//! memory a hundred times a second. The target is not stopped and does not notice. Between two calls of a goroutine
//! this is all that tells computing from waiting.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use gostall_model::{Doing, Found, LedgerState, Paging};
use gostall_probes::{Child, InFlight, Line, Request};

use crate::background::Census;
use crate::calls;
use crate::clock;
use crate::cpu::CpuClock;
use crate::looks::Looks;
use crate::memory::{read_pieces, stack, u64_at};
use crate::paging::Counters;
use crate::program::Program;
use crate::waits::{TimerChannel, Waits};

/// The mean time between looks. Each is early or late by up to half of it: what goes on in step with a clock must not
/// be seen at the same point each time.
const PERIOD: Duration = Duration::from_millis(10);
/// The same while nothing is in flight, time and again.
const QUIET: Duration = Duration::from_millis(25);
const QUIET_LOOKS: u32 = 10;
/// Nothing in flight for so many looks: are the targets still there?
const LONG_QUIET: u32 = 40;
/// The longest, where there is much to look at, or nobody.
const LONGEST: Duration = Duration::from_millis(250);
/// The part of a core that looking may cost, at requests and at all other goroutines. A debug build is ten times slower
/// at it and no measure.
const BUDGET: f64 = if cfg!(debug_assertions) { 0.1 } else { 0.0035 };
const CENSUS_BUDGET: f64 = if cfg!(debug_assertions) { 0.1 } else { 0.0015 };
/// Goroutines of no request are looked at so often at most and at least.
const CENSUS: Duration = Duration::from_millis(25);
const CENSUS_LONGEST: Duration = Duration::from_secs(5);
/// Each so many such looks the processes' own counters are read.
const COUNTERS_EVERY: u32 = 4;
/// Goroutines looked at in one go; the kernel takes 1024 pieces at most.
const AT_ONCE: usize = 512;
/// Stacks looked at in one go.
const STACKS: usize = 32;

/// A process whose goroutines can be looked at.
#[derive(Debug, Clone)]
pub(crate) struct Subject {
    pub(crate) pid: u32,
    pub(crate) program: Arc<Program>,
    pub(crate) bias: u64,
}

#[derive(Debug, Default)]
struct Shared {
    stop: AtomicBool,
    subjects: Mutex<BTreeMap<u32, Subject>>,
    found: Mutex<HashMap<u32, Found>>,
    /// By request, where requests are kept.
    looks: Option<Mutex<Looks>>,
    /// By slot: what is found of goroutines of no request, and how much CPU time the process has used.
    censuses: Mutex<BTreeMap<u32, Census>>,
    clocks: Mutex<BTreeMap<u32, CpuClock>>,
    counters: Mutex<BTreeMap<u32, Counters>>,
}

/// What somebody who panicked has left is as good as any other.
fn locked<T>(what: &Mutex<T>) -> MutexGuard<'_, T> {
    what.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    fn look_at_counters(&self) {
        let mut counters = locked(&self.counters);
        counters.values_mut().for_each(Counters::look);
        for (slot, clock) in locked(&self.clocks).iter_mut() {
            // Its pid may be another process's by now.
            if counters.get(slot).is_some_and(|c| !c.ended) {
                clock.look();
            }
        }
    }

    /// Whether any process that is to be looked at is alive.
    fn anybody(&self) -> bool {
        let subjects = self.subjects.lock().unwrap_or_else(PoisonError::into_inner);
        // SAFETY: signal 0 is sent to nobody.
        let alive = |pid: u32| unsafe { libc::kill(pid as libc::pid_t, 0) } == 0;
        subjects.values().any(|s| {
            alive(s.pid) || std::io::Error::last_os_error().raw_os_error() == Some(libc::EPERM)
        })
    }
}

/// The thread that looks.
#[derive(Debug)]
pub(crate) struct Sampler {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Sampler {
    /// Starts to look; `keeps`: what is found is asked for by request, too.
    pub(crate) fn start(in_flight: InFlight, keeps: bool) -> std::io::Result<Self> {
        let shared = Arc::new(Shared {
            looks: keeps.then(Mutex::default),
            ..Shared::default()
        });
        let theirs = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("sampler".into())
            .spawn(move || run(&theirs, &in_flight))?;
        Ok(Self {
            shared,
            thread: Some(thread),
        })
    }

    /// From now on this slot's requests are looked at, too.
    pub(crate) fn watch(&self, slot: u32, subject: Subject) {
        let mut subjects = self
            .shared
            .subjects
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(clock) = CpuClock::start(subject.pid) {
            let clocks = self.shared.clocks.lock();
            clocks
                .unwrap_or_else(PoisonError::into_inner)
                .insert(slot, clock);
        }
        if let Some(counters) = Counters::start(&subject) {
            locked(&self.shared.counters).insert(slot, counters);
        }
        subjects.insert(slot, subject);
    }

    /// Stops looking.
    pub(crate) fn stop(&mut self) {
        if self.thread.is_some() {
            self.shared.look_at_counters();
        }
        self.shared.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            let _ = thread.join();
        }
    }

    /// What was found of a request that has ended; once.
    pub(crate) fn looks_at(&self, line: &Line) -> Option<Vec<gostall_model::Look>> {
        let mut looks = locked(self.shared.looks.as_ref()?);
        Some(looks.take(line.g, line.begin_ns, line.end_ns))
    }

    /// Calls `each` with what was found of each process's goroutines of no request.
    pub(crate) fn censuses(&self, mut each: impl FnMut(u32, &Census)) {
        let all = locked(&self.shared.censuses);
        all.iter().for_each(|(slot, census)| each(*slot, census));
    }

    /// The CPU time that each process has used while it was watched, ns.
    pub(crate) fn cpu_ns(&self) -> BTreeMap<u32, u64> {
        let clocks = locked(&self.shared.clocks);
        clocks
            .iter()
            .map(|(slot, c)| (*slot, c.used_ns()))
            .collect()
    }

    /// Collections and page faults of all processes; `None`: there is none.
    pub(crate) fn paging(&self) -> Option<Paging> {
        let counters = locked(&self.shared.counters);
        let mut all = counters.values().map(Counters::since);
        let mut sum = all.next()?;
        all.for_each(|p| sum.add(&p));
        Some(sum)
    }

    /// What was found so far, by leaf.
    pub(crate) fn found(&self) -> HashMap<u32, Found> {
        let found = self.shared.found.lock();
        found.unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Sampler {
    fn drop(&mut self) {
        self.stop();
    }
}

/// A sequence of no pattern that matters (xorshift).
struct Jitter(u64);

impl Jitter {
    fn next(&mut self, mean: Duration) -> Duration {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        mean.mul_f64(0.5 + (self.0 >> 11) as f64 / (1u64 << 53) as f64)
    }
}

/// The kernel lets timers expire together that are due within 50 us of each other: looks would fall on the moments when
/// a sleeper of the target wakes.
fn own_timers() {
    // SAFETY: it concerns this thread's timers alone.
    unsafe { libc::prctl(libc::PR_SET_TIMERSLACK, 1 as libc::c_ulong, 0, 0, 0) };
}

fn run(shared: &Shared, in_flight: &InFlight) {
    own_timers();
    let mut jitter = Jitter(0x2545_f491_4f6c_dd1d ^ u64::from(std::process::id()));
    let mut period = PERIOD;
    let mut round = CensusRound::default();
    let mut looks: HashMap<u32, Vec<Request>> = HashMap::new();
    let mut quiet = 0;
    while !shared.stop.load(Ordering::Relaxed) {
        let rest = jitter.next(if quiet < QUIET_LOOKS {
            period
        } else if quiet < LONG_QUIET || shared.anybody() {
            period.max(QUIET)
        } else {
            LONGEST
        });
        std::thread::park_timeout(rest);
        let before = thread_cpu();
        let now = clock::monotonic_ns();
        looks.values_mut().for_each(Vec::clear);
        in_flight.each(|r| looks.entry(r.slot).or_default().push(r));
        quiet = if looks.values().all(Vec::is_empty) {
            quiet + 1
        } else {
            0
        };
        let subjects = shared
            .subjects
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        round.when_due(rest, shared, &subjects, &looks, in_flight);
        let before = before + round.took;
        let mut found = Vec::new();
        for (slot, requests) in &looks {
            if let Some(subject) = subjects.get(slot) {
                for some in requests.chunks(AT_ONCE) {
                    look(subject, some, in_flight, &mut found);
                }
            }
        }
        drop(subjects);
        if !found.is_empty() {
            let mut all = shared.found.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(looks) = &shared.looks {
                let mut looks = looks.lock().unwrap_or_else(PoisonError::into_inner);
                found
                    .iter()
                    .for_each(|s: &Sight| looks.note(&s.request, s.doing, now));
                looks.tidy(now);
            }
            for Sight {
                request,
                doing,
                others,
            } in found
            {
                // What is found stands for the time since the last look, whose length does not depend on it.
                let us = rest.as_micros() as u64;
                all.entry(request.leaf)
                    .or_default()
                    .count(doing, &others, us);
            }
        }
        let cost = thread_cpu().saturating_sub(before);
        let wanted = cost.div_f64(BUDGET).clamp(PERIOD, LONGEST);
        // One dear look does not make the next ones rare.
        period = (period * 7 + wanted) / 8;
    }
}

/// Looks at goroutines of no request, more rarely than at requests.
#[derive(Debug, Default)]
struct CensusRound {
    /// Since the last look, as it was planned.
    rested: Duration,
    rounds: u32,
    period: Duration,
    /// CPU time of the last call.
    took: Duration,
}

impl CensusRound {
    fn when_due(
        &mut self,
        rest: Duration,
        shared: &Shared,
        subjects: &BTreeMap<u32, Subject>,
        looks: &HashMap<u32, Vec<Request>>,
        in_flight: &InFlight,
    ) {
        self.took = Duration::ZERO;
        self.rested += rest;
        if self.rested < self.period {
            return;
        }
        let before = thread_cpu();
        let lock = shared.censuses.lock();
        let mut censuses = lock.unwrap_or_else(PoisonError::into_inner);
        for (slot, subject) in subjects {
            if locked(&shared.counters).get(slot).is_none_or(|c| c.ended) {
                continue;
            }
            if !censuses.get(slot).is_some_and(|c| c.is_of(subject)) {
                let Some(census) = Census::new(subject.clone()) else {
                    continue;
                };
                censuses.insert(*slot, census);
            }
            if let Some(census) = censuses.get_mut(slot) {
                let serving = looks.get(slot).into_iter().flatten().map(|r| r.g).collect();
                census.look(self.rested, &serving, in_flight.throttled(*slot));
            }
        }
        drop(censuses);
        // Only who has ended leaves its last reading behind: it need not be exact.
        self.rounds += 1;
        if self.rounds.is_multiple_of(COUNTERS_EVERY) {
            shared.look_at_counters();
        }
        self.took = thread_cpu().saturating_sub(before);
        let wanted = self
            .took
            .div_f64(CENSUS_BUDGET)
            .clamp(CENSUS, CENSUS_LONGEST);
        self.period = if self.period.is_zero() {
            wanted
        } else {
            (self.period * 7 + wanted) / 8
        };
        self.rested = Duration::ZERO;
    }
}

fn thread_cpu() -> Duration {
    let mut t = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: t is writable.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut t) };
    Duration::new(t.tv_sec as u64, t.tv_nsec as u32)
}

/// What was found of a request.
struct Sight {
    request: Request,
    doing: Doing,
    /// What its children were doing, where it may wait for them.
    others: Vec<Doing>,
}

/// The part of every `g` of a program that is read.
struct Window {
    first: u32,
    size: usize,
}

impl Window {
    fn of(waits: &Waits) -> Self {
        let o = waits.offsets;
        let ends = [
            Some(o.sp),
            Some(o.status),
            Some(o.reason),
            Some(o.goid),
            Some(o.m),
            o.bp,
            o.timer.map(|t| t.waiting),
        ];
        let first = ends.iter().flatten().min().copied().unwrap_or(0);
        let last = ends.iter().flatten().max().copied().unwrap_or(0) + 8;
        Self {
            first,
            size: (last - first) as usize,
        }
    }

    fn word(&self, g: &[u8], offset: u32) -> u64 {
        u64_at(g, (offset - self.first) as usize)
    }
}

/// A look at one process.
struct Look<'a> {
    subject: &'a Subject,
    waits: &'a Waits,
    window: Window,
    /// Stacks that may still be read in this look.
    stacks: usize,
}

impl Look<'_> {
    /// What a goroutine is doing; `None`: it is not the one we took it for.
    fn doing(&mut self, g: u64, bytes: &[u8]) -> Option<Doing> {
        let (waits, o, pid) = (self.waits, self.waits.offsets, self.subject.pid);
        let status = self.window.word(bytes, o.status) as u32;
        let reason = self.window.word(bytes, o.reason) as u8;
        let mut doing = waits.doing(status, reason)?;
        if waits.asks_for_stack(doing) && self.stacks > 0 {
            self.stacks -= 1;
            let bp = o.bp.map_or(0, |bp| self.window.word(bytes, bp));
            let stack = stack(pid, self.window.word(bytes, o.sp), bp);
            let bias = self.subject.bias;
            let stack = stack.iter().map(|pc| pc.wrapping_sub(bias));
            if let Some(state) = waits.stands_for(doing, stack) {
                doing = Doing::State(state);
            }
        }
        if waits.receives(doing, reason)
            && let Some(t) = o.timer
            && is_timers(pid, g, self.window.word(bytes, t.waiting), t)
        {
            doing = Doing::State(LedgerState::Timer);
        }
        Some(doing)
    }

    /// What a goroutine in a call waits for: its thread says.
    fn in_call(&self, m: u64) -> Doing {
        let pid = self.subject.pid;
        let mut tid = [0; 8];
        let waits = self
            .waits
            .offsets
            .procid
            .filter(|at| read_pieces(pid, &[m + u64::from(*at)], 8, &mut tid) == 1)
            .and_then(|_| calls::waits_for(pid, u64_at(&tid, 0)));
        waits.map_or(Doing::State(LedgerState::Unknown), Doing::from)
    }

    /// What a child is doing; `None`: it has ended.
    fn others(&mut self, child: &Child) -> Option<Doing> {
        let o = self.waits.offsets;
        let mut bytes = vec![0u8; self.window.size];
        let pid = self.subject.pid;
        let from = child.g + u64::from(self.window.first);
        if read_pieces(pid, &[from], self.window.size, &mut bytes) != 1
            || self.window.word(&bytes, o.goid) as u32 != child.goid
        {
            return None;
        }
        let doing = self.doing(child.g, &bytes)?;
        if doing != Doing::InCall {
            return Some(doing);
        }
        let status = self.window.word(&bytes, o.status) as u32;
        Some(if Waits::in_syscall(status) {
            self.in_call(self.window.word(&bytes, o.m))
        } else {
            Doing::State(child.waits.unwrap_or(LedgerState::Unknown))
        })
    }
}

/// Looks at some requests of one process.
fn look(subject: &Subject, requests: &[Request], in_flight: &InFlight, found: &mut Vec<Sight>) {
    let Some(waits) = &subject.program.waits else {
        return;
    };
    let mut look = Look {
        subject,
        waits,
        window: Window::of(waits),
        stacks: STACKS,
    };
    let size = look.window.size;
    let first = u64::from(look.window.first);
    let from: Vec<u64> = requests.iter().map(|r| r.g + first).collect();
    let mut bytes = vec![0u8; size * from.len()];
    let whole = read_pieces(subject.pid, &from, size, &mut bytes);
    for (r, g) in requests.iter().zip(bytes.chunks_exact(size)).take(whole) {
        let Some(mut doing) = look.doing(r.g, g) else {
            continue;
        };
        // Ready, and no thread of its process may run.
        if doing == Doing::State(LedgerState::RunqGo) && in_flight.throttled(r.slot) {
            doing = Doing::State(LedgerState::Throttled);
        }
        let others = match doing {
            Doing::State(LedgerState::Lock | LedgerState::Channel) => in_flight
                .children(r)
                .filter_map(|c| look.others(&c))
                .collect(),
            _ => Vec::new(),
        };
        // Had it ended meanwhile, this would be the next request's, or nobody's.
        if in_flight.goes_on(r) {
            found.push(Sight {
                request: *r,
                doing,
                others,
            });
        }
    }
}

/// Does a goroutine that waits for a channel wait for a timer's?
pub(crate) fn is_timers(pid: u32, g: u64, sudog: u64, at: TimerChannel) -> bool {
    let (mut first, mut to) = ([0u8; 8], [0u8; 8]);
    let mut channel = [0u8; TimerChannel::CHANNEL];
    let mut element = [0u8; TimerChannel::TYPE];
    let read = |from: u64, to: &mut [u8]| read_pieces(pid, &[from], to.len(), to) == 1;
    read(sudog, &mut first)
        && u64::from_ne_bytes(first) == g
        && read(sudog + at.sudog_c, &mut to)
        && read(u64::from_ne_bytes(to), &mut channel)
        && at
            .element(&channel)
            .is_some_and(|t| read(t, &mut element) && TimerChannel::is_time(&element))
}
