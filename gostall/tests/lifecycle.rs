//! How runs begin and end: in time, by signals, with the target, by kill -9; and that the target never notices.

use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use gostall_rig::{Gostall, Server, Testbed, all_programs, get, load, need_root, programs_of};

const GOSTALL: &str = env!("CARGO_BIN_EXE_gostall");

fn hello() -> Server {
    Server::start(&Testbed::local().program("hello"), ["-addr", "127.0.0.1:0"])
}

/// Done within `-d` + 1 s: attaching, the window and detaching. The best of three: the machine is busy with other tests.
#[test]
fn the_duration_is_kept() {
    need_root();
    let server = hello();
    for (flag, seconds) in [("1s", 1.0), ("2500ms", 2.5)] {
        let took = (0..3).map(|_| {
            let done = Gostall::run(
                GOSTALL,
                [
                    "report",
                    "-p",
                    &server.pid().to_string(),
                    "-d",
                    flag,
                    "--format",
                    "json",
                ],
            );
            let window = done.report().int("/window/duration_ns") as f64 / 1e9;
            assert!(
                (seconds..seconds + 0.2).contains(&window),
                "-d {flag}: the window was {window} s"
            );
            done.took.as_secs_f64()
        });
        let took = took.fold(f64::INFINITY, f64::min);
        // A second is promised of a release build; without optimization reading the executables alone takes half of it.
        let more = if cfg!(debug_assertions) { 2.0 } else { 1.0 };
        assert!(took < seconds + more, "-d {flag} took {took} s");
    }
}

/// Ctrl-C ends early with everything seen so far, exit code 0; SIGTERM likewise.
#[test]
fn interrupted_it_reports_what_was_seen() {
    need_root();
    let testbed = Testbed::local();
    let server = hello();
    for signal in [libc::SIGINT, libc::SIGTERM] {
        let pid = server.pid().to_string();
        let mut agent = Gostall::start(
            GOSTALL,
            ["report", "-p", &pid, "-d", "10m", "--format", "json"],
        );
        agent.wait_attached();
        let requests = load(
            &testbed,
            &server.addr,
            &["-rate", "500", "-duration", "1s", "-warmup", "0s"],
        )["requests"]
            .as_u64();
        let asked = Instant::now();
        agent.signal(signal);
        let done = agent.finish();
        assert!(
            asked.elapsed() < Duration::from_secs(1),
            "{signal}: {:?}",
            asked.elapsed()
        );
        assert_eq!(Some(done.report().requests()), requests);
    }
}

/// Killed, it leaves no program, no link and no uprobe behind.
#[test]
fn kill_9_leaves_nothing_behind() {
    need_root();
    let server = hello();
    let mut agent = Gostall::start(
        GOSTALL,
        ["report", "-p", &server.pid().to_string(), "-d", "10m"],
    );
    agent.wait_attached();
    let programs = programs_of(agent.pid());
    assert!(programs.len() >= 4, "it has programs: {programs:?}");
    assert!(programs.is_subset(&all_programs()));
    agent.signal(libc::SIGKILL);
    assert!(!agent.finish().status.success());
    // The kernel frees programs after a grace period.
    let deadline = Instant::now() + Duration::from_secs(5);
    while !programs.is_disjoint(&all_programs()) {
        assert!(
            Instant::now() < deadline,
            "left behind: {:?}",
            programs.intersection(&all_programs())
        );
        std::thread::sleep(Duration::from_millis(50));
    }
    // An uprobe is an int3 in the process's own copy of the page: the copy must match the file again.
    assert!(get(&server.addr, "/hello").ends_with("hello\n"));
}

/// The target runs on, untraced and unharmed, through many attaches under load.
#[test]
fn the_target_is_unharmed() {
    need_root();
    let testbed = Testbed::local();
    let mut server = hello();
    let addr = server.addr.clone();
    let loading = std::thread::spawn(move || {
        load(
            &testbed,
            &addr,
            &["-rate", "2000", "-duration", "6s", "-warmup", "0s"],
        )
    });
    let pid = server.pid().to_string();
    for round in 0..5 {
        let agent = Gostall::start(
            GOSTALL,
            ["report", "-p", &pid, "-d", "500ms", "--format", "json"],
        );
        if round % 2 == 1 {
            std::thread::sleep(Duration::from_millis(400));
            agent.signal(libc::SIGKILL);
        }
        agent.finish();
    }
    let seen = loading.join().unwrap();
    assert_eq!(
        (&seen["errors"], &seen["unsent"]),
        (&0.into(), &0.into()),
        "{seen}"
    );
    assert_eq!(seen["statuses"]["200"], seen["requests"]);
    assert!(server.is_running());
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    assert!(status.contains("TracerPid:\t0"), "no debugger is attached");
}

/// A target that ends takes the report with it, early and complete.
#[test]
fn the_target_ends_first() {
    need_root();
    let server = hello();
    let mut agent = Gostall::start(
        GOSTALL,
        [
            "report",
            "-p",
            &server.pid().to_string(),
            "-d",
            "10m",
            "--format",
            "json",
        ],
    );
    agent.wait_attached();
    for _ in 0..25 {
        get(&server.addr, "/hello");
    }
    drop(server);
    let done = agent.finish();
    assert!(done.took < Duration::from_secs(10), "{:?}", done.took);
    assert_eq!(done.report().requests(), 25);
}

/// `-- CMD` hands the command's streams through, and ends with it.
#[test]
fn a_launched_command_that_ends() {
    need_root();
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("r.json");
    let done = Command::new(GOSTALL)
        .args(["report", "--format", "json", "-o"])
        .arg(&out)
        .arg("--")
        .arg(Testbed::local().program("truth"))
        .arg("-list")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(
        done.status.success(),
        "{}",
        String::from_utf8_lossy(&done.stderr)
    );
    assert!(
        String::from_utf8_lossy(&done.stdout).contains("/api/users/{id}"),
        "the command's own output"
    );
    let report: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(&out).unwrap()).unwrap();
    assert!(
        report["coverage"]["syscalls_seen"].as_u64() > Some(50),
        "{}",
        report["coverage"]
    );
    assert!(
        report["target"]["exe"]
            .as_str()
            .unwrap()
            .ends_with("/truth"),
        "{}",
        report["target"]
    );
}

/// A reader that leaves (`gostall trace | head`) ends it quietly.
#[test]
fn the_reader_of_a_pipe_leaves() {
    need_root();
    let server = hello();
    let mut agent = Command::new(GOSTALL)
        .args(["trace", "-p", &server.pid().to_string()])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut out = agent.stdout.take().unwrap();
    let head = std::thread::spawn(move || out.read_exact(&mut [0; 64]));
    while !head.is_finished() {
        get(&server.addr, "/hello");
        std::thread::sleep(Duration::from_millis(20));
    }
    head.join().unwrap().unwrap();
    let deadline = Instant::now() + Duration::from_secs(5);
    let status = loop {
        if let Some(status) = agent.try_wait().unwrap() {
            break status;
        }
        if Instant::now() > deadline {
            let _ = agent.kill();
            panic!("it goes on writing for nobody");
        }
        get(&server.addr, "/hello");
        std::thread::sleep(Duration::from_millis(20));
    };
    let mut said = String::new();
    agent
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut said)
        .unwrap();
    assert_eq!((status.code(), said.as_str()), (Some(0), ""));
}

/// Several processes by one name, children followed, each with its own target entry.
#[test]
fn two_servers_of_one_name() {
    need_root();
    let dir = tempfile::tempdir().unwrap();
    let exe = dir.path().join("twin-server");
    std::fs::copy(Testbed::local().program("hello"), &exe).unwrap();
    let start = |exe: &Path| Server::start(exe, ["-addr", "127.0.0.1:0"]);
    let (one, two) = (start(&exe), start(&exe));
    let mut agent = Gostall::start(
        GOSTALL,
        [
            "report", "--name", "twin-*", "-d", "10m", "--format", "json",
        ],
    );
    agent.wait_attached();
    for _ in 0..10 {
        get(&one.addr, "/hello");
        get(&two.addr, "/hello");
    }
    agent.signal(libc::SIGINT);
    let report = agent.finish().report();
    assert_eq!(report.requests(), 20);
    let pids: Vec<_> = report
        .at("/targets")
        .as_array()
        .unwrap()
        .iter()
        .map(|t| t["pid"].as_u64().unwrap())
        .collect();
    assert!(
        pids.contains(&one.pid().into()) && pids.contains(&two.pid().into()),
        "{pids:?}"
    );
}
