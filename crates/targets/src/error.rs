//! Every way in which finding or starting a target fails.
//!
//! Each message says what failed, on which process, and what to do, in that order and separated by
//! colons, because the command line prints it as it is. It does not decide what happens next.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::io;
use std::path::PathBuf;

use crate::port::Listener;

/// Why a target could not be found, read or started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The selector has no flag at all.
    #[error(
        "no target given: choose processes with --pid, --name, --port or --cgroup, or start one with `-- CMD ARGS`"
    )]
    NothingSelected,

    /// No process has this pid in the pid namespace of the `/proc` we read.
    #[error(
        "no such process: pid {pid}: check the number (a pid seen inside a container is not the host's), or use --name or --port{}",
        elsewhere()
    )]
    NoSuchProcess {
        /// The pid asked for.
        pid: u32,
    },

    /// The number is a thread id, not a process id.
    #[error("not a process but a thread: {tid} belongs to process {pid}: use --pid {pid}")]
    IsThread {
        /// The number asked for.
        tid: u32,
        /// The process it is a thread of.
        pid: u32,
    },

    /// What `/proc` calls a process is not what the kernel calls it here.
    #[error(
        "/proc shows another pid namespace than gostall's own, so its numbers mean other processes: /proc/self is {shown:?}, not {own}: run gostall in the host's pid namespace (a container: --pid=host), or mount a /proc of its own"
    )]
    ForeignProc {
        /// What `/proc/self` leads to.
        shown: String,
        /// gostall's pid.
        own: u32,
    },

    /// The process is gostall.
    #[error("gostall cannot trace itself: pid {pid}: choose another process")]
    IsSelf {
        /// gostall's own pid.
        pid: u32,
    },

    /// The process is a thread of the kernel: it has no executable and makes no system calls.
    #[error(
        "a kernel thread makes no system calls: pid {pid} ({comm}): choose a process of a program"
    )]
    KernelThread {
        /// Its pid.
        pid: u32,
        /// Its name.
        comm: String,
    },

    /// The process has ended; only its exit status is left for its parent.
    #[error(
        "the process has ended and only awaits its parent (zombie): pid {pid} ({comm}), parent {parent}: choose the process that replaced it"
    )]
    Zombie {
        /// Its pid.
        pid: u32,
        /// Its name.
        comm: String,
        /// The parent that has not collected it.
        parent: u32,
    },

    /// The process ended, or another took its pid, while we looked at it.
    #[error(
        "the process ended while gostall looked at it: pid {pid}: start it again, or add --wait with --name or --port"
    )]
    Gone {
        /// Its pid.
        pid: u32,
    },

    /// The kernel does not let us read what we need.
    #[error(
        "permission denied: reading {path} of pid {pid} ({comm}, uid {uid}): run gostall as root, or give it CAP_SYS_PTRACE"
    )]
    PermissionDenied {
        /// The process that was read.
        pid: u32,
        /// Its name.
        comm: String,
        /// The user it runs as.
        uid: u32,
        /// The file that could not be read.
        path: PathBuf,
    },

    /// No process is called so.
    #[error(
        "no process is named {pattern:?}: among {looked_at} processes (the pattern is held against the command name, the executable's base name and argv[0]'s): check it, or add --wait to wait for one{}",
        elsewhere()
    )]
    NoSuchName {
        /// The pattern as given.
        pattern: String,
        /// How many processes were compared.
        looked_at: usize,
    },

    /// No socket listens on the port, in any network namespace.
    #[error("{}", port_message(*.port, *.namespaces, *.unreadable, .others))]
    NobodyListens {
        /// The port asked for.
        port: u16,
        /// Network namespaces looked into.
        namespaces: usize,
        /// Processes whose network namespace we were not allowed to see.
        unreadable: usize,
        /// What Go programs do listen on, as a hint; at most a few.
        others: Vec<Listener>,
    },

    /// A socket listens on the port, but no visible process holds it.
    #[error(
        "a socket listens on port {port}, but no process gostall can see holds it ({unreadable} processes could not be read): port {port}: run gostall as root, and in the host's pid namespace (container: --pid host)"
    )]
    ListenerUnseen {
        /// The port asked for.
        port: u16,
        /// Processes whose file descriptors we were not allowed to see.
        unreadable: usize,
    },

    /// The path is no cgroup that any process could be in.
    #[error(
        "no such cgroup: {path}: give a directory below a cgroup mount (as /sys/fs/cgroup/...) or a path as in /proc/PID/cgroup"
    )]
    NoSuchCgroup {
        /// The path as given.
        path: PathBuf,
    },

    /// The cgroup exists and holds no process.
    #[error("no process is in the cgroup or below it: {path}: check it, or add --wait")]
    EmptyCgroup {
        /// The path as given.
        path: PathBuf,
    },

    /// The pattern of `--name` is not a glob.
    #[error(
        "not a valid name pattern: {pattern:?}: {reason} (`*`, `?` and `[a-z]` are understood)"
    )]
    BadGlob {
        /// The pattern as given.
        pattern: String,
        /// What is wrong with it.
        reason: &'static str,
    },

    /// The command to launch is not in PATH, or its path does not exist.
    #[error(
        "no such command: {command:?}: {}",
        if *.searched { "it is in no directory of PATH (sudo resets PATH): give its full path" } else { "check the path" }
    )]
    CommandNotFound {
        /// The command as given.
        command: OsString,
        /// Whether PATH was searched (the command has no slash).
        searched: bool,
    },

    /// The command exists and cannot be executed.
    #[error("cannot execute the command: {path}: {reason}")]
    NotExecutable {
        /// The file that was found.
        path: PathBuf,
        /// Why not, and what to do.
        reason: &'static str,
    },

    /// fork or exec of the command failed.
    #[error("cannot start the command: {path}: {source}")]
    Launch {
        /// The file that was to be executed.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },

    /// Anything else the system refused.
    #[error("{what}: {path}: {source}")]
    Io {
        /// What was being done.
        what: &'static str,
        /// On which file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
}

impl Error {
    /// Whether the target may yet appear, so that waiting for it makes sense.
    ///
    /// A kernel thread stays one, and a permission does not come by itself; a process that is not
    /// there yet, or a port nobody listens on, may come.
    #[must_use]
    pub fn may_appear(&self) -> bool {
        matches!(
            self,
            Self::NoSuchProcess { .. }
                | Self::Zombie { .. }
                | Self::Gone { .. }
                | Self::NoSuchName { .. }
                | Self::NobodyListens { .. }
                | Self::NoSuchCgroup { .. }
                | Self::EmptyCgroup { .. }
        )
    }
}

/// What to add where a process was not found and may be out of sight.
fn elsewhere() -> &'static str {
    if crate::namespaces::in_initial_pid_ns() == Some(false) {
        "; gostall runs in a pid namespace of its own and sees no process outside of it: for the host's and other containers' run it with --pid=host"
    } else {
        ""
    }
}

fn port_message(port: u16, namespaces: usize, unreadable: usize, others: &[Listener]) -> String {
    let mut out = format!("no process listens on TCP port {port}: in ");
    let _ = match namespaces {
        1 => write!(out, "the one network namespace here"),
        n => write!(out, "any of {n} network namespaces"),
    };
    if unreadable > 0 {
        let _ = write!(
            out,
            " ({unreadable} processes of other users could not be read: run gostall as root)"
        );
    }
    out.push_str(": ");
    if !others.is_empty() {
        let list: Vec<String> = others
            .iter()
            .map(|l| format!("{} ({}, pid {})", l.port, l.comm, l.pid))
            .collect();
        let _ = write!(out, "Go programs listen on {}; ", list.join(", "));
    }
    out.push_str("check the port, or add --wait to wait for it");
    out.push_str(elsewhere());
    out
}
