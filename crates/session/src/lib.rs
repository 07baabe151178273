//! One run of gostall: which processes, what their executables say, the probes, and the
//! model that is fed. Commands differ only in what they ask of a [`Session`].
//!
//! It knows no command line and no output format.

mod clock;
mod describe;
mod error;
mod handlers;
mod hooks;
mod lineage;
mod overhead;
mod privileges;
mod program;
mod session;
mod watchdog;

pub use error::Error;
pub use program::{Program, Programs};
pub use session::{Guards, Options, Session, Start, Traced, native_arch};
