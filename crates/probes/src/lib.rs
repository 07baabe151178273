//! Loads, attaches, reads and detaches gostall's eBPF programs.
//!
//! The only user of libbpf-rs. It knows what the kernel hands up and turns it into
//! [`gostall_model`]'s input types; it knows nothing of executables (the caller says
//! what a [`Layout`] is), of endpoints' names or of terminals.

mod adapt;
mod batch;
mod bytes;
mod clocks;
mod error;
mod event;
mod exact;
mod hooks;
mod inflight;
mod loader;
mod mapped;
mod percpu;
mod process;
mod read;
mod stats;
mod syscalls;
mod timeline;
mod walls;

pub use clocks::{CPU_REQUEST, CpuTicks};
pub use error::Error;
pub use event::{Call, Event, FdSeen};
pub use exact::{EXACT_JBE, EXACT_PARKS, EXACT_STARTS, ExactSites, ExactWaits, TimerOffsets, Wait};
pub use hooks::{
    HOOK_ARG_SHIFT, HOOK_GRPC, HOOK_MATCHED, HOOK_REG_SHIFT, HOOK_STATUS_SHIFT, Hook, HookKind,
    HookSet, Hooks,
};
pub use inflight::{Child, InFlight, Request};
pub use loader::{Extras, Probes};
pub use process::{GoMaps, HttpOffsets, Layout, RolePc, SlotState};
pub use read::{Counters, NotFound, Protocols};
pub use stats::{RunStats, RunTotals};
pub use syscalls::{Blocks, Filter, TailRule, blocks};
pub use timeline::{Keep, Line, LineCall};

/// The leaf that marks net/http's background reader among [`Layout::roles`].
pub const READER: u32 = gostall_bpf::abi::GS_READER;
