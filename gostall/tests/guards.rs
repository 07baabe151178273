//! What keeps gostall from doing harm: budgets, a watchdog, privileges given up, and output that cannot be used
//! against the terminal or read by others.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use gostall_rig::{
    Gostall, Report, Server, Testbed, get, load, need_root, notify_socket, programs_of, wrk,
};
use serde_json::Value;

const GOSTALL: &str = env!("CARGO_BIN_EXE_gostall");

fn hello() -> Server {
    Server::start(&Testbed::local().program("hello"), ["-addr", "127.0.0.1:0"])
}

fn report(server: &Server, flags: &[&str]) -> Gostall {
    let pid = server.pid().to_string();
    let mut args = vec!["report", "-p", &pid, "-d", "10m", "--format", "json"];
    args.extend(flags);
    let mut agent = Gostall::start(GOSTALL, args);
    agent.wait_attached();
    agent
}

fn guards(report: &Report) -> Vec<Value> {
    let guards = report.at("/sampling").get("guards");
    guards
        .and_then(|g| g.as_array())
        .cloned()
        .unwrap_or_default()
}

fn acts(report: &Report) -> Vec<String> {
    guards(report)
        .iter()
        .map(|g| g["action"].as_str().unwrap().to_owned())
        .collect()
}

/// Above its CPU budget for some seconds it samples, says so, and still counts every request.
#[test]
fn the_cpu_budget() {
    need_root();
    let testbed = Testbed::local();
    let server = hello();
    let agent = report(&server, &["--cpu-budget", "0.01"]);
    // Five looks in a row, one a second.
    let flags = ["-rate", "500", "-duration", "8s", "-warmup", "0s"];
    let requests = load(&testbed, &server.addr, &flags)["requests"].as_u64();
    agent.signal(libc::SIGINT);
    let done = agent.finish();
    let report = done.report();
    let one_in = report.int("/sampling/one_request_in");
    assert!(one_in >= 2 && one_in.is_power_of_two(), "{one_in}");
    assert_eq!(
        acts(&report).first().map(String::as_str),
        Some("sampling_raised")
    );
    let first = &guards(&report)[0];
    // Not at the first burst: after three looks.
    assert!(first["after_ns"].as_u64() > Some(2_500_000_000), "{first}");
    assert!(report.int("/coverage/losses/filtered") > 0);
    assert_eq!(
        Some(report.requests()),
        requests,
        "requests are all counted"
    );
    assert!(done.stderr.contains("--cpu-budget"), "{}", done.stderr);
}

/// Within its budgets nothing of that happens.
#[test]
fn no_guard_acts_without_need() {
    need_root();
    let testbed = Testbed::local();
    let server = hello();
    let agent = report(&server, &[]);
    let flags = ["-rate", "500", "-duration", "5s", "-warmup", "0s"];
    load(&testbed, &server.addr, &flags);
    agent.signal(libc::SIGINT);
    let done = agent.finish();
    assert_eq!(acts(&done.report()), Vec::<String>::new());
    assert_eq!(done.report().int("/sampling/one_request_in"), 1);
    assert_eq!(done.stderr, "");
}

/// Above its memory budget it keeps no more snapshots, and says so in text too.
#[test]
fn the_memory_budget() {
    need_root();
    let server = hello();
    let agent = report(&server, &["--memory-budget", "1MB", "--threshold", "1us"]);
    std::thread::sleep(Duration::from_millis(1500));
    // By now it has stopped; these would all be snapshots.
    let late = Instant::now();
    for _ in 0..50 {
        get(&server.addr, "/hello");
    }
    agent.signal(libc::SIGINT);
    let report = agent.finish().report();
    assert_eq!(acts(&report), ["snapshots_stopped"]);
    assert_eq!(report.requests(), 50);
    let since = std::time::SystemTime::now() - late.elapsed();
    let since = since
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap()
        .as_nanos() as u64;
    let snapshots = report.at("/snapshots").as_array().unwrap();
    assert!(
        snapshots
            .iter()
            .all(|s| s["ts_unix_ns"].as_u64().unwrap() < since),
        "{snapshots:#?}"
    );

    let pid = server.pid().to_string();
    let text = Gostall::run(
        GOSTALL,
        ["report", "-p", &pid, "-d", "2s", "--memory-budget", "1MB"],
    );
    assert!(
        text.stdout.contains("no slow call is kept"),
        "{}",
        text.stdout
    );
}

/// Where a system call becomes too dear the probes go, and the report says what was seen until then.
#[test]
fn the_cost_bound() {
    need_root();
    let server = hello();
    // Without snapshots, for nobody reads its report before it has ended.
    let mut agent = report(&server, &["--max-cost", "1ns", "--threshold", "10s"]);
    let seen = wrk(&server.addr, "/hello", 8, Duration::from_secs(12), None);
    assert!(seen.requests > 0);
    assert!(!agent.is_running(), "it ended by itself");
    let done = agent.finish();
    let report = done.report();
    assert_eq!(acts(&report), ["detached"]);
    assert!(report.requests() > 0 && report.requests() < seen.requests);
    assert!(done.stderr.contains("--max-cost"), "{}", done.stderr);
    assert!(get(&server.addr, "/hello").ends_with("hello\n"));
}

/// Stops one thread of a process, as a debugger would, until this test's own thread ends.
fn freeze(tid: i32) {
    // SAFETY: plain numbers; the thread is that of a child of this test's.
    unsafe {
        assert_eq!(libc::ptrace(libc::PTRACE_SEIZE, tid, 0, 0), 0);
        assert_eq!(libc::ptrace(libc::PTRACE_INTERRUPT, tid, 0, 0), 0);
    }
}

/// When its main loop stands still, the agent ends, and with it the probes.
#[test]
fn the_watchdog() {
    need_root();
    let server = hello();
    let mut agent = report(&server, &[]);
    assert!(programs_of(agent.pid()).len() >= 4);
    let began = Instant::now();
    freeze(agent.pid() as i32);
    // A tracer's own child is told to it first; ours is reaped by `finish`, so look at the probes.
    while !programs_of(agent.pid()).is_empty() {
        assert!(
            began.elapsed() < Duration::from_secs(12),
            "it stands still for ever"
        );
        std::thread::sleep(Duration::from_millis(100));
    }
    assert!(
        began.elapsed() > Duration::from_secs(4),
        "{:?}",
        began.elapsed()
    );
    let _ = agent.is_running();
    let done = agent.finish();
    assert_eq!(done.status.code(), Some(2), "{}", done.stderr);
    assert!(done.stderr.contains("stood still"), "{}", done.stderr);
    assert!(get(&server.addr, "/hello").ends_with("hello\n"));
}

/// Ctrl-Z, and a reader who has paused (`| less`), are no reason to end.
#[test]
fn pauses_are_no_stalls() {
    need_root();
    let server = hello();
    let mut stopped = report(&server, &[]);
    let (ready, place) = notify_socket();
    let mut tracing = Command::new(GOSTALL)
        .args(["trace", "-p", &server.pid().to_string()])
        .env("NOTIFY_SOCKET", &place)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    while ready.recv(&mut [0; 64]).is_err() {
        assert_eq!(tracing.try_wait().unwrap(), None, "it attaches");
    }
    stopped.signal(libc::SIGSTOP);
    // More than a pipe and the buffer hold.
    for _ in 0..400 {
        get(&server.addr, "/hello");
    }
    std::thread::sleep(Duration::from_secs(7));
    stopped.signal(libc::SIGCONT);
    std::thread::sleep(Duration::from_secs(1));
    assert!(stopped.is_running());
    stopped.signal(libc::SIGINT);
    assert_eq!(stopped.finish().report().requests(), 400);

    assert_eq!(tracing.try_wait().unwrap(), None, "it waits for its reader");
    let mut some = vec![0; 80_000];
    tracing
        .stdout
        .as_mut()
        .unwrap()
        .read_exact(&mut some)
        .unwrap();
    tracing.kill().unwrap();
    tracing.wait().unwrap();
}

fn capabilities(pid: u32, set: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|l| l.strip_prefix(set)).unwrap();
    u64::from_str_radix(line.trim_start_matches(':').trim(), 16).unwrap()
}

/// Attached, it has no more privileges than the rest of the run needs; a launched command has all of its own.
#[test]
fn privileges_are_given_up() {
    need_root();
    // include/uapi/linux/capability.h
    const DAC_OVERRIDE: u64 = 1 << 1;
    const NEEDED: u64 = 1 << 2 | 1 << 19 | 1 << 21 | 1 << 38 | 1 << 39;
    let server = hello();
    let own = capabilities(std::process::id(), "CapEff");
    let agent = report(&server, &[]);
    for thread in gostall_rig::threads_of(agent.pid()) {
        for set in ["CapEff", "CapPrm"] {
            assert_eq!(capabilities(thread, set), own & NEEDED, "{thread} {set}");
        }
    }
    agent.signal(libc::SIGINT);
    agent.finish();

    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("r.json");
    let mut launching = Gostall::start(
        GOSTALL,
        [
            "report".as_ref(),
            "-o".as_ref(),
            out.as_os_str(),
            "--".as_ref(),
            Testbed::local().program("hello").as_os_str(),
            "-addr".as_ref(),
            "127.0.0.1:0".as_ref(),
        ],
    );
    launching.wait_attached();
    assert_ne!(
        capabilities(launching.pid(), "CapEff") & DAC_OVERRIDE,
        0,
        "for the file"
    );
    let children = fs::read_to_string(format!("/proc/{0}/task/{0}/children", launching.pid()));
    let child: u32 = children
        .unwrap()
        .split_whitespace()
        .next()
        .unwrap()
        .parse()
        .unwrap();
    assert_eq!(
        capabilities(child, "CapEff"),
        own,
        "the command's are its own"
    );
    let status = fs::read_to_string(format!("/proc/{child}/status")).unwrap();
    assert!(status.contains("NoNewPrivs:\t0"), "{status}");
    launching.signal(libc::SIGINT);
    assert!(launching.finish().status.success());
}

/// With what is left it still follows an exec, reads another user's executable, watches births and measures cost; and
/// writes its file into somebody else's directory.
#[test]
fn what_is_left_is_enough() {
    need_root();
    let testbed = Testbed::local();
    let dir = tempfile::tempdir().unwrap();
    let exe = dir.path().join("others");
    fs::copy(testbed.program("morph"), &exe).unwrap();
    fs::set_permissions(&exe, fs::Permissions::from_mode(0o711)).unwrap();
    std::os::unix::fs::chown(&exe, Some(65534), Some(65534)).unwrap();
    let theirs = dir.path().join("theirs");
    fs::create_dir(&theirs).unwrap();
    fs::set_permissions(&theirs, fs::Permissions::from_mode(0o700)).unwrap();
    std::os::unix::fs::chown(&theirs, Some(65534), Some(65534)).unwrap();
    let out = theirs.join("r.json");

    let mut server = Server::start(&exe, ["-addr", "127.0.0.1:0"]);
    let agent = report(&server, &["-o", &out.to_string_lossy()]);
    // SAFETY: the server above, which has not been waited for.
    unsafe { libc::kill(server.pid() as i32, libc::SIGHUP) };
    server.line();
    std::thread::sleep(Duration::from_millis(700));
    let flags = ["-rate", "300", "-duration", "4s", "-warmup", "0s"];
    let requests = load(&testbed, &server.addr, &flags)["requests"].as_u64();
    agent.signal(libc::SIGINT);
    let done = agent.finish();
    assert!(done.status.success(), "{}", done.stderr);
    let report = Report(serde_json::from_str(&fs::read_to_string(&out).unwrap()).unwrap());
    assert_eq!(Some(report.requests()), requests);
    assert!(report.at("/overhead/bpf_ns_per_syscall").is_number());
    assert_eq!(report.at("/target/attribution"), "goroutines");
}

/// Names and paths that hold terminal commands are shown, never sent.
#[test]
fn nothing_reaches_the_terminal_raw() {
    need_root();
    let dir = tempfile::tempdir().unwrap();
    let evil = "\x1b]0;owned\x07\x1b[31m";
    let exe = dir.path().join(format!("x{evil}"));
    fs::copy(Testbed::local().program("hello"), &exe).unwrap();
    let server = Server::start(&exe, ["-addr", "127.0.0.1:0", "-bare"]);
    let pid = server.pid().to_string();
    let request = |path: &str| {
        let mut conn = TcpStream::connect(&server.addr).unwrap();
        write!(
            conn,
            "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        )
        .unwrap();
        let _ = conn.read_to_end(&mut Vec::new());
    };
    let mut runs = Vec::new();
    for command in [
        &["report", "-p", &pid, "-d", "2500ms", "--threshold", "1us"][..],
        &["report", "-p", &pid, "-d", "2500ms", "--format", "json"],
        &["trace", "-p", &pid, "-d", "2500ms"],
        &["trace", "-p", &pid, "-d", "2500ms", "--format", "json"],
    ] {
        let mut agent = Gostall::start(GOSTALL, command);
        agent.wait_attached();
        for _ in 0..3 {
            request(&format!("/a/{evil}"));
            request("/b/\u{9b}31m/\u{202e}");
        }
        let done = agent.finish();
        assert!(done.status.success(), "{}", done.stderr);
        runs.push((command.to_vec(), done));
    }
    runs.push((
        vec!["doctor"],
        Gostall::run(GOSTALL, ["doctor", "-p", &pid]),
    ));
    let not_go = dir.path().join(format!("sleep{evil}"));
    fs::copy("/bin/sleep", &not_go).unwrap();
    let mut sleep = Command::new(&not_go).arg("60").spawn().unwrap();
    let pid = sleep.id().to_string();
    std::thread::sleep(Duration::from_millis(100));
    runs.push((
        vec!["not go"],
        Gostall::run(GOSTALL, ["report", "-p", &pid, "-d", "1s"]),
    ));
    sleep.kill().unwrap();
    sleep.wait().unwrap();
    runs.push((
        vec!["not there"],
        Gostall::run(GOSTALL, ["report", "--name", evil, "-d", "1s"]),
    ));
    runs.push((vec!["bad flag"], Gostall::run(GOSTALL, ["report", evil])));
    for (command, done) in runs {
        for text in [&done.stdout, &done.stderr] {
            let raw = text
                .chars()
                .find(|c| (c.is_control() && *c != '\n') || matches!(c, '\u{202e}' | '\u{9b}'));
            assert_eq!(raw, None, "{command:?}: {text:?}");
        }
        if command[0] == "report" {
            assert!(
                done.stdout.contains("owned"),
                "{command:?} shows the path: {}",
                done.stdout
            );
        }
    }
}

/// Whatever it writes is the user's alone, also where there was a file that was not.
#[test]
fn files_are_private() {
    need_root();
    let server = hello();
    let dir = tempfile::tempdir().unwrap();
    let pid = server.pid().to_string();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    for command in ["report", "trace"] {
        for before in [false, true] {
            let path = dir.path().join(format!("{command}-{before}"));
            if before {
                fs::write(&path, "old").unwrap();
                fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
            }
            let out = path.to_string_lossy();
            let done = Gostall::run(GOSTALL, [command, "-p", &pid, "-d", "500ms", "-o", &out]);
            assert!(done.status.success(), "{}", done.stderr);
            assert_eq!(mode(&path), 0o600, "{command} {before}");
        }
    }
}
