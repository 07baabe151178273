//! Does the ledger say where the time went? A server whose handlers spend known times in known states measures itself;
//! the judge holds the report against that: every state within 5 points of an endpoint's wall time, at most 5 % of it
//! without a name, and the states sum to the wall time to the nanosecond.

use gostall_rig::{SlowDisk, WaitsRun, need_root};
use serde_json::Value;

const GOSTALL: &str = env!("CARGO_BIN_EXE_gostall");

/// Requests per endpoint one after the other, and as many again over four connections at once.
const REQUESTS: &str = "24";

/// A run over some groups of endpoints (`waits-drive -list` shows them), on a server by the given Go.
fn judged(release: &str, groups: &str, flags: &[&str]) {
    judged_over(None, release, groups, flags);
}

/// Looks are a sample: on a machine that does other things, too, one run in some is off by more than 5 points. What is
/// wrong is wrong each time.
const RUNS: u32 = 3;

/// The same over another protocol, which is a flag of the driver.
fn judged_over(protocol: Option<&str>, release: &str, groups: &str, flags: &[&str]) {
    need_root();
    let mut verdict = run(protocol, release, groups, &[], flags);
    for _ in 1..RUNS {
        if verdict["passed"] == true {
            break;
        }
        println!("once more: {}", verdict["reasons"]);
        verdict = run(protocol, release, groups, &[], flags);
    }
    pass(groups, &verdict);
}

fn run(
    protocol: Option<&str>,
    release: &str,
    groups: &str,
    judge: &[&str],
    flags: &[&str],
) -> Value {
    WaitsRun {
        gostall: GOSTALL,
        report: &[],
        release,
        server: flags,
        drive: protocol.as_slice(),
        groups,
        requests: REQUESTS,
        judge,
    }
    .judged()
    .1
}

fn pass(what: &str, verdict: &Value) {
    println!(
        "{what}: worst {} points, {} % named",
        verdict["worst_points"], verdict["named_percent"]
    );
    let reasons = verdict["reasons"].as_array().expect("an array");
    assert_eq!(
        verdict["passed"], true,
        "{what}: {reasons:#?} {}",
        verdict["faults"]
    );
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

/// What a child waits for on which its request waits.
#[test]
fn what_is_awaited() {
    // Threads' numbers lie elsewhere in each.
    for release in ["local", "1.19.13", "1.27.3"] {
        let again = || run(None, release, "/net/nested,nested", &["-deep"], &[]);
        let mut verdict = again();
        if verdict["passed"] != true {
            println!("once more: {}", verdict["reasons"]);
            verdict = again();
        }
        pass(release, &verdict);
    }
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
    judged_over(Some("-tls"), "local", "net,/sleep", &["-tls"]);
}

/// A client's wait is the stream's there, not a socket's. Not /net/download: who waits for the stream's window is readied by
/// another goroutine time and again, and the server cannot tell that wait from the wait to run.
#[test]
fn over_http2() {
    let groups = "/net/http,/net/line,/net/connect,/net/dns,/net/nested,/net/upload,/sleep";
    judged_over(Some("-h2"), "local", groups, &["-tls"]);
}

#[test]
fn the_collector() {
    judged("local", "gc", &["-gogc", "20"]);
}

#[test]
fn several_states_in_one_request() {
    judged("local", "mix", &[]);
}

/// The runtime's insides differ between releases: an old and the newest one. With GOSTALL_FULL=1 all ordinary groups.
fn release(release: &str) {
    let full = std::env::var("GOSTALL_FULL").as_deref() == Ok("1");
    let groups = if full {
        "cpu,park,syscall,net,gc,mix"
    } else {
        "park,net"
    };
    judged(release, groups, &[]);
}

#[test]
fn go_1_19() {
    release("1.19.13");
}

#[test]
fn go_1_27() {
    release("1.27.3");
}
