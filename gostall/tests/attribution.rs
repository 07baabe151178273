//! Is every call charged to the endpoint that made it? The ground-truth server knows, the driver knows what it asked
//! for, the judge compares: `right` per cent of all marker calls, and request, status and error counts to the last one.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::time::Duration;

use gostall_rig::{Gostall, Report, Testbed, Truth, need_root};
use serde_json::Value;

const GOSTALL: &str = env!("CARGO_BIN_EXE_gostall");

/// A catch-all cannot be told from paths alone; the server's own template says so.
const CATCH_ALL: [&str; 2] = ["--route", "/static/{path...}"];

/// Units per scenario: about 6,000 requests and 42,000 marker calls.
const UNITS: &str = "40";

/// The bars of the project (docs/bars.md). In practice nothing is wrong at all.
fn pass(what: &str, report: &Report, verdict: &Value) {
    let right = verdict["right_percent"].as_f64().expect("a number");
    let wrong = verdict["wrong_percent"].as_f64().expect("a number");
    println!(
        "{what}: right {right} %, wrong {wrong} % {}",
        report.of_itself()
    );
    assert!(
        verdict["calls"].as_u64() > Some(10_000),
        "{what}: {verdict:#}"
    );
    assert_eq!(
        verdict["passed"],
        true,
        "{what}: {} {} {}",
        verdict["reasons"],
        verdict["faults"],
        report.of_itself()
    );
    assert_eq!(verdict["requests_exact"], true, "{what}");
    assert_eq!(verdict["statuses_exact"], true, "{what}");
    assert_eq!(verdict["errors_exact"], true, "{what}");
}

fn attached(release: &str, kind: &str, flags: &[&str]) {
    need_root();
    let mut truth = Truth::start(&Testbed::of(release, kind), flags);
    truth.drive(&["-n", "4"]);
    truth.reset();
    let pid = truth.pid().to_string();
    let args = ["report", "--pid", &pid, "-d", "60s", "--format", "json"];
    let mut agent = Gostall::start(GOSTALL, args.iter().chain(&CATCH_ALL));
    agent.wait_attached();
    truth.drive(&["-n", UNITS]);
    truth.dump();
    agent.signal(libc::SIGINT);
    let report = agent.finish().report();
    let what = format!("{release} {kind} {flags:?}");
    pass(&what, &report, &truth.judge(&report.0, &[]));
    assert_eq!(report.int("/coverage/events_lost"), 0, "{what}");
}

#[test]
fn the_machines_own_go() {
    attached("local", "static", &[]);
}

#[test]
fn go_1_27_stripped() {
    attached("1.27.3", "strip", &[]);
}

#[test]
fn go_1_21_cgo() {
    attached("1.21.13", "cgo", &[]);
}

/// As Debian ships Go servers; there is no parentGoid yet.
#[test]
fn go_1_19_cgo_stripped() {
    attached("1.19.13", "cgostrip", &[]);
}

#[test]
fn an_own_router_behind_middleware_with_the_collector_running() {
    attached("1.24.11", "pie", &["-own-router", "-gogc", "5"]);
}

/// The whole matrix of releases and build kinds: `./dev test --full`.
#[test]
fn every_release_and_kind() {
    if std::env::var("GOSTALL_FULL").as_deref() != Ok("1") {
        return;
    }
    for release in [
        "1.19.13", "1.20.14", "1.21.13", "1.22.12", "1.23.9", "1.24.11", "1.25.5", "1.26.6",
        "1.27.3",
    ] {
        for kind in ["static", "pie", "cgo", "cgopie", "sw", "strip", "cgostrip"] {
            attached(release, kind, &[]);
        }
    }
}

/// Started by gostall: the very first request counts.
#[test]
fn launched_and_traced_from_the_first_instruction() {
    need_root();
    let testbed = Testbed::local();
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str| dir.path().join(name).to_string_lossy().into_owned();
    let mut agent = Command::new(GOSTALL)
        .args(["report", "--format", "json", "-o", &file("report.json")])
        .args(CATCH_ALL)
        .arg("--")
        .arg(testbed.program("truth"))
        .args([
            "-addr",
            "127.0.0.1:0",
            "-truth",
            &file("truth.json"),
            "-tmp",
            &file(""),
        ])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(agent.stdout.take().unwrap()).lines();
    let ready = lines.next().expect("the server's first line").unwrap();
    let addr = ready.strip_prefix("ready ").expect("ready");
    gostall_rig::drive(
        &testbed.program("drive"),
        addr,
        &dir.path().join("drive.json"),
        &["-n", UNITS],
    );
    writeln!(agent.stdin.as_mut().unwrap(), "dump").unwrap();
    assert_eq!(lines.next().unwrap().unwrap(), "dump done");
    let server = gostall_rig::read_json(&dir.path().join("truth.json"))["pid"]
        .as_u64()
        .unwrap();
    // SAFETY: the server that this test's own gostall started, still running.
    unsafe { libc::kill(server as i32, libc::SIGTERM) };
    assert!(agent.wait().unwrap().success());
    let report = Report(gostall_rig::read_json(&dir.path().join("report.json")));
    pass(
        "launched",
        &report,
        &gostall_rig::judge(&testbed, dir.path(), &report.0, &[]),
    );
    assert_eq!(report.int("/target/pid"), server);
}

/// Whoever tries a thousand paths that are not there (a scanner, a crawler) must not hide those that are.
#[test]
fn a_scanner_does_not_hide_the_endpoints() {
    need_root();
    let mut truth = Truth::start(&Testbed::local(), &[]);
    let pid = truth.pid().to_string();
    let args = ["report", "-p", &pid, "-d", "60s", "--format", "json"];
    let mut agent = Gostall::start(GOSTALL, args);
    agent.wait_attached();
    truth.drive(&["-n", "300", "-scenario", "unmatched,params,literals"]);
    truth.dump();
    agent.signal(libc::SIGINT);
    let report = agent.finish().report();
    pass("a scanner", &report, &truth.judge(&report.0, &[]));
}

/// A client of one keep-alive connection.
struct Client(TcpStream);

impl Client {
    fn connect(addr: &str) -> Self {
        let conn = TcpStream::connect(addr).unwrap();
        conn.set_read_timeout(Some(Duration::from_secs(10)))
            .unwrap();
        Self(conn)
    }

    fn ask(&mut self, path: &str) {
        self.0
            .write_all(format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes())
            .unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            self.0.read_exact(&mut byte).unwrap();
            head.extend(byte);
        }
        let head = String::from_utf8(head).unwrap();
        let length = head
            .lines()
            .find_map(|l| l.strip_prefix("Content-Length: ")?.parse().ok());
        let mut body = vec![0; length.unwrap_or_else(|| panic!("{head}"))];
        self.0.read_exact(&mut body).unwrap();
    }
}

/// Connections that were open, and had served, before gostall came: from their next request on, each counts.
#[test]
fn connections_older_than_the_attach() {
    need_root();
    let mut truth = Truth::start(&Testbed::local(), &[]);
    let addr = truth.server().addr.clone();
    let mut clients: Vec<Client> = (0..16).map(|_| Client::connect(&addr)).collect();
    for client in &mut clients {
        client.ask("/mix/a");
    }
    truth.reset();
    let pid = truth.pid().to_string();
    let mut agent = Gostall::start(
        GOSTALL,
        ["report", "-p", &pid, "-d", "60s", "--format", "json"],
    );
    agent.wait_attached();
    for round in 0..20 {
        for (i, client) in clients.iter_mut().enumerate() {
            client.ask(["/mix/a", "/mix/b", "/mix/c", "/api/users/7"][(round + i) % 4]);
        }
    }
    truth.dump();
    agent.signal(libc::SIGINT);
    let report = agent.finish().report();
    let verdict = truth.judge(&report.0, &[]);
    assert_eq!(verdict["passed"], true, "{verdict:#}");
    assert_eq!(report.requests(), 16 * 20);
    assert_eq!(report.endpoint("GET", "/mix/a").unwrap()["requests"], 80);
}

/// The judge must be able to say no: a report of another run, and one with a single call moved.
#[test]
fn a_false_report_is_found_out() {
    need_root();
    let mut truth = Truth::start(&Testbed::local(), &[]);
    let pid = truth.pid().to_string();
    let mut agent = Gostall::start(
        GOSTALL,
        ["report", "-p", &pid, "-d", "60s", "--format", "json"],
    );
    agent.wait_attached();
    truth.drive(&["-n", "10", "-scenario", "keepalive,plain"]);
    truth.dump();
    agent.signal(libc::SIGINT);
    let mut report = agent.finish().report().0;
    assert_eq!(truth.judge(&report, &[])["passed"], true);
    let endpoints = report["endpoints"].as_array_mut().unwrap();
    let a = endpoints
        .iter_mut()
        .find(|e| e["route"] == "/mix/a")
        .unwrap();
    a["requests"] = (a["requests"].as_u64().unwrap() + 1).into();
    assert_eq!(truth.judge(&report, &[])["passed"], false);
}
