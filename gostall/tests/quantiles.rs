//! Histograms against a full event log of the same run: the kernel side both counts every call and raises it as an
//! event, so counts, totals and maxima must be equal and quantiles within the promised 3.2 %.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use gostall_probes::{Filter, TailRule};
use gostall_rig::{Server, Testbed, Truth, drive, load, need_root, wrk};
use gostall_session::{Options, Session, Start};
use gostall_targets::Selector;
use serde_json::Value;

/// 1/32: the width of a sub-bucket, relative to its lower edge.
const BOUND: f64 = 0.032;

/// owner, name, result
type Series = (String, String, String);

fn session(pid: u32) -> Session {
    let selector = Selector {
        pids: vec![pid],
        ..Default::default()
    };
    let targets = selector.resolve().unwrap();
    let options = Options {
        filter: Filter::default(),
        tail: TailRule {
            trace: true,
            ..Default::default()
        },
        ..Options::default()
    };
    Session::start(Start::Running { targets, selector }, &options).unwrap()
}

/// Traces while `work` runs: the log of every call of an endpoint, and the report.
fn log_and_report(
    pid: u32,
    work: impl FnOnce() + Send + 'static,
) -> (BTreeMap<Series, Vec<u64>>, Value) {
    let mut session = session(pid);
    let working = std::thread::spawn(work);
    let mut tails = Vec::new();
    while !working.is_finished() {
        tails.extend(
            session
                .step(Instant::now() + Duration::from_millis(20))
                .unwrap(),
        );
    }
    working.join().unwrap();
    tails.extend(session.stop().unwrap());
    assert_eq!(session.events_dropped().unwrap(), 0, "the log is whole");
    // Templates that were learned late name the calls before as well.
    let report = serde_json::to_value(&*session.snapshot().unwrap()).unwrap();
    let mut log: BTreeMap<Series, Vec<u64>> = BTreeMap::new();
    for tail in &tails {
        let e = session.event(tail).unwrap();
        if let (Some(method), Some(route)) = (e.method, e.route) {
            let series = (
                format!("{method} {route}"),
                e.name.to_string(),
                e.result.to_string(),
            );
            log.entry(series).or_default().push(e.duration_ns);
        }
    }
    (log, report)
}

/// The nearest-rank quantile of a full log.
fn exact(sorted: &[u64], permille: usize) -> u64 {
    let rank = (sorted.len() * permille).div_ceil(1000).max(1);
    sorted[rank - 1]
}

fn compare(log: &mut BTreeMap<Series, Vec<u64>>, report: &Value) -> (usize, usize, f64) {
    let (mut rows, mut calls, mut worst) = (0, 0, 0f64);
    let keys: Vec<Series> = log.keys().cloned().collect();
    for endpoint in report["endpoints"].as_array().unwrap() {
        let owner = format!(
            "{} {}",
            endpoint["method"].as_str().unwrap(),
            endpoint["route"].as_str().unwrap()
        );
        for row in endpoint["syscalls"].as_array().unwrap() {
            let text = |key: &str| row[key].as_str().unwrap().to_owned();
            let int = |key: &str| row[key].as_u64().unwrap();
            let series = (owner.clone(), text("name"), text("result"));
            let durations = log
                .get_mut(&series)
                .unwrap_or_else(|| panic!("{series:?} is not in the log: {:?}", keys));
            durations.sort_unstable();
            assert_eq!(int("count"), durations.len() as u64, "{series:?}");
            assert_eq!(int("total_ns"), durations.iter().sum::<u64>(), "{series:?}");
            assert_eq!(int("max_ns"), *durations.last().unwrap(), "{series:?}");
            for (key, permille) in [
                ("p50_ns", 500),
                ("p90_ns", 900),
                ("p99_ns", 990),
                ("p999_ns", 999),
            ] {
                let truth = exact(durations, permille);
                let off = (int(key) as f64 - truth as f64).abs() / truth as f64;
                assert!(
                    off <= BOUND,
                    "{series:?} {key}: {} against {truth}, {:.2} % off",
                    int(key),
                    off * 100.0
                );
                worst = worst.max(off);
            }
            rows += 1;
            calls += durations.len();
        }
    }
    assert_eq!(rows, log.len(), "every series of the log is in the report");
    (rows, calls, worst)
}

#[test]
fn of_many_kinds_of_calls() {
    need_root();
    let testbed = Testbed::local();
    let mut truth = Truth::start(&testbed, &[]);
    let (addr, out) = (truth.server().addr.clone(), truth.dir().join("drive.json"));
    let scenarios = "plain,keepalive,errnos,files,streams,children,params,fsync,delay";
    let (mut log, report) = log_and_report(truth.pid(), move || {
        drive(
            &testbed.program("drive"),
            &addr,
            &out,
            &["-n", "60", "-rate", "1000", "-scenario", scenarios],
        );
    });
    let (rows, calls, worst) = compare(&mut log, &report);
    println!(
        "{rows} series, {calls} calls, the worst quantile {:.2} % off",
        worst * 100.0
    );
    assert!(rows > 100 && calls > 10_000, "{rows} series, {calls} calls");
}

/// Few series of very many calls: the far tail.
#[test]
fn of_a_saturated_server() {
    need_root();
    let testbed = Testbed::local();
    let server = Server::start(&testbed.program("hello"), ["-addr", "127.0.0.1:0"]);
    let addr = server.addr.clone();
    let (mut log, report) = log_and_report(server.pid(), move || {
        load(
            &testbed,
            &addr,
            &["-rate", "3000", "-duration", "2s", "-warmup", "0s"],
        );
        wrk(&addr, "/hello", 2, Duration::from_secs(1), None);
    });
    let (rows, calls, worst) = compare(&mut log, &report);
    println!(
        "{rows} series, {calls} calls, the worst quantile {:.2} % off",
        worst * 100.0
    );
    assert!(calls > 10_000, "{calls} calls");
    // A log with one call less must not pass.
    let series = log.keys().next().unwrap().clone();
    log.get_mut(&series).unwrap().pop();
    assert!(std::panic::catch_unwind(move || compare(&mut log, &report)).is_err());
}
