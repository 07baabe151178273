//! Do no harm: whatever gostall does, and however it ends, the server serves on, and nothing of it stays behind.
//! With GOSTALL_FULL=1 a thousand attaches instead of some thirty.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use gostall_rig::{BpfKind, Gostall, Server, Testbed, all_of, get, held_by, load, need_root};

const GOSTALL: &str = env!("CARGO_BIN_EXE_gostall");

fn full() -> bool {
    std::env::var("GOSTALL_FULL").as_deref() == Ok("1")
}

fn start(program: &str) -> Server {
    Server::start(&Testbed::local().program(program), ["-addr", "127.0.0.1:0"])
}

fn report(flags: &[&str]) -> Gostall {
    let mut args = vec!["report", "-d", "10m", "--format", "json"];
    args.extend(flags);
    let mut agent = Gostall::start(GOSTALL, args);
    agent.wait_attached();
    agent
}

/// A load that goes on until it is stopped.
struct Load {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<(u64, u64)>,
}

impl Load {
    fn on(addr: &str, rate: &'static str) -> Self {
        Self::with(addr, rate, &[])
    }

    fn with(addr: &str, rate: &'static str, also: &'static [&'static str]) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (seen, addr, testbed) = (Arc::clone(&stop), addr.to_owned(), Testbed::local());
        let thread = std::thread::spawn(move || {
            let (mut sent, mut failed) = (0, 0);
            while !seen.load(Ordering::Relaxed) {
                let flags = ["-rate", rate, "-duration", "2s", "-warmup", "0s"];
                let done = load(&testbed, &addr, &[&flags, also].concat());
                let all = done["requests"].as_u64().unwrap();
                sent += all;
                failed += done["errors"].as_u64().unwrap()
                    + (all - done["statuses"]["200"].as_u64().unwrap_or(0));
            }
            (sent, failed)
        });
        Self { stop, thread }
    }

    /// Ends it: so many requests, and not one that failed.
    fn unharmed(self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        let (sent, failed) = self.thread.join().unwrap();
        assert_eq!(failed, 0, "of {sent} requests");
        sent
    }
}

/// Attaches, watches for a moment and detaches, again and again, under load; every third time it is killed.
fn rounds(release: &str) {
    need_root();
    rounds_over(release, &[]);
    rounds_over(release, &["-tls"]);
}

fn rounds_over(release: &str, tls: &'static [&'static str]) {
    let program = Testbed::of(release, "static").program("hello");
    let flags = [&["-addr", "127.0.0.1:0"], tls].concat();
    let mut server = Server::start(&program, flags);
    let load = Load::with(&server.addr, "400", tls);
    let pid = server.pid().to_string();
    let n = if full() { 167 } else { 6 };
    for round in 0..n {
        let agent = Gostall::start(
            GOSTALL,
            ["report", "-p", &pid, "-d", "150ms", "--format", "json"],
        );
        if round % 3 == 2 {
            // At a different point of its life each time.
            std::thread::sleep(Duration::from_millis(100 + 97 * round % 900));
            agent.signal(libc::SIGKILL);
            agent.finish();
            continue;
        }
        let done = agent.finish();
        assert!(done.status.success(), "round {round}: {}", done.stderr);
    }
    assert!(load.unharmed() > 0);
    assert!(server.is_running());
    if tls.is_empty() {
        assert!(get(&server.addr, "/hello").ends_with("hello\n"));
    }
}

#[test]
fn attached_and_detached_go_1_19() {
    rounds("1.19.13");
}

#[test]
fn attached_and_detached_go_1_24() {
    rounds("1.24.11");
}

#[test]
fn attached_and_detached_go_1_27() {
    rounds("1.27.3");
}

/// Every file in bpffs, should it be mounted.
fn pins(dir: &Path) -> BTreeSet<std::path::PathBuf> {
    let Ok(entries) = std::fs::read_dir(dir) else {
        return BTreeSet::new();
    };
    let mut found = BTreeSet::new();
    for e in entries.flatten() {
        found.extend(pins(&e.path()));
        found.insert(e.path());
    }
    found
}

/// Killed in the middle of a load, it leaves no program, map, link or pin, and the server serves on.
#[test]
fn killed_in_mid_load() {
    need_root();
    let bpffs = Path::new("/sys/fs/bpf");
    let pins_before = pins(bpffs);
    let server = start("hello");
    let load = Load::on(&server.addr, "800");
    let agent = report(&["-p", &server.pid().to_string()]);
    let held = BpfKind::ALL.map(|kind| (kind, held_by(agent.pid(), kind)));
    for (kind, least) in [
        (BpfKind::Program, 4),
        (BpfKind::Map, 10),
        (BpfKind::Link, 4),
    ] {
        let ids = &held.iter().find(|(k, _)| *k == kind).unwrap().1;
        assert!(ids.len() >= least, "{kind:?}: {ids:?}");
    }
    agent.signal(libc::SIGKILL);
    assert!(!agent.finish().status.success());
    // The kernel frees them after a grace period, maps that are full after some work.
    let deadline = Instant::now() + Duration::from_secs(10);
    for (kind, ids) in held {
        loop {
            let all = all_of(kind);
            let left: Vec<_> = ids.intersection(&all).collect();
            if left.is_empty() {
                break;
            }
            assert!(Instant::now() < deadline, "left behind: {kind:?} {left:?}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
    assert_eq!(pins(bpffs), pins_before);
    load.unharmed();
}

/// Two at once on one server: both count all of it.
#[test]
fn two_at_once() {
    need_root();
    let server = start("hello");
    let pid = server.pid().to_string();
    let (one, two) = (report(&["-p", &pid]), report(&["-p", &pid]));
    let flags = ["-rate", "500", "-duration", "2s", "-warmup", "0s"];
    let sent = load(&Testbed::local(), &server.addr, &flags);
    assert_eq!(sent["errors"], 0, "{sent}");
    for agent in [one, two] {
        agent.signal(libc::SIGINT);
        let report = agent.finish().report();
        assert_eq!(Some(report.requests()), sent["requests"].as_u64());
        let write = |r: &gostall_rig::Report| -> u64 {
            let calls = r.endpoint("GET", "/hello").unwrap()["syscalls"].clone();
            let calls = calls.as_array().unwrap();
            let writes = calls.iter().filter(|s| s["name"] == "write");
            writes.map(|s| s["count"].as_u64().unwrap()).sum()
        };
        assert_eq!(Some(write(&report)), sent["requests"].as_u64());
    }
}

/// strace on the same server, before and while gostall watches: it stops threads at every call.
#[test]
fn beside_strace() {
    need_root();
    let server = start("hello");
    let pid = server.pid().to_string();
    let strace = || {
        Command::new("strace")
            .args(["-f", "-qq", "-o", "/dev/null", "-p", &pid])
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap()
    };
    let mut before = strace();
    std::thread::sleep(Duration::from_millis(500));
    let agent = report(&["-p", &pid]);
    let flags = ["-rate", "100", "-duration", "2s", "-warmup", "0s"];
    let mut sent = 0;
    let mut drive = || {
        let done = load(&Testbed::local(), &server.addr, &flags);
        assert_eq!(done["errors"], 0, "{done}");
        sent += done["requests"].as_u64().unwrap();
    };
    drive();
    // strace lets go of its threads on SIGINT.
    let end = |child: &mut std::process::Child| {
        // SAFETY: a child that has not been waited for.
        unsafe { libc::kill(child.id() as i32, libc::SIGINT) };
        child.wait().unwrap();
    };
    end(&mut before);
    drive();
    let mut while_watched = strace();
    std::thread::sleep(Duration::from_millis(500));
    drive();
    agent.signal(libc::SIGINT);
    let report = agent.finish().report();
    end(&mut while_watched);
    assert_eq!(report.requests(), sent);
    assert_eq!(report.int("/coverage/losses/calls_lost"), 0);
    assert!(get(&server.addr, "/hello").ends_with("hello\n"));
}

/// Twenty times the target executes itself anew, in the middle of requests.
#[test]
fn twenty_execs() {
    need_root();
    let mut server = start("morph");
    let mut agent = report(&["-p", &server.pid().to_string()]);
    let addr = server.addr.clone();
    for _ in 0..20 {
        assert!(get(&addr, "/hello").ends_with("hello\n"));
        // SAFETY: the server above, which has not been waited for.
        unsafe { libc::kill(server.pid() as i32, libc::SIGHUP) };
        assert_eq!(server.line(), format!("ready {addr}"));
        assert!(get(&addr, "/hello").ends_with("hello\n"));
    }
    std::thread::sleep(Duration::from_millis(700));
    for _ in 0..10 {
        get(&addr, "/hello");
    }
    let ran_on = agent.is_running();
    agent.signal(libc::SIGINT);
    let done = agent.finish();
    assert!(ran_on, "{}{}", done.stdout, done.stderr);
    // The file is known, so not one is missed while it would be read.
    assert_eq!(done.report().requests(), 50);
    assert_eq!(done.report().int("/coverage/losses/calls_lost"), 0);
    assert!(server.is_running());
}

/// Again and again the target ends in the middle of requests: each time there is a report.
#[test]
fn many_exits() {
    need_root();
    for round in 0..if full() { 20 } else { 8 } {
        let server = start("hello");
        let agent = report(&["-p", &server.pid().to_string()]);
        for _ in 0..round {
            get(&server.addr, "/hello");
        }
        drop(server);
        let done = agent.finish();
        assert_eq!(
            done.report().requests(),
            round,
            "round {round}: {}",
            done.stderr
        );
        assert!(done.took < Duration::from_secs(15), "{:?}", done.took);
    }
}

/// Twenty restarts under one port, quicker than they can be followed; the last one is.
#[test]
fn twenty_restarts() {
    need_root();
    let mut server = start("hello");
    let addr = server.addr.clone();
    let mut agent = report(&["--port", &server.port().to_string()]);
    for round in 0..20u64 {
        drop(server);
        server = Server::start(&Testbed::local().program("hello"), ["-addr", &addr]);
        assert!(get(&addr, "/hello").ends_with("hello\n"));
        std::thread::sleep(Duration::from_millis(37 * (round % 8)));
    }
    std::thread::sleep(Duration::from_millis(2500));
    for _ in 0..50 {
        get(&addr, "/hello");
    }
    assert!(agent.is_running());
    agent.signal(libc::SIGINT);
    let done = agent.finish();
    let seen = done.report().requests();
    assert!((50..=70).contains(&seen), "{seen}: {}", done.stderr);
}
