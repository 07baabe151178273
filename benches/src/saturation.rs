//! The hello server with nothing to do but system calls, driven as fast as it goes: throughput and CPU per request,
//! with each tracer and without.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use gostall_rig::{Server, Testbed, cpu_ns, wrk};

use crate::Effort;
use crate::bars::{Table, median, spread};
use crate::tracers::Tracer;

const CONNECTIONS: u32 = 16;
const TRACERS: [Tracer; 3] = [Tracer::Gostall, Tracer::EmptyPair, Tracer::Bpftrace];
/// Slices are short and many, for a virtual machine's speed drifts within seconds.
const SECONDS: u64 = 2;
const WARM_UP: Duration = Duration::from_secs(1);
const ROUNDS_PER_ROUND: usize = 2;

#[derive(Debug, Clone, Copy)]
struct Sample {
    rate: f64,
    cpu_us: f64,
}

fn measure(server: &Server, tracer: Tracer, gostall: &Path, seconds: u64) -> Sample {
    let attached = tracer.attach(gostall, server.pid());
    // What a tracer does at first only (its own start, probes that leave again) is not the steady state.
    wrk(&server.addr, "/hello", CONNECTIONS, WARM_UP, None);
    let before = cpu_ns(server.pid());
    let run = wrk(
        &server.addr,
        "/hello",
        CONNECTIONS,
        Duration::from_secs(seconds),
        None,
    );
    let cpu = cpu_ns(server.pid()) - before;
    attached.detach();
    Sample {
        rate: run.rate,
        cpu_us: cpu as f64 / 1e3 / run.requests as f64,
    }
}

/// Throughput and CPU.
pub fn run(table: &mut Table, gostall: &Path, effort: Effort) {
    let testbed = Testbed::local();
    let server = Server::start(&testbed.program("hello"), ["-addr", "127.0.0.1:0"]);
    wrk(
        &server.addr,
        "/hello",
        CONNECTIONS,
        Duration::from_secs(2),
        None,
    );
    let measure = |tracer| measure(&server, tracer, gostall, SECONDS);
    let mut ratios: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    let mut added: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    let (mut rates, mut cpu) = (Vec::new(), Vec::new());
    // Every slice with a tracer stands between two without: N G N E N B N G N ...
    let mut before = measure(Tracer::Nobody);
    for round in 0..effort.rounds * ROUNDS_PER_ROUND {
        for tracer in TRACERS {
            let traced = measure(tracer);
            let after = measure(Tracer::Nobody);
            let rate = f64::midpoint(before.rate, after.rate);
            let cpu_us = f64::midpoint(before.cpu_us, after.cpu_us);
            println!(
                "    round {round}: {:18} {:.0} of {rate:.0} requests/s, {:.2} for {cpu_us:.2} us CPU a request",
                tracer.name(),
                traced.rate,
                traced.cpu_us
            );
            ratios
                .entry(tracer.name())
                .or_default()
                .push(traced.rate / rate);
            added
                .entry(tracer.name())
                .or_default()
                .push(traced.cpu_us - cpu_us);
            rates.push(rate);
            cpu.push(cpu_us);
            before = after;
        }
    }
    let of = |t: Tracer| &ratios[t.name()];
    table.add(
        "saturated hello server, 16 keep-alive connections: throughput with `gostall report` / without",
        ">= 0.88",
        spread(of(Tracer::Gostall), 3),
        Some(median(of(Tracer::Gostall)) >= 0.88),
    );
    table.add(
        "- the same with an empty pair of programs (the floor)",
        "",
        spread(of(Tracer::EmptyPair), 3),
        None,
    );
    table.add(
        "- the same with a bpftrace histogram script",
        "",
        spread(of(Tracer::Bpftrace), 3),
        None,
    );
    table.add(
        "- untraced",
        "",
        format!(
            "{:.0} requests/s, {:.2} us CPU a request",
            median(&rates),
            median(&cpu)
        ),
        None,
    );
    let cost = &added[Tracer::Gostall.name()];
    table.add(
        "CPU added per request of that server, us",
        "<= 1.5",
        spread(cost, 2),
        Some(median(cost) <= 1.5),
    );
    table.add(
        "- by the empty pair",
        "",
        spread(&added[Tracer::EmptyPair.name()], 2),
        None,
    );
    table.add(
        "- by the bpftrace script",
        "",
        spread(&added[Tracer::Bpftrace.name()], 2),
        None,
    );
}
