//! What can go wrong in a run.

/// An error of a run; the message says what failed, on what, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The target could not be found or read.
    #[error(transparent)]
    Target(#[from] gostall_targets::Error),
    /// The kernel refused something.
    #[error(transparent)]
    Probes(#[from] gostall_probes::Error),
    /// The executable cannot be traced.
    #[error("process {pid} ({exe}): {why}")]
    Program {
        /// The process.
        pid: u32,
        /// Its executable.
        exe: String,
        /// What is wrong with it.
        why: gostall_gobin::Error,
    },
    /// The command to launch is not there or not executable.
    #[error("{exe}: {why}")]
    Command {
        /// The executable.
        exe: String,
        /// What is wrong with it.
        why: std::io::Error,
    },
}
