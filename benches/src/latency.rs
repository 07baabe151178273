//! What a client of an unhurried server notices: P99 of a handler of 2 ms at 1,000 requests a second.

use std::path::Path;

use gostall_rig::{Server, Testbed, load};

use crate::Effort;
use crate::bars::{Table, median, spread};
use crate::tracers::Tracer;

/// The tail of a virtual machine's latency is mostly its host's.
const ROUNDS_PER_ROUND: usize = 3;

/// P99 with and without, in turns.
pub fn run(table: &mut Table, gostall: &Path, effort: Effort) {
    let testbed = Testbed::local();
    let server = Server::start(
        &testbed.program("hello"),
        ["-addr", "127.0.0.1:0", "-delay", "2ms"],
    );
    let seconds = format!("{}s", effort.seconds + 1);
    let p99 = |tracer: Tracer| {
        let attached = tracer.attach(gostall, server.pid());
        let seen = load(
            &testbed,
            &server.addr,
            &["-rate", "1000", "-duration", &seconds, "-warmup", "1s"],
        );
        attached.detach();
        assert_eq!(seen["errors"], 0, "{seen}");
        seen["latency_ns"]["p99"].as_f64().expect("a number")
    };
    let mut more = Vec::new();
    let mut alone = Vec::new();
    for round in 0..effort.rounds * ROUNDS_PER_ROUND {
        let (without, with) = if round % 2 == 0 {
            let without = p99(Tracer::Nobody);
            (without, p99(Tracer::Gostall))
        } else {
            let with = p99(Tracer::Gostall);
            (p99(Tracer::Nobody), with)
        };
        println!(
            "    round {round}: P99 {:.3} ms, traced {:.3} ms",
            without / 1e6,
            with / 1e6
        );
        more.push((with / without - 1.0) * 100.0);
        alone.push(without / 1e6);
    }
    table.add(
        "2 ms handler at 1,000 requests/s: P99 with `gostall report`, % more",
        "<= 1",
        spread(&more, 2),
        Some(median(&more) <= 1.0),
    );
    table.add("- untraced P99, ms", "", spread(&alone, 3), None);
}
