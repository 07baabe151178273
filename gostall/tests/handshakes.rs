//! Are the steps of TLS handshakes as long as they were? A client waits known times before its hello and before its end,
//! a server computes a known time over its answer and measures the whole.

use std::process::Command;

use gostall_rig::{Gostall, Report, Testbed, Truth, need_root};
use serde_json::Value;

const GOSTALL: &str = env!("CARGO_BIN_EXE_gostall");
const HANDSHAKES: u64 = 20;
const HELLO_MS: f64 = 20.0;
const ANSWER_MS: f64 = 10.0;
const FINISH_MS: f64 = 30.0;
/// The way between two processes, and a busy machine: of a median.
const SLACK_MS: f64 = 6.0;

fn run(testbed: &Testbed, server: &[&str], client: &[&str]) -> (Report, Value) {
    need_root();
    let mut truth = Truth::start_other(testbed, "handshakes", "drive", server);
    let pid = truth.pid().to_string();
    let args = ["report", "--pid", &pid, "-d", "30s", "--format", "json"];
    let mut agent = Gostall::start(GOSTALL, args);
    agent.wait_attached();
    let n = HANDSHAKES.to_string();
    let addr = truth.server().addr.clone();
    let dialled = Command::new(testbed.program("handshakes"))
        .args(["-dial", "-addr", &addr, "-n", &n])
        .args(["-hello", "20ms", "-finish", "30ms"])
        .args(client)
        .status();
    assert!(dialled.expect("it starts").success());
    let told = truth.dump();
    agent.signal(libc::SIGINT);
    (agent.finish().report(), told)
}

fn median(report: &Report, step: &str) -> f64 {
    let step = report.at(&format!("/tls/steps/{step}"));
    assert_eq!(step["count"], HANDSHAKES, "{step}");
    step["p50_ns"].as_f64().expect("a number") / 1e6
}

fn within(report: &Report, step: &str, ms: f64) {
    let is = median(report, step);
    // A quantile is within 1.6 % of the exact value, either way.
    assert!(
        (ms * 0.98..ms + SLACK_MS).contains(&is),
        "{step}: {is:.2} ms, not {ms} ms: {}",
        report.at("/tls")
    );
}

fn steps(report: &Report, told: &Value) {
    assert_eq!(report.int("/tls/handshakes"), HANDSHAKES);
    assert_eq!(report.int("/tls/failed"), 0);
    assert_eq!(told["handshakes"], HANDSHAKES);
    within(report, "hello_to_answer", ANSWER_MS);
    within(report, "answer_to_finished", FINISH_MS);
    let (is, measured) = (
        median(report, "total"),
        told["p50_ns"].as_f64().expect("a number") / 1e6,
    );
    assert!(
        (is - measured).abs() < measured * 0.02 + 2.0,
        "{is:.2} ms, the server says {measured:.2} ms"
    );
    // It is the same request that it would be without TLS.
    let endpoint = report.endpoint("GET", "/").expect("an endpoint");
    assert_eq!(endpoint["requests"], HANDSHAKES);
}

#[test]
fn tls_1_3() {
    let (report, told) = run(&Testbed::local(), &["-answer", "10ms"], &[]);
    steps(&report, &told);
    within(&report, "accept_to_hello", HELLO_MS);
    let done = report.0.pointer("/tls/steps/finished_to_done");
    assert!(
        done.is_none(),
        "the client's end is the last there: {done:?}"
    );
}

#[test]
fn tls_1_2() {
    let (report, told) = run(&Testbed::local(), &["-answer", "10ms"], &["-tls12"]);
    steps(&report, &told);
    within(&report, "accept_to_hello", HELLO_MS);
    assert!(median(&report, "finished_to_done") < SLACK_MS);
}

/// The second hello is what counts: the client's wait before its *second* write comes before it.
#[test]
fn a_second_hello() {
    let flags = ["-answer", "10ms", "-again"];
    let (report, told) = run(&Testbed::local(), &flags, &[]);
    assert_eq!(report.int("/tls/handshakes"), HANDSHAKES);
    assert_eq!(told["handshakes"], HANDSHAKES);
    within(&report, "accept_to_hello", HELLO_MS + FINISH_MS);
    assert!(median(&report, "hello_to_answer") < ANSWER_MS + SLACK_MS);
    assert!(median(&report, "answer_to_finished") < SLACK_MS);
}

#[test]
fn broken_off() {
    let (report, _) = run(&Testbed::local(), &[], &["-distrust"]);
    assert_eq!(report.int("/tls/handshakes"), 0);
    assert_eq!(report.int("/tls/failed"), HANDSHAKES);
}
