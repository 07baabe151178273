//! What end-to-end tests and benches have in common: the testbed's programs built and started, gostall run on them,
//! reports read.
//!
//! Everything started here ends when its value is dropped, and with the test should that be killed. It judges nothing:
//! that is the tests' part.

mod bpf;
mod build;
mod disk;
mod gostall;
mod load;
mod process;
mod truth;

pub use bpf::{BpfKind, all_of, all_programs, held_by, programs_of};
pub use build::{Testbed, target_dir};
pub use disk::SlowDisk;
pub use gostall::{Finished, Gostall, Report, notify_socket};
pub use load::{Saturation, get, h2load, load, wrk};
pub use process::{Server, cpu_ns, rss_bytes, threads_of};
pub use truth::{Truth, WaitsRun, drive, judge, read_json};

/// Fails loudly where eBPF programs cannot be loaded: a test that needs them must not look as if it had passed.
pub fn need_root() {
    // SAFETY: takes nothing, cannot fail.
    let euid = unsafe { libc::geteuid() };
    assert_eq!(
        euid, 0,
        "this test loads eBPF programs and needs root: run ./dev test as root"
    );
}
