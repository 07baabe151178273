//! `gostall report`.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use gostall_export::{Clock, Exporter, Json, Text, TextOptions};
use gostall_probes::{Extras, Filter, Keep, TailRule};
use gostall_session::Options;

use crate::cli::config::{Destination, Format, Sampling, Threshold};
use crate::cli::output;
use crate::cli::progress::Progress;
use crate::cli::report::Report;
use crate::cli::signals::Signals;
use crate::run::start::{start, tell};
use crate::run::{Failure, exit};

/// Snapshots a second and CPU: enough to catch each kind, little enough to cost nothing.
const SNAPSHOTS_PER_SECOND: u32 = 50;
/// Slow requests of an endpoint that are shown in text, where more than that were not asked for.
const SLOW_SHOWN: usize = 5;
/// Errnos that name a stall by themselves, unless `--errno` says others.
const TELLING_ERRNOS: [i32; 8] = [
    libc::EMFILE,
    libc::ENFILE,
    libc::ENOSPC,
    libc::EDQUOT,
    libc::EIO,
    libc::EADDRNOTAVAIL,
    libc::ENOBUFS,
    libc::ENOMEM,
];

pub fn run(config: &Report) -> ExitCode {
    exit(report(config))
}

/// What the probes leave out.
pub fn filter(sampling: &Sampling) -> Filter {
    Filter {
        syscalls: sampling.syscalls.as_ref().map(|s| s.numbers().to_vec()),
        one_request_in: sampling.one_in,
        slower_than_ns: sampling.slower_than.map_or(0, nanos),
    }
}

/// A duration as the probes take it.
pub fn nanos(d: Duration) -> u64 {
    u64::try_from(d.as_nanos()).unwrap_or(u64::MAX)
}

fn options(config: &Report) -> Result<Options, Failure> {
    let errnos = if config.errnos.is_empty() {
        TELLING_ERRNOS.iter().map(|&e| e as u16).collect()
    } else {
        config.errnos.clone()
    };
    let routes = config
        .routes
        .iter()
        .map(|r| {
            let method = r
                .method
                .as_ref()
                .map(|m| format!("{m} "))
                .unwrap_or_default();
            gostall_model::Route::parse(&format!("{method}{}", r.template))
        })
        .collect::<Result<_, _>>()?;
    Ok(Options {
        filter: filter(&config.sampling),
        tail: TailRule {
            snapshots: true,
            threshold_ns: match config.threshold {
                Threshold::Adaptive => None,
                Threshold::Fixed(d) => Some(nanos(d)),
            },
            errnos,
            per_second: SNAPSHOTS_PER_SECOND,
            ..Default::default()
        },
        extras: Extras {
            keep: Keep {
                slowest: config.slowest,
                slow_ns: config.slow.map(nanos),
            },
            what_if: config.what_if,
            exact: config.exact,
        },
        routes,
        guards: config.guards,
        writes_file: matches!(config.output.destination, Destination::File(_)),
    })
}

fn report(config: &Report) -> Result<(), Failure> {
    let signals = Signals::install()?;
    let mut progress = Progress::new(config.progress, config.duration);
    let mut session = start(&config.target, &options(config)?, &signals, &mut progress)?;
    let end = config
        .duration
        .map(|d| Instant::now() + d.saturating_sub(session.elapsed()));
    while !signals.stop_requested() && end.is_none_or(|e| Instant::now() < e) {
        session.step(end.unwrap_or_else(|| Instant::now() + Duration::from_secs(1)))?;
        tell(&mut session, &mut progress);
        if session.over() {
            break;
        }
        if config.progress {
            progress.update(session.elapsed(), session.requests());
        }
    }
    session.stop()?;
    progress.finish();
    let snapshot = session.snapshot()?;
    let mut out = Vec::new();
    let exporter: Box<dyn Exporter> = match config.output.format {
        Format::Json => Box::new(Json::default()),
        Format::Text => Box::new(Text {
            options: TextOptions {
                width: columns(),
                colour: config.output.color,
                top: config.top.unwrap_or(usize::MAX),
                snapshots: config.snapshots,
                slowest: SLOW_SHOWN.max(config.slowest as usize),
                clock: Clock::local(),
                ..Default::default()
            },
        }),
    };
    exporter.export(&snapshot, &mut out)?;
    output::write_whole(&config.output.destination, &out).map_err(Failure::Write)
}

/// The terminal's width; what is written to a file or a pipe has room for long routes.
fn columns() -> usize {
    const ELSEWHERE: usize = 120;
    rustix::termios::tcgetwinsize(std::io::stdout())
        .map_or(ELSEWHERE, |size| usize::from(size.ws_col))
        .max(1)
}
