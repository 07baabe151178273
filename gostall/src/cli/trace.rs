//! `gostall trace`: its flags and what they mean.

use std::time::Duration;

use super::Env;
use super::args::{OutputArgs, TargetArgs};
use super::config::{Output, SyscallSet, TargetChoice};
use super::{names, value};

/// Print a line for every matching system call, live, with its goroutine and endpoint
#[derive(Debug, clap::Args)]
#[command(
    override_usage = "gostall trace [OPTIONS] TARGET\n       gostall trace [OPTIONS] -- CMD ARGS",
    after_help = "\
It looks as strace's output does. All filters must match; without one, every call is printed, which
on a busy server is more than anybody reads.
`-- CMD ARGS` starts the command and watches it, and what it starts, until it ends.

Examples:
  sudo gostall trace --port 8080 --slower 1ms
  sudo gostall trace -p 4711 -e write,fsync --stacks
  sudo gostall trace --name api --errno EMFILE,EAGAIN --limit 20
  sudo gostall trace --port 8080 --endpoint 'POST /api/*' --format json

Privileges: root, or CAP_BPF, CAP_PERFMON and CAP_SYS_PTRACE.
Overhead: a few hundred ns per system call of the target, and some us for every line printed.
          Calls that come faster than they can be printed are counted as lost, and said to be.
Exit codes: 0 done (also when the reader of a pipe has gone), 2 error."
)]
pub struct Args {
    #[command(flatten)]
    target: TargetArgs,

    /// Only these system calls, as write,read
    #[arg(short = 'e', long, value_name = "NAME,...", value_delimiter = ',', value_parser = names::syscall,
          help_heading = "Filters")]
    syscalls: Vec<u16>,

    /// Only calls that took at least so long, as 1ms
    #[arg(long, alias = "slower-than", value_name = "TIME", value_parser = value::latency,
          help_heading = "Filters")]
    slower: Option<Duration>,

    /// Only calls that failed with one of these, as EMFILE,EAGAIN
    #[arg(long = "errno", value_name = "ERRNO,...", value_delimiter = ',', value_parser = names::errno,
          help_heading = "Filters")]
    errnos: Vec<u16>,

    /// Only calls for endpoints that match, as '/api/*' or 'GET /api/users/{id}'
    #[arg(long, value_name = "GLOB", value_parser = value::endpoint_glob, help_heading = "Filters")]
    endpoint: Option<glob::Pattern>,

    /// End after so long, as 10s [default: at Ctrl-C, or when a process given with -p
    /// or a command ends]
    #[arg(short, long, value_name = "TIME", value_parser = value::window, help_heading = "Filters")]
    duration: Option<Duration>,

    /// End after so many lines
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..), help_heading = "Filters")]
    limit: Option<u64>,

    #[command(flatten)]
    output: OutputArgs,

    /// Print the user stack of every call below its line
    #[arg(long, help_heading = "Output")]
    stacks: bool,
}

/// `gostall trace`, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trace {
    /// What to watch.
    pub target: TargetChoice,
    /// Only these calls; `None`: all.
    pub syscalls: Option<SyscallSet>,
    /// Only calls at least so slow.
    pub slower: Option<Duration>,
    /// Only calls that failed with one of these (ascending, each once); empty: whatever the result.
    pub errnos: Vec<u16>,
    /// Only calls of endpoints that match, as `METHOD ROUTE` or as the route alone.
    pub endpoint: Option<glob::Pattern>,
    /// How long; `None`: until Ctrl-C or the end of what cannot come again.
    pub duration: Option<Duration>,
    /// How many lines at most.
    pub limit: Option<u64>,
    /// Whether to print stacks.
    pub stacks: bool,
    /// How and where to print.
    pub output: Output,
}

impl Args {
    pub(super) fn check(self, env: &Env) -> Result<Trace, String> {
        let mut errnos = self.errnos;
        errnos.sort_unstable();
        errnos.dedup();
        Ok(Trace {
            target: self.target.check("trace")?,
            syscalls: (!self.syscalls.is_empty()).then(|| SyscallSet::new(self.syscalls)),
            slower: self.slower,
            errnos,
            endpoint: self.endpoint,
            duration: self.duration,
            limit: self.limit,
            stacks: self.stacks,
            output: self.output.check(env)?,
        })
    }
}
