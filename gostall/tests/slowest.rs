//! Slow requests kept whole: is every call in exactly one time line, are waits as long as the server knows them to be,
//! are those kept the slowest, and is what could not be kept counted?

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use gostall_rig::{Gostall, Report, Server, Testbed, Truth, load, need_root};
use serde_json::Value;

const GOSTALL: &str = env!("CARGO_BIN_EXE_gostall");

/// A report on a process while something is done to it.
fn report(pid: u32, flags: &[&str], mut during: impl FnMut()) -> Report {
    let pid = pid.to_string();
    let mut args = vec!["report", "--pid", &pid, "-d", "60s", "--format", "json"];
    args.extend(flags);
    let mut agent = Gostall::start(GOSTALL, args);
    agent.wait_attached();
    during();
    agent.signal(libc::SIGINT);
    agent.finish().report()
}

fn slowest(r: &Report) -> &[Value] {
    r.at("/slowest").as_array().expect("an array")
}

fn int(v: &Value, key: &str) -> u64 {
    v[key]
        .as_u64()
        .unwrap_or_else(|| panic!("no integer {key} in {v:#}"))
}

fn events(request: &Value) -> &[Value] {
    request["events"].as_array().expect("an array")
}

fn calls(request: &Value) -> impl Iterator<Item = &Value> {
    events(request).iter().filter(|e| e["kind"] == "syscall")
}

fn of_endpoint<'a>(r: &'a Report, e: &Value) -> Vec<&'a Value> {
    slowest(r)
        .iter()
        .filter(|q| q["method"] == e["method"] && q["route"] == e["route"])
        .collect()
}

/// By name and result: how many, and how long together.
type Table = BTreeMap<(String, String), (u64, u64)>;

fn key(row: &Value) -> (String, String) {
    let text = |key: &str| row[key].as_str().expect("a string").to_owned();
    (text("name"), text("result"))
}

/// Where all requests of an endpoint were kept, their calls are the endpoint's table, to the nanosecond. Returns how
/// many endpoints that was so of.
fn every_call_once(r: &Report) -> usize {
    let mut compared = 0;
    for e in r.endpoints() {
        let kept = of_endpoint(r, e);
        if kept.len() as u64 != int(e, "requests") {
            assert!(
                kept.len() >= 50,
                "{} {}: {}",
                e["method"],
                e["route"],
                kept.len()
            );
            continue;
        }
        let mut lines = Table::new();
        let mut cut = 0;
        for q in &kept {
            cut += int(q, "cut");
            for call in calls(q) {
                let (n, ns) = lines.entry(key(call)).or_default();
                *n += 1;
                *ns += int(call, "duration_ns");
            }
        }
        let table: Table = e["syscalls"]
            .as_array()
            .expect("an array")
            .iter()
            .map(|s| (key(s), (int(s, "count"), int(s, "total_ns"))))
            .collect();
        if cut > 0 {
            let sum = |t: &Table| t.values().map(|v| v.0).sum::<u64>();
            assert_eq!(
                sum(&table) - sum(&lines),
                cut,
                "{} {}",
                e["method"],
                e["route"]
            );
        } else {
            assert_eq!(lines, table, "{} {}", e["method"], e["route"]);
        }
        compared += 1;
    }
    compared
}

fn driven(server: &[&str], driver: &[&str]) -> (Report, Value) {
    need_root();
    let mut truth = Truth::start(&Testbed::local(), server);
    let drive = ["-n", "4", "-conns", "2"];
    let drive: Vec<&str> = drive.iter().chain(driver).copied().collect();
    truth.drive(&drive);
    truth.reset();
    let r = report(truth.pid(), &["--slowest", "50"], || truth.drive(&drive));
    let losses = r.at("/coverage/losses");
    for lost in ["timelines_full", "timelines_limited", "timelines_dropped"] {
        assert_eq!(losses[lost], 0, "{losses}");
    }
    let truth = truth.dump();
    (r, truth)
}

#[test]
fn every_call_is_in_one_request() {
    let (r, truth) = driven(&[], &[]);
    assert!(every_call_once(&r) > 60);

    // What a request's markers are is promised, and who makes them: the handler and two children, each its own.
    let two = r
        .endpoint("GET", "/children/two")
        .expect("it was asked for");
    let kept = of_endpoint(&r, two);
    assert!(!kept.is_empty());
    let promised = truth["endpoints"]
        .as_array()
        .and_then(|all| all.iter().find(|e| e["route"] == "/children/two"))
        .map(|e| e["per_request"].as_array().expect("an array"))
        .expect("the truth has it");
    for q in kept {
        let mut makers = Vec::new();
        for p in promised {
            let made: Vec<&Value> = calls(q).filter(|c| key(c) == key(p)).collect();
            assert_eq!(made.len() as u64, int(p, "count"), "{p} in {q:#}");
            let maker = int(made[0], "goroutine");
            assert!(made.iter().all(|c| int(c, "goroutine") == maker), "{q:#}");
            makers.push((p["name"].as_str().expect("a string"), maker));
        }
        let own = int(q, "goroutine");
        for (name, maker) in &makers {
            assert_eq!(
                *maker == own,
                *name == "getresuid",
                "{name} by {maker}: {q:#}"
            );
        }
        makers.sort_by_key(|m| m.1);
        makers.dedup_by_key(|m| m.1);
        assert_eq!(makers.len(), 3, "{makers:?}");
    }
    // One child a marker.
    let fanout = r.endpoint("GET", "/children/fanout").expect("asked for");
    for q in of_endpoint(&r, fanout) {
        let mut makers: Vec<u64> = calls(q)
            .filter(|c| c["name"] == "getuid")
            .map(|c| int(c, "goroutine"))
            .collect();
        makers.sort_unstable();
        makers.dedup();
        assert_eq!(makers.len(), 32, "{q:#}");
    }
}

#[test]
fn over_tls() {
    let (r, _) = driven(&["-tls"], &["-tls"]);
    assert!(every_call_once(&r) > 60);
}

#[test]
fn over_http2() {
    let (r, _) = driven(&["-tls"], &["-h2"]);
    assert!(every_call_once(&r) > 50);
}

/// Descriptors are what they were when they were used, whatever their numbers are used for later.
#[test]
fn what_descriptors_led_to() {
    need_root();
    let mut waits = Truth::start_waits(&Testbed::local(), &[]);
    let port = waits.server().port();
    let disk = waits.dir().to_string_lossy().into_owned();
    let groups = [
        "-n",
        "2",
        "-ms",
        "4",
        "-only",
        "/disk/fsync,/net/line,/net/dns-txt,/pipe/poller,/flock",
    ];
    waits.drive(&groups);
    let r = report(waits.pid(), &["--slowest", "50"], || waits.drive(&groups));
    let mut seen = 0;
    for q in slowest(&r) {
        let what = |name: &str| {
            let mut all: Vec<&str> = calls(q)
                .filter(|c| c["name"] == name && c["result"] == "ok")
                .map(|c| c["what"].as_str().unwrap_or_default())
                .collect();
            all.dedup();
            all
        };
        let local = |text: &str| {
            let peer = text
                .strip_prefix("127.0.0.1:")
                .and_then(|p| p.parse::<u16>().ok());
            peer.is_some_and(|p| p != port)
        };
        match q["route"].as_str().expect("a string") {
            "/disk/fsync" => {
                let files = what("fsync");
                assert_eq!(files, what("pwrite64"), "{q:#}");
                assert!(
                    matches!(files[..], [f] if f.starts_with(&disk) && f.contains("/synced")),
                    "{files:?}"
                );
            }
            "/pipe/poller" => {
                assert!(what("read").contains(&"pipe"), "{q:#}");
                assert!(what("close").iter().all(|w| *w == "pipe"), "{q:#}");
            }
            // Its peer is known from the connect on, of a descriptor that was used before.
            "/net/dns-txt" => {
                let server = what("connect")[0];
                assert!(server.ends_with(":53"), "{q:#}");
                assert!(what("write").contains(&server) && what("read").contains(&server));
            }
            "/flock" => {
                assert!(what("openat")[0].contains("/lock"), "{q:#}");
                assert_eq!(what("flock"), what("openat"), "{q:#}");
            }
            _ => assert!(
                what("connect")
                    .iter()
                    .chain(&what("write"))
                    .all(|w| local(w)),
                "{q:#}"
            ),
        }
        // The last of its own is the answer, to the client it was read from.
        let own = calls(q).filter(|c| c["goroutine"] == q["goroutine"] && c["fd"].is_u64());
        let ends: Vec<&Value> = own.collect();
        let (first, last) = (ends[0], ends[ends.len() - 1]);
        assert_eq!(
            (&first["name"], &last["name"]),
            (&"read".into(), &"write".into()),
            "{q:#}"
        );
        assert_eq!(
            (&first["fd"], &first["what"]),
            (&last["fd"], &last["what"]),
            "{q:#}"
        );
        assert!(first["what"].as_str().is_some_and(local), "{q:#}");
        seen += 1;
    }
    assert_eq!(seen, 5 * 4);
}

/// A handler that waits for one thing only knows how long: waits between calls and in them are that long.
#[test]
fn waits_are_as_long_as_the_server_knows() {
    need_root();
    let routes = [
        ("/pipe/poller", "syscall_pipe"),
        ("/pipe/blocking", "syscall_pipe"),
        ("/flock", "syscall_lock"),
        ("/nanosleep", "syscall_other"),
        ("/net/line", "net_upstream_read"),
        ("/net/send", "net_upstream_write"),
        ("/net/dns-txt", "net_dns"),
        ("/net/upload", "net_client_read"),
        ("/sleep", "timer"),
        ("/mutex", "lock"),
        ("/channel", "channel"),
    ];
    let only: Vec<&str> = routes.iter().map(|r| r.0).collect();
    let only = only.join(",");
    let mut wrong = Vec::new();
    // A machine that does other things, too, keeps a thread waiting now and then.
    for _ in 0..3 {
        let mut waits = Truth::start_waits(&Testbed::local(), &[]);
        waits.drive(&["-n", "1", "-only", &only]);
        waits.reset();
        let r = report(waits.pid(), &["--slowest", "50"], || {
            waits.drive(&["-n", "8", "-ms", "60", "-only", &only]);
        });
        let truth = waits.dump();
        wrong.clear();
        for (route, state) in routes {
            let e = r.endpoints().iter().find(|e| e["route"] == route);
            let kept = of_endpoint(&r, e.expect("asked for"));
            let known = truth["endpoints"]
                .as_array()
                .and_then(|all| all.iter().find(|e| e["route"] == route))
                .expect("the truth has it");
            assert_eq!(kept.len() as u64, int(known, "requests"), "{route}");
            let waited: u64 = kept.iter().map(|q| waited(q, state)).sum();
            let knows = known["states"][state].as_u64().unwrap_or(0);
            let off = waited.abs_diff(knows) / kept.len() as u64;
            println!("{route}: {} us a request off", off / 1000);
            if off > 5_000_000 {
                wrong.push(format!(
                    "{route}: {waited} instead of {knows} ns of {state}"
                ));
            }
        }
        if wrong.is_empty() {
            return;
        }
    }
    panic!("{wrong:#?}");
}

/// What a request's own goroutine waited for this.
fn waited(q: &Value, state: &str) -> u64 {
    events(q)
        .iter()
        .filter(|e| e["goroutine"] == q["goroutine"] && e["state"] == state)
        .map(|e| match e["kind"].as_str() {
            Some("syscall") => int(e, "blocked_ns"),
            Some("wait" | "go") => int(e, "duration_ns"),
            _ => 0,
        })
        .sum()
}

/// A request over a connection of its own, with a trace id; how long it took.
fn ask(addr: &str, target: &str, id: u32) -> Duration {
    let mut stream = TcpStream::connect(addr).expect("the server listens");
    let begin = Instant::now();
    write!(
        stream,
        "GET {target} HTTP/1.1\r\nHost: x\r\ntraceparent: 00-{id:032x}-{id:016x}-01\r\nConnection: close\r\n\r\n"
    )
    .expect("a request");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    begin.elapsed()
}

/// Sleeps of 4 to 120 ms, in no order.
fn sleeps() -> impl Iterator<Item = u32> {
    (0..30u32).map(|i| i * 7 % 30 * 4 + 4)
}

#[test]
fn the_slowest_are_those_the_client_knows() {
    need_root();
    let mut waits = Truth::start_waits(&Testbed::local(), &[]);
    let addr = waits.server().addr.clone();
    let mut took = Vec::new();
    let r = report(waits.pid(), &["--slowest", "4"], || {
        for ms in sleeps() {
            took.push((ask(&addr, &format!("/sleep?ms={ms}"), ms), ms));
        }
    });
    took.sort_unstable_by(|a, b| b.cmp(a));
    let kept: Vec<u32> = slowest(&r)
        .iter()
        .map(|q| u32::from_str_radix(q["trace_id"].as_str().expect("an id"), 16).expect("hex"))
        .collect();
    let wanted: Vec<u32> = took.iter().take(4).map(|t| t.1).collect();
    assert_eq!(kept, wanted);
    for (q, (took, _)) in slowest(&r).iter().zip(&took) {
        let ns = int(q, "duration_ns");
        assert!(ns < took.as_nanos() as u64, "{ns} {took:?}");
        assert!(ns + 20_000_000 > took.as_nanos() as u64, "{ns} {took:?}");
        assert_eq!(
            (&q["method"], &q["route"]),
            (&"GET".into(), &"/sleep".into())
        );
        assert_eq!((&q["status"], &q["aborted"]), (&200.into(), &false.into()));
    }
}

#[test]
fn all_that_are_slow_are_kept() {
    need_root();
    let mut waits = Truth::start_waits(&Testbed::local(), &[]);
    let addr = waits.server().addr.clone();
    let mut certain = 0;
    let r = report(waits.pid(), &["--slow", "60ms"], || {
        for ms in sleeps() {
            ask(&addr, &format!("/sleep?ms={ms}"), ms);
            certain += usize::from(ms >= 60);
        }
    });
    let kept = slowest(&r);
    assert!(kept.iter().all(|q| int(q, "duration_ns") >= 60_000_000));
    let ids: Vec<u32> = kept
        .iter()
        .map(|q| u32::from_str_radix(q["trace_id"].as_str().expect("an id"), 16).expect("hex"))
        .collect();
    for ms in sleeps().filter(|ms| *ms >= 60) {
        assert!(ids.contains(&ms), "{ms}: {ids:?}");
    }
    assert!(kept.len() >= certain, "{} {certain}", kept.len());
}

#[test]
fn nothing_is_kept_unless_asked_for() {
    need_root();
    let mut waits = Truth::start_waits(&Testbed::local(), &[]);
    let addr = waits.server().addr.clone();
    let r = report(waits.pid(), &[], || {
        ask(&addr, "/sleep?ms=50", 1);
    });
    assert_eq!(r.requests(), 1);
    assert!(r.0.get("slowest").is_none(), "{:#}", r.0);
}

/// More calls than there are places: what is missing is said, and no wait is made up where calls are missing.
#[test]
fn what_is_cut_is_counted() {
    need_root();
    let mut waits = Truth::start_waits(&Testbed::local(), &[]);
    let addr = waits.server().addr.clone();
    let r = report(waits.pid(), &["--slowest", "1"], || {
        ask(&addr, "/disk/fsync?ms=1500", 1);
    });
    assert!(every_call_once(&r) == 1);
    let q = &slowest(&r)[0];
    assert!(int(q, "cut") > 0, "{q:#}");
    let kept: Vec<&Value> = calls(q).collect();
    let last = kept.iter().map(|c| int(c, "at_ns")).max().expect("calls");
    for e in events(q).iter().filter(|e| e["kind"] == "go") {
        assert!(int(e, "at_ns") <= last, "{e}");
    }
}

/// Requests beyond the rate and beyond what is kept: each is in the report or in a count.
#[test]
fn what_is_not_kept_is_counted() {
    need_root();
    let testbed = Testbed::local();
    let hello = Server::start(&testbed.program("hello"), ["-addr", "127.0.0.1:0"]);
    let r = report(
        hello.pid(),
        &["--slow", "1us", "--cpu-budget", "100"],
        || {
            let flags = ["-rate", "6000", "-duration", "2s", "-warmup", "0s"];
            load(&testbed, &hello.addr, &flags);
        },
    );
    let losses = r.at("/coverage/losses");
    let kept = slowest(&r).len() as u64;
    assert_eq!(kept, 1000);
    assert!(int(losses, "timelines_dropped") > 0, "{losses}");
    let counted = kept
        + int(losses, "timelines_full")
        + int(losses, "timelines_limited")
        + int(losses, "timelines_dropped");
    assert_eq!(counted, r.requests(), "{losses}");
}

/// More requests in flight than there are places.
#[test]
fn what_finds_no_place_is_counted() {
    need_root();
    let limit = libc::rlimit {
        rlim_cur: 8192,
        rlim_max: 1 << 16,
    };
    // SAFETY: a valid rlimit; it is this process's own.
    unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &limit) };
    let testbed = Testbed::local();
    let hello = Server::start(
        &testbed.program("hello"),
        ["-addr", "127.0.0.1:0", "-delay", "1s"],
    );
    const AT_ONCE: u64 = 1500;
    let r = report(hello.pid(), &["--slowest", "3"], || {
        let mut all: Vec<TcpStream> = (0..AT_ONCE)
            .map(|_| TcpStream::connect(&hello.addr).expect("the server listens"))
            .collect();
        for s in &mut all {
            let head = "GET /hello HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
            s.write_all(head.as_bytes()).expect("a request");
        }
        for s in &mut all {
            let mut answer = Vec::new();
            s.read_to_end(&mut answer).expect("an answer");
        }
    });
    assert_eq!(r.requests(), AT_ONCE);
    let full = int(r.at("/coverage/losses"), "timelines_full");
    assert!((AT_ONCE - 1024..AT_ONCE / 2).contains(&full), "{full}");
    assert_eq!(slowest(&r).len(), 3);
}
