//! `gostall report`: its flags and what they mean.

use std::time::Duration;

use gostall_session::{Guards, Keep};

use super::Env;
use super::args::{OutputArgs, TargetArgs};
use super::config::{Format, Output, Route, Sampling, SyscallSet, TargetChoice, Threshold};
use super::{names, value};

/// Watch for a while, then print endpoints, system calls, latencies and the slowest calls
#[derive(Debug, clap::Args)]
#[command(
    override_usage = "gostall report [OPTIONS] TARGET\n       gostall report [OPTIONS] -- CMD ARGS",
    after_help = "\
Every system call is charged to the goroutine that made it and to the HTTP endpoint it served.
`-- CMD ARGS` starts the command and watches it, and what it starts, until it ends.
A server found by --name, --port or --cgroup is watched again when it is started again.
Ctrl-C ends early, with a complete report of what was seen.

Examples:
  sudo gostall report --port 8080
  sudo gostall report -p 4711 -d 1m --format json -o report.json
  sudo gostall report --port 8080 --slowest 5
  sudo gostall report --name 'api-*' --route '/api/users/{id}' --errno EMFILE,ETIMEDOUT
  sudo gostall report -- go test -run TestLoad ./...
  sudo gostall report --port 8080 -d 3s --exact

Privileges: root, or CAP_BPF, CAP_PERFMON and CAP_SYS_PTRACE.
Overhead: a few hundred ns per system call of the target; every report states what it measured.
          --sample lowers it, at the price of coverage, which the report states too.
          --exact adds about a microsecond whenever a goroutine parks, is readied or runs.
Exit codes: 0 done, 2 error."
)]
pub struct Args {
    #[command(flatten)]
    target: TargetArgs,

    /// How long to watch, as 10s, 500ms or 2m [default: 10s; with a command, until it ends]
    #[arg(short, long, value_name = "TIME", value_parser = value::window, help_heading = "What to watch")]
    duration: Option<Duration>,

    /// A route template of the server, as '/api/users/{id}' or 'GET /api/users/{id}', where its
    /// router cannot be read; may be repeated
    #[arg(long = "route", value_name = "TEMPLATE", value_parser = value::route, help_heading = "What to watch")]
    routes: Vec<Route>,

    /// From what duration on a call counts as slow and is kept with its stack
    /// [default: adaptive, the slowest of what is seen]
    #[arg(long, value_name = "TIME", value_parser = value::latency, help_heading = "What to watch")]
    threshold: Option<Duration>,

    /// Keep calls that fail with one of these as well, as EMFILE,ETIMEDOUT
    #[arg(long = "errno", value_name = "ERRNO,...", value_delimiter = ',', value_parser = names::errno,
          help_heading = "What to watch")]
    errnos: Vec<u16>,

    /// Keep the N slowest requests of each endpoint whole: every call, wait and pause, in order
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=i64::from(Keep::MOST)),
          help_heading = "What to watch")]
    slowest: Option<u32>,

    /// Keep every request whole that takes at least so long, as 500ms (1000 at most)
    #[arg(long, value_name = "TIME", value_parser = value::latency, help_heading = "What to watch")]
    slow: Option<Duration>,
    /// Measure what goroutines do between calls instead of sampling it, for short windows: uprobes
    /// in the Go scheduler, whose cost the report states
    #[arg(long, help_heading = "What to watch")]
    exact: bool,

    #[command(flatten)]
    sampling: SamplingArgs,

    #[command(flatten)]
    guards: GuardArgs,

    #[command(flatten)]
    output: OutputArgs,

    /// Say as well what some changes would save each endpoint (coalesced writes, larger read buffers,
    /// fewer wakeups, fewer connections), with formula and data; each read and write costs some 100 ns more
    #[arg(long, help_heading = "Output")]
    what_if: bool,

    /// How many endpoints to show, those with the most time first
    /// [default: 20 in text, all in JSON]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000),
          help_heading = "Output")]
    top: Option<u32>,

    /// How many of the slow and failed calls to show
    #[arg(long, value_name = "N", default_value_t = 10,
          value_parser = clap::value_parser!(u32).range(0..=10_000), help_heading = "Output")]
    snapshots: u32,
}

/// What gostall may cost; beyond it it does less, and the report says so.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Guards")]
pub struct GuardArgs {
    /// CPU time of gostall itself, in per cent of one processor: above it for some seconds, the
    /// calls of fewer requests are recorded (as by --sample) [default: 2]
    #[arg(long, value_name = "PERCENT", value_parser = value::percent)]
    cpu_budget: Option<f64>,

    /// Memory of gostall itself, as 80MB: above it no more slow calls are kept [default: 80MB]
    #[arg(long, value_name = "SIZE", value_parser = value::size)]
    memory_budget: Option<u64>,

    /// What tracing may add to a system call of the target, as 20us: above it the probes are taken
    /// away and the report ends [default: 100us]
    #[arg(long, value_name = "TIME", value_parser = value::cost)]
    max_cost: Option<Duration>,

    /// What --exact may cost, in per cent of one processor: above it for some seconds its probes
    /// are taken away and the ledger is sampled [default: 50]
    #[arg(long, value_name = "PERCENT", value_parser = value::percent, requires = "exact")]
    exact_budget: Option<f64>,
}

impl GuardArgs {
    fn check(self) -> Guards {
        let default = Guards::default();
        Guards {
            cpu: self.cpu_budget.or(default.cpu),
            memory_bytes: self.memory_budget.unwrap_or(default.memory_bytes),
            cost_ns: self
                .max_cost
                .map_or(default.cost_ns, |d| d.as_nanos() as f64),
            exact: self.exact_budget.unwrap_or(default.exact),
        }
    }
}

/// Which system calls are looked at.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Sampling (default: everything)")]
pub struct SamplingArgs {
    /// Record the calls of one request in N (requests themselves are all counted)
    #[arg(long = "sample", value_name = "N", default_value_t = 1, hide_default_value = true,
          value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    one_in: u32,

    /// Look at these system calls only, as read,write
    #[arg(short = 'e', long, value_name = "NAME,...", value_delimiter = ',', value_parser = names::syscall)]
    syscalls: Vec<u16>,

    /// Look at calls only that take at least so long, as 1ms
    #[arg(long, alias = "slower", value_name = "TIME", value_parser = value::latency)]
    slower_than: Option<Duration>,
}

impl SamplingArgs {
    fn check(self) -> Sampling {
        Sampling {
            one_in: self.one_in,
            syscalls: (!self.syscalls.is_empty()).then(|| SyscallSet::new(self.syscalls)),
            slower_than: self.slower_than,
        }
    }
}

/// `gostall report`, checked.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// What to watch.
    pub target: TargetChoice,
    /// How long; `None`: until the launched command ends.
    pub duration: Option<Duration>,
    /// How and where to print.
    pub output: Output,
    /// How many endpoints to show; `None`: all.
    pub top: Option<usize>,
    /// How many snapshots to show.
    pub snapshots: usize,
    /// Templates given by the user.
    pub routes: Vec<Route>,
    /// Whether the ledger is measured.
    pub exact: bool,
    /// Which calls are looked at.
    pub sampling: Sampling,
    /// How many of the slowest requests of each endpoint are kept whole.
    pub slowest: u32,
    /// From what duration on a request is kept whole.
    pub slow: Option<Duration>,
    /// What gostall may cost.
    pub guards: Guards,
    /// What counts as slow.
    pub threshold: Threshold,
    /// Errnos whose calls are kept whatever they took; ascending, each once.
    pub errnos: Vec<u16>,
    /// Whether to say what changes would save.
    pub what_if: bool,
    /// Whether to show progress on standard error.
    pub progress: bool,
}

/// As many endpoints as fit a page with their system calls.
const DEFAULT_TOP: usize = 20;
/// What the contract of the command line promises.
const DEFAULT_DURATION: Duration = Duration::from_secs(10);

impl Args {
    pub(super) fn check(self, env: &Env) -> Result<Report, String> {
        let target = self.target.check("report")?;
        let output = self.output.check(env)?;
        let mut errnos = self.errnos;
        errnos.sort_unstable();
        errnos.dedup();
        Ok(Report {
            duration: match (self.duration, target.is_launch()) {
                (Some(given), _) => Some(given),
                (None, true) => None,
                (None, false) => Some(DEFAULT_DURATION),
            },
            top: match (self.top, output.format) {
                (Some(n), _) => Some(n as usize),
                (None, Format::Text) => Some(DEFAULT_TOP),
                (None, Format::Json) => None,
            },
            snapshots: self.snapshots as usize,
            routes: self.routes,
            exact: self.exact,
            sampling: self.sampling.check(),
            slowest: self.slowest.unwrap_or(0),
            slow: self.slow,
            what_if: self.what_if,
            guards: self.guards.check(),
            threshold: self.threshold.map_or(Threshold::Adaptive, Threshold::Fixed),
            errnos,
            // A launched command writes to the same terminal, and may be a full-screen program.
            progress: env.stderr_terminal && !target.is_launch(),
            target,
            output,
        })
    }
}
