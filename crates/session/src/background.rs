//! What goroutines of no request do: some of all that the process has are looked at from outside, each look a window of
//! the runtime's own array of them. A stripped executable does not say where that array is; `gobin` reads it from the
//! code that walks it.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, Instant};

use gostall_gobin::Role;
use gostall_model::{BackgroundState as S, Doing, LedgerState, Looks};

use crate::calls;
use crate::memory::{read_pieces, stack, u64_at};
use crate::sampler::Subject;
use crate::waits::Waits;

/// Goroutines looked at in one go; the kernel takes 1024 pieces at most.
const AT_ONCE: u64 = 256;
/// Stacks and calls looked at in one go.
const STACKS: usize = 24;
const CALLS: usize = 8;
/// Functions kept apart; those that come later are one.
const FUNCTIONS: usize = 512;
/// Goroutines of requests remembered, so that their own children are known for what they are.
const CHILDREN: usize = 8192;
/// More goroutines than this there cannot be: the variable was misread.
const MOST: u64 = 1 << 28;
/// `g.m`, in all releases.
const G_M: u32 = 48;
const DEAD: [u32; 2] = [0, 6];
const SCAN: u32 = 0x1000;
const WAITING: u32 = 4;
const SYSCALL: u32 = 3;
/// The function of those beyond the bound.
pub(crate) const OTHER: u64 = 0;

/// What was found of one process.
#[derive(Debug)]
pub(crate) struct Census {
    subject: Subject,
    last: Instant,
    /// Which window is next.
    turn: u64,
    /// Goroutines of requests whose children are looked for.
    children: HashSet<u64>,
    /// By the link-time address of the function that they were started with.
    found: HashMap<u64, Looks>,
    /// How long it was watched, and what the looks together stand for.
    watched: Duration,
    planned: Duration,
    /// It is in our pid namespace: its threads' numbers mean the same to both.
    same_pids: bool,
}

/// What is read of a goroutine.
struct Fields {
    first: u32,
    size: usize,
    goid: u32,
    parent: Option<u32>,
    startpc: u32,
}

impl Fields {
    fn of(waits: &Waits, subject: &Subject) -> Option<Self> {
        let layout = subject.program.layout.as_ref()?;
        let o = waits.offsets;
        let (goid, startpc) = (layout.goid as u32, layout.startpc as u32);
        let parent = layout.parent_goid.map(|p| p as u32);
        let waiting = o.timer.map_or(0, |t| t.waiting);
        let all = [
            G_M,
            o.status,
            o.reason,
            o.sp,
            o.bp.unwrap_or(o.sp),
            goid,
            startpc,
            parent.unwrap_or(goid),
            waiting.max(o.sp),
        ];
        let (first, last) = (*all.iter().min()?, *all.iter().max()?);
        Some(Self {
            first,
            size: (last - first) as usize + 8,
            goid,
            parent,
            startpc,
        })
    }
}

/// A goroutine as it was read.
struct Goroutine<'a> {
    at: u64,
    bytes: &'a [u8],
    fields: &'a Fields,
}

impl Goroutine<'_> {
    fn word(&self, offset: u32) -> u64 {
        u64_at(self.bytes, (offset - self.fields.first) as usize)
    }
}

impl Census {
    /// `None` where goroutines cannot be found, or not be read.
    pub(crate) fn new(subject: Subject) -> Option<Self> {
        let program = &subject.program;
        program.facts.globals.all_goroutines?;
        let waits = program.waits.as_ref().filter(|w| w.knows_reasons())?;
        Fields::of(waits, &subject)?;
        let theirs = gostall_targets::proc::path(subject.pid, "ns/pid");
        let same_pids = std::fs::metadata(theirs)
            .ok()
            .is_some_and(|m| Some(m.ino()) == gostall_targets::namespaces::own("pid"));
        Some(Self {
            subject,
            last: Instant::now(),
            turn: 0,
            children: HashSet::new(),
            found: HashMap::new(),
            watched: Duration::ZERO,
            planned: Duration::ZERO,
            same_pids,
        })
    }

    /// Whether it is this process that was looked at so far.
    pub(crate) fn is_of(&self, subject: &Subject) -> bool {
        self.subject.pid == subject.pid && self.subject.bias == subject.bias
    }

    /// What was found so far, and how long it was looked for.
    pub(crate) fn found(&self) -> (Vec<(u64, Looks)>, Duration) {
        let scale = self.watched.as_secs_f64() / self.planned.as_secs_f64().max(f64::MIN_POSITIVE);
        let found = self.found.iter().map(|(start, looks)| {
            let states = looks.states.iter();
            let looks = Looks {
                looks: looks.looks,
                states: states
                    .map(|(state, ns)| (*state, (*ns as f64 * scale) as u64))
                    .collect(),
            };
            (*start, looks)
        });
        (found.collect(), self.watched)
    }

    pub(crate) fn subject(&self) -> &Subject {
        &self.subject
    }

    /// Looks at some goroutines. The look stands for `rested`, the time that was to pass since the last one: how much
    /// passed depends on who had the processors, and so on what is found. `serving` are those that serve requests at this moment; `throttled`: the process's
    /// threads are kept off all processors.
    pub(crate) fn look(&mut self, rested: Duration, serving: &BTreeSet<u64>, throttled: bool) {
        let since = self.last.elapsed();
        self.last = Instant::now();
        let Some((window, windows)) = self.window() else {
            return;
        };
        let subject = self.subject.clone();
        let Some(waits) = &subject.program.waits else {
            return;
        };
        let Some(fields) = Fields::of(waits, &subject) else {
            return;
        };
        let size = fields.size;
        let from = |g: &u64| g + u64::from(fields.first);
        let mut bytes = vec![0u8; size * window.len()];
        let from: Vec<u64> = window.iter().map(from).collect();
        let whole = read_pieces(subject.pid, &from, size, &mut bytes);
        if whole < window.len() {
            return;
        }
        let all: Vec<Goroutine<'_>> = window
            .iter()
            .zip(bytes.chunks_exact(size))
            .map(|(at, bytes)| Goroutine {
                at: *at,
                bytes,
                fields: &fields,
            })
            .collect();
        self.watched += since;
        self.planned += rested;
        self.note_children(&all, serving, &fields);
        // A goroutine's turn comes once in so many looks.
        let ns = (rested.as_nanos() as u64).saturating_mul(windows);
        let mut eye = Eye {
            subject: &subject,
            waits,
            throttled,
            same_pids: self.same_pids,
            stacks: 0,
            calls: 0,
        };
        for g in &all {
            let goid = g.word(fields.goid);
            let status = g.word(waits.offsets.status) as u32 & !SCAN;
            if DEAD.contains(&status) || goid == 0 || self.children.contains(&goid) {
                continue;
            }
            let start = g.word(fields.startpc).wrapping_sub(subject.bias);
            let role = subject.program.facts.role(start);
            if serving.contains(&g.at) || is_connections(role) {
                continue;
            }
            let Some(state) = eye.state(g, status, role) else {
                continue;
            };
            let known = self.found.contains_key(&start) || self.found.len() < FUNCTIONS;
            let start = if known { start } else { OTHER };
            self.found.entry(start).or_default().count(state, ns);
        }
    }

    /// The goroutines whose turn it is, and how many windows there are.
    fn window(&mut self) -> Option<(Vec<u64>, u64)> {
        let (len_at, ptr_at) = self.subject.program.facts.globals.all_goroutines?;
        let bias = self.subject.bias;
        let mut words = [0u8; 16];
        // The length first: the array is at least as long ever after.
        let at = [len_at.wrapping_add(bias), ptr_at.wrapping_add(bias)];
        if read_pieces(self.subject.pid, &at, 8, &mut words) != 2 {
            return None;
        }
        let (len, ptr) = (u64_at(&words, 0), u64_at(&words, 8));
        if len == 0 || len > MOST || ptr == 0 || !ptr.is_multiple_of(8) {
            return None;
        }
        let windows = len.div_ceil(AT_ONCE);
        let first = self.turn % windows * AT_ONCE;
        self.turn += 1;
        let n = (len - first).min(AT_ONCE) as usize;
        let mut bytes = vec![0u8; n * 8];
        let from = [ptr + first * 8];
        if read_pieces(self.subject.pid, &from, n * 8, &mut bytes) != 1 {
            return None;
        }
        let window: Vec<u64> = (0..n).map(|i| u64_at(&bytes, i * 8)).collect();
        let plausible = |g: &u64| *g > 4096 && g.is_multiple_of(8) && *g < 1 << 47;
        window.iter().all(plausible).then_some((window, windows))
    }

    /// A child of a goroutine that serves a request now, or of such a child, belongs to that request. Once its parent
    /// serves no more it is looked at like any other.
    fn note_children(&mut self, all: &[Goroutine<'_>], serving: &BTreeSet<u64>, fields: &Fields) {
        let Some(parent) = fields.parent else {
            return;
        };
        let from: Vec<u64> = serving
            .iter()
            .take(CHILDREN / 16)
            .map(|g| g + u64::from(fields.goid))
            .collect();
        let mut goids = vec![0u8; from.len() * 8];
        let whole = read_pieces(self.subject.pid, &from, 8, &mut goids);
        let mut now: HashSet<u64> = (0..whole).map(|i| u64_at(&goids, i * 8)).collect();
        now.remove(&0);
        let owners = now.clone();
        // Children come after their parents in most arrays, but places are used anew.
        for _ in 0..3 {
            let before = now.len();
            for g in all {
                if now.contains(&g.word(parent)) && now.len() < CHILDREN {
                    now.insert(g.word(fields.goid));
                }
            }
            if now.len() == before {
                break;
            }
        }
        self.children = now.difference(&owners).copied().collect();
    }
}

/// Goroutines that serve connections: theirs are requests, and the waits between them.
fn is_connections(role: Option<Role>) -> bool {
    matches!(
        role,
        Some(Role::HttpConnection | Role::HttpBackgroundRead | Role::Http2Handler)
    )
}

/// Whether it is the runtime's own: it waits for work, whatever its wait is called.
pub(crate) fn is_runtimes(role: Option<Role>) -> bool {
    matches!(
        role,
        Some(
            Role::GcWorker
                | Role::Sweeper
                | Role::Scavenger
                | Role::ForceGc
                | Role::Finalizer
                | Role::Cleanup
                | Role::SignalLoop
        )
    )
}

/// One look at a process.
struct Eye<'a> {
    subject: &'a Subject,
    waits: &'a Waits,
    throttled: bool,
    same_pids: bool,
    stacks: usize,
    calls: usize,
}

impl Eye<'_> {
    fn state(&mut self, g: &Goroutine<'_>, status: u32, role: Option<Role>) -> Option<S> {
        let o = self.waits.offsets;
        if matches!(status, WAITING | SYSCALL) && is_runtimes(role) {
            return Some(S::Idle);
        }
        if status == SYSCALL {
            return Some(self.call(g.word(G_M)));
        }
        let reason = g.word(o.reason) as u8;
        let doing = self.waits.doing(status, reason)?;
        let stack = |eye: &mut Self| {
            eye.stacks += 1;
            if eye.stacks > STACKS {
                return None;
            }
            let bp = o.bp.map_or(0, |bp| g.word(bp));
            let pcs = stack(eye.subject.pid, g.word(o.sp), bp);
            let bias = eye.subject.bias;
            Some(pcs.into_iter().map(move |pc| pc.wrapping_sub(bias)))
        };
        Some(match doing {
            Doing::Running => S::On,
            // The poller's: who waits there says for what.
            Doing::InCall => match stack(self) {
                Some(pcs) => self.waits.polls(pcs).unwrap_or(S::Unknown),
                None => S::Unknown,
            },
            Doing::State(LedgerState::RunqGo) if self.throttled => S::Throttled,
            Doing::State(state) => {
                if self.waits.receives(doing, reason)
                    && let Some(t) = o.timer
                    && crate::sampler::is_timers(self.subject.pid, g.at, g.word(t.waiting), t)
                {
                    return Some(S::Timer);
                }
                let ready = state == LedgerState::RunqGo;
                let stands = (!ready && self.waits.asks_for_stack(doing))
                    .then(|| stack(self))
                    .flatten()
                    .and_then(|pcs| self.waits.stands_for(doing, pcs));
                match stands.unwrap_or(state) {
                    LedgerState::RunqGo => S::RunqGo,
                    LedgerState::Throttled => S::Throttled,
                    LedgerState::Lock => S::Lock,
                    LedgerState::Channel => S::Channel,
                    LedgerState::Timer => S::Timer,
                    LedgerState::Gc => S::Gc,
                    LedgerState::NetDns => S::Dns,
                    LedgerState::NetUpstreamRead | LedgerState::NetUpstreamConnect => S::Upstream,
                    LedgerState::NetClientRead | LedgerState::NetClientWrite => S::Network,
                    _ => S::Unknown,
                }
            }
        })
    }

    /// What a goroutine in a system call waits for: its thread says in which it is.
    fn call(&mut self, m: u64) -> S {
        let Some(procid) = self
            .waits
            .offsets
            .procid
            .filter(|_| m != 0 && self.same_pids)
        else {
            return S::Unknown;
        };
        self.calls += 1;
        let mut tid = [0u8; 8];
        if self.calls > CALLS
            || read_pieces(self.subject.pid, &[m + u64::from(procid)], 8, &mut tid) != 1
        {
            return S::Unknown;
        }
        calls::waits_for(self.subject.pid, u64_at(&tid, 0)).unwrap_or(S::Unknown)
    }
}
