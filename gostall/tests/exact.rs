//! `report --exact`: what goroutines do between calls is measured. The servers of tests/ledger.rs, which know where
//! their requests' time goes, hold it to 2 points of an endpoint's wall time instead of 5; and on the same requests the
//! sampled ledger is held against the measured one.

use gostall_rig::{Gostall, Report, SlowDisk, Testbed, Truth, WaitsRun, need_root};
use serde_json::Value;

const GOSTALL: &str = env!("CARGO_BIN_EXE_gostall");

/// Requests per endpoint one after the other, and as many again over four connections at once.
const REQUESTS: &str = "24";
/// On a machine that does other things, too, a run may be off: the server's own clocks stop where it is not run. What
/// is wrong is wrong each time.
const RUNS: u32 = 3;

/// A run over some groups of endpoints (`waits-drive -list` shows them): the report, and what the judge says of it.
fn run(release: &str, drive_flags: &[&str], groups: &str, flags: &[&str]) -> (Report, Value) {
    WaitsRun {
        gostall: GOSTALL,
        report: &["--exact"],
        release,
        server: flags,
        drive: drive_flags,
        groups,
        requests: REQUESTS,
        judge: &["-points", "2"],
    }
    .judged()
}

/// Tries until `good` finds nothing wrong.
fn tried(what: &str, mut good: impl FnMut() -> Result<(), String>) {
    need_root();
    let mut said = String::new();
    for _ in 0..RUNS {
        match good() {
            Ok(()) => return,
            Err(why) => said = why,
        }
        println!("once more: {said}");
    }
    panic!("{what}: {said}");
}

fn judged_by(release: &str, drive_flags: &[&str], groups: &str, flags: &[&str]) {
    tried(groups, || {
        let (report, verdict) = run(release, drive_flags, groups, flags);
        println!(
            "{groups}: worst {} points, {} % named, {}",
            verdict["worst_points"],
            verdict["named_percent"],
            report.at("/overhead/exact")
        );
        measured(&report)?;
        if verdict["passed"] == true {
            return Ok(());
        }
        Err(format!("{:#} {}", verdict["reasons"], verdict["faults"]))
    });
}

fn judged(release: &str, groups: &str, flags: &[&str]) {
    judged_by(release, &[], groups, flags);
}

/// Every endpoint was, and the cost is told.
fn measured(report: &Report) -> Result<(), String> {
    for e in report.endpoints() {
        if e["requests"] != 0 && e["ledger_sampled"].is_null() {
            return Err(format!("{} was not measured", e["route"]));
        }
    }
    let cost = report.at("/overhead/exact");
    let told = cost["hits"].as_u64() > Some(0)
        && cost["ns_per_hit"].as_f64() > Some(100.0)
        && cost["cpu_fraction"].as_f64() > Some(0.0);
    if told { Ok(()) } else { Err(cost.to_string()) }
}

#[test]
fn on_a_cpu_and_waiting_for_one() {
    judged("local", "cpu", &[]);
}

#[test]
fn throttled_by_a_quota() {
    judged("local", "quota", &["-quota", "10ms/50ms"]);
}

#[test]
fn waiting_for_a_p() {
    judged("local", "procs", &["-procs", "1"]);
}

#[test]
fn sleeps_locks_and_channels() {
    judged("local", "park", &[]);
}

#[test]
fn blocked_syscalls() {
    match SlowDisk::new(400) {
        Ok(disk) => judged(
            "local",
            "syscall",
            &["-disk", &disk.path().to_string_lossy()],
        ),
        Err(e) => {
            println!("no slow disk, an ordinary one will do: {e}");
            judged("local", "syscall", &[]);
        }
    }
}

#[test]
fn clients_and_upstreams() {
    judged("local", "net", &[]);
}

#[test]
fn over_tls() {
    judged_by("local", &["-tls"], "net,/sleep", &["-tls"]);
}

#[test]
fn over_http2() {
    let groups = "/net/http,/net/line,/net/connect,/net/dns,/net/nested,/net/upload,/sleep";
    judged_by("local", &["-h2"], groups, &["-tls"]);
}

#[test]
fn the_collector() {
    judged("local", "gc", &["-gogc", "20"]);
}

#[test]
fn several_states_in_one_request() {
    judged("local", "mix", &[]);
}

/// The sample of the same requests: 5 points of its own, and the measured one's 2.
#[test]
fn the_sampled_ledger_agrees() {
    const POINTS: f64 = 7.0;
    tried("the sampled ledger", || {
        let (report, _) = run("local", &[], "park,net,mix", &[]);
        measured(&report)?;
        let mut worst = (0.0, String::new());
        for e in report.endpoints().iter().filter(|e| e["requests"] != 0) {
            let total = e["latency"]["total_ns"].as_u64().expect("an integer") as f64;
            for state in gostall_model::LedgerState::ALL {
                let ns = |ledger: &str| e[ledger][state.name()].as_u64().unwrap_or(0) as f64;
                let off = 100.0 * (ns("ledger") - ns("ledger_sampled")).abs() / total;
                if off > worst.0 {
                    worst = (
                        off,
                        format!("{} of {}: {off:.1} points", state.name(), e["route"]),
                    );
                }
            }
        }
        println!("the sample is off by {}", worst.1);
        if worst.0 <= POINTS {
            Ok(())
        } else {
            Err(worst.1)
        }
    });
}

/// What it costs is bounded: the probes go, and the ledger is the sampled one.
#[test]
fn a_budget() {
    need_root();
    let mut truth = Truth::start_waits(&Testbed::local(), &[]);
    let pid = truth.pid().to_string();
    let args = [
        "report",
        "--exact",
        "--exact-budget",
        "0.001",
        "--pid",
        &pid,
        "-d",
        "60s",
        "--format",
        "json",
    ];
    let mut agent = Gostall::start(GOSTALL, args);
    agent.wait_attached();
    // Some ten seconds, of which it lasts four.
    truth.drive(&["-n", "250", "-only", "/sleep"]);
    truth.dump();
    agent.signal(libc::SIGINT);
    let report = agent.finish().report();
    let acts = report.at("/sampling/guards").as_array().cloned();
    let acts = acts.unwrap_or_default();
    assert!(
        acts.iter().any(|a| a["action"] == "exact_stopped"),
        "{acts:?}"
    );
    let e = report.endpoint("GET", "/sleep").expect("it was asked for");
    assert_eq!(e["requests"], 500);
    assert!(e["ledger_sampled"].is_null(), "{e}");
    assert!(
        e["ledger"]["timer"].as_u64() > Some(0),
        "it is sampled: {}",
        e["ledger"]
    );
}

/// The functions that change a goroutine's status differ between releases.
#[test]
fn go_1_19() {
    judged("1.19.13", "park,net,gc,mix", &[]);
}

#[test]
fn go_1_22() {
    judged("1.22.12", "park,net,gc,mix", &[]);
}

#[test]
fn go_1_24() {
    judged("1.24.11", "park,net,gc,mix", &[]);
}

#[test]
fn go_1_27() {
    judged("1.27.3", "park,net,gc,mix", &[]);
}
