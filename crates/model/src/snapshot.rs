//! The snapshot: everything a view or an exporter may know, immutable and serializable.
//!
//! Its serialized form is the JSON contract `gostall.report/1`; `docs` of each field are the contract's
//! words. Fields may be added, never renamed or removed, within a schema version. Nothing here computes.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::background::{Background, CpuByRole};
use crate::handshakes::Tls;
use crate::hist::Histogram;
use crate::input::{FdInfo, Frame, Losses, Overhead, Sampling, TargetInfo, Window};
use crate::ledger::LedgerState;
use crate::memory::Memory;
use crate::role::Role;
use crate::what_if::WhatIf;

/// The schema's name and version, the value of the key `schema`.
pub const REPORT_SCHEMA: &str = "gostall.report/1";

/// Route of requests the router matched to nothing.
pub const ROUTE_UNMATCHED: &str = "(unmatched)";
/// Route, and for want of one also method, of what found no room within a bound.
pub const ROUTE_OTHER: &str = "(other)";
/// Method of an endpoint whose verb is not known.
pub const METHOD_ANY: &str = "*";

/// One report. All times are integer nanoseconds.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Snapshot {
    /// [`REPORT_SCHEMA`].
    pub schema: Cow<'static, str>,
    /// The traced process, the first of them if there are several; `null` when none was found.
    pub target: Option<TargetInfo>,
    /// All traced processes, when there are several; else absent.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub targets: Vec<TargetInfo>,
    /// The time covered.
    pub window: Window,
    /// What was seen, and what was not.
    pub coverage: Coverage,
    /// What the tracing cost.
    pub overhead: Overhead,
    /// What was left out on request.
    pub sampling: Sampling,
    /// Greatest relative error of every `pNN_ns` below; counts, totals and maxima are exact.
    pub quantile_error: f64,
    /// Endpoints, the costliest (by `latency.total_ns`) first.
    pub endpoints: Vec<Endpoint>,
    /// Syscalls of no request, by role.
    pub runtime: Vec<RoleCalls>,
    /// Who computed; absent where the kernel has no clock for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu: Option<CpuByRole>,
    /// Goroutines of no request, by the function that they were started with, those that compute most first.
    #[serde(default)]
    pub background: Vec<Background>,
    /// Collections, page faults and calls for memory; absent where no target could be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<Memory>,
    /// TLS handshakes, step by step; absent where there were none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<Tls>,
    /// What changes would save; absent where nobody asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub what_if: Option<Vec<WhatIf>>,
    /// Single calls caught with their context, the slowest first.
    pub snapshots: Vec<Event>,
    /// Requests kept whole, by endpoint in the order of `endpoints`, the slowest first; absent when not asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slowest: Option<Vec<SlowRequest>>,
}

/// How many of the process's syscalls were seen, and to what they were tied. Every seen call is in exactly
/// one of `attributed_to_endpoint`, `connection`, `background`, `runtime`, `other` and `unknown`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Coverage {
    /// Calls in the histograms.
    pub syscalls_seen: u64,
    /// Calls in no histogram and live events dropped: `losses.calls_lost + losses.ring_full`.
    pub events_lost: u64,
    /// Calls charged to an endpoint, `(other)` not included.
    pub attributed_to_endpoint: u64,
    /// Calls of a user goroutine: of an endpoint, of a connection between requests, or background.
    pub attributed_to_goroutine: u64,
    /// Calls of the Go runtime itself: scheduler, netpoll, gc, sysmon, runtime, cgo.
    pub runtime: u64,
    /// Calls of connections between requests.
    pub connection: u64,
    /// Calls of goroutines of no request.
    pub background: u64,
    /// Calls that found no room within a bound: endpoint `(other)`.
    pub other: u64,
    /// Calls that could be tied to nothing but a thread.
    pub unknown: u64,
    /// Requests that ended in the window.
    pub requests_seen: u64,
    /// Distinct kernel-side paths merged into the endpoints.
    pub paths_seen: u64,
    /// What the kernel side could not do, by cause.
    pub losses: Losses,
}

/// Requests of one method and route, and their syscalls.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Endpoint {
    /// The verb; [`METHOD_ANY`] for `(other)`.
    pub method: Arc<str>,
    /// Path template without the verb, `(unmatched)` or `(other)`.
    pub route: Arc<str>,
    /// What the requests came by.
    pub protocol: Protocol,
    /// Requests that ended in the window.
    pub requests: u64,
    /// Those of them with a status of 500 or above, or aborted.
    pub errors: u64,
    /// Requests by status; those without one (aborted before any answer) are not in it.
    pub statuses: BTreeMap<String, u64>,
    /// From the first byte read to the last byte written (or the connection's end).
    pub latency: Latency,
    /// Where the requests' time went, ns by state.
    pub ledger: BTreeMap<String, u64>,
    /// The same time, with what awaited goroutines were doing in the place of waits for them; absent where none was
    /// seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ledger_deep: Option<BTreeMap<String, u64>>,
    /// Page faults of the requests' goroutines in the program's own code, those of requests still in flight too.
    #[serde(default)]
    pub page_faults: u64,
    /// The same as it is without `--exact`, where `ledger` was measured; else absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ledger_sampled: Option<BTreeMap<String, u64>>,
    /// Syscalls by name and result, the greatest total first.
    pub syscalls: Vec<SyscallStat>,
}

/// The protocol of an endpoint's requests.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
pub enum Protocol {
    /// HTTP/1.0 or HTTP/1.1.
    #[default]
    #[serde(rename = "http/1")]
    Http1,
    /// HTTP/2.
    #[serde(rename = "http/2")]
    Http2,
    /// gRPC (over HTTP/2).
    #[serde(rename = "grpc")]
    Grpc,
    /// More than one of them.
    #[serde(rename = "mixed")]
    Mixed,
}

impl Protocol {
    /// The protocol of requests of both.
    #[must_use]
    pub fn and(self, other: Protocol) -> Protocol {
        if self == other { self } else { Protocol::Mixed }
    }

    /// Its name in every output.
    pub fn name(self) -> &'static str {
        match self {
            Protocol::Http1 => "http/1",
            Protocol::Http2 => "http/2",
            Protocol::Grpc => "grpc",
            Protocol::Mixed => "mixed",
        }
    }
}

/// The distribution of requests' durations.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Latency {
    /// Sum over the requests.
    pub total_ns: u64,
    /// Median.
    pub p50_ns: u64,
    /// 90th percentile.
    pub p90_ns: u64,
    /// 99th percentile.
    pub p99_ns: u64,
    /// 99.9th percentile.
    pub p999_ns: u64,
    /// The longest.
    pub max_ns: u64,
    /// The whole distribution, for views; not in the JSON.
    #[serde(skip)]
    pub histogram: Histogram,
}

/// One syscall with one result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SyscallStat {
    /// The kernel's name of it.
    pub name: Cow<'static, str>,
    /// `ok`, or the errno's name.
    pub result: Cow<'static, str>,
    /// Calls.
    pub count: u64,
    /// Sum of their durations.
    pub total_ns: u64,
    /// Median.
    pub p50_ns: u64,
    /// 90th percentile.
    pub p90_ns: u64,
    /// 99th percentile.
    pub p99_ns: u64,
    /// 99.9th percentile.
    pub p999_ns: u64,
    /// The longest.
    pub max_ns: u64,
    /// The whole distribution, for views; not in the JSON.
    #[serde(skip)]
    pub histogram: Histogram,
}

/// Syscalls of one role.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoleCalls {
    /// The role.
    pub role: Role,
    /// Syscalls by name and result, the greatest total first.
    pub syscalls: Vec<SyscallStat>,
}

/// A single call with its context: an entry of `snapshots`, a line of a trace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// When the call returned, ns since the Unix epoch.
    pub ts_unix_ns: u64,
    /// How long it took.
    pub duration_ns: u64,
    /// The kernel's name of the syscall.
    pub name: Cow<'static, str>,
    /// `ok`, or the errno's name.
    pub result: Cow<'static, str>,
    /// What it returned; `-errno` on failure.
    pub ret: i64,
    /// The six argument registers.
    pub args: [u64; 6],
    /// Process id.
    pub pid: u32,
    /// Thread id.
    pub tid: u32,
    /// Goroutine id, where known.
    pub goid: Option<u64>,
    /// The goroutine that started it, where known.
    pub parent_goid: Option<u64>,
    /// The request's verb; `null` outside of requests.
    pub method: Option<Arc<str>>,
    /// The request's route; `null` outside of requests.
    pub route: Option<Arc<str>>,
    /// The role; `null` within requests.
    pub role: Option<Role>,
    /// W3C trace id of the request, where it bears one.
    pub trace_id: Option<String>,
    /// W3C parent span id of the request, where it bears one.
    pub span_id: Option<String>,
    /// The file descriptor that `fd` describes: an argument of the call, or what it returned.
    pub fd_number: Option<i32>,
    /// What that file descriptor led to.
    pub fd: Option<FdInfo>,
    /// The call's path argument.
    pub path: Option<String>,
    /// User stack, innermost frame first.
    pub stack: Vec<Frame>,
}

/// A request kept whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SlowRequest {
    /// The verb.
    pub method: Arc<str>,
    /// The route.
    pub route: Arc<str>,
    /// Its status (of a gRPC call, grpc-status); `null` where none was seen.
    pub status: Option<u16>,
    /// It ended without a complete response.
    pub aborted: bool,
    /// When it began, ns since the Unix epoch.
    pub start_unix_ns: u64,
    /// From the first byte read to the last byte written.
    pub duration_ns: u64,
    /// Process id.
    pub pid: u32,
    /// The goroutine that served it, where known.
    pub goroutine: Option<u64>,
    /// W3C trace id, where the request bears one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace_id: Option<String>,
    /// W3C parent span id, where the request bears one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub span_id: Option<String>,
    /// Calls that found no room: they are missing at the end, as is what lay between them.
    pub cut: u32,
    /// What happened, in the order in which it began.
    pub events: Vec<TimelineEvent>,
}

/// What an event of a request is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TimelineKind {
    /// A system call.
    Syscall,
    /// From a call that would have blocked to the next on the same descriptor.
    Wait,
    /// Between calls: computing, or waiting within the Go runtime.
    Go,
    /// Between calls: ready, and no processor free.
    Runq,
    /// Between calls: its cgroup's time used up.
    Throttled,
    /// Between calls: blocked on a page that has to be read.
    Fault,
    /// What its goroutine was found doing.
    Look,
}

fn zero(n: &u64) -> bool {
    *n == 0
}

/// Something that happened in a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimelineEvent {
    /// When it began, ns after the request did.
    pub at_ns: u64,
    /// How long it took.
    pub duration_ns: u64,
    /// What it is.
    pub kind: TimelineKind,
    /// Whose it is, where known: the request's own goroutine, or a child of it.
    pub goroutine: Option<u64>,
    /// The kernel's name of the syscall; of a wait, of the call that would have blocked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<Cow<'static, str>>,
    /// `ok`, or the errno's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<Cow<'static, str>>,
    /// What the call returned; `-errno` on failure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ret: Option<i64>,
    /// The file descriptor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fd: Option<i32>,
    /// What that led to (a path, the peer's address), or the call's path argument.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub what: Option<String>,
    /// What was waited for, or what a look found: a state of the ledger.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        with = "crate::ledger::by_name"
    )]
    pub state: Option<LedgerState>,
    /// Made by the runtime on the goroutine's behalf.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub runtime: bool,
    /// Of a call's duration: waiting for what it asked for.
    #[serde(default, skip_serializing_if = "zero")]
    pub blocked_ns: u64,
    /// ... waiting for a processor.
    #[serde(default, skip_serializing_if = "zero")]
    pub runq_ns: u64,
    /// ... kept off all processors by its cgroup.
    #[serde(default, skip_serializing_if = "zero")]
    pub throttled_ns: u64,
    /// How many looks found it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub looks: Option<u32>,
}

impl TimelineEvent {
    /// One of which no more is known.
    pub fn new(at_ns: u64, duration_ns: u64, kind: TimelineKind, goroutine: Option<u64>) -> Self {
        TimelineEvent {
            at_ns,
            duration_ns,
            kind,
            goroutine,
            name: None,
            result: None,
            ret: None,
            fd: None,
            what: None,
            state: None,
            runtime: false,
            blocked_ns: 0,
            runq_ns: 0,
            throttled_ns: 0,
            looks: None,
        }
    }
}

impl From<Histogram> for Latency {
    fn from(histogram: Histogram) -> Self {
        Latency {
            total_ns: histogram.sum_ns(),
            p50_ns: histogram.quantile_permille(500),
            p90_ns: histogram.quantile_permille(900),
            p99_ns: histogram.quantile_permille(990),
            p999_ns: histogram.quantile_permille(999),
            max_ns: histogram.max_ns(),
            histogram,
        }
    }
}

impl SyscallStat {
    /// The row of a histogram.
    pub fn new(
        name: Cow<'static, str>,
        result: Cow<'static, str>,
        histogram: Histogram,
    ) -> SyscallStat {
        SyscallStat {
            name,
            result,
            count: histogram.count(),
            total_ns: histogram.sum_ns(),
            p50_ns: histogram.quantile_permille(500),
            p90_ns: histogram.quantile_permille(900),
            p99_ns: histogram.quantile_permille(990),
            p999_ns: histogram.quantile_permille(999),
            max_ns: histogram.max_ns(),
            histogram,
        }
    }
}
