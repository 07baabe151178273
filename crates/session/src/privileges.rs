//! Giving up privileges once the probes are attached: what is left is what the rest of the run
//! needs. The thread that calls gives them up, and threads it starts later have no more.
//!
//! It sets no_new_privs nowhere: a launched command must stay what it is without us.

use rustix::thread::{CapabilitySet, CapabilitySets, capabilities, set_capabilities};

/// Needed until the end.
const NEEDED: CapabilitySet = CapabilitySet::BPF
    // Uprobes at goroutines' births come and go; the programs for them read user memory.
    .union(CapabilitySet::PERFMON)
    // /proc/PID/exe, maps and fd of processes that are started again or execute another program.
    .union(CapabilitySet::SYS_PTRACE)
    // The executables behind them, whatever their modes.
    .union(CapabilitySet::DAC_READ_SEARCH)
    // BPF_ENABLE_STATS asks for this one (kernel/bpf/syscall.c, bpf_enable_stats): without it the
    // cost of tracing is not measured, nor bounded.
    .union(CapabilitySet::SYS_ADMIN);

/// To create the output's file where the user wants it: its directory may be another user's (sudo
/// in one's own home), and the file that it replaces too.
const WRITING: CapabilitySet = CapabilitySet::DAC_OVERRIDE.union(CapabilitySet::FOWNER);

/// Gives up all others, as far as this thread has them.
pub(crate) fn drop_to_needed(writes_file: bool, launched: bool) -> std::io::Result<()> {
    let mut keep = NEEDED;
    if writes_file {
        keep |= WRITING;
    }
    if launched {
        // The command may run as another user when the time comes to end it.
        keep |= CapabilitySet::KILL;
    }
    let has = capabilities(None)?;
    set_capabilities(
        None,
        CapabilitySets {
            effective: has.effective & keep,
            permitted: has.permitted & keep,
            inheritable: CapabilitySet::empty(),
        },
    )?;
    Ok(())
}
