//! The model: takes records in, gives snapshots out.
//! It adds up and labels; it reads no kernel, no clock and no file.

use std::collections::HashMap;
use std::sync::Arc;

use crate::background::{Background, CpuByRole};
use crate::hist::Histogram;
use crate::input::{
    Chunk, LEAF_FIRST_NODE, Losses, NR_REQUEST, Overhead, PathNode, REQUEST_STATUS_MASK,
    REQUEST_UNROUTED, Sampling, SeriesKey, Tail, TargetInfo, Window,
};
use crate::labels::{self, Labels, LeafStats, Owner, Sources};
use crate::ledger::{Exact, Found, Measured, Times};
use crate::memory::Paging;
use crate::report;
use crate::route::Route;
use crate::slowest::Slowest;
use crate::snapshot::{Event, Protocol, Snapshot};
use crate::sysno::Arch;
use crate::tails::Tails;
use crate::timeline::Timeline;

/// Everything known of a run so far.
#[derive(Debug)]
pub struct Model {
    pub(crate) arch: Arch,
    pub(crate) targets: Vec<TargetInfo>,
    pub(crate) window: Window,
    pub(crate) overhead: Overhead,
    pub(crate) sampling: Sampling,
    pub(crate) losses: Losses,
    pub(crate) series: HashMap<SeriesKey, Histogram>,
    pub(crate) nodes: HashMap<u32, PathNode>,
    pub(crate) protocols: HashMap<u32, Protocol>,
    pub(crate) tails: Tails,
    pub(crate) slowest: Slowest,
    pub(crate) times: HashMap<u32, Times>,
    pub(crate) background: Vec<Background>,
    pub(crate) cpu: Option<CpuByRole>,
    pub(crate) what_if: bool,
    pub(crate) paging: Option<Paging>,
    pub(crate) faults: HashMap<u32, u64>,
    sources: Sources,
    labels: Labels,
    /// Path nodes there were when the labels were made.
    labelled: usize,
    /// Something came since the labels were made that may change them.
    stale: bool,
}

impl Model {
    /// An empty model of targets of one architecture.
    pub fn new(arch: Arch) -> Model {
        Model {
            arch,
            targets: Vec::new(),
            window: Window::default(),
            overhead: Overhead::default(),
            sampling: Sampling::default(),
            losses: Losses::default(),
            series: HashMap::new(),
            nodes: HashMap::new(),
            protocols: HashMap::new(),
            tails: Tails::default(),
            slowest: Slowest::default(),
            times: HashMap::new(),
            background: Vec::new(),
            cpu: None,
            what_if: false,
            paging: None,
            faults: HashMap::new(),
            sources: Sources::default(),
            labels: Labels::default(),
            labelled: 0,
            stale: false,
        }
    }

    /// Adds one chunk of a histogram.
    pub fn add_chunk(&mut self, chunk: &Chunk) {
        self.series.entry(chunk.key).or_default().add_octave(
            chunk.octave,
            &chunk.counts,
            chunk.sum_ns,
            chunk.max_ns,
        );
        self.stale = true;
    }

    /// Makes a node of the path trie known, in any order; a node known already is replaced.
    pub fn add_node(&mut self, node: PathNode) {
        if self.nodes.get(&node.id) != Some(&node) {
            self.stale = true;
            self.nodes.insert(node.id, node);
        }
    }

    /// Adds a single call. Those kept are bounded: the slowest of each syscall and result.
    pub fn add_tail(&mut self, tail: Tail) {
        self.tails.add(tail);
    }

    /// From now on snapshots have so many of the slowest requests of each endpoint, and all that are slow.
    pub fn keep_slowest(&mut self, per_endpoint: usize) {
        self.slowest.ask(per_endpoint);
    }

    /// Adds a request kept whole. Those kept are bounded.
    pub fn add_timeline(&mut self, timeline: Timeline) {
        self.slowest.add(timeline);
    }

    /// Adds what the kernel saw exactly of the time of a leaf's requests.
    pub fn add_exact(&mut self, leaf: u32, exact: &Exact) {
        self.times.entry(leaf).or_default().exact.add(exact);
    }

    /// Adds what goroutines serving a leaf's requests were found doing.
    pub fn add_found(&mut self, leaf: u32, found: &Found) {
        self.times.entry(leaf).or_default().found.add(found);
    }

    /// Adds what was measured between calls of a leaf's requests.
    pub fn add_measured(&mut self, leaf: u32, measured: &Measured) {
        let times = self.times.entry(leaf).or_default();
        times
            .measured
            .get_or_insert_with(Measured::default)
            .add(measured);
    }

    /// Sets what goroutines of no request did, and who computed.
    pub fn set_background(&mut self, rows: Vec<Background>, cpu: Option<CpuByRole>) {
        (self.background, self.cpu) = (rows, cpu);
    }

    /// Whether snapshots say what changes would save.
    pub fn set_what_if(&mut self, on: bool) {
        self.what_if = on;
    }

    /// Sets the targets' collections and page faults.
    pub fn set_paging(&mut self, paging: Paging) {
        self.paging = Some(paging);
    }

    /// Adds page faults of a leaf's requests.
    pub fn add_faults(&mut self, leaf: u32, n: u64) {
        *self.faults.entry(leaf).or_default() += n;
    }

    /// Sets the user's routes; they come before whatever is learned or clustered.
    pub fn set_routes(&mut self, routes: Vec<Route>) {
        self.sources.routes = routes;
        self.stale = true;
    }

    /// Says that the router matched a request of this leaf to nothing. What it answered 404 or 405 there was its own,
    /// seen or not.
    pub fn learn_none(&mut self, leaf: u32) {
        self.stale |= self.sources.none.insert(leaf);
    }

    /// Says that a handler answered 404 or 405 to what the router had matched: not all such answers are the router's.
    pub fn learn_refusal(&mut self) {
        self.stale |= !std::mem::replace(&mut self.sources.handlers_refuse, true);
    }

    /// Says which template the router matched for a leaf, in the router's own syntax. It relabels what was
    /// seen before, and all other leaves of the same method that it fits. Of several said for one leaf the first
    /// counts that fits its path; what fits it in no way was misread.
    pub fn learn(&mut self, leaf: u32, template: &str) {
        let known = self.sources.learned.entry(leaf).or_default();
        if known.iter().all(|t| **t != *template) {
            known.push(template.into());
            self.stale = true;
        }
    }

    /// Says what a leaf's requests came by; without it they are HTTP/1.
    pub fn add_protocol(&mut self, leaf: u32, protocol: Protocol) {
        self.protocols
            .entry(leaf)
            .and_modify(|p| *p = p.and(protocol))
            .or_insert(protocol);
    }

    /// Adds a traced process, or replaces what was known of its pid.
    pub fn set_target(&mut self, target: TargetInfo) {
        match self.targets.iter_mut().find(|t| t.pid == target.pid) {
            Some(known) => *known = target,
            None => self.targets.push(target),
        }
    }

    /// Sets the time covered so far.
    pub fn set_window(&mut self, window: Window) {
        self.window = window;
    }

    /// Sets what the tracing cost so far.
    pub fn set_overhead(&mut self, overhead: Overhead) {
        self.overhead = overhead;
    }

    /// Sets what is left out on request.
    pub fn set_sampling(&mut self, sampling: Sampling) {
        self.sampling = sampling;
    }

    /// Sets the totals of what the kernel side could not do.
    pub fn set_losses(&mut self, losses: Losses) {
        self.losses = losses;
    }

    /// Forgets histograms and single calls, keeps paths, labels and facts: for a view that feeds the
    /// kernel's totals anew at every tick.
    pub fn clear_counts(&mut self) {
        self.series.clear();
        self.tails.clear();
        self.slowest.clear();
        self.times.clear();
        self.faults.clear();
    }

    /// Whom a leaf's calls are charged to, as far as is known now. Cheap unless the leaf is new.
    pub fn owner(&mut self, leaf: u32) -> Owner {
        if !self.labels.knows(leaf) && self.stale {
            // Labelling all anew for each new path would be quadratic in a trace of many.
            let behind = self.nodes.len().saturating_sub(self.labelled);
            if behind > self.labelled / 16 || self.labelled < 64 {
                self.relabel();
            } else if let Some(label) = labels::provisional(&self.nodes, &self.sources, leaf) {
                self.labels.insert(leaf, label);
            }
        }
        self.labels.owner(leaf)
    }

    /// Path nodes whose literal children are values of a placeholder, those to come too. Whoever builds the
    /// trie may send further ones to the wild child at once: that bounds paths with several varying
    /// segments. Literal children that exist already must stay reachable: some are names.
    pub fn open_nodes(&self) -> impl Iterator<Item = u32> {
        self.sources.memory.open.iter().copied()
    }

    /// A single call with its names and its owner, as far as is known now.
    pub fn event(&mut self, tail: &Tail) -> Event {
        let owner = self.owner(tail.leaf);
        report::event(self.arch, tail, owner)
    }

    /// All of it, with every label as of now.
    pub fn snapshot(&mut self) -> Arc<Snapshot> {
        if self.stale {
            self.relabel();
        }
        Arc::new(report::build(self, &self.labels))
    }

    fn relabel(&mut self) {
        let mut stats: HashMap<u32, LeafStats> = HashMap::new();
        // A router that matches what it knows, and was seen to refuse what it does not: what only ever got 404 and no
        // template fits is refused, too, though it was not asked of each. Not so where handlers answer in that way.
        let by_handler = |key: &SeriesKey| {
            key.nr == NR_REQUEST
                && matches!(key.res & REQUEST_STATUS_MASK, 404 | 405)
                && self.sources.learned.contains_key(&key.leaf)
        };
        let strangers_are_routers = !self.sources.learned.is_empty()
            && !self.sources.none.is_empty()
            && !self.sources.handlers_refuse
            && !self.series.keys().any(by_handler);
        for (key, histogram) in &self.series {
            if key.leaf < LEAF_FIRST_NODE {
                continue;
            }
            let of_leaf = stats.entry(key.leaf).or_default();
            if key.nr != NR_REQUEST {
                continue;
            }
            let n = histogram.count();
            of_leaf.requests += n;
            let status = key.res & REQUEST_STATUS_MASK;
            let routers = strangers_are_routers || self.sources.none.contains(&key.leaf);
            if key.res & REQUEST_UNROUTED != 0
                || (routers
                    && matches!(status, 404 | 405)
                    && !self.sources.learned.contains_key(&key.leaf))
            {
                of_leaf.unrouted += n;
            }
            // 400: what net/http itself says to garbage, before any router.
            if matches!(status, 400 | 404 | 405) {
                of_leaf.not_found += n;
            }
        }
        self.labels = labels::assign(&self.nodes, &stats, &mut self.sources);
        self.labelled = self.nodes.len();
        self.stale = false;
    }
}
