//! Builds a snapshot from the model's state: merges histograms by owner, counts coverage, sorts.
//! Labels are given; nothing here decides what an endpoint is.

use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};

use crate::errno;
use crate::handshakes::Tls;
use crate::hist::{Histogram, QUANTILE_ERROR};
use crate::input::{
    HANDSHAKE_STEPS, LEAF_FIRST_NODE, NR_HANDSHAKE, NR_QUEUED, NR_READ, NR_REQUEST, NR_WRITE,
    REQUEST_ABORTED, REQUEST_STATUS_GRPC, REQUEST_STATUS_MASK, REQUEST_STATUS_UNSEEN, SeriesKey,
    Tail,
};
use crate::labels::{Label, Labels, Owner};
use crate::ledger::{self, Times};
use crate::memory::Memory;
use crate::model::Model;
use crate::role::Role;
use crate::snapshot::{
    Coverage, Endpoint, Event, Latency, Protocol, REPORT_SCHEMA, RoleCalls, SlowRequest, Snapshot,
    SyscallStat,
};
use crate::sysno::Arch;
use crate::tails::errno_of;
use crate::timeline;
use crate::what_if::{self, Moved, Subject, WhatIf};

type Calls = HashMap<(u16, u16), Histogram>;

#[derive(Default)]
struct Gathered {
    requests: Histogram,
    errors: u64,
    statuses: BTreeMap<u16, u64>,
    protocol: Option<Protocol>,
    calls: Calls,
    times: Times,
    faults: u64,
    moved: Moved,
}

pub(crate) fn build(model: &Model, labels: &Labels) -> Snapshot {
    let mut coverage = Coverage {
        events_lost: model.losses.calls_lost + model.losses.ring_full,
        losses: model.losses,
        ..Coverage::default()
    };
    let mut endpoints: HashMap<&Label, Gathered> = HashMap::new();
    let mut roles: BTreeMap<Role, Calls> = BTreeMap::new();
    let mut paths = std::collections::HashSet::new();
    let mut handshakes: BTreeMap<usize, Histogram> = BTreeMap::new();

    for (key, histogram) in &model.series {
        let role = Role::from_leaf(key.leaf);
        match (key.nr, role) {
            // Reserved: not shown until the ledger has a place for it.
            (NR_QUEUED, _) => {}
            (NR_READ | NR_WRITE, _) => {
                if let Some(gathered) = model.what_if.then(|| labels.label(key.leaf)) {
                    let gathered = endpoints.entry(gathered).or_default();
                    gathered.moved.add(key.nr, key.res, histogram);
                }
            }
            (nr, _) if handshake_step(nr).is_some() => {
                let step = handshakes.entry(handshake_step(nr).unwrap_or_default());
                step.or_default().merge(histogram);
            }
            (NR_REQUEST, _) => {
                // A request on a role's leaf has no path: `(other)`, as label() says of any leaf
                // that is no known node.
                let gathered = endpoints.entry(labels.label(key.leaf)).or_default();
                gathered.add_requests(key.res, histogram);
                gathered.add_protocol(model.protocols.get(&key.leaf).copied());
                coverage.requests_seen += histogram.count();
                if key.leaf >= LEAF_FIRST_NODE {
                    paths.insert(key.leaf);
                }
            }
            (_, Some(role)) => {
                coverage.count_role(role, histogram.count());
                merge(roles.entry(role).or_default(), key.nr, key.res, histogram);
            }
            (_, None) => {
                let n = histogram.count();
                coverage.syscalls_seen += n;
                if key.leaf >= LEAF_FIRST_NODE {
                    coverage.attributed_to_endpoint += n;
                    coverage.attributed_to_goroutine += n;
                } else {
                    coverage.other += n;
                }
                let gathered = endpoints.entry(labels.label(key.leaf)).or_default();
                gathered.add_protocol(model.protocols.get(&key.leaf).copied());
                merge(&mut gathered.calls, key.nr, key.res, histogram);
            }
        }
    }
    for (leaf, times) in &model.times {
        if let Some(gathered) = endpoints.get_mut(labels.label(*leaf)) {
            gathered.times.add(times);
        }
    }
    for (leaf, n) in &model.faults {
        if let Some(gathered) = endpoints.get_mut(labels.label(*leaf)) {
            gathered.faults += n;
        }
    }
    coverage.paths_seen = paths.len() as u64;

    let mut moved: HashMap<Label, Moved> = HashMap::new();
    let mut endpoints: Vec<Endpoint> = endpoints
        .into_iter()
        .map(|(label, mut gathered)| {
            moved.insert(label.clone(), std::mem::take(&mut gathered.moved));
            gathered.finish(label, model.arch)
        })
        .collect();
    endpoints.sort_by_cached_key(|e| {
        let calls_ns: u64 = e.syscalls.iter().map(|s| s.total_ns).sum();
        (
            Reverse(e.latency.total_ns),
            Reverse(calls_ns),
            e.route.clone(),
            e.method.clone(),
        )
    });

    coverage.losses.timelines_dropped += model.slowest.dropped;
    let slowest = model
        .slowest
        .asked
        .map(|_| slowest(model, labels, &endpoints));
    let runtime: Vec<RoleCalls> = roles
        .into_iter()
        .map(|(role, calls)| RoleCalls {
            role,
            syscalls: rows(calls, model.arch),
        })
        .collect();
    let what_if = model
        .what_if
        .then(|| ask(model, &endpoints, &moved, &runtime, coverage.requests_seen));

    Snapshot {
        schema: Cow::Borrowed(REPORT_SCHEMA),
        target: model.targets.first().cloned(),
        targets: if model.targets.len() > 1 {
            model.targets.clone()
        } else {
            Vec::new()
        },
        window: model.window,
        coverage,
        overhead: model.overhead,
        sampling: model.sampling.clone(),
        quantile_error: QUANTILE_ERROR,
        endpoints,
        runtime,
        what_if,
        cpu: model.cpu.clone(),
        background: model.background.clone(),
        tls: Tls::new(&handshakes),
        memory: model.paging.as_ref().map(|paging| {
            Memory::new(paging, |name| {
                let is = |key: &SeriesKey| {
                    key.nr < NR_HANDSHAKE && model.arch.syscall_name(key.nr) == name
                };
                let calls = model.series.iter().filter(|(key, _)| is(key));
                calls.map(|(_, h)| h.count()).sum()
            })
        }),
        snapshots: model
            .tails
            .sorted()
            .into_iter()
            .map(|tail| event(model.arch, tail, labels.owner(tail.leaf)))
            .collect(),
        slowest,
    }
}

/// The requests kept whole, in the order of their endpoints.
fn slowest(model: &Model, labels: &Labels, endpoints: &[Endpoint]) -> Vec<SlowRequest> {
    let mut chosen = model.slowest.chosen(|leaf| labels.label(leaf).clone());
    let mut out = Vec::new();
    for e in endpoints {
        let label = Label {
            method: e.method.clone(),
            route: e.route.clone(),
        };
        for t in chosen.remove(&label).unwrap_or_default() {
            let status = t.res & REQUEST_STATUS_MASK;
            out.push(SlowRequest {
                method: label.method.clone(),
                route: label.route.clone(),
                status: match status {
                    0 | REQUEST_STATUS_UNSEEN => None,
                    _ => Some(status.checked_sub(REQUEST_STATUS_GRPC).unwrap_or(status)),
                },
                aborted: t.res & REQUEST_ABORTED != 0,
                start_unix_ns: t.start_unix_ns,
                duration_ns: t.duration_ns,
                pid: t.pid,
                goroutine: t.goid,
                trace_id: t.trace_id.clone(),
                span_id: t.span_id.clone(),
                cut: t.cut,
                events: timeline::events(t, model.arch),
            });
        }
    }
    out
}

/// What changes would save each endpoint, and all of them.
fn ask(
    model: &Model,
    endpoints: &[Endpoint],
    moved: &HashMap<Label, Moved>,
    runtime: &[RoleCalls],
    requests: u64,
) -> Vec<WhatIf> {
    let none = Moved::default();
    let mut lines: Vec<WhatIf> = endpoints
        .iter()
        .filter(|e| e.requests > 0)
        .flat_map(|e| {
            let label = Label {
                method: e.method.clone(),
                route: e.route.clone(),
            };
            Subject {
                method: &e.method,
                route: &e.route,
                protocol: e.protocol,
                requests: e.requests,
                moved: moved.get(&label).unwrap_or(&none),
                calls: &e.syscalls,
            }
            .ask()
        })
        .collect();
    lines.push(what_if::accepting(requests, runtime));
    if model.sampling.is_full() {
        return lines;
    }
    lines.into_iter().map(what_if::sampled).collect()
}

/// Which step of a handshake a pseudo number stands for.
fn handshake_step(nr: u16) -> Option<usize> {
    let step = usize::from(nr.checked_sub(NR_HANDSHAKE)?);
    (step < HANDSHAKE_STEPS.len()).then_some(step)
}

pub(crate) fn event(arch: Arch, tail: &Tail, owner: Owner) -> Event {
    let (method, route, role) = match owner {
        Owner::Endpoint(label) => (Some(label.method), Some(label.route), None),
        Owner::Role(role) => (None, None, Some(role)),
    };
    Event {
        ts_unix_ns: tail.ts_unix_ns,
        duration_ns: tail.duration_ns,
        name: arch.syscall_name(tail.nr),
        result: errno::result_name(errno_of(tail.ret)),
        ret: tail.ret,
        args: tail.args,
        pid: tail.pid,
        tid: tail.tid,
        goid: tail.goid,
        parent_goid: tail.parent_goid,
        method,
        route,
        role,
        trace_id: tail.trace_id.clone(),
        span_id: tail.span_id.clone(),
        fd_number: tail.fd_number,
        fd: tail.fd.clone(),
        path: tail.path.clone(),
        stack: tail.stack.clone(),
    }
}

fn merge(calls: &mut Calls, nr: u16, res: u16, histogram: &Histogram) {
    calls.entry((nr, res)).or_default().merge(histogram);
}

fn rows(calls: Calls, arch: Arch) -> Vec<SyscallStat> {
    let mut rows: Vec<((u16, u16), SyscallStat)> = calls
        .into_iter()
        .map(|((nr, res), histogram)| {
            let row = SyscallStat::new(arch.syscall_name(nr), errno::result_name(res), histogram);
            ((nr, res), row)
        })
        .collect();
    rows.sort_by_key(|(key, row)| (Reverse(row.total_ns), Reverse(row.count), *key));
    rows.into_iter().map(|(_, row)| row).collect()
}

impl Coverage {
    fn count_role(&mut self, role: Role, n: u64) {
        self.syscalls_seen += n;
        if role.is_goroutine() {
            self.attributed_to_goroutine += n;
        }
        if role.is_runtime() {
            self.runtime += n;
        }
        match role {
            Role::Connection => self.connection += n,
            Role::Background => self.background += n,
            Role::Unknown => self.unknown += n,
            _ => {}
        }
    }
}

/// Statuses of gRPC that count as errors: UNKNOWN, DEADLINE_EXCEEDED, RESOURCE_EXHAUSTED, UNIMPLEMENTED, INTERNAL,
/// UNAVAILABLE, DATA_LOSS.
const GRPC_ERRORS: [u16; 7] = [2, 4, 8, 12, 13, 14, 15];

impl Gathered {
    fn add_requests(&mut self, res: u16, histogram: &Histogram) {
        let status = res & REQUEST_STATUS_MASK;
        let n = histogram.count();
        self.requests.merge(histogram);
        if let Some(code) = status.checked_sub(REQUEST_STATUS_GRPC) {
            if res & REQUEST_ABORTED != 0 || GRPC_ERRORS.contains(&code) {
                self.errors += n;
            }
            *self.statuses.entry(code).or_default() += n;
            return;
        }
        // Without a status nothing was answered: aborted, whatever the flag says.
        if res & REQUEST_ABORTED != 0 || status == 0 || status >= 500 {
            self.errors += n;
        }
        if status != 0 && status != REQUEST_STATUS_UNSEEN {
            *self.statuses.entry(status).or_default() += n;
        }
    }

    fn add_protocol(&mut self, protocol: Option<Protocol>) {
        let protocol = protocol.unwrap_or_default();
        self.protocol = Some(self.protocol.map_or(protocol, |p| p.and(protocol)));
    }

    fn finish(self, label: &Label, arch: Arch) -> Endpoint {
        let split = ledger::split(self.requests.sum_ns(), &self.times);
        Endpoint {
            method: label.method.clone(),
            route: label.route.clone(),
            protocol: self.protocol.unwrap_or_default(),
            requests: self.requests.count(),
            errors: self.errors,
            statuses: self
                .statuses
                .into_iter()
                .map(|(status, n)| (status.to_string(), n))
                .collect(),
            ledger: split.ledger,
            ledger_deep: split.deep,
            ledger_sampled: split.sampled,
            latency: Latency::from(self.requests),
            page_faults: self.faults,
            syscalls: rows(self.calls, arch),
        }
    }
}
