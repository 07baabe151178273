//! One run of gostall: which processes, what their executables say, the probes, and the
//! model that is fed. Commands differ only in what they ask of a [`Session`].
//!
//! It knows no command line and no output format.
//!
//! As a library: choose processes with [`Selector`], [`Session::start`], then [`Session::run`] with a callback for the
//! calls that [`TailRule`] raises; [`Session::set_filter`] and [`Session::set_tail`] change what is recorded and raised
//! without attaching anew; [`Session::stop`] and [`Session::snapshot`] give the report. `examples/slow_calls.rs` is a
//! whole program. It needs root, or the capabilities the README names; every [`Error`] says what failed, on what, and
//! what to do.

mod background;
mod calls;
mod clock;
mod cpu;
mod describe;
mod error;
mod exact;
mod handlers;
mod hooks;
mod lineage;
mod looks;
mod memory;
mod overhead;
mod paging;
mod privileges;
mod program;
mod sampler;
mod session;
mod waits;
mod watchdog;

pub use error::Error;
pub use gostall_model::{Event, Snapshot};
pub use gostall_probes::{Filter, Keep, TailRule};
pub use gostall_targets::Selector;
pub use program::{Program, Programs};
pub use session::{Guards, Options, Session, Start, Traced, native_arch};
