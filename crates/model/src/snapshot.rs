//! The snapshot: everything a view or an exporter may know, immutable and serializable.
//!
//! Its serialized form is the JSON contract `gostall.report/1`; `docs` of each field are the contract's
//! words. Fields may be added, never renamed or removed, within a schema version. Nothing here computes.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::hist::Histogram;
use crate::input::{FdInfo, Frame, Losses, Overhead, Sampling, TargetInfo, Window};
use crate::role::Role;

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
    /// Single calls caught with their context, the slowest first.
    pub snapshots: Vec<Event>,
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
