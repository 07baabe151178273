//! The hello server with nothing to do but system calls, driven as fast as it goes: throughput and CPU per request,
//! with each tracer and without. The server has a processor of its own, for where it has to share one with its load,
//! what is measured is who of them the scheduler favours; that is measured as well, beside it.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use gostall_rig::{Saturation, Server, Testbed, cpu_ns, h2load, wrk};

use crate::Effort;
use crate::bars::{Table, median, spread};
use crate::machine::Place;
use crate::tracers::Tracer;

const CONNECTIONS: u32 = 16;
const TRACERS: [Tracer; 3] = [Tracer::Gostall, Tracer::EmptyPair, Tracer::Bpftrace];
/// Slices are short and many, for a virtual machine's speed drifts within seconds.
const SLICE: Duration = Duration::from_secs(2);
const WARM_UP: Duration = Duration::from_secs(2);
const ROUNDS_PER_ROUND: usize = 2;

/// What the load speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Speaks {
    Plain,
    Tls,
    Http2,
}

#[derive(Debug, Clone, Copy)]
struct Sample {
    rate: f64,
    cpu_us: f64,
}

/// A server and where its load comes from.
struct Bench<'a> {
    server: Server,
    load: Place,
    speaks: Speaks,
    gostall: &'a Path,
}

/// What tracers cost, a value a round.
#[derive(Default)]
struct Costs {
    ratios: BTreeMap<&'static str, Vec<f64>>,
    added_us: BTreeMap<&'static str, Vec<f64>>,
    rates: Vec<f64>,
    cpu_us: Vec<f64>,
}

impl<'a> Bench<'a> {
    fn new(gostall: &'a Path, server: Place, load: Place, speaks: Speaks) -> Self {
        let program = Testbed::local().program("hello");
        let mut flags = vec!["-addr", "127.0.0.1:0"];
        if speaks != Speaks::Plain {
            flags.push("-tls");
        }
        let bench = Self {
            server: server.run(|| Server::start(&program, &flags)),
            load,
            speaks,
            gostall,
        };
        bench.drive(WARM_UP);
        bench
    }

    fn drive(&self, time: Duration) -> Saturation {
        let addr = &self.server.addr;
        self.load.run(|| match self.speaks {
            Speaks::Plain => wrk(addr, "/hello", CONNECTIONS, time, None),
            Speaks::Tls => h2load(addr, "/hello", CONNECTIONS, time, true),
            Speaks::Http2 => h2load(addr, "/hello", CONNECTIONS, time, false),
        })
    }

    fn measure(&self, tracer: Tracer) -> Sample {
        let pid = self.server.pid();
        let attached = self.load.run(|| tracer.attach(self.gostall, pid));
        if tracer != Tracer::Nobody {
            // What a tracer does at first only (its own start, probes that leave again) is not the steady state.
            self.drive(WARM_UP);
        }
        let before = cpu_ns(pid);
        let run = self.drive(SLICE);
        let cpu = cpu_ns(pid) - before;
        attached.detach();
        Sample {
            rate: run.rate,
            cpu_us: cpu as f64 / 1e3 / run.requests as f64,
        }
    }

    /// Every slice with a tracer stands between two without: N G N E N B N G N ...
    fn compare(&self, tracers: &[Tracer], rounds: usize) -> Costs {
        let mut costs = Costs::default();
        let mut before = self.measure(Tracer::Nobody);
        for round in 0..rounds {
            for tracer in tracers {
                let traced = self.measure(*tracer);
                let after = self.measure(Tracer::Nobody);
                let rate = f64::midpoint(before.rate, after.rate);
                let cpu_us = f64::midpoint(before.cpu_us, after.cpu_us);
                let name = tracer.name();
                println!(
                    "    round {round}: {name:18} {:.0} of {rate:.0} requests/s, {:.2} for {cpu_us:.2} us CPU a request",
                    traced.rate, traced.cpu_us
                );
                costs
                    .ratios
                    .entry(name)
                    .or_default()
                    .push(traced.rate / rate);
                costs
                    .added_us
                    .entry(name)
                    .or_default()
                    .push(traced.cpu_us - cpu_us);
                costs.rates.push(rate);
                costs.cpu_us.push(cpu_us);
                before = after;
            }
        }
        costs
    }
}

/// Throughput and CPU.
pub fn run(table: &mut Table, gostall: &Path, effort: Effort) {
    let rounds = effort.rounds * ROUNDS_PER_ROUND;
    let apart =
        Bench::new(gostall, Place::First, Place::Others, Speaks::Plain).compare(&TRACERS, rounds);
    let shared = Bench::new(gostall, Place::Anywhere, Place::Anywhere, Speaks::Plain)
        .compare(&[Tracer::Gostall], effort.rounds);
    let gostall = Tracer::Gostall.name();
    let ratio = &apart.ratios[gostall];
    table.add(
        "saturated hello server, 16 keep-alive connections: throughput with `gostall report` / without",
        ">= 0.88",
        spread(ratio, 3),
        Some(median(ratio) >= 0.88),
    );
    for (tracer, what) in [
        (
            Tracer::EmptyPair,
            "- the same with an empty pair of programs (the floor)",
        ),
        (
            Tracer::Bpftrace,
            "- the same with a bpftrace histogram script",
        ),
    ] {
        table.add(what, "", spread(&apart.ratios[tracer.name()], 3), None);
    }
    table.add(
        "- the same with `gostall report`, server and load free to take each other's processors",
        "",
        spread(&shared.ratios[gostall], 3),
        None,
    );
    table.add(
        "- untraced",
        "",
        format!(
            "{:.0} requests/s, {:.2} us CPU a request",
            median(&apart.rates),
            median(&apart.cpu_us)
        ),
        None,
    );
    let cost = &apart.added_us[gostall];
    table.add(
        "CPU added per request of that server, us",
        "<= 1.5",
        spread(cost, 2),
        Some(median(cost) <= 1.5),
    );
    for (tracer, what) in [
        (Tracer::EmptyPair, "- by the empty pair"),
        (Tracer::Bpftrace, "- by the bpftrace script"),
    ] {
        table.add(what, "", spread(&apart.added_us[tracer.name()], 2), None);
    }
    table.add(
        "- by `gostall report`, server and load free to take each other's processors",
        "",
        spread(&shared.added_us[gostall], 2),
        None,
    );
}

/// The same over TLS and over HTTP/2.
pub fn secure(table: &mut Table, gostall: &Path, effort: Effort) {
    for (speaks, what) in [(Speaks::Tls, "TLS"), (Speaks::Http2, "HTTP/2 (and TLS)")] {
        let costs = Bench::new(gostall, Place::First, Place::Others, speaks)
            .compare(&[Tracer::Gostall], effort.rounds);
        let ratio = &costs.ratios[Tracer::Gostall.name()];
        table.add(
            &format!(
                "saturated hello server over {what}: throughput with `gostall report` / without"
            ),
            ">= 0.75",
            spread(ratio, 3),
            Some(median(ratio) >= 0.75),
        );
        let cost = &costs.added_us[Tracer::Gostall.name()];
        // The project has promised this of HTTP/2 alone.
        let bar = (speaks == Speaks::Http2).then(|| median(cost) <= 3.5);
        table.add(
            &format!(
                "CPU added per request of that server, us (untraced {:.2})",
                median(&costs.cpu_us)
            ),
            bar.map_or("", |_| "<= 3.5"),
            spread(cost, 2),
            bar,
        );
    }
}
