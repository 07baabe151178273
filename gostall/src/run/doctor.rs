//! `gostall doctor`.

use std::process::ExitCode;

use crate::cli::doctor::Doctor;

pub fn run(_config: &Doctor) -> ExitCode {
    ExitCode::SUCCESS
}
