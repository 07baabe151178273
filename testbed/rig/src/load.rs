//! Clients: one request by hand, wrk's saturation, the testbed's constant rate.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::build::Testbed;
use crate::process::bound;

/// One GET on a connection of its own; the whole answer.
pub fn get(addr: &str, path: &str) -> String {
    let mut conn = TcpStream::connect(addr).unwrap_or_else(|e| panic!("{addr}: {e}"));
    conn.set_read_timeout(Some(Duration::from_secs(10)))
        .expect("a duration");
    write!(
        conn,
        "GET {path} HTTP/1.1\r\nHost: {addr}\r\nConnection: close\r\n\r\n"
    )
    .expect("the server reads");
    let mut answer = Vec::new();
    conn.read_to_end(&mut answer).expect("the server answers");
    String::from_utf8_lossy(&answer).into_owned()
}

/// What wrk says of its run.
#[derive(Debug, Clone, Copy)]
pub struct Saturation {
    /// Requests answered.
    pub requests: u64,
    /// ... per second.
    pub rate: f64,
}

/// Saturates `http://addr/path` with keep-alive connections. A Lua script may choose the paths.
pub fn wrk(
    addr: &str,
    path: &str,
    connections: u32,
    time: Duration,
    lua: Option<&std::path::Path>,
) -> Saturation {
    let mut command = Command::new("wrk");
    command.args([
        "-t1",
        &format!("-c{connections}"),
        &format!("-d{}s", time.as_secs()),
    ]);
    if let Some(lua) = lua {
        command.arg("-s").arg(lua);
    }
    command
        .arg(format!("http://{addr}{path}"))
        .stdin(Stdio::null());
    let out = bound(&mut command).output().expect("wrk starts");
    let text = String::from_utf8_lossy(&out.stdout);
    assert!(
        out.status.success() && !text.contains("Non-2xx"),
        "wrk: {text}"
    );
    // `  246042 requests in 5.10s, 30.27MB read`, `Requests/sec:  48271.15`
    let requests = text
        .lines()
        .find_map(|l| l.split_once(" requests in ")?.0.trim().parse().ok());
    let rate = text
        .lines()
        .find_map(|l| l.strip_prefix("Requests/sec:")?.trim().parse().ok());
    let (Some(requests), Some(rate)) = (requests, rate) else {
        panic!("wrk: {text}")
    };
    Saturation { requests, rate }
}

/// Saturates `https://addr/path` with keep-alive connections, one request at a time on each: over HTTP/2, or over HTTP/1.
pub fn h2load(addr: &str, path: &str, connections: u32, time: Duration, http1: bool) -> Saturation {
    let mut command = Command::new("h2load");
    command.args(["-t1", "-m1", &format!("-c{connections}")]);
    command.arg(format!("-D{}", time.as_secs()));
    if http1 {
        command.arg("--h1");
    }
    command
        .arg(format!("https://{addr}{path}"))
        .stdin(Stdio::null());
    let out = bound(&mut command).output().expect("h2load starts");
    let text = String::from_utf8_lossy(&out.stdout);
    // `finished in 2.00s, 24831.50 req/s, 1.02MB/s`, `requests: 49663 total, ... 49663 succeeded, 0 failed, ...`
    let rate = text.lines().find_map(|l| {
        let (_, rest) = l.strip_prefix("finished in ")?.split_once(", ")?;
        rest.split_once(" req/s")?.0.parse().ok()
    });
    let requests = text.lines().find_map(|l| {
        l.strip_prefix("requests: ")?
            .split_once(" total")?
            .0
            .parse()
            .ok()
    });
    let (Some(requests), Some(rate), true) = (requests, rate, text.contains(" 0 failed")) else {
        panic!("h2load: {text}")
    };
    Saturation { requests, rate }
}

/// The testbed's open-loop load: its JSON.
pub fn load(testbed: &Testbed, addr: &str, flags: &[&str]) -> Value {
    let mut command = Command::new(testbed.program("load"));
    command
        .args(["-addr", addr])
        .args(flags)
        .stdin(Stdio::null());
    let out = bound(&mut command).output().expect("load starts");
    assert!(
        out.status.success(),
        "load: {}",
        String::from_utf8_lossy(&out.stderr)
    );
    serde_json::from_slice(&out.stdout)
        .unwrap_or_else(|e| panic!("load: {e}: {}", String::from_utf8_lossy(&out.stdout)))
}
