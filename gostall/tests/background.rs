//! Does the report say what goroutines of no request do? A server whose background goroutines spend known shares of
//! their time in known states measures them itself; each is found by the function that it was started with, every state
//! within 5 points of the time.

use std::time::Duration;

use gostall_rig::{Gostall, Report, Testbed, Truth, need_root};
use serde_json::Value;

const GOSTALL: &str = env!("CARGO_BIN_EXE_gostall");
const POINTS: f64 = 5.0;
/// Looks and ticks are samples: on a machine that does other things, too, one run in some is off. What is wrong is wrong
/// each time.
const RUNS: u32 = 3;

fn run(testbed: &Testbed) -> (Report, Value) {
    let mut truth = Truth::start_other(testbed, "background", "drive", &[]);
    let pid = truth.pid().to_string();
    let args = ["report", "--pid", &pid, "-d", "60s", "--format", "json"];
    let mut agent = Gostall::start(GOSTALL, args);
    agent.wait_attached();
    truth.reset();
    std::thread::sleep(Duration::from_secs(10));
    let told = truth.dump();
    agent.signal(libc::SIGINT);
    (agent.finish().report(), told)
}

fn ns(value: &Value, key: &str) -> f64 {
    value[key].as_f64().unwrap_or_default()
}

/// How far a share lies outside of what it must be, in points.
fn off(is: f64, least: f64, most: f64) -> f64 {
    (is - is.clamp(least, most)).abs() * 100.0
}

fn faults(report: &Report, truth: &Value) -> Vec<String> {
    let rows = report.at("/background").as_array().expect("an array");
    let whole = ns(truth, "duration_ns");
    let mut faults = Vec::new();
    for worker in truth["workers"].as_array().expect("an array") {
        let name = worker["name"].as_str().expect("a name");
        let Some(row) = rows.iter().find(|r| r["name"] == name) else {
            faults.push(format!("{name}: not found"));
            continue;
        };
        assert_eq!(row["role"], "background", "{row}");
        let told = &worker["states"];
        let ledger = &row["ledger"];
        let all: f64 = ledger
            .as_object()
            .expect("an object")
            .values()
            .filter_map(Value::as_f64)
            .sum();
        let found = |states: &[&str]| states.iter().map(|s| ns(ledger, s)).sum::<f64>() / all;
        let share = |states: &[&str]| states.iter().map(|s| ns(told, s)).sum::<f64>() / whole;
        let mut check = |what: &str, is: f64, least: f64, most: f64| {
            if off(is, least, most) > POINTS {
                faults.push(format!(
                    "{name}: {what} {:.1} %, not {:.1} to {:.1} %: {row}",
                    is * 100.0,
                    least * 100.0,
                    most * 100.0
                ));
            }
        };
        // What helps the collector computes, too.
        let gc = found(&["gc"]);
        let cpu = found(&["cpu_user", "cpu_kernel"]);
        check("cpu", cpu, share(&["cpu"]) - gc, share(&["cpu"]));
        let late = share(&["late"]);
        for (state, name) in [
            ("timer", "timer"),
            ("channel", "channel"),
            ("lock", "lock"),
            ("pipe", "syscall_pipe"),
        ] {
            // The server's own clock runs on until the goroutine has its turn.
            let least = share(&[state])
                - if state == "lock" || state == "pipe" {
                    POINTS / 100.0
                } else {
                    0.0
                };
            check(name, found(&[name]), least, share(&[state]) + late);
        }
        check("unknown", found(&["unknown", "running"]), 0.0, 0.0);
        if (ns(row, "goroutines") - 1.0).abs() > 0.05 {
            faults.push(format!("{name}: {} goroutines", row["goroutines"]));
        }
    }
    faults
}

fn held_against_the_truth(testbed: &Testbed) {
    need_root();
    for left in (0..RUNS).rev() {
        let (report, truth) = run(testbed);
        let faults = faults(&report, &truth);
        let by_role = report.at("/cpu/by_role").as_object().expect("an object");
        let sum: u64 = by_role.values().filter_map(Value::as_u64).sum();
        assert_eq!(sum, report.int("/cpu/total_ns"), "{by_role:?}");
        assert!(by_role.contains_key("gc"), "{by_role:?}");
        // Collections that nobody asked for; the window is somewhat longer than the server's.
        let a_second = |n: f64, ns: f64| n / ns * 1e9;
        let found = a_second(
            report.int("/memory/gc_cycles") as f64,
            report.int("/window/duration_ns") as f64,
        );
        let told = a_second(ns(&truth, "gc_cycles"), ns(&truth, "duration_ns"));
        assert!((0.7..1.4).contains(&(found / told)), "{found} {told}");
        if faults.is_empty() {
            return;
        }
        assert!(left > 0, "{faults:#?}");
        println!("once more: {faults:#?}");
    }
}

#[test]
fn named_goroutines() {
    held_against_the_truth(&Testbed::local());
}

#[test]
fn in_a_stripped_executable() {
    held_against_the_truth(&Testbed::of("1.27.3", "strip"));
}
