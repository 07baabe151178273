//! Running a command: one file each, and what they share.

pub mod doctor;
pub mod report;
mod start;
pub mod trace;

use std::process::ExitCode;

use crate::cli;
use crate::cli::output::WriteError;

/// Why a command failed.
pub enum Failure {
    /// Something to tell: what failed, on what, what to do.
    Message(String),
    /// The output could not be written.
    Write(WriteError),
    /// Stopped by the user while no target was there: an error, for a script must not take the
    /// missing report for an empty one.
    Stopped,
}

impl<E: std::error::Error> From<E> for Failure {
    fn from(e: E) -> Self {
        Self::Message(e.to_string())
    }
}

impl Failure {
    /// Prints it and gives the exit code.
    fn report(self) -> ExitCode {
        match self {
            Self::Message(text) => cli::fail(text),
            Self::Write(e) => e.report(),
            Self::Stopped => {
                cli::fail("stopped while waiting: no target came, so there is no report")
            }
        }
    }
}

fn exit(result: Result<(), Failure>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}
