//! Requests that the wire does not show: TLS, HTTP/2, gRPC. The same truths, held against the same bars as plain HTTP/1.

use std::process::Command;
use std::time::Duration;

use gostall_rig::{Gostall, Report, Server, Testbed, Truth, need_root};
use serde_json::Value;

const GOSTALL: &str = env!("CARGO_BIN_EXE_gostall");

fn judged(what: &str, mut truth: Truth, warm: &[&str], drive: &[&str]) -> (Report, Value) {
    truth.drive(warm);
    truth.reset();
    let pid = truth.pid().to_string();
    let mut agent = Gostall::start(
        GOSTALL,
        ["report", "--pid", &pid, "-d", "60s", "--format", "json"],
    );
    agent.wait_attached();
    truth.drive(drive);
    truth.dump();
    agent.signal(libc::SIGINT);
    let report = agent.finish().report();
    let verdict = truth.judge(&report.0, &[]);
    let right = verdict["right_percent"].as_f64().expect("a number");
    let wrong = verdict["wrong_percent"].as_f64().expect("a number");
    println!("{what}: right {right} %, wrong {wrong} %");
    assert!(right >= 99.0, "{what}: {verdict:#}");
    assert!(wrong <= 0.5, "{what}: {verdict:#}");
    assert_eq!(verdict["requests_exact"], true, "{what}: {verdict:#}");
    (report, verdict)
}

fn protocol_of(report: &Report, route: &str) -> String {
    let all = report.0["endpoints"].as_array().expect("endpoints");
    let one = all.iter().find(|e| e["route"] == route);
    one.map_or(String::new(), |e| e["protocol"].to_string())
}

/// A connection taken over under TLS answers unseen: its statuses are left out, not made up.
fn tls(release: &str, kind: &str, mode: &str, skip: &str) {
    need_root();
    let truth = Truth::start(&Testbed::of(release, kind), &["-tls"]);
    let what = format!("{release} {kind} {mode}");
    let drive = [mode, "-n", "20", "-skip", skip];
    let (report, verdict) = judged(&what, truth, &[mode, "-n", "2"], &drive);
    assert_eq!(verdict["statuses_exact"], true, "{what}: {verdict:#}");
    assert_eq!(verdict["errors_exact"], true, "{what}: {verdict:#}");
    let spoken = if mode == "-h2" { "http/2" } else { "http/1" };
    assert_eq!(protocol_of(&report, "/plain"), format!("\"{spoken}\""));
}

#[test]
fn http1_over_tls() {
    tls("local", "static", "-tls", "hijack,upgrade,static");
}

#[test]
fn http2_over_tls() {
    tls("local", "static", "-h2", "static");
}

/// The stack check's branch is where the probes stand; HTTP/2 keeps the state of broken streams.
#[test]
fn http2_of_go_1_19_stripped() {
    tls("1.19.13", "cgostrip", "-h2", "detach,static");
}

/// HTTP/2 is a package of its own.
#[test]
fn http2_of_go_1_27_stripped() {
    tls("1.27.3", "strip", "-h2", "static");
}

#[test]
fn hijacked_under_tls_without_a_status() {
    need_root();
    let truth = Truth::start(&Testbed::local(), &["-tls"]);
    let drive = ["-tls", "-n", "10", "-scenario", "hijack,upgrade"];
    let (report, verdict) = judged("hijack", truth, &["-tls", "-n", "2"], &drive);
    assert_eq!(verdict["errors_exact"], true, "{verdict:#}");
    let all = report.0["endpoints"].as_array().expect("endpoints");
    let one = all.iter().find(|e| e["route"] == "/upgrade").expect("it");
    assert_eq!(one["statuses"], serde_json::json!({}), "{one:#}");
}

fn grpc(release: &str, stripped: bool, server: &[&str], drive: &[&str]) {
    need_root();
    let testbed = Testbed::modules(release, stripped);
    let truth = Truth::start_other(&testbed, "grpc-truth", "grpc-drive", server);
    let what = format!("gRPC {release} {server:?}");
    let warm: Vec<&str> = drive.iter().copied().chain(["-n", "2"]).collect();
    let full: Vec<&str> = drive.iter().copied().chain(["-n", "20"]).collect();
    let (report, verdict) = judged(&what, truth, &warm, &full);
    assert_eq!(verdict["statuses_exact"], true, "{what}: {verdict:#}");
    assert_eq!(verdict["errors_exact"], true, "{what}: {verdict:#}");
    let all = report.0["endpoints"].as_array().expect("endpoints");
    let code = all
        .iter()
        .find(|e| e["route"] == "/testbed.Truth/Code")
        .expect("the method");
    let seen = code["statuses"].as_object().expect("statuses");
    assert_eq!(seen.len(), 17, "{what}: {seen:?}");
    assert_eq!(code["protocol"], "grpc", "{what}");
}

#[test]
fn grpc_on_its_own_transport() {
    grpc("local", false, &[], &[]);
}

#[test]
fn grpc_stripped_over_tls() {
    grpc("local", true, &["-tls"], &["-tls"]);
}

#[test]
fn grpc_within_net_http() {
    grpc("local", false, &["-transport", "http", "-tls"], &["-tls"]);
}

/// The handler writes its answer when the client has left before any of it: no status, and an error.
#[test]
fn left_before_the_answer() {
    need_root();
    let testbed = Testbed::local();
    let hello = testbed.program("hello");
    let args = ["-addr", "127.0.0.1:0", "-tls", "-delay", "300ms"];
    let server = Server::start(&hello, args);
    let url = format!("https://127.0.0.1:{}/hello", server.port());
    let curl = |limit: &str| {
        let args = ["-sk", "--http2", "-m", limit, "-o", "/dev/null", &url];
        let done = Command::new("curl").args(args).status().expect("curl runs");
        done.success()
    };
    let pid = server.pid().to_string();
    let mut agent = Gostall::start(
        GOSTALL,
        ["report", "--pid", &pid, "-d", "60s", "--format", "json"],
    );
    agent.wait_attached();
    for _ in 0..5 {
        assert!(curl("5") && !curl("0.15"));
    }
    // The handlers of the last have their delay to end.
    std::thread::sleep(Duration::from_millis(600));
    agent.signal(libc::SIGINT);
    let report = agent.finish().report();
    let hello = report.endpoint("GET", "/hello").expect("the endpoint");
    assert_eq!(
        (&hello["requests"], &hello["errors"]),
        (&10.into(), &5.into())
    );
    assert_eq!(
        hello["statuses"],
        serde_json::json!({"200": 5}),
        "{hello:#}"
    );
}

/// A frame that does not fit the connection's buffer is written on a goroutine of its own: for its stream.
#[test]
fn frames_of_one_stream_are_its_requests() {
    need_root();
    for release in ["local", "1.19.13", "1.27.3"] {
        let truth = Truth::start_waits(&Testbed::of(release, "static"), &["-tls"]);
        let drive = ["-h2", "-only", "/net/download,/sleep"];
        truth.drive(&drive);
        let pid = truth.pid().to_string();
        let mut agent = Gostall::start(
            GOSTALL,
            ["report", "--pid", &pid, "-d", "60s", "--format", "json"],
        );
        agent.wait_attached();
        truth.drive(&drive);
        agent.signal(libc::SIGINT);
        let report = agent.finish().report();
        let writes = |route: &str| {
            let e = report.endpoint("GET", route).expect("the endpoint");
            let calls = e["syscalls"].as_array().expect("calls").iter();
            let writes = calls.filter(|s| s["name"] == "write" && s["result"] == "ok");
            let count: u64 = writes.filter_map(|s| s["count"].as_u64()).sum();
            (count, e["requests"].as_u64().expect("a number"))
        };
        // 5 MB in frames of at most 16 KB; a few may be on their way before their handler waits.
        let (count, requests) = writes("/net/download");
        println!("{release}: {count} frames of {requests} requests");
        assert!(count > requests * 600, "{release}: {count} of {requests}");
        assert_eq!(writes("/sleep").0, 0, "{release}");
    }
}

/// Connections that are older than the attach: who moves their frames is known by what it is.
#[test]
fn frames_of_older_connections_are_the_connections() {
    need_root();
    for release in ["local", "1.19.13", "1.27.3"] {
        let truth = Truth::start_waits(&Testbed::of(release, "static"), &["-tls"]);
        let pid = truth.pid().to_string();
        let report = std::thread::scope(|s| {
            s.spawn(|| truth.drive(&["-h2", "-n", "200", "-only", "/sleep"]));
            std::thread::sleep(Duration::from_millis(400));
            let args = ["report", "--pid", &pid, "-d", "2s", "--format", "json"];
            Gostall::run(GOSTALL, args).report()
        });
        let of = |role: &str| {
            let all = report.at("/runtime").as_array().expect("roles").iter();
            let calls = all.filter(|r| r["role"] == role).flat_map(|r| {
                let calls = r["syscalls"].as_array().expect("calls").iter();
                calls.filter(|c| c["name"] == "read" || c["name"] == "write")
            });
            calls.filter_map(|c| c["count"].as_u64()).sum::<u64>()
        };
        let (connection, background) = (of("connection"), of("background"));
        let counts = format!("{release}: {connection} and {background}");
        assert!(connection > 20 && background * 20 <= connection, "{counts}");
    }
}
