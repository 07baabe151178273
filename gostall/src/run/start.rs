//! From a target on the command line to a run that has begun.

use std::time::Duration;

use gostall_session::{Options, Session, Start};

use crate::cli;
use crate::cli::config::TargetChoice;
use crate::cli::progress::Progress;
use crate::cli::signals::Signals;
use crate::run::Failure;

/// How often `--wait` looks.
const POLL: Duration = Duration::from_millis(200);

/// Finds the targets and attaches.
pub fn start(
    choice: &TargetChoice,
    options: &Options,
    signals: &Signals,
    progress: &mut Progress,
) -> Result<Session, Failure> {
    let start = match choice {
        TargetChoice::Launch { argv } => Start::Launch { argv: argv.clone() },
        TargetChoice::Existing { selector, wait } => {
            let targets = match selector.resolve() {
                Err(e) if *wait && e.may_appear() => {
                    cli::note(format!("waiting for {selector} (Ctrl-C ends)"));
                    gostall_targets::wait(selector, POLL, || signals.stop_requested())?
                        .ok_or(Failure::Stopped)?
                }
                found => found?,
            };
            Start::Running {
                targets,
                selector: selector.clone(),
            }
        }
    };
    progress.message("attaching");
    let session = Session::start(start, options)?;
    // Whoever waits for it knows that nothing is missed from now on. That it cannot be told is their loss alone.
    let _ = sd_notify::notify(&[sd_notify::NotifyState::Ready]);
    Ok(session)
}

/// Says on standard error what happened to the run.
pub fn tell(session: &mut Session, progress: &mut Progress) {
    for notice in session.notices() {
        progress.finish();
        cli::note(notice);
    }
}
