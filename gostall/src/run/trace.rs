//! `gostall trace`.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use gostall_export::{Clock, EventExporter, TraceJson, TraceText};
use gostall_model::Event;
use gostall_probes::{Extras, Filter, TailRule};
use gostall_session::{Guards, Options};

use crate::cli::config::Format;
use crate::cli::output::Stream;
use crate::cli::progress::Progress;
use crate::cli::signals::Signals;
use crate::cli::trace::Trace;
use crate::run::report::nanos;
use crate::run::start::{start, tell};
use crate::run::{Failure, exit};

pub fn run(config: &Trace) -> ExitCode {
    exit(trace(config))
}

fn options(config: &Trace) -> Options {
    Options {
        filter: Filter::default(),
        tail: TailRule {
            trace: true,
            trace_syscalls: config.syscalls.as_ref().map(|s| s.numbers().to_vec()),
            trace_slower_ns: config.slower.map_or(0, nanos),
            trace_errnos: config.errnos.clone(),
            trace_stacks: config.stacks,
            ..Default::default()
        },
        extras: Extras::default(),
        routes: Vec::new(),
        // Every line costs, and was asked for.
        guards: Guards {
            cpu: None,
            ..Guards::default()
        },
        // The file is open by then.
        writes_file: false,
    }
}

fn wanted(config: &Trace, event: &Event) -> bool {
    let Some(pattern) = &config.endpoint else {
        return true;
    };
    event.route.as_deref().is_some_and(|route| {
        let method = event.method.as_deref().unwrap_or_default();
        pattern.matches(route) || pattern.matches(&format!("{method} {route}"))
    })
}

fn trace(config: &Trace) -> Result<(), Failure> {
    let signals = Signals::install()?;
    let mut progress = Progress::new(false, None);
    let mut out = Stream::open(&config.output.destination).map_err(Failure::Write)?;
    let mut session = start(&config.target, &options(config), &signals, &mut progress)?;
    let end = config
        .duration
        .map(|d| Instant::now() + d.saturating_sub(session.elapsed()));
    let exporter: Box<dyn EventExporter> = match config.output.format {
        Format::Json => Box::new(TraceJson),
        Format::Text => Box::new(TraceText {
            clock: Clock::local(),
            arch: gostall_session::native_arch(),
            colour: config.output.color,
        }),
    };
    let mut left = config.limit.unwrap_or(u64::MAX);
    let mut over = false;
    while !over {
        let mut lines =
            session.step(end.unwrap_or_else(|| Instant::now() + Duration::from_secs(1)))?;
        tell(&mut session, &mut progress);
        // What was raised before the end is still shown.
        over = signals.stop_requested()
            || end.is_some_and(|e| Instant::now() >= e)
            || session.over()
            || out.reader_gone();
        if over {
            lines.extend(session.stop()?);
        }
        for tail in lines {
            let event = session.event(&tail)?;
            if !wanted(config, &event) {
                continue;
            }
            let mut line = Vec::new();
            exporter.export(&event, &mut line)?;
            session
                .waiting(|| out.write(&line))
                .map_err(Failure::Write)?;
            left -= 1;
            if left == 0 {
                session.stop()?;
                return out.flush().map_err(Failure::Write);
            }
        }
        session.waiting(|| out.flush()).map_err(Failure::Write)?;
    }
    let dropped = session.events_dropped()?;
    if dropped > 0 {
        eprintln!(
            "gostall: {dropped} calls were not shown: they came faster than they could be written: narrow the trace with -e, --slower or --errno"
        );
    }
    Ok(())
}
