//! Flags that several commands share, as typed, and their checks.
//!
//! Single values are parsed by [`super::value`]; here it is decided whether they fit together.

use std::ffi::OsString;
use std::path::PathBuf;

use gostall_targets::{NameGlob, Selector};

use super::Env;
use super::config::{Destination, Format, Output, TargetChoice};
use super::value;

/// Which processes; the same for every command.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Target (flags add up)")]
pub struct TargetArgs {
    /// The process with this pid; may be repeated
    #[arg(short, long = "pid", value_name = "PID", value_delimiter = ',',
          value_parser = clap::value_parser!(u32).range(1..))]
    pids: Vec<u32>,

    /// Processes whose name, executable or argv[0] matches, as in 'api-*'
    #[arg(long = "name", value_name = "GLOB", value_parser = value::name_glob)]
    names: Vec<NameGlob>,

    /// Processes that listen on this TCP port, in containers too
    #[arg(long = "port", value_name = "PORT", value_delimiter = ',',
          value_parser = clap::value_parser!(u16).range(1..))]
    ports: Vec<u16>,

    /// Processes in this cgroup or below it, a directory of /sys/fs/cgroup or as /proc/PID/cgroup
    /// has it
    #[arg(long = "cgroup", value_name = "PATH", value_parser = value::path())]
    cgroups: Vec<PathBuf>,

    /// Also the processes that these start
    #[arg(long)]
    children: bool,

    /// Wait until there is such a process, instead of an error
    #[arg(long)]
    wait: bool,

    /// Start this command and watch it (shown in the usage line and explained below the flags)
    #[arg(last = true, value_name = "CMD", hide = true)]
    command: Vec<OsString>,
}

impl TargetArgs {
    /// The target, or `None` when no flag names one.
    ///
    /// # Errors
    /// Flags that exclude each other, or that change a target where there is none.
    pub fn check_optional(self) -> Result<Option<TargetChoice>, String> {
        let selector = Selector {
            pids: self.pids,
            names: self.names,
            ports: self.ports,
            cgroups: self.cgroups,
            children: self.children,
        };
        if !self.command.is_empty() {
            if !selector.is_empty() {
                return Err(
                    "two kinds of target: a command after `--` and --pid, --name, --port or \
                     --cgroup: give one or the other"
                        .into(),
                );
            }
            if self.wait {
                return Err(
                    "--wait with a command after `--`: gostall starts it itself: leave --wait out"
                        .into(),
                );
            }
            return Ok(Some(TargetChoice::Launch { argv: self.command }));
        }
        if !selector.is_empty() {
            return Ok(Some(TargetChoice::Existing {
                selector,
                wait: self.wait,
            }));
        }
        match (self.wait, self.children) {
            (true, _) => Err(
                "--wait without a target: say what to wait for with --name, --port, \
                              --pid or --cgroup"
                    .into(),
            ),
            (_, true) => Err(
                "--children without a target: say whose children with --name, --port, --pid or \
                 --cgroup"
                    .into(),
            ),
            _ => Ok(None),
        }
    }

    /// The target that `gostall COMMAND` cannot do without.
    ///
    /// # Errors
    /// As [`check_optional`](Self::check_optional), and when there is none.
    pub fn check(self, command: &str) -> Result<TargetChoice, String> {
        self.check_optional()?.ok_or_else(|| {
            format!(
                "no target given: `gostall {command}`: choose processes with --port, --pid, --name \
                 or --cgroup, or start one, as in `gostall {command} --port 8080` or \
                 `gostall {command} -- ./server`"
            )
        })
    }
}

/// How the result looks.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Output")]
pub struct FormatArgs {
    /// text for people, json for programs (versioned, times in integer ns)
    #[arg(
        long,
        value_name = "FORMAT",
        value_enum,
        default_value = "text",
        hide_possible_values = true,
        ignore_case = true
    )]
    format: Format,

    /// Colours in text: auto (on a terminal, without NO_COLOR), always, never
    #[arg(
        long,
        value_name = "WHEN",
        value_enum,
        default_value = "auto",
        hide_possible_values = true
    )]
    color: When,
}

/// When to use colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum When {
    /// On a terminal, unless the environment says otherwise.
    Auto,
    /// Whatever standard output is.
    Always,
    /// Plain text.
    Never,
}

/// How the result looks and where it goes.
#[derive(Debug, clap::Args)]
pub struct OutputArgs {
    #[command(flatten)]
    format: FormatArgs,

    /// Write to this file (mode 0600) instead of standard output
    #[arg(short = 'o', long = "output", value_name = "FILE", value_parser = value::path())]
    file: Option<PathBuf>,
}

impl FormatArgs {
    /// The output on standard output.
    pub fn check(self, env: &Env) -> Output {
        Output {
            color: self.format == Format::Text
                && match self.color {
                    When::Always => true,
                    When::Never => false,
                    When::Auto => env.stdout_terminal && !env.no_color,
                },
            format: self.format,
            destination: Destination::Stdout,
        }
    }
}

impl OutputArgs {
    /// The output, with a place that can be written as far as one can know beforehand: better an
    /// error now than after ten seconds of tracing.
    ///
    /// # Errors
    /// The file can for certain not be written.
    pub fn check(self, env: &Env) -> Result<Output, String> {
        let Some(path) = self.file.filter(|f| f.as_os_str() != "-") else {
            super::output::check_stdout()?;
            return Ok(self.format.check(env));
        };
        super::output::check_writable(&path)?;
        // A file is no terminal, whatever standard output is.
        let elsewhere = Env {
            stdout_terminal: false,
            ..*env
        };
        Ok(Output {
            destination: Destination::File(path),
            ..self.format.check(&elsewhere)
        })
    }
}
