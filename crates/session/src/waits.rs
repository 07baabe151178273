//! What a goroutine that does not run waits for: by the runtime's own reason, and, where that is a channel or a lock
//! of a library's, by whose function waits. A wait for a helper goroutine of net/http or net is the thing it stands
//! for: the upstream, the client, the name server.

use gostall_gobin::{Binary, Facts, wait_reasons};
use gostall_model::{BackgroundState as B, Doing, LedgerState as S};
use gostall_probes::{ExactWaits, TimerOffsets, Wait};

/// Statuses of a goroutine (runtime2.go); the bit that a scan sets is masked off.
const SCAN: u32 = 0x1000;
const RUNNABLE: u32 = 1;
const RUNNING: u32 = 2;
const SYSCALL: u32 = 3;
const WAITING: u32 = 4;
const COPYSTACK: u32 = 8;
const PREEMPTED: u32 = 9;
/// waitReasonIOWait is this in every release.
const IO_WAIT: usize = 2;

/// Functions in which waiting for a channel, a condition or a lock is waiting for something else.
const STAND_FOR: &[(&str, S)] = &[
    ("net/http.(*persistConn).roundTrip", S::NetUpstreamRead),
    ("net/http.(*http2ClientConn).roundTrip", S::NetUpstreamRead),
    ("net/http.(*http2ClientConn).RoundTrip", S::NetUpstreamRead),
    (
        "net/http.http2transportResponseBody.Read",
        S::NetUpstreamRead,
    ),
    (
        "net/http/internal/http2.(*ClientConn).roundTrip",
        S::NetUpstreamRead,
    ),
    (
        "net/http/internal/http2.transportResponseBody.Read",
        S::NetUpstreamRead,
    ),
    (
        "golang.org/x/net/http2.(*ClientConn).roundTrip",
        S::NetUpstreamRead,
    ),
    (
        "golang.org/x/net/http2.(*ClientConn).RoundTrip",
        S::NetUpstreamRead,
    ),
    (
        "golang.org/x/net/http2.transportResponseBody.Read",
        S::NetUpstreamRead,
    ),
    (
        "google.golang.org/grpc.(*clientStream).RecvMsg",
        S::NetUpstreamRead,
    ),
    ("net/http.(*Transport).getConn", S::NetUpstreamConnect),
    ("net.(*Resolver).lookupIPAddr", S::NetDns),
    ("net.(*Resolver).lookupIP", S::NetDns),
    // LookupHost and its like: two goroutines ask, for either family.
    ("net.(*Resolver).goLookupIPCNAMEOrder", S::NetDns),
    ("net.cgoLookupIP", S::NetDns),
    ("net/http.(*http2requestBody).Read", S::NetClientRead),
    (
        "net/http/internal/http2.(*requestBody).Read",
        S::NetClientRead,
    ),
    (
        "golang.org/x/net/http2.(*requestBody).Read",
        S::NetClientRead,
    ),
    (
        "net/http.(*http2serverConn).writeDataFromHandler",
        S::NetClientWrite,
    ),
    (
        "net/http/internal/http2.(*serverConn).writeDataFromHandler",
        S::NetClientWrite,
    ),
    (
        "golang.org/x/net/http2.(*serverConn).writeDataFromHandler",
        S::NetClientWrite,
    ),
    // Its background reader has been told to end: all that it still waits for is to run.
    ("net/http.(*connReader).abortPendingRead", S::RunqGo),
    ("runtime.GC", S::Gc),
    ("runtime.gcStart", S::Gc),
    ("runtime.gcMarkDone", S::Gc),
    ("runtime.stopTheWorld", S::Gc),
    ("runtime.stopTheWorldGC", S::Gc),
];

/// Functions that wait on Go's poller, and for what. Those that could be inlined into another are not among them.
const POLL_FOR: &[(&str, B)] = &[
    ("os.(*File).Read", B::Pipe),
    ("os.(*File).Write", B::Pipe),
    ("os.(*File).ReadFrom", B::Pipe),
    ("net.(*netFD).accept", B::Accept),
    ("net.(*conn).Read", B::Network),
    ("net.(*conn).Write", B::Network),
    ("net.(*netFD).Read", B::Network),
    ("net.(*netFD).Write", B::Network),
    ("net.(*netFD).connect", B::Network),
    ("net.(*netFD).readFrom", B::Network),
    ("net.(*netFD).readFromInet4", B::Network),
    ("net.(*netFD).readFromInet6", B::Network),
    ("net.(*UDPConn).ReadFromUDPAddrPort", B::Network),
    ("net.(*UDPConn).readFrom", B::Network),
    ("net.(*UDPConn).ReadMsgUDPAddrPort", B::Network),
    ("net.(*UnixConn).ReadMsgUnix", B::Network),
    ("net.(*TCPConn).ReadFrom", B::Network),
];

/// Where in a `g` stands what a look at it needs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Offsets {
    pub(crate) status: u32,
    pub(crate) reason: u32,
    pub(crate) goid: u32,
    pub(crate) m: u32,
    pub(crate) sp: u32,
    pub(crate) bp: Option<u32>,
    /// `m.procid`.
    pub(crate) procid: Option<u32>,
    pub(crate) timer: Option<TimerChannel>,
}

/// How a goroutine that receives from a channel leads to what the channel is for: `g.waiting` is a sudog, which has the
/// channel, which has the type of its elements. A timer's or ticker's channel is one of `time.Time` with room for one.
/// Read from the debug information of a release of each minor version; that it is a sudog is seen by its first word,
/// which is the goroutine.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TimerChannel {
    pub(crate) waiting: u32,
    pub(crate) sudog_c: u64,
    pub(crate) hchan_elemtype: u64,
}

/// `abi.Type.Hash` of `time.Time`: up to Go 1.23, of 1.24, since.
const TIME_HASHES: [u32; 3] = [0x8cac_3de9, 0x7293_4877, 0x7353_c2e9];
const TIME_SIZE: u64 = 24;
const KIND_STRUCT: u8 = 25;

impl TimerChannel {
    /// How much of a channel and of a type is looked at.
    pub(crate) const CHANNEL: usize = 48;
    pub(crate) const TYPE: usize = 24;

    fn of(minor: u32, startpc: u32) -> Option<Self> {
        if !(19..=27).contains(&minor) {
            return None;
        }
        Some(Self {
            // startpc, racectx, waiting: in all of them.
            waiting: startpc + 16,
            // Since 1.26 two words: what the collector follows, and the address whatever it follows.
            sudog_c: if minor < 26 { 80 } else { 96 },
            // 1.23 put the timer before it.
            hchan_elemtype: if minor < 23 { 32 } else { 40 },
        })
    }

    /// The type of a channel's elements, if it has room for one; by the channel's first bytes.
    pub(crate) fn element(&self, channel: &[u8; Self::CHANNEL]) -> Option<u64> {
        let word = |at: usize| u64::from_ne_bytes(channel[at..at + 8].try_into().expect("8 bytes"));
        (word(8) == 1).then(|| word(self.hchan_elemtype as usize))
    }

    /// Whether it is time.Time, by the type's first bytes.
    pub(crate) fn is_time(of: &[u8; Self::TYPE]) -> bool {
        let size = u64::from_ne_bytes(of[..8].try_into().expect("8 bytes"));
        let hash = u32::from_ne_bytes(of[16..20].try_into().expect("4 bytes"));
        size == TIME_SIZE && TIME_HASHES.contains(&hash) && of[23] & 31 == KIND_STRUCT
    }
}

/// What an executable says of how its goroutines wait.
#[derive(Debug)]
pub(crate) struct Waits {
    pub(crate) offsets: Offsets,
    /// By the reason's number.
    reasons: Vec<Doing>,
    receive: Option<usize>,
    /// Link-time ranges, by their beginnings.
    functions: Vec<(u64, u64, S)>,
    pollers: Vec<(u64, u64, B)>,
}

fn by_reason(name: &str) -> Doing {
    Doing::State(match name {
        "IOWait" => return Doing::InCall,
        "Sleep" => S::Timer,
        "Semacquire"
        | "SyncCondWait"
        | "SyncMutexLock"
        | "SyncRWMutexRLock"
        | "SyncRWMutexLock"
        | "SyncWaitGroupWait"
        | "SynctestWaitGroupWait" => S::Lock,
        "ChanReceiveNilChan"
        | "ChanSendNilChan"
        | "Select"
        | "SelectNoCases"
        | "ChanReceive"
        | "ChanSend"
        | "SynctestChanReceive"
        | "SynctestChanSend"
        | "SynctestSelect" => S::Channel,
        "GCAssistMarking"
        | "GCAssistWait"
        | "GarbageCollection"
        | "GarbageCollectionScan"
        | "GCSweepWait"
        | "WaitForGCCycle"
        | "GCMarkTermination"
        | "StoppingTheWorld"
        | "GCWorkerActive"
        | "GCWeakToStrongWait"
        | "FlushProcCaches" => S::Gc,
        "Preempted" => S::RunqGo,
        _ => S::Unknown,
    })
}

impl Waits {
    /// What can be told of a program's goroutines; `None` where its offsets are not known.
    pub(crate) fn read(binary: &Binary, facts: &Facts) -> Option<Waits> {
        let o = facts.offsets.as_ref().ok()?;
        let reasons = facts.version.as_ref().map(wait_reasons).unwrap_or_default();
        Some(Waits {
            offsets: Offsets {
                status: o.g_atomicstatus,
                reason: o.g_waitreason,
                goid: o.g_goid,
                m: o.g_m,
                sp: o.g_sched_sp,
                bp: o.g_sched_bp,
                procid: Some(o.m_procid),
                timer: facts
                    .version
                    .as_ref()
                    .filter(|v| !v.pre_release)
                    .and_then(|v| TimerChannel::of(v.minor, o.g_startpc)),
            },
            receive: reasons.iter().position(|name| *name == "ChanReceive"),
            reasons: reasons.iter().map(|name| by_reason(name)).collect(),
            functions: ranges(binary, STAND_FOR),
            pollers: ranges(binary, POLL_FOR),
        })
    }

    /// The same for the kernel side, which measures.
    pub(crate) fn exact(&self) -> ExactWaits {
        ExactWaits {
            g_waitreason: self.offsets.reason,
            g_sched_sp: self.offsets.sp,
            g_sched_bp: self.offsets.bp,
            timer: self.offsets.timer.map(|t| TimerOffsets {
                g_waiting: t.waiting,
                sudog_c: t.sudog_c as u32,
                hchan_elemtype: t.hchan_elemtype as u32,
            }),
            reasons: self
                .reasons
                .iter()
                .enumerate()
                .map(|(reason, doing)| Wait {
                    state: match doing {
                        Doing::State(state) => Some(*state),
                        Doing::Running | Doing::InCall => None,
                    },
                    stack: self.asks_for_stack(*doing),
                    receives: self.receives(*doing, reason as u8),
                })
                .collect(),
            functions: self.functions.clone(),
        }
    }

    /// Whether a wait can be named.
    pub(crate) fn knows_reasons(&self) -> bool {
        !self.reasons.is_empty()
    }

    /// What a goroutine does, by its status and reason.
    pub(crate) fn doing(&self, status: u32, reason: u8) -> Option<Doing> {
        let reason = usize::from(reason);
        Some(match status & !SCAN {
            RUNNABLE | PREEMPTED => Doing::State(S::RunqGo),
            RUNNING | COPYSTACK => Doing::Running,
            SYSCALL => Doing::InCall,
            WAITING if reason == IO_WAIT => Doing::InCall,
            WAITING => match self.reasons.get(reason) {
                Some(doing) => *doing,
                None => Doing::State(S::Unknown),
            },
            // Idle, dead: it is not the goroutine we took it for.
            _ => return None,
        })
    }

    /// Whether a status is that of a goroutine in a call.
    pub(crate) fn in_syscall(status: u32) -> bool {
        status & !SCAN == SYSCALL
    }

    /// Whether it waits to receive from one channel.
    pub(crate) fn receives(&self, doing: Doing, reason: u8) -> bool {
        doing == Doing::State(S::Channel) && self.receive == Some(usize::from(reason))
    }

    /// Whether it takes the stack to say what this is.
    pub(crate) fn asks_for_stack(&self, doing: Doing) -> bool {
        !self.functions.is_empty()
            && matches!(doing, Doing::State(S::Lock | S::Channel | S::RunqGo))
    }

    /// What the innermost function of a stack (link-time return addresses) that stands for something stands for. Who
    /// is ready to run waits for a P whatever it waited for before, but for the collector it still does: runtime.GC
    /// sweeps in between.
    pub(crate) fn stands_for(
        &self,
        doing: Doing,
        mut stack: impl Iterator<Item = u64>,
    ) -> Option<S> {
        let ready = doing == Doing::State(S::RunqGo);
        innermost(&self.functions, &mut stack).filter(|s| !ready || *s == S::Gc)
    }

    /// What the innermost function of a stack that waits on Go's poller waits for.
    pub(crate) fn polls(&self, mut stack: impl Iterator<Item = u64>) -> Option<B> {
        innermost(&self.pollers, &mut stack)
    }
}

/// Link-time ranges of functions and what they stand for, by their beginnings.
fn ranges<T: Copy>(binary: &Binary, of: &[(&str, T)]) -> Vec<(u64, u64, T)> {
    let names: Vec<&str> = of.iter().map(|f| f.0).collect();
    let mut found: Vec<(u64, u64, T)> = binary
        .find(&names)
        .into_iter()
        .zip(of)
        .filter_map(|(found, (_, what))| found.map(|f| (f.entry, f.end, *what)))
        .collect();
    found.sort_by_key(|f| f.0);
    found
}

fn innermost<T: Copy>(
    functions: &[(u64, u64, T)],
    stack: &mut impl Iterator<Item = u64>,
) -> Option<T> {
    for pc in stack {
        let at = functions.partition_point(|f| f.0 < pc);
        if let Some(f) = at.checked_sub(1).and_then(|i| functions.get(i))
            && pc <= f.1
        {
            return Some(f.2);
        }
    }
    None
}
