//! `gostall doctor`: its flags and what they mean.

use super::Env;
use super::args::{FormatArgs, TargetArgs};
use super::config::{Output, TargetChoice};

/// Say what this kernel, these privileges and this program allow
#[derive(Debug, clap::Args)]
#[command(
    override_usage = "gostall doctor [OPTIONS] [TARGET]\n       gostall doctor [OPTIONS] -- CMD",
    after_help = "\
One line each, with the remedy for what is missing. Without a target only the machine is looked at.
Nothing is traced, and a command after `--` is looked at, not started.

Examples:
  gostall doctor
  sudo gostall doctor --port 8080
  sudo gostall doctor -- ./server

Privileges: none needed, but without root it can say less.
Overhead: none; the target is only read.
Exit codes: 0 it can be traced, even if only in part; 2 it cannot, or an error."
)]
pub struct Args {
    #[command(flatten)]
    target: TargetArgs,
    #[command(flatten)]
    format: FormatArgs,
}

/// `gostall doctor`, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Doctor {
    /// What to look at besides the machine.
    pub target: Option<TargetChoice>,
    /// How and where to print.
    pub output: Output,
}

impl Args {
    pub(super) fn check(self, env: &Env) -> Result<Doctor, String> {
        Ok(Doctor {
            target: self.target.check_optional()?,
            output: self.format.check(env),
        })
    }
}
