//! What the flags shared by several commands mean, once they are checked.
//!
//! Plain data for the code that runs a command: it holds no flag's text and reads no environment.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use gostall_targets::Selector;

/// Which processes to watch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TargetChoice {
    /// Processes that are there, or will be.
    Existing {
        /// How to find them; `selector.children`: follow what they start as well.
        selector: Selector,
        /// Wait for them instead of failing.
        wait: bool,
    },
    /// A command that gostall starts; what it starts is followed too.
    Launch {
        /// The command and its arguments; never empty.
        argv: Vec<OsString>,
    },
}

impl TargetChoice {
    /// Whether gostall starts the target itself.
    pub fn is_launch(&self) -> bool {
        matches!(self, Self::Launch { .. })
    }
}

/// What the result is written as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// For people.
    Text,
    /// For programs.
    Json,
}

/// Where the result goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Destination {
    /// Standard output.
    Stdout,
    /// A file, mode 0600.
    File(PathBuf),
}

/// How the result looks and where it goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// Text or JSON.
    pub format: Format,
    /// Where it goes.
    pub destination: Destination,
    /// Whether to write terminal colours; never with JSON.
    pub color: bool,
}

/// A set of syscalls of this machine's architecture.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SyscallSet(Vec<u16>);

impl SyscallSet {
    /// The set with these numbers.
    pub fn new(mut numbers: Vec<u16>) -> Self {
        numbers.sort_unstable();
        numbers.dedup();
        Self(numbers)
    }

    /// The numbers, ascending, each once.
    pub fn numbers(&self) -> &[u16] {
        &self.0
    }
}

/// Which syscalls are looked at; by default every one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sampling {
    /// One in so many, at least 1, which is all.
    pub one_in: u32,
    /// Only these.
    pub syscalls: Option<SyscallSet>,
    /// Only those that took at least so long.
    pub slower_than: Option<Duration>,
}

/// From what duration on a syscall belongs to the tail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Threshold {
    /// Found from the distribution seen so far.
    Adaptive,
    /// Given by the user.
    Fixed(Duration),
}

/// A route template of the user's, for servers whose router cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// The method it is for; `None`: all.
    pub method: Option<String>,
    /// `/api/users/{id}`; `{name...}` at the end takes the rest of the path.
    pub template: String,
}
