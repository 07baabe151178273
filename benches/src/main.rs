//! Measures the bars that the project promises (docs/bars.md) and writes BENCHMARKS.md.
//!
//!     gostall-bench GOSTALL [--quick]
//!
//! Everything that is compared is measured in one run, in turns (A B C A B C ...), and what is compared are the ratios
//! within a round; the median of the rounds is the result. `--quick`: few short rounds, nothing is written.

mod agent;
mod attach;
mod bars;
mod latency;
mod machine;
mod saturation;
mod scaling;
mod tracers;
mod truth;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

/// How long and how often.
#[derive(Debug, Clone, Copy)]
pub struct Effort {
    /// Rounds of everything that is compared.
    pub rounds: usize,
    /// Seconds of each measurement.
    pub seconds: u64,
}

fn main() -> ExitCode {
    gostall_rig::need_root();
    let mut gostall = None;
    let mut quick = false;
    let mut only = None;
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--quick" => quick = true,
            "--only" => only = args.next(),
            _ => gostall = Some(PathBuf::from(arg)),
        }
    }
    let Some(gostall) = gostall else {
        eprintln!("usage: gostall-bench GOSTALL [--quick] [--only PART]");
        return ExitCode::from(2);
    };
    let effort = if quick {
        Effort {
            rounds: 2,
            seconds: 2,
        }
    } else {
        Effort {
            rounds: 7,
            seconds: 4,
        }
    };
    let wanted = |part: &str| only.as_deref().is_none_or(|o| o == part);

    let started = Instant::now();
    let mut table = bars::Table::default();
    if wanted("truth") {
        truth::attribution(&mut table, &gostall);
        truth::quantiles(&mut table);
    }
    if wanted("saturation") {
        saturation::run(&mut table, &gostall, effort);
    }
    if wanted("secure") {
        saturation::secure(&mut table, &gostall, effort);
    }
    if wanted("latency") {
        latency::run(&mut table, &gostall, effort);
    }
    if wanted("agent") {
        agent::run(&mut table, &gostall, effort);
    }
    if wanted("attach") {
        attach::run(&mut table, &gostall, quick);
    }
    if wanted("scaling") {
        scaling::run(&mut table, &gostall, effort);
    }
    println!("in {} s", started.elapsed().as_secs());
    if !quick && only.is_none() {
        let path = machine::workspace().join("BENCHMARKS.md");
        std::fs::write(&path, machine::page(&table, effort, started.elapsed()))
            .expect("BENCHMARKS.md");
        println!("wrote {}", path.display());
    }
    if table.passed() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
