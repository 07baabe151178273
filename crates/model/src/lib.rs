//! The model: histogram chunks, paths and single calls in; an immutable [`Snapshot`] out.
//!
//! Pure: no BPF, no clock, no file, no terminal. Live tracing and replay feed the same [`Model`], so that
//! a view cannot tell them apart. What an evidence means (a finding) is the atlas's business.

mod background;
mod cluster;
pub mod errno;
mod errno_table;
mod handshakes;
mod hist;
mod input;
mod labels;
mod ledger;
mod memory;
mod model;
mod near;
mod report;
mod role;
mod route;
mod slowest;
mod snapshot;
mod sysno;
mod tails;
mod timeline;
mod what_if;

pub use background::{Background, BackgroundState, CpuByRole, CpuTime, Looks, Started, background};
pub use handshakes::{Step, Tls};
pub use hist::{BUCKETS, Histogram, QUANTILE_ERROR, bucket_bounds, bucket_of, rank};
pub use input::*;
pub use labels::{Label, Owner};
pub use ledger::{Awaited, Doing, Exact, Found, LedgerState, Measured, Samples};
pub use memory::{Memory, Paging, PerCycle};
pub use model::Model;
pub use role::Role;
pub use route::{Route, RouteError};
pub use snapshot::*;
pub use sysno::{Arch, UnknownSyscall};
pub use timeline::{Look, Moment, MomentKind, Timeline};
pub use what_if::{Bound, WhatIf};
