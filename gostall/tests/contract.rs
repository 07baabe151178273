//! What scripts depend on: the JSON's keys and types, exit codes, and messages that say what failed, on what, and what
//! to do.

use std::fs;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use gostall_rig::{Finished, Gostall, Server, Testbed, load, need_root};
use serde_json::Value;

const GOSTALL: &str = env!("CARGO_BIN_EXE_gostall");

fn run(args: &[&str]) -> Finished {
    Gostall::run(GOSTALL, args)
}

fn hello() -> Server {
    Server::start(&Testbed::local().program("hello"), ["-addr", "127.0.0.1:0"])
}

/// `key: type` of an object; a `?` behind the type allows null. Other keys may be there too.
fn has(value: &Value, what: &str, keys: &[(&str, &str)]) {
    for (key, kind) in keys {
        let v = value
            .get(key)
            .unwrap_or_else(|| panic!("{what}: no `{key}` in {value:#}"));
        let is = match v {
            Value::Null => "null",
            Value::Bool(_) => "bool",
            Value::Number(n) if n.is_u64() => "int",
            Value::Number(n) if n.is_i64() => "signed",
            Value::Number(_) => "float",
            Value::String(_) => "string",
            Value::Array(_) => "array",
            Value::Object(_) => "object",
        };
        let wanted = kind.trim_end_matches('?');
        let fits = is == wanted
            || (is == "null" && kind.ends_with('?'))
            || (wanted == "signed" && is == "int");
        assert!(fits, "{what}: `{key}` is {v}, a {is}, not a {kind}");
    }
}

const QUANTILES: [(&str, &str); 6] = [
    ("total_ns", "int"),
    ("p50_ns", "int"),
    ("p90_ns", "int"),
    ("p99_ns", "int"),
    ("p999_ns", "int"),
    ("max_ns", "int"),
];

fn has_rows(rows: &Value, what: &str) {
    let rows = rows.as_array().unwrap_or_else(|| panic!("{what}: no rows"));
    assert!(!rows.is_empty(), "{what}");
    for row in rows {
        has(
            row,
            what,
            &[("name", "string"), ("result", "string"), ("count", "int")],
        );
        has(row, what, &QUANTILES);
        let ns = |key: &str| row[key].as_u64().unwrap();
        assert!(
            ns("p50_ns") <= ns("p90_ns") && ns("p90_ns") <= ns("p99_ns"),
            "{what}: {row}"
        );
        assert!(
            ns("p99_ns") <= ns("p999_ns") && ns("p999_ns") <= ns("max_ns"),
            "{what}: {row}"
        );
        assert!(
            ns("max_ns") <= ns("total_ns") && row["count"].as_u64() > Some(0),
            "{what}: {row}"
        );
    }
}

#[test]
fn the_reports_json() {
    need_root();
    let testbed = Testbed::local();
    let server = Server::start(&testbed.program("demo"), ["-addr", "127.0.0.1:0"]);
    let pid = server.pid().to_string();
    let mut agent = Gostall::start(
        GOSTALL,
        [
            "report",
            "-p",
            &pid,
            "-d",
            "4s",
            "--format",
            "json",
            "--threshold",
            "50us",
        ],
    );
    agent.wait_attached();
    let demo = Command::new(testbed.program("demo"))
        .args(["-addr", &server.addr, "-load", "2s", "-rate", "300"])
        .stderr(Stdio::null())
        .status();
    assert!(demo.unwrap().success());
    let done = agent.finish();
    let r = done.report();
    let json = &r.0;

    assert_eq!(json["schema"], "gostall.report/1");
    has(
        json,
        "report",
        &[
            ("target", "object"),
            ("window", "object"),
            ("coverage", "object"),
            ("overhead", "object"),
            ("endpoints", "array"),
            ("runtime", "array"),
            ("snapshots", "array"),
        ],
    );
    has(
        &json["target"],
        "target",
        &[("pid", "int"), ("exe", "string"), ("go_version", "string?")],
    );
    assert_eq!(r.int("/target/pid"), u64::from(server.pid()));
    assert_eq!(
        json["target"]["exe"],
        testbed
            .program("demo")
            .canonicalize()
            .unwrap()
            .to_string_lossy()
            .as_ref()
    );
    has(
        &json["window"],
        "window",
        &[("start_unix_ns", "int"), ("duration_ns", "int")],
    );
    assert!(
        (3_900_000_000..5_000_000_000).contains(&r.int("/window/duration_ns")),
        "{}",
        json["window"]
    );
    let coverage = [
        "syscalls_seen",
        "events_lost",
        "attributed_to_endpoint",
        "attributed_to_goroutine",
        "runtime",
    ];
    has(&json["coverage"], "coverage", &coverage.map(|k| (k, "int")));
    has(
        &json["overhead"],
        "overhead",
        &[
            ("bpf_ns_per_syscall", "float"),
            ("bpf_cpu_fraction", "float"),
            ("agent_cpu_fraction", "float"),
            ("agent_rss_bytes", "int"),
        ],
    );

    let mut calls = 0;
    for e in r.endpoints() {
        let what = format!("{} {}", e["method"], e["route"]);
        has(
            e,
            &what,
            &[
                ("method", "string"),
                ("route", "string"),
                ("protocol", "string"),
                ("requests", "int"),
                ("errors", "int"),
                ("statuses", "object"),
                ("latency", "object"),
                ("ledger", "object"),
                ("syscalls", "array"),
            ],
        );
        has(&e["latency"], &what, &QUANTILES);
        let by_status: u64 = e["statuses"]
            .as_object()
            .unwrap()
            .values()
            .map(|n| n.as_u64().unwrap())
            .sum();
        assert_eq!(
            Some(by_status),
            e["requests"].as_u64(),
            "{what}: nothing was aborted"
        );
        has_rows(&e["syscalls"], &what);
        calls += e["syscalls"]
            .as_array()
            .unwrap()
            .iter()
            .map(|s| s["count"].as_u64().unwrap())
            .sum::<u64>();
    }
    assert_eq!(calls, r.int("/coverage/attributed_to_endpoint"));
    for role in json["runtime"].as_array().unwrap() {
        has(role, "role", &[("role", "string"), ("syscalls", "array")]);
        let name = role["role"].as_str().unwrap();
        let known = [
            "scheduler",
            "netpoll",
            "gc",
            "sysmon",
            "runtime",
            "cgo",
            "connection",
            "background",
            "unknown",
        ];
        assert!(known.contains(&name), "{name}");
        has_rows(&role["syscalls"], name);
        calls += role["syscalls"]
            .as_array()
            .unwrap()
            .iter()
            .map(|s| s["count"].as_u64().unwrap())
            .sum::<u64>();
    }
    assert_eq!(
        calls,
        r.int("/coverage/syscalls_seen"),
        "every call is in exactly one row"
    );
    let snapshots = json["snapshots"].as_array().unwrap();
    assert!(!snapshots.is_empty());
    for s in snapshots {
        has(
            s,
            "snapshot",
            &[
                ("ts_unix_ns", "int"),
                ("duration_ns", "int"),
                ("name", "string"),
                ("result", "string"),
                ("ret", "signed"),
                ("args", "array"),
                ("pid", "int"),
                ("tid", "int"),
                ("goid", "int?"),
                ("method", "string?"),
                ("route", "string?"),
                ("role", "string?"),
                ("trace_id", "string?"),
                ("fd", "object?"),
                ("stack", "array"),
            ],
        );
    }
    let fsync = snapshots
        .iter()
        .find(|s| s["name"] == "fsync")
        .expect("an fsync takes more than 50 us");
    assert_eq!(
        (&fsync["method"], &fsync["route"]),
        (&"POST".into(), &"/api/orders".into())
    );
    assert!(
        fsync["fd"]["path"]
            .as_str()
            .unwrap()
            .ends_with("/orders.log"),
        "{fsync:#}"
    );
    let functions: Vec<_> = fsync["stack"]
        .as_array()
        .unwrap()
        .iter()
        .map(|f| f["function"].as_str().unwrap())
        .collect();
    assert!(
        functions.contains(&"main.(*api).commit") && functions.contains(&"net/http.(*conn).serve"),
        "{functions:?}"
    );
}

/// The demo's endpoints, as its README names them, each once.
#[test]
fn the_demos_endpoints_in_text() {
    need_root();
    let testbed = Testbed::local();
    let server = Server::start(&testbed.program("demo"), ["-addr", "127.0.0.1:0"]);
    let port = server.port().to_string();
    let mut agent = Gostall::start(
        GOSTALL,
        ["report", "--port", &port, "-d", "4s", "--threshold", "50us"],
    );
    agent.wait_attached();
    let demo = Command::new(testbed.program("demo"))
        .args(["-addr", &server.addr, "-load", "2s", "-rate", "400"])
        .stderr(Stdio::null())
        .status();
    assert!(demo.unwrap().success());
    let done = agent.finish();
    assert!(done.status.success(), "{}", done.stderr);
    for route in [
        "POST /api/orders",
        "GET /api/orders/{id}",
        "GET /api/search",
        "GET /api/users/{id}",
        "GET /api/prices",
    ] {
        let starts = |l: &&str| l.starts_with(route) && l[route.len()..].starts_with("  ");
        assert_eq!(
            done.stdout.lines().filter(starts).count(),
            1,
            "{route}: {}",
            done.stdout
        );
    }
    assert!(!done.stdout.contains('\x1b'), "no colour on a pipe");
    assert!(done.stdout.contains("orders.log"), "{}", done.stdout);
}

/// Exit code 2, one line on standard error that says what and what to do, nothing on standard output.
fn refused(args: &[&str], says: &[&str]) {
    let done = run(args);
    assert_eq!(
        done.status.code(),
        Some(2),
        "{args:?}: {}{}",
        done.stdout,
        done.stderr
    );
    assert_eq!(done.stdout, "", "{args:?}");
    for part in says {
        assert!(
            done.stderr.contains(part),
            "{args:?}: no {part:?} in {}",
            done.stderr
        );
    }
    assert!(
        !done.stderr.contains("panicked") && !done.stderr.contains("RUST_BACKTRACE"),
        "{}",
        done.stderr
    );
    assert!(
        done.took.as_secs() < 5,
        "{args:?}: an error at once, not after {:?}",
        done.took
    );
}

/// A process that is killed when its test ends.
struct Bystander(std::process::Child);

impl Drop for Bystander {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn targets_that_cannot_be() {
    need_root();
    refused(&["report"], &["no target given", "--port"]);
    refused(&["trace"], &["no target given"]);
    refused(&["report", "-p", "0"], &["0"]);
    refused(&["report", "-p", "x"], &["x"]);
    // Above the kernel's greatest possible pid.
    refused(
        &["report", "-p", "4194305", "-d", "1s"],
        &["4194305", "no such process"],
    );
    refused(
        &["report", "-p", "2", "-d", "1s"],
        &["pid 2", "kernel thread"],
    );
    refused(
        &["report", "--name", "no-such-program-*", "-d", "1s"],
        &["no-such-program-*", "--wait"],
    );
    refused(&["report", "--port", "1", "-d", "1s"], &["port 1"]);
    refused(
        &["report", "--cgroup", "/no/such/group", "-d", "1s"],
        &["/no/such/group"],
    );
    refused(&["report", "--", "/no/such/command"], &["/no/such/command"]);
    refused(
        &["report", "-p", "1", "--", "/bin/true"],
        &["two kinds of target"],
    );
    refused(&["report", "-p", "1", "-d", "0s"], &["0s"]);
    refused(&["report", "-p", "1", "--format", "xml"], &["xml"]);
    refused(
        &["report", "-p", "1", "-o", "/no/such/dir/r.json"],
        &["/no/such/dir"],
    );
    refused(&["trace", "-p", "1", "-e", "nosuchcall"], &["nosuchcall"]);
    refused(&["trace", "-p", "1", "--errno", "ENOSUCH"], &["ENOSUCH"]);
    refused(&["diagnose", "-p", "1"], &["diagnose"]);
}

#[test]
fn programs_that_are_not_go() {
    need_root();
    for argv in [
        &["python3", "-c", "import time; time.sleep(60)"][..],
        &["sh", "-c", "sleep 60; true"],
        &["sleep", "60"],
    ] {
        // A group of its own: the shell's child ends with it.
        let child = Command::new(argv[0])
            .args(&argv[1..])
            .stdin(Stdio::null())
            .process_group(0)
            .spawn()
            .unwrap();
        let group = child.id();
        let bystander = Bystander(child);
        std::thread::sleep(std::time::Duration::from_millis(200));
        let pid = bystander.0.id().to_string();
        refused(
            &["report", "-p", &pid, "-d", "1s"],
            &[&pid, "not a Go executable"],
        );
        let doctor = run(&["doctor", "-p", &pid]);
        assert_eq!(doctor.status.code(), Some(2), "{}", doctor.stdout);
        // SAFETY: the group of the child above, which has not been waited for.
        unsafe { libc::kill(-(group as i32), libc::SIGKILL) };
    }
}

/// Damaged and foreign executables, looked at before they are started.
#[test]
fn executables_that_cannot_be() {
    need_root();
    let dir = tempfile::tempdir().unwrap();
    let whole = fs::read(Testbed::local().program("hello")).unwrap();
    let case = |name: &str, bytes: &[u8]| {
        let path = dir.path().join(name);
        fs::write(&path, bytes).unwrap();
        fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        path.to_string_lossy().into_owned()
    };
    let mut other_class = whole.clone();
    other_class[4] = 1; // ELFCLASS32
    let mut other_machine = whole.clone();
    other_machine[18] = 0xf3; // EM_RISCV
    let cases = [
        case("empty", b""),
        case("text", b"hello\n"),
        case("truncated", &whole[..4096]),
        case("bits32", &other_class),
        case("riscv", &other_machine),
    ];
    for path in &cases {
        let doctor = run(&["doctor", "--", path]);
        assert_eq!(
            doctor.status.code(),
            Some(2),
            "{path}: {}{}",
            doctor.stdout,
            doctor.stderr
        );
        assert!(
            !doctor.stderr.contains("panicked"),
            "{path}: {}",
            doctor.stderr
        );
        let said = format!("{}{}", doctor.stdout, doctor.stderr);
        let name = path.rsplit('/').next().unwrap();
        assert!(said.contains(name), "{path}: {said}");
    }
}

#[test]
fn doctor_on_a_server() {
    need_root();
    let server = hello();
    let done = run(&["doctor", "--port", &server.port().to_string()]);
    assert_eq!(
        done.status.code(),
        Some(0),
        "{}{}",
        done.stdout,
        done.stderr
    );
    assert!(
        done.stdout.contains(&server.pid().to_string()),
        "{}",
        done.stdout
    );
    assert!(done.stdout.contains("go1."), "{}", done.stdout);
    let json = run(&[
        "doctor",
        "--port",
        &server.port().to_string(),
        "--format",
        "json",
    ]);
    let json: Value =
        serde_json::from_str(&json.stdout).unwrap_or_else(|e| panic!("{e}: {}", json.stdout));
    assert!(
        json["schema"]
            .as_str()
            .is_some_and(|s| s.starts_with("gostall.doctor/")),
        "{json:#}"
    );
}

/// Without privileges: a plain error with the remedy.
#[test]
fn without_privileges() {
    need_root();
    let server = hello();
    // The build directory may be closed to others.
    let dir = tempfile::tempdir().unwrap();
    fs::set_permissions(
        dir.path(),
        std::os::unix::fs::PermissionsExt::from_mode(0o755),
    )
    .unwrap();
    let exe = dir.path().join("gostall");
    fs::copy(GOSTALL, &exe).unwrap();
    let done = Command::new(&exe)
        .args(["report", "-p", &server.pid().to_string(), "-d", "1s"])
        .uid(65534)
        .gid(65534)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert_eq!(done.status.code(), Some(2));
    let said = String::from_utf8_lossy(&done.stderr);
    assert!(said.contains("root") || said.contains("CAP_"), "{said}");
}

/// The output goes to a file of mode 0600, whole or not at all.
#[test]
fn output_to_a_file() {
    need_root();
    let server = hello();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("r.json");
    let out = path.to_string_lossy().into_owned();
    let pid = server.pid().to_string();
    let done = run(&[
        "report", "-p", &pid, "-d", "1s", "--format", "json", "-o", &out,
    ]);
    assert!(done.status.success(), "{}", done.stderr);
    assert_eq!(done.stdout, "");
    let json: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
    assert_eq!(json["schema"], "gostall.report/1");
    let mode = std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&path).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
}

/// What the user leaves out is left out, and counted as such.
#[test]
fn sampling() {
    need_root();
    let testbed = Testbed::local();
    let server = Server::start(
        &testbed.program("hello"),
        ["-addr", "127.0.0.1:0", "-delay", "1ms"],
    );
    let pid = server.pid().to_string();
    let report = |flags: &[&str]| {
        let mut args = vec!["report", "-p", &pid, "-d", "60s", "--format", "json"];
        args.extend(flags);
        let mut agent = Gostall::start(GOSTALL, args);
        agent.wait_attached();
        let requests = load(
            &testbed,
            &server.addr,
            &["-rate", "1000", "-duration", "2s", "-warmup", "0s"],
        )["requests"]
            .as_u64()
            .unwrap();
        agent.signal(libc::SIGINT);
        (agent.finish().report(), requests)
    };
    let writes = |r: &gostall_rig::Report| -> u64 {
        let calls = r
            .endpoint("GET", "/hello")
            .map(|e| e["syscalls"].as_array().unwrap().clone())
            .unwrap_or_default();
        calls
            .iter()
            .filter(|s| s["name"] == "write")
            .map(|s| s["count"].as_u64().unwrap())
            .sum()
    };

    let (full, n) = report(&[]);
    assert_eq!((full.requests(), writes(&full)), (n, n));
    assert_eq!(full.int("/coverage/losses/filtered"), 0);

    let (some, n) = report(&["--sample", "10"]);
    let kept = writes(&some) as f64 / n as f64;
    // Binomial with n = 2000, p = 0.1: five standard deviations.
    assert!(
        (kept - 0.1).abs() < 0.034,
        "{kept} of the requests' writes were kept"
    );
    assert_eq!(some.int("/sampling/one_request_in"), 10);
    assert!(some.int("/coverage/losses/filtered") > n);
    assert_eq!(some.requests(), n, "requests are counted all the same");

    let (few, n) = report(&["--syscalls", "write,read"]);
    assert_eq!(writes(&few), n);
    for e in few.endpoints() {
        for s in e["syscalls"].as_array().unwrap() {
            assert!(s["name"] == "write" || s["name"] == "read", "{s}");
        }
    }
    assert_eq!(
        few.at("/sampling/syscalls"),
        &serde_json::json!(["read", "write"])
    );

    let (slow, _) = report(&["--slower-than", "1ms"]);
    for role in slow
        .at("/runtime")
        .as_array()
        .unwrap()
        .iter()
        .chain(slow.endpoints())
    {
        for s in role["syscalls"].as_array().unwrap() {
            let mean = s["total_ns"].as_u64().unwrap() / s["count"].as_u64().unwrap();
            assert!(mean >= 1_000_000, "{s}");
        }
    }
    assert_eq!(slow.int("/sampling/slower_than_ns"), 1_000_000);
}
