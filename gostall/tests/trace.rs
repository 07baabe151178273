//! `gostall trace` against strace, both on the same server at the same time: the same calls with the same arguments
//! and results, as text and as JSON lines.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use gostall_rig::{Finished, Gostall, Testbed, Truth, need_root};
use serde_json::Value;

const GOSTALL: &str = env!("CARGO_BIN_EXE_gostall");

/// Markers of the scenarios below: calls that neither the runtime nor net/http makes.
const MARKERS: &str = "getpgid,getsid,fsync,fdatasync,mincore,msync,dup,getpriority,flock,ftruncate,fchmod,getcwd,\
                       sched_getparam,getitimer,access,faccessat,mlock,munlock,personality,capget,times,sysinfo";

/// Those whose whole text must be the same. Others hold addresses, or what strace reads from memory.
const WHOLE: [&str; 5] = ["fsync", "fdatasync", "flock", "faccessat", "dup"];

type Calls = BTreeMap<String, usize>;

fn add(calls: &mut Calls, call: String) {
    *calls.entry(call).or_default() += 1;
}

/// `name = result` or, for [`WHOLE`], `name(arguments) = result`; a result is a number or an errno's name. From a line
/// of either program, without thread and time: `getpgid(0)   = -1 ESRCH (No such process) <1.2us>`.
fn normal(line: &str, whole: bool) -> Option<String> {
    let (call, result) = line.rsplit_once(" = ")?;
    let (name, arguments) = call.trim_end().split_once('(')?;
    let mut words = result.split(' ');
    let result = match words.next()? {
        "-1" => words.next()?,
        number => number,
    };
    if !whole || !WHOLE.contains(&name) {
        return Some(format!("{name} = {result}"));
    }
    // gostall says what a descriptor leads to, strace without -y does not.
    let mut plain = String::new();
    let mut depth = 0;
    for c in arguments.chars() {
        depth += i32::from(c == '<');
        if depth == 0 {
            plain.push(c);
        }
        depth -= i32::from(c == '>');
    }
    Some(format!("{name}({plain} = {result}"))
}

/// Runs the scenarios under both; strace's calls and what gostall printed.
fn both(format: &str, whole: bool) -> (Calls, Finished) {
    need_root();
    let mut truth = Truth::start(&Testbed::local(), &[]);
    let pid = truth.pid().to_string();
    let mut agent = Gostall::start(
        GOSTALL,
        ["trace", "-p", &pid, "-e", MARKERS, "--format", format],
    );
    agent.wait_attached();
    let mut strace = Command::new("strace")
        .args([
            "-f",
            "-q",
            "-e",
            "signal=none",
            "-e",
            &format!("trace={MARKERS}"),
            "-p",
            &pid,
        ])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let stderr = strace.stderr.take().unwrap();
    // It attaches to one thread after the other.
    std::thread::sleep(std::time::Duration::from_millis(700));
    let reader = std::thread::spawn(move || {
        BufReader::new(stderr)
            .lines()
            .map_while(Result::ok)
            .collect::<Vec<_>>()
    });
    truth.drive(&[
        "-n",
        "20",
        "-scenario",
        "keepalive,plain,errnos,children,threads",
    ]);
    truth.dump();
    // SAFETY: this test's own strace, still running.
    unsafe { libc::kill(strace.id() as i32, libc::SIGINT) };
    strace.wait().unwrap();
    agent.signal(libc::SIGINT);
    let done = agent.finish();
    assert!(done.status.success(), "{}", done.stderr);
    assert_eq!(done.stderr, "", "nothing was dropped");

    let mut calls = Calls::new();
    let mut pending: BTreeMap<String, String> = BTreeMap::new();
    for line in reader.join().unwrap() {
        // `[pid 4711] getpgid(0) = 1`, or without the pid for the first thread.
        let (tid, call) = match line.strip_prefix("[pid") {
            Some(rest) => rest
                .split_once(']')
                .map_or(("", ""), |(t, c)| (t.trim(), c.trim())),
            None => ("", line.as_str()),
        };
        // Interleaved with another thread's: `getpgid(0 <unfinished ...>`, `<... getpgid resumed>) = 1`.
        if let Some(start) = call.strip_suffix("<unfinished ...>") {
            pending.insert(tid.to_owned(), start.trim_end().to_owned());
            continue;
        }
        let call = match call.split_once(" resumed>") {
            Some((_, rest)) => pending.remove(tid).unwrap_or_default() + rest,
            None => call.to_owned(),
        };
        if let Some(call) = normal(&call, whole) {
            add(&mut calls, call);
        }
    }
    assert!(
        calls.values().sum::<usize>() > 500 && calls.len() > 10,
        "strace saw enough: {calls:?}"
    );
    (calls, done)
}

fn differences(strace: &Calls, gostall: &Calls) -> Vec<String> {
    let names: std::collections::BTreeSet<_> = strace.keys().chain(gostall.keys()).collect();
    names
        .into_iter()
        .filter(|n| strace.get(*n) != gostall.get(*n))
        .map(|n| {
            format!(
                "{n}: strace {:?}, gostall {:?}",
                strace.get(n),
                gostall.get(n)
            )
        })
        .collect()
}

#[test]
fn text() {
    let (strace, done) = both("text", true);
    let mut calls = Calls::new();
    for line in done.stdout.lines() {
        // `10:41:26.139358 [1805 g18 GET /mix/a] getpgid(0) = 1799 <1.2us>`
        let call = line
            .split_once("] ")
            .map(|(_, call)| call)
            .unwrap_or_else(|| panic!("{line}"));
        add(
            &mut calls,
            normal(call, true).unwrap_or_else(|| panic!("{line}")),
        );
    }
    assert_eq!(differences(&strace, &calls), Vec::<String>::new());
}

#[test]
fn json_lines() {
    let (strace, done) = both("json", false);
    let mut calls = Calls::new();
    let (mut in_request, mut all) = (0, 0);
    for line in done.stdout.lines() {
        let event: Value = serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"));
        let name = event["name"].as_str().unwrap();
        let result = match event["result"].as_str().unwrap() {
            "ok" => event["ret"].as_i64().unwrap().to_string(),
            errno => errno.to_owned(),
        };
        add(&mut calls, format!("{name} = {result}"));
        all += 1;
        in_request += usize::from(event["route"].is_string());
        assert!(event["goid"].is_u64() && event["tid"].is_u64(), "{line}");
    }
    assert_eq!(differences(&strace, &calls), Vec::<String>::new());
    assert!(
        in_request * 10 > all * 9,
        "{in_request} of {all} calls have an endpoint"
    );
}

/// Filters: all must match.
#[test]
fn filters() {
    need_root();
    let mut truth = Truth::start(&Testbed::local(), &[]);
    let pid = truth.pid().to_string();
    let run = |flags: &[&str], truth: &mut Truth| -> Vec<Value> {
        let mut args = vec!["trace", "-p", &pid, "--format", "json"];
        args.extend(flags);
        let mut agent = Gostall::start(GOSTALL, args);
        agent.wait_attached();
        truth.drive(&["-n", "10", "-scenario", "keepalive,errnos,delay"]);
        truth.dump();
        agent.signal(libc::SIGINT);
        let done = agent.finish();
        assert!(done.status.success(), "{}", done.stderr);
        done.stdout
            .lines()
            .map(|l| serde_json::from_str(l).unwrap())
            .collect()
    };
    let failed = run(&["--errno", "ESRCH,EBADF"], &mut truth);
    assert!(failed.len() > 10);
    assert!(
        failed
            .iter()
            .all(|e| e["result"] == "ESRCH" || e["result"] == "EBADF")
    );

    let slow = run(&["--slower", "1ms"], &mut truth);
    assert!(
        !slow.is_empty()
            && slow
                .iter()
                .all(|e| e["duration_ns"].as_u64() >= Some(1_000_000))
    );

    let one = run(&["--endpoint", "GET /mix/a"], &mut truth);
    assert!(
        one.len() > 10
            && one
                .iter()
                .all(|e| e["route"] == "/mix/a" && e["method"] == "GET")
    );

    let stacks = run(
        &["-e", "getpgid", "--stacks", "--endpoint", "/mix/*"],
        &mut truth,
    );
    assert!(stacks.len() > 3);
    for e in &stacks {
        let stack = e["stack"].as_array().unwrap();
        assert!(
            stack
                .iter()
                .any(|f| f["function"] == "net/http.(*conn).serve"),
            "{e:#}"
        );
    }
}

#[test]
fn a_number_of_lines_and_no_more() {
    need_root();
    let mut truth = Truth::start(&Testbed::local(), &[]);
    let pid = truth.pid().to_string();
    let mut agent = Gostall::start(
        GOSTALL,
        ["trace", "-p", &pid, "-e", "write", "--limit", "7"],
    );
    agent.wait_attached();
    truth.drive(&["-n", "5", "-scenario", "plain"]);
    truth.dump();
    let done = agent.finish();
    assert_eq!(
        (done.status.code(), done.stdout.lines().count()),
        (Some(0), 7),
        "{}",
        done.stdout
    );
}
