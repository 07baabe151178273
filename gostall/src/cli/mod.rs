//! The command line: from the words typed to a [`Config`] with nothing left to parse.
//!
//! Every command has a file here with its flags as typed (`Args`) and, beside them, what they mean
//! once checked; [`args`] and [`config`] hold what several commands share. A new command is a file,
//! a `mod` line and a line in the list below. Nothing here runs a command or touches a target: a
//! parsed command line can be looked at in a test without any privilege.

mod args;
pub mod config;
pub mod doctor;
mod names;
pub mod output;
pub mod progress;
pub mod report;
pub mod signals;
pub mod trace;
mod value;

#[cfg(test)]
mod tests;

use std::ffi::OsString;
use std::io::{IsTerminal, Write};
use std::process::ExitCode;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{CommandFactory, FromArgMatches};

/// The commands: variant of [`Config`] => module with its `Args`.
macro_rules! commands {
    ($($variant:ident => $module:ident),+ $(,)?) => {
        #[derive(Debug, clap::Subcommand)]
        enum Command {
            $($variant($module::Args),)+
        }

        /// What to do, checked: flags that contradict each other or name nothing do not get here.
        #[derive(Debug)]
        pub enum Config {
            $(
                #[doc = concat!("`gostall ", stringify!($module), "`")]
                $variant($module::$variant),
            )+
        }

        impl Command {
            fn check(self, env: &Env) -> Result<Config, String> {
                match self {
                    $(Self::$variant(args) => args.check(env).map(Config::$variant),)+
                }
            }
        }
    };
}

commands! {
    Doctor => doctor,
    Report => report,
    Trace => trace,
}

/// Find where a running Go server stalls, at the level of the single system call
#[derive(Debug, clap::Parser)]
#[command(
    name = "gostall",
    version,
    max_term_width = 100,
    arg_required_else_help = true,
    after_help = "\
gostall attaches to an unmodified Go process with eBPF, charges every system call to the goroutine
that made it and to the HTTP endpoint it served, and shows where the time goes. No rebuild, no
restart, no agent inside the process. `gostall COMMAND --help` explains a command.

Examples:
  gostall doctor                          what this machine allows
  sudo gostall report --port 8080         ten seconds of the server on port 8080
  sudo gostall report -- ./server -v      start a program and report when it ends
  sudo gostall trace -p 4711 --slower 1ms every system call slower than 1 ms, live

Privileges: root, or CAP_BPF, CAP_PERFMON and CAP_SYS_PTRACE; `gostall doctor` says what is missing.
Exit codes: 0 done, 2 error. Ctrl-C ends with what was seen so far; a second one ends at once."
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

/// What the surroundings say, read once, so that tests can say something else.
#[derive(Debug, Clone, Copy, Default)]
pub struct Env {
    /// `NO_COLOR` is set and not empty (<https://no-color.org>), or `TERM` is `dumb`.
    pub no_color: bool,
    /// Standard output is a terminal.
    pub stdout_terminal: bool,
    /// Standard error is a terminal that can rewrite a line.
    pub stderr_terminal: bool,
}

impl Env {
    /// The real surroundings of this process.
    pub fn real() -> Self {
        let dumb = std::env::var_os("TERM").is_some_and(|t| t == "dumb");
        Self {
            no_color: dumb || std::env::var_os("NO_COLOR").is_some_and(|v| !v.is_empty()),
            stdout_terminal: std::io::stdout().is_terminal(),
            stderr_terminal: std::io::stderr().is_terminal() && !dumb,
        }
    }
}

/// Why there is no [`Config`]: nothing to do, or nothing that can be done.
#[derive(Debug, PartialEq, Eq)]
pub enum Stop {
    /// The help or the version, for standard output.
    Info(String),
    /// A usage error: `what failed: on what: what to do`, for standard error.
    Usage(String),
}

impl Stop {
    /// Prints it and gives the exit code.
    pub fn report(self) -> ExitCode {
        match self {
            Self::Info(text) => {
                let mut out = output::Stream::stdout();
                match out.write(text.as_bytes()).and_then(|()| out.flush()) {
                    Ok(()) => ExitCode::SUCCESS,
                    Err(error) => error.report(),
                }
            }
            Self::Usage(message) => fail(message),
        }
    }
}

/// Prints `gostall: MESSAGE` to standard error and gives the exit code of an error.
pub fn fail(message: impl std::fmt::Display) -> ExitCode {
    note(message);
    ExitCode::from(2)
}

/// Prints `gostall: MESSAGE` to standard error. Names in it may be anybody's: what would move the
/// cursor is shown, not sent.
pub fn note(message: impl std::fmt::Display) {
    let text = message.to_string();
    let lines: Vec<_> = text.split('\n').map(gostall_export::clean).collect();
    // Nobody is left to tell when standard error is closed as well.
    let _ = writeln!(std::io::stderr(), "gostall: {}", lines.join("\n"));
}

/// Parses the command line of this process.
///
/// # Errors
/// [`Stop`] when there is nothing to run.
pub fn parse() -> Result<Config, Stop> {
    parse_from(std::env::args_os(), &Env::real())
}

/// Parses any command line; the first word is the program's name.
///
/// # Errors
/// As [`parse`].
pub fn parse_from(
    words: impl IntoIterator<Item = impl Into<OsString> + Clone>,
    env: &Env,
) -> Result<Config, Stop> {
    let command = Cli::command();
    let cli = command
        .try_get_matches_from(words)
        .and_then(|mut matches| Cli::from_arg_matches_mut(&mut matches))
        .map_err(|e| stop(e, env))?;
    cli.command.check(env).map_err(Stop::Usage)
}

fn stop(mut error: clap::Error, env: &Env) -> Stop {
    let mut advice = "";
    if error.kind() == ErrorKind::UnknownArgument {
        // "to pass '--x' as a value, use '-- --x'" would start a command called --x.
        error.remove(ContextKind::Suggested);
        let word = error.get(ContextKind::InvalidArg);
        if matches!(word, Some(ContextValue::String(word)) if !word.starts_with('-')) {
            advice = "\n\nTo start a program, put it after `--`: gostall COMMAND -- ./server";
        }
    }
    let styled = error.render();
    if error.use_stderr() {
        let text = styled.to_string();
        if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
            return Stop::Usage(format!(
                "no command given: start with `gostall doctor`\n\n{}",
                text.trim_end()
            ));
        }
        // clap's own prefix; ours is put there by `fail`.
        let text = text.strip_prefix("error: ").unwrap_or(&text);
        return Stop::Usage(format!("{}{advice}", text.trim_end()));
    }
    let color = env.stdout_terminal && !env.no_color;
    Stop::Info(if color {
        styled.ansi().to_string()
    } else {
        styled.to_string()
    })
}
