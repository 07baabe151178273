//! What the model is fed: histogram chunks, path nodes, tail events, counters and facts of the run.
//!
//! These types mirror no kernel record byte for byte; whoever reads the kernel's maps (or a recording)
//! translates into them. Nothing here computes anything.

use serde::{Deserialize, Serialize};

use crate::sysno::Arch;

/// Pseudo syscall number of a request's latency; its `res` is a status with flags.
pub const NR_REQUEST: u16 = 1023;
/// Pseudo syscall number reserved for the time a request lay in the socket before its first read.
pub const NR_QUEUED: u16 = 1022;
/// Pseudo syscall number for every real number too high to be counted singly.
pub const NR_UNKNOWN: u16 = 1021;

/// Pseudo syscall numbers of requests' reads and writes told apart (`--what-if`); `res` says which they are.
pub const NR_READ: u16 = 1018;
#[allow(missing_docs, reason = "see above")]
pub const NR_WRITE: u16 = 1019;
/// Flag in `res` of [`NR_READ`]: it filled its buffer.
pub const MOVED_FULL: u16 = 1;
/// Flag in `res` of [`NR_READ`] and [`NR_WRITE`]: not on the client's connection.
pub const MOVED_ELSEWHERE: u16 = 2;
/// Flag in `res` of [`NR_READ`] and [`NR_WRITE`]: the values are bytes, not ns.
pub const MOVED_BYTES: u16 = 4;

/// Pseudo syscall numbers of a TLS handshake's steps, in the order of [`HANDSHAKE_STEPS`].
pub const NR_HANDSHAKE: u16 = 1008;
/// The steps' names.
pub const HANDSHAKE_STEPS: [&str; 6] = [
    "accept_to_hello",
    "hello_to_answer",
    "answer_to_finished",
    "finished_to_done",
    "total",
    "failed",
];

/// The HTTP status within the `res` of a [`NR_REQUEST`] series (0: none was sent).
pub const REQUEST_STATUS_MASK: u16 = 0x3ff;
/// Statuses from here on are gRPC's: this plus grpc-status.
pub const REQUEST_STATUS_GRPC: u16 = 1000;
/// In place of a status: the request was answered by whoever took its TLS connection over, unseen.
pub const REQUEST_STATUS_UNSEEN: u16 = 1;
/// Flag in `res` of [`NR_REQUEST`]: the request ended without a complete response.
pub const REQUEST_ABORTED: u16 = 0x400;
/// Flag in `res` of [`NR_REQUEST`]: the answer was the router's own 404 or 405.
pub const REQUEST_UNROUTED: u16 = 0x800;

/// Leaf of everything that found no room within a bound.
pub const LEAF_OTHER: u32 = 0;
/// Leaves from here on are ids of path nodes; those below (bar [`LEAF_OTHER`]) are roles.
pub const LEAF_FIRST_NODE: u32 = 32;

/// Sub-buckets of an octave.
pub const SUB_BUCKETS: usize = 32;
/// Octaves a 64-bit number of nanoseconds can fall into.
pub const OCTAVES: u8 = 60;

/// What a histogram counts: one syscall with one result on one leaf.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SeriesKey {
    /// [`LEAF_OTHER`], a role (see [`crate::Role::from_leaf`]) or a path node's id.
    pub leaf: u32,
    /// Syscall number of the target's architecture, or one of the `NR_` pseudo numbers.
    pub nr: u16,
    /// 0 for success, else the errno. For [`NR_REQUEST`]: the status with its flags.
    pub res: u16,
}

/// One octave of one series' log-linear histogram. The same (key, octave) may come any number of times
/// (once per CPU): they add up.
#[derive(Debug, Clone, Copy)]
pub struct Chunk {
    /// The series.
    pub key: SeriesKey,
    /// 0: values below 32 ns, one sub-bucket each. Else values `v` with `floor(log2 v) = octave + 4`, in 32
    /// equal sub-buckets.
    pub octave: u8,
    /// Sum of the values in this chunk, ns.
    pub sum_ns: u64,
    /// Greatest value in this chunk, ns.
    pub max_ns: u64,
    /// Number of values per sub-bucket.
    pub counts: [u32; SUB_BUCKETS],
}

/// What a path node stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum NodeKind {
    /// The request's verb; a child of the root (parent 0).
    Method,
    /// A segment with this very text; `""` for what follows a trailing slash.
    Literal,
    /// Any segment: certain ids, and what came after the node's bound of literal children.
    Wild,
    /// Any number of segments.
    CatchAll,
}

/// A node of the kernel's path trie: root, then the method, then one node per segment of the path. The
/// path `/` is a method with one literal child `""`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathNode {
    /// [`LEAF_FIRST_NODE`] or more; the leaf of requests whose path ends here.
    pub id: u32,
    /// The parent's id; 0 for a method.
    pub parent: u32,
    /// What it stands for.
    pub kind: NodeKind,
    /// The verb, or the segment's text (lossy UTF-8, perhaps cut short); empty for wild and catch-all.
    pub text: String,
    /// This node had more literal children than the kernel's bound: later ones went to its wild child.
    pub overflowed: bool,
}

/// One end of a socket, as text: `127.0.0.1:8080`, `[::1]:53`, or a unix socket's path.
pub type Address = String;

/// What a file descriptor led to at the time of a call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum FdInfo {
    /// A file, directory or device.
    File {
        /// Absolute path in the target's mount namespace.
        path: String,
    },
    /// A socket.
    Socket {
        /// `TCP`, `TCPv6`, `UDP`, `UNIX`, ...
        family: String,
        /// Own address, where there is one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        local: Option<Address>,
        /// The peer's address, where there is one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        remote: Option<Address>,
        /// TCP state (`ESTABLISHED`), where it has one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        state: Option<String>,
    },
    /// Anything else, as `/proc/PID/fd` would show it: `pipe:[1234]`, `anon_inode:[eventpoll]`.
    Other {
        /// That text.
        text: String,
    },
}

/// One frame of a user stack.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Frame {
    /// Go's full name of the function (`net/http.(*conn).serve`), or `0x...` where it is not known.
    pub function: String,
    /// Source file, where known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// Line in it (1-based), where known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
    /// The function was inlined into the next frame.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub inlined: bool,
}

/// A single call caught with its context: the slow, the failed, the traced.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tail {
    /// Whom the call is charged to, as in [`SeriesKey::leaf`].
    pub leaf: u32,
    /// Syscall number.
    pub nr: u16,
    /// What the call returned; `-errno` on failure.
    pub ret: i64,
    /// Its duration, ns.
    pub duration_ns: u64,
    /// When it returned, ns since the Unix epoch.
    pub ts_unix_ns: u64,
    /// Process id.
    pub pid: u32,
    /// Thread id.
    pub tid: u32,
    /// Goroutine id; `None` when the goroutine is not known (or the thread has none).
    pub goid: Option<u64>,
    /// The goroutine that started it, where known.
    pub parent_goid: Option<u64>,
    /// The six argument registers.
    pub args: [u64; 6],
    /// The file descriptor that `fd` describes: an argument of the call, or what it returned.
    pub fd_number: Option<i32>,
    /// What that file descriptor led to.
    pub fd: Option<FdInfo>,
    /// The call's path argument, where it has one.
    pub path: Option<String>,
    /// User stack, innermost first; empty when none was taken.
    pub stack: Vec<Frame>,
    /// W3C trace id of the request: 32 hex digits.
    pub trace_id: Option<String>,
    /// W3C parent span id of the request: 16 hex digits.
    pub span_id: Option<String>,
}

/// Facts of one traced process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TargetInfo {
    /// Process id, in the tracer's pid namespace.
    pub pid: u32,
    /// Path of the executable in the target's own mount namespace.
    pub exe: String,
    /// Go's version (`go1.27.1`); `None` when the executable does not say.
    pub go_version: Option<String>,
    /// Path of the main module, where the build information has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub module: Option<String>,
    /// Architecture: decides the syscalls' names.
    pub arch: Arch,
    /// How far calls can be tied to goroutines here.
    pub attribution: Attribution,
}

/// What a syscall of a target can be tied to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Attribution {
    /// To the goroutine.
    #[default]
    Goroutines,
    /// To the thread only: the executable did not yield the offsets.
    Threads,
}

/// The time a report covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Window {
    /// When the base probes were in place, ns since the Unix epoch.
    pub start_unix_ns: u64,
    /// How long it lasted, ns.
    pub duration_ns: u64,
}

/// What the tracing itself cost. `None` where it could not be measured.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Overhead {
    /// Run time of our BPF programs per traced syscall, ns.
    pub bpf_ns_per_syscall: Option<f64>,
    /// The same as a share of one CPU (1.0: one whole CPU).
    pub bpf_cpu_fraction: Option<f64>,
    /// CPU time of this program as a share of one CPU.
    pub agent_cpu_fraction: Option<f64>,
    /// Resident memory of this program, bytes.
    pub agent_rss_bytes: Option<u64>,
    /// What the probes of `--exact` cost; absent without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exact: Option<ExactCost>,
}

/// What the probes of `--exact` cost the target, besides all else.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct ExactCost {
    /// Changes of goroutines' status seen.
    pub hits: u64,
    /// What one costs: the way into the kernel and back, measured on gostall itself, and our program's run time.
    pub ns_per_hit: Option<f64>,
    /// All of them as a share of one CPU (1.0: one whole CPU).
    pub cpu_fraction: Option<f64>,
}

/// What was left out on request. The default is full coverage.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Sampling {
    /// One request in this many was recorded; 0 and 1 mean all.
    #[serde(default)]
    pub one_request_in: u32,
    /// Only these syscalls were recorded; `None` means all.
    #[serde(default)]
    pub syscalls: Option<Vec<String>>,
    /// Only calls at least this slow were recorded, ns; 0 means all.
    #[serde(default)]
    pub slower_than_ns: u64,
    /// Why `--exact` measures less than was asked, a line per executable.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exact_missing: Vec<String>,
    /// What gostall's guards did to stay within its budgets.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub guards: Vec<GuardAction>,
}

/// What a guard did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GuardAct {
    /// Fewer requests were recorded from then on.
    SamplingRaised,
    /// No more single calls were kept.
    SnapshotsStopped,
    /// The probes of `--exact` were taken away; the ledger is sampled.
    ExactStopped,
    /// The probes were taken away; the window ended.
    Detached,
}

/// One act of a guard.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GuardAction {
    /// What.
    pub action: GuardAct,
    /// When, ns after the window opened.
    pub after_ns: u64,
    /// Why, in words.
    pub reason: String,
}

impl Sampling {
    /// Nothing was left out.
    pub fn is_full(&self) -> bool {
        self.one_request_in <= 1 && self.syscalls.is_none() && self.slower_than_ns == 0
    }
}

/// What the kernel side could not do, one counter per cause. All are totals over the window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Losses {
    /// Calls that are in no histogram, for even `(other)` had no room.
    pub calls_lost: u64,
    /// Events dropped because the ring buffer was full.
    pub ring_full: u64,
    /// Calls charged to `(other)` because the histogram table was full.
    pub spilled: u64,
    /// Calls left out on request (see [`Sampling`]).
    pub filtered: u64,
    /// Calls in flight when the probes were attached: their beginning was not seen.
    pub calls_in_flight_at_attach: u64,
    /// Requests in flight when the probes were attached: not counted.
    pub requests_in_flight_at_attach: u64,
    /// Tail snapshots beyond the rate limit.
    pub snapshots_limited: u64,
    /// Goroutines that found no room in the table.
    pub goroutines_full: u64,
    /// Connections that found no room in the table.
    pub connections_full: u64,
    /// Changes of a goroutine's status whose request found no room in the table of `--exact`.
    #[serde(default)]
    pub exact_full: u64,
    /// Requests whose early calls found no room while the endpoint was unknown.
    pub stash_full: u64,
    /// Paths that found no room in the trie: charged to `(other)`.
    pub paths_full: u64,
    /// Beginnings of requests that were none.
    pub malformed_requests: u64,
    /// TLS connections whose requests could not be seen.
    pub tls_connections: u64,
    /// HTTP/2 connections whose requests could not be seen.
    pub http2_connections: u64,
    /// Reads of the target's memory that failed.
    pub read_faults: u64,
    /// Goroutines whose parent was needed and not known.
    pub unknown_parent: u64,
    /// Threads of the target whose first calls were missed, for the kernel had no memory at hand to mark them.
    #[serde(default)]
    pub threads_late: u64,
    /// Requests that there was no room to keep whole while they were in flight, or whose endpoint there was none to
    /// compare in.
    #[serde(default)]
    pub timelines_full: u64,
    /// Slow requests that were not kept whole, beyond the rate limit or the ring buffer.
    #[serde(default)]
    pub timelines_limited: u64,
    /// Requests slower than `--slow` that were not kept whole, beyond the bound of what is kept.
    #[serde(default)]
    pub timelines_dropped: u64,
}
