//! As many distinct URLs as anybody cares to send: memory stays bounded, endpoints stay few, nothing is lost.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use gostall_rig::{Gostall, Report, Server, Testbed, need_root, rss_bytes, wrk};

const GOSTALL: &str = env!("CARGO_BIN_EXE_gostall");

/// Whole runs send a million URLs, short ones what wrk can in a few seconds.
fn full() -> bool {
    std::env::var("GOSTALL_FULL").as_deref() == Ok("1")
}

/// Saturates the server with the paths that a Lua expression of `n` (1, 2, 3, ...) gives.
fn flood(lua: &str, flags: &[&str]) -> (Report, u64, u64) {
    need_root();
    let testbed = Testbed::local();
    let server = Server::start(&testbed.program("hello"), ["-addr", "127.0.0.1:0", "-bare"]);
    let pid = server.pid().to_string();
    let mut script = tempfile::NamedTempFile::new().unwrap();
    writeln!(
        script,
        "local n = 0\nfunction request()\n n = n + 1\n return wrk.format('GET', {lua})\nend"
    )
    .unwrap();
    let mut args = vec!["report", "-p", &pid, "-d", "10m", "--format", "json"];
    args.extend(flags);
    let mut agent = Gostall::start(GOSTALL, args);
    agent.wait_attached();
    let (done, peak, agent_pid) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicU64::new(0)),
        agent.pid(),
    );
    let watcher = std::thread::spawn({
        let (done, peak) = (done.clone(), peak.clone());
        move || {
            while !done.load(Ordering::Relaxed) {
                peak.fetch_max(rss_bytes(agent_pid), Ordering::Relaxed);
                std::thread::sleep(Duration::from_millis(20));
            }
        }
    });
    let seconds = if full() { 40 } else { 5 };
    let script = Some(script.path());
    let sent = wrk(&server.addr, "/", 16, Duration::from_secs(seconds), script).requests;
    agent.signal(libc::SIGINT);
    let finished = agent.finish();
    done.store(true, Ordering::Relaxed);
    watcher.join().unwrap();
    (finished.report(), sent, peak.load(Ordering::Relaxed))
}

fn bounded(what: &str, report: &Report, sent: u64, peak: u64, most_endpoints: usize) {
    let seen = report.requests();
    let endpoints: Vec<_> = report
        .endpoints()
        .iter()
        .map(|e| format!("{} {}", e["route"], e["requests"]))
        .collect();
    println!(
        "{what}: {seen} requests, {} paths, {peak} bytes, {endpoints:?}",
        report.int("/coverage/paths_seen")
    );
    assert!(
        sent > if full() { 1_000_000 } else { 40_000 },
        "{what}: only {sent} requests were sent"
    );
    // wrk leaves with a request in flight on each of its 16 connections.
    assert!(
        (sent..=sent + 16).contains(&seen),
        "{what}: {seen} of {sent} requests"
    );
    assert!(endpoints.len() <= most_endpoints, "{what}: {endpoints:?}");
    assert!(peak < 80 << 20, "{what}: gostall grew to {peak} bytes");
    assert_eq!(report.int("/coverage/losses/calls_lost"), 0, "{what}");
}

#[test]
fn numbers() {
    let (report, sent, peak) = flood("'/api/users/' .. n .. '/orders'", &[]);
    bounded("numbers", &report, sent, peak, 1);
    assert_eq!(report.endpoints()[0]["route"], "/api/users/{id}/orders");
}

#[test]
fn words_that_are_ids() {
    // Letters only: nothing but their number says that they are no endpoints.
    let lua = "'/s/' .. string.gsub(tostring(n * 7919), '%d', function(d) return string.char(103 + d) end)";
    let (report, sent, peak) = flood(lua, &[]);
    bounded("words", &report, sent, peak, 1);
    let route = report.endpoints()[0]["route"].as_str().unwrap();
    assert!(route.starts_with("/s/{"), "{route}");
}

#[test]
fn every_segment_another() {
    let lua = "string.format('/%x/%s/%d', n * 2654435761 % 4294967296, string.rep('x', n % 40), n % 9973)";
    let (report, sent, peak) = flood(lua, &[]);
    bounded("scanner", &report, sent, peak, 200);
}

#[test]
fn query_strings_are_never_kept() {
    let (report, sent, peak) = flood("'/search?q=s3cr3t' .. n .. '&token=' .. n", &[]);
    bounded("queries", &report, sent, peak, 1);
    assert_eq!(report.endpoints()[0]["route"], "/search");
    assert!(!report.0.to_string().contains("s3cr3t"));
}

#[test]
fn a_users_own_route() {
    let (report, sent, peak) = flood(
        "'/shop/' .. (n % 50000) .. '-red-shoe/' .. (n % 3)",
        &["--route", "/shop/{item}/{size}"],
    );
    bounded("route", &report, sent, peak, 1);
    assert_eq!(report.endpoints()[0]["route"], "/shop/{item}/{size}");
}
