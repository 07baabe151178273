//! What gostall itself uses beside a server that makes 50,000 system calls a second.

use std::path::Path;
use std::time::{Duration, Instant};

use gostall_rig::{Gostall, Server, Testbed, cpu_ns, load, rss_bytes};

use crate::Effort;
use crate::bars::{Table, median, spread};

const CALLS_PER_SECOND: f64 = 50_000.0;

/// CPU and memory of the agent.
pub fn run(table: &mut Table, gostall: &Path, effort: Effort) {
    let testbed = Testbed::local();
    let server = Server::start(&testbed.program("hello"), ["-addr", "127.0.0.1:0"]);
    let pid = server.pid().to_string();
    let seconds = effort.seconds * 2;
    let (mut rate, mut cpus, mut rss, mut calls) = (5000.0, Vec::new(), Vec::new(), Vec::new());
    // The first round finds out how many calls a request makes.
    for round in 0..=effort.rounds.min(4) {
        let mut agent = Gostall::start(
            gostall,
            ["report", "-p", &pid, "-d", "10m", "--format", "json"],
        );
        agent.wait_attached();
        let addr = server.addr.clone();
        let flags = [format!("{rate:.0}"), format!("{}s", seconds + 1)];
        let testbed = testbed.clone();
        let loading = std::thread::spawn(move || {
            load(
                &testbed,
                &addr,
                &[
                    "-rate",
                    &flags[0],
                    "-duration",
                    &flags[1],
                    "-warmup",
                    "0s",
                    "-conns",
                    "16",
                ],
            )
        });
        std::thread::sleep(Duration::from_millis(500));
        let (since, before) = (Instant::now(), cpu_ns(agent.pid()));
        std::thread::sleep(Duration::from_secs(seconds));
        let cpu = (cpu_ns(agent.pid()) - before) as f64 / since.elapsed().as_nanos() as f64 * 100.0;
        let memory = rss_bytes(agent.pid()) as f64 / f64::from(1 << 20);
        loading.join().expect("the load");
        agent.signal(libc::SIGINT);
        let report = agent.finish().report();
        let window = report.int("/window/duration_ns") as f64 / 1e9;
        // The load lasts one second more than what is measured, the window a moment longer.
        let per_second =
            report.int("/coverage/syscalls_seen") as f64 / (seconds as f64 + 1.0).min(window);
        println!(
            "    round {round}: {per_second:.0} calls/s, {cpu:.2} % of a core, {memory:.1} MB"
        );
        if round > 0 {
            cpus.push(cpu);
            rss.push(memory);
            calls.push(per_second);
        }
        rate *= CALLS_PER_SECOND / per_second;
    }
    let at = median(&calls);
    table.add(
        &format!("the agent at {at:.0} system calls/s: % of a core"),
        "<= 1",
        spread(&cpus, 2),
        Some(median(&cpus) <= 1.0 && at > 45_000.0),
    );
    table.add(
        "- its resident memory, MB",
        "<= 40",
        spread(&rss, 1),
        Some(median(&rss) <= 40.0),
    );
}
