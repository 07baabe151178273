//! What scripts depend on: the JSON's keys and types, the text, the file it goes to, and that what the user leaves out is
//! left out. Errors are in refusals.rs.

use std::fs;
use std::process::{Command, Stdio};

use gostall_rig::{Gostall, Server, Testbed, load, need_root};
use serde_json::Value;

const GOSTALL: &str = env!("CARGO_BIN_EXE_gostall");

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
            "--slowest",
            "2",
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
            ("cpu", "object"),
            ("background", "array"),
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
                ("page_faults", "int"),
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
    has(
        &json["cpu"],
        "cpu",
        &[("total_ns", "int"), ("ticks", "int"), ("by_role", "object")],
    );
    has(
        &json["memory"],
        "memory",
        &[
            ("gc_cycles", "int?"),
            ("minor_faults", "int"),
            ("major_faults", "int"),
            ("mmap_calls", "int"),
            ("munmap_calls", "int"),
            ("madvise_calls", "int"),
            ("per_gc_cycle", "object?"),
        ],
    );
    for row in json["background"].as_array().unwrap() {
        has(
            row,
            "background",
            &[
                ("name", "string"),
                ("role", "string"),
                ("goroutines", "float"),
                ("looks", "int"),
                ("cpu_ns", "int?"),
                ("ledger", "object"),
            ],
        );
    }
    assert!(!json["background"].as_array().unwrap().is_empty());
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
    has_timelines(json);
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

fn has_timelines(json: &Value) {
    let all = json["slowest"].as_array().expect("they were asked for");
    assert!(all.len() > 5, "{}", all.len());
    for request in all {
        let what = format!("{} {}", request["method"], request["route"]);
        has(
            request,
            &what,
            &[
                ("method", "string"),
                ("route", "string"),
                ("status", "int?"),
                ("aborted", "bool"),
                ("start_unix_ns", "int"),
                ("duration_ns", "int"),
                ("pid", "int"),
                ("goroutine", "int?"),
                ("cut", "int"),
                ("events", "array"),
            ],
        );
        let start = request["start_unix_ns"].as_u64().unwrap();
        let window = json["window"]["start_unix_ns"].as_u64().unwrap();
        assert!(start.abs_diff(window) < 10_000_000_000, "{what}: {start}");
        let mut before = 0;
        for event in request["events"].as_array().unwrap() {
            let keys = [
                ("at_ns", "int"),
                ("duration_ns", "int"),
                ("kind", "string"),
                ("goroutine", "int?"),
            ];
            has(event, &what, &keys);
            let kind = event["kind"].as_str().unwrap();
            match kind {
                "syscall" => has(
                    event,
                    &what,
                    &[("name", "string"), ("result", "string"), ("ret", "signed")],
                ),
                "wait" => has(event, &what, &[("name", "string"), ("fd", "int")]),
                "look" => has(event, &what, &[("state", "string"), ("looks", "int")]),
                _ => assert!(
                    ["go", "runq", "throttled", "fault"].contains(&kind),
                    "{kind}"
                ),
            }
            let at = event["at_ns"].as_u64().unwrap();
            assert!(at >= before, "{what}: in order");
            before = at;
        }
    }
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

/// The output goes to a file of mode 0600, whole or not at all.
#[test]
fn output_to_a_file() {
    need_root();
    let hello = Testbed::local().program("hello");
    let server = Server::start(&hello, ["-addr", "127.0.0.1:0"]);
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("r.json");
    let out = path.to_string_lossy().into_owned();
    let pid = server.pid().to_string();
    let done = Gostall::run(
        GOSTALL,
        [
            "report", "-p", &pid, "-d", "1s", "--format", "json", "-o", &out,
        ],
    );
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
