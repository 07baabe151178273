//! W3C traceparent where the wire does not show it: over TLS and HTTP/2 it is read from the handler's `*http.Request`.
//! The maps of Go's releases and of few and many headers; a request without one has none.

use std::collections::BTreeMap;
use std::io::Write;
use std::process::{Command, Stdio};

use gostall_rig::{Gostall, Testbed, Truth, need_root};
use serde_json::Value;

const GOSTALL: &str = env!("CARGO_BIN_EXE_gostall");

/// Further headers of each request: one group of a map or bucket, several, and some that hang on others.
const HEADERS: [usize; 6] = [0, 4, 7, 14, 30, 60];

fn trace_id(headers: usize) -> String {
    format!("4bf92f3577b34da6a3ce929d0e{headers:06}")
}

fn curl(version: &str, addr: &str, headers: usize, traceparent: Option<&str>) {
    let mut curl = Command::new("curl");
    curl.args(["-sk", "-o", "/dev/null", version]);
    for n in 0..headers {
        curl.args(["-H", &format!("X-Header-{n}: {n}")]);
    }
    if let Some(text) = traceparent {
        curl.args(["-H", &format!("traceparent: {text}")]);
    }
    let done = curl
        .arg(format!("https://{addr}/mix/a"))
        .stdin(Stdio::null())
        .status()
        .expect("curl runs");
    assert!(done.success(), "curl: {done}");
}

fn learned(release: &str, kind: &str, version: &str) {
    need_root();
    let mut truth = Truth::start(&Testbed::of(release, kind), &["-tls"]);
    let pid = truth.pid().to_string();
    let addr = format!("127.0.0.1:{}", truth.server().port());
    let mut agent = Gostall::start(
        GOSTALL,
        [
            "trace",
            "-p",
            &pid,
            "--endpoint",
            "/mix/a",
            "--format",
            "json",
        ],
    );
    agent.wait_attached();
    // Learns the protocol.
    curl(version, &addr, 0, None);
    for headers in HEADERS {
        let text = format!("00-{}-00f067aa0ba902b7-01", trace_id(headers));
        curl(version, &addr, headers, Some(&text));
    }
    // None, and what is none.
    curl(version, &addr, 3, None);
    curl(
        version,
        &addr,
        3,
        Some("00-4bf92f3577b34da6a3ce929d0e0e4736+00f067aa0ba902b7-01"),
    );
    truth.dump();
    agent.signal(libc::SIGINT);
    let done = agent.finish();
    assert!(done.status.success(), "{}", done.stderr);
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    for line in done.stdout.lines() {
        let event: Value = serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"));
        let id = event["trace_id"].as_str().unwrap_or("none").to_owned();
        let span = event["span_id"].as_str().unwrap_or("none");
        assert_eq!(span == "00f067aa0ba902b7", id != "none", "{line}");
        *seen.entry(id).or_default() += 1;
    }
    let what = format!("{release} {kind} {version}");
    // The truth's handler makes so many markers for each request, besides what net/http calls.
    let none = seen.remove("none").unwrap_or(0);
    assert!(none > 3, "{what}: {seen:?}");
    let all: Vec<String> = HEADERS.iter().map(|&n| trace_id(n)).collect();
    assert_eq!(seen.keys().cloned().collect::<Vec<_>>(), all, "{what}");
    assert!(seen.values().all(|&n| n >= none / 4), "{what}: {seen:?}");
}

#[test]
fn http1_over_tls() {
    learned("local", "static", "--http1.1");
}

#[test]
fn http2() {
    learned("local", "static", "--http2");
}

#[test]
fn buckets_of_go_1_19() {
    learned("1.19.13", "cgostrip", "--http1.1");
    learned("1.19.13", "cgostrip", "--http2");
}

#[test]
fn stripped_go_1_27() {
    learned("1.27.3", "strip", "--http1.1");
    learned("1.27.3", "strip", "--http2");
}

/// On gRPC's own transport it is in the metadata of the stream's context.
#[test]
fn grpc_metadata() {
    need_root();
    let testbed = Testbed::modules("local", true);
    let mut truth = Truth::start_other(&testbed, "grpc-truth", "grpc-drive", &[]);
    let pid = truth.pid().to_string();
    let port = truth.server().port();
    let call = |traceparent: Option<&str>| {
        let mut curl = Command::new("curl");
        curl.args(["-s", "-o", "/dev/null", "--http2-prior-knowledge", "-X"])
            .args(["POST", "-H", "content-type: application/grpc"])
            .args(["-H", "te: trailers", "--data-binary", "@-"]);
        if let Some(text) = traceparent {
            curl.args(["-H", &format!("traceparent: {text}")]);
        }
        let url = format!("http://127.0.0.1:{port}/testbed.Truth/Plain");
        let mut child = curl.arg(url).stdin(Stdio::piped()).spawn().expect("curl");
        // An empty message, not compressed.
        let mut body = child.stdin.take().expect("piped");
        body.write_all(&[0; 5]).expect("curl reads");
        drop(body);
        assert!(child.wait().expect("curl ends").success());
    };
    let args = ["trace", "-p", &pid, "--format", "json"];
    let mut agent = Gostall::start(GOSTALL, args);
    agent.wait_attached();
    call(None);
    let text = format!("00-{}-00f067aa0ba902b7-01", trace_id(1));
    call(Some(&text));
    truth.dump();
    agent.signal(libc::SIGINT);
    let done = agent.finish();
    assert!(done.status.success(), "{}", done.stderr);
    let (mut with, mut without) = (0, 0);
    for line in done.stdout.lines() {
        let event: Value = serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"));
        if event["route"] != "/testbed.Truth/Plain" {
            continue;
        }
        match event["trace_id"].as_str() {
            Some(id) => {
                assert_eq!(id, trace_id(1), "{line}");
                with += 1;
            }
            None => without += 1,
        }
    }
    assert!(with > 0 && with == without, "{with} and {without}");
}
