//! Which processes to watch, and what `/proc` says of them.
//!
//! A [`Selector`] holds what the user asked for (pids, names, ports, cgroups) and resolves to
//! [`Target`]s: processes with an identity that survives the reuse of a pid. Beside it stand the
//! facts a tracer needs of a process ([`mod@maps`], [`mod@threads`], [`fd`], [`mod@limits`],
//! [`namespaces`]) and [`Launch`], which starts a command and holds it before its first instruction.
//!
//! The crate reads `/proc` as bytes and parses it itself: what it reads belongs to other people's
//! processes, whose names, arguments and paths need not be UTF-8 (the `procfs` crate refuses such
//! processes). It does not read executables beyond the names of their sections (crate `gobin` does)
//! and knows no BPF.

pub mod cgroup;
pub mod error;
pub mod fd;
pub mod golike;
pub mod launch;
pub mod limits;
pub mod maps;
pub mod namespaces;
pub mod port;
pub mod proc;
pub mod select;
pub mod sockets;
pub mod target;
pub mod threads;
pub mod usage;

pub use error::Error;
pub use fd::{FdInfo, SocketInfo, fd_describe};
pub use launch::{Launch, Launched, resolve_command};
pub use limits::limits;
pub use maps::{Maps, maps};
pub use select::{NameGlob, POLL, Selector, wait};
pub use target::Target;
pub use threads::{descendants, threads};
