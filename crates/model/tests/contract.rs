//! The JSON of a report, key by key, as scripts rely on it.

mod support;

use std::collections::BTreeSet;

use gostall_model::{
    Arch, Attribution, FdInfo, Frame, Losses, Model, NR_QUEUED, NR_REQUEST, NR_UNKNOWN, Overhead,
    Protocol, REQUEST_ABORTED, Role, Sampling, Snapshot, Tail, TargetInfo, Window,
};
use serde_json::{Value, json};
use support::{Kernel, chunk};

fn keys(value: &Value) -> BTreeSet<&str> {
    value
        .as_object()
        .expect("an object")
        .keys()
        .map(String::as_str)
        .collect()
}

fn target(pid: u32) -> TargetInfo {
    TargetInfo {
        pid,
        exe: "/srv/api".to_owned(),
        go_version: Some("go1.27.1".to_owned()),
        module: None,
        arch: Arch::X86_64,
        attribution: Attribution::Goroutines,
    }
}

fn full() -> Model {
    let mut k = Kernel::default();
    let leaf = k.leaf("GET", "/api/users/17");
    let mut model = k.model();
    for (res, ns, times) in [
        (200, 1_000_000, 6),
        (404, 2_000_000, 1),
        (503, 9_000_000, 1),
        (200 | REQUEST_ABORTED, 3_000_000, 1),
        (REQUEST_ABORTED, 4_000_000, 1),
    ] {
        model.add_chunk(&chunk(leaf, NR_REQUEST, res, ns, times));
    }
    model.add_chunk(&chunk(leaf, 0, 0, 700, 10));
    model.add_chunk(&chunk(leaf, 0, 11, 300, 10));
    model.add_chunk(&chunk(leaf, 1, 0, 9_000, 10));
    model.add_chunk(&chunk(leaf, 74, 524, 9_000, 1));
    model.add_chunk(&chunk(leaf, NR_QUEUED, 0, 5, 5));
    for role in Role::ALL {
        model.add_chunk(&chunk(role.leaf(), 202, 0, 50_000, 2));
    }
    model.add_chunk(&chunk(0, 1, 0, 100, 3));
    model.add_chunk(&chunk(Role::Background.leaf(), NR_UNKNOWN, 0, 100, 1));
    model.set_target(target(42));
    model.set_window(Window {
        start_unix_ns: 1_700_000_000_000_000_000,
        duration_ns: 10_000_000_000,
    });
    model.add_tail(Tail {
        leaf,
        nr: 1,
        ret: -11,
        duration_ns: 5,
        pid: 42,
        tid: 43,
        goid: Some(7),
        fd: Some(FdInfo::File {
            path: "/tmp/x".to_owned(),
        }),
        stack: vec![Frame {
            function: "main.main".to_owned(),
            file: None,
            line: None,
            inlined: false,
        }],
        ..Tail::default()
    });
    model
}

#[test]
fn every_key_of_the_contract() {
    let report = serde_json::to_value(&*full().snapshot()).unwrap();
    assert_eq!(
        keys(&report),
        BTreeSet::from([
            "schema",
            "target",
            "window",
            "coverage",
            "overhead",
            "sampling",
            "quantile_error",
            "endpoints",
            "runtime",
            "background",
            "snapshots",
        ])
    );
    assert_eq!(report["schema"], "gostall.report/1");
    for key in ["pid", "exe", "go_version"] {
        assert!(keys(&report["target"]).contains(key));
    }
    assert_eq!(
        report["window"],
        json!({"start_unix_ns": 1_700_000_000_000_000_000u64, "duration_ns": 10_000_000_000u64})
    );
    // Not measured is null, not absent and not zero.
    assert_eq!(
        report["overhead"],
        json!({
            "bpf_ns_per_syscall": null, "bpf_cpu_fraction": null,
            "agent_cpu_fraction": null, "agent_rss_bytes": null,
        })
    );
    let syscall = [
        "name", "result", "count", "total_ns", "p50_ns", "p90_ns", "p99_ns", "p999_ns", "max_ns",
    ];
    let endpoint = &report["endpoints"][0];
    assert_eq!(
        keys(endpoint),
        BTreeSet::from([
            "method",
            "route",
            "protocol",
            "requests",
            "errors",
            "statuses",
            "latency",
            "ledger",
            "page_faults",
            "syscalls",
        ])
    );
    assert_eq!(
        keys(&endpoint["latency"]),
        BTreeSet::from([
            "total_ns", "p50_ns", "p90_ns", "p99_ns", "p999_ns", "max_ns"
        ])
    );
    // Nothing was looked at: the whole of it is not known.
    assert_eq!(
        endpoint["ledger"],
        json!({ "unknown": endpoint["latency"]["total_ns"] })
    );
    assert_eq!(keys(&endpoint["syscalls"][0]), BTreeSet::from(syscall));
    assert_eq!(
        keys(&report["runtime"][0]),
        BTreeSet::from(["role", "syscalls"])
    );
    assert_eq!(
        keys(&report["snapshots"][0]),
        BTreeSet::from([
            "ts_unix_ns",
            "duration_ns",
            "name",
            "result",
            "ret",
            "args",
            "pid",
            "tid",
            "goid",
            "parent_goid",
            "method",
            "route",
            "role",
            "trace_id",
            "span_id",
            "fd_number",
            "fd",
            "path",
            "stack",
        ])
    );
}

#[test]
fn an_endpoints_numbers() {
    let report = serde_json::to_value(&*full().snapshot()).unwrap();
    let endpoint = &report["endpoints"][0];
    assert_eq!(endpoint["method"], "GET");
    assert_eq!(endpoint["route"], "/api/users/{id}");
    assert_eq!(endpoint["protocol"], "http/1");
    assert_eq!(endpoint["requests"], 10);
    assert_eq!(endpoint["errors"], 3);
    assert_eq!(endpoint["statuses"], json!({"200": 7, "404": 1, "503": 1}));
    assert_eq!(endpoint["latency"]["total_ns"], 24_000_000);
    assert_eq!(endpoint["latency"]["max_ns"], 9_000_000);
    let rows: Vec<(&str, &str, u64)> = endpoint["syscalls"]
        .as_array()
        .unwrap()
        .iter()
        .map(|s| {
            (
                s["name"].as_str().unwrap(),
                s["result"].as_str().unwrap(),
                s["count"].as_u64().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        rows,
        [
            ("write", "ok", 10),
            ("fsync", "E524", 1),
            ("read", "ok", 10),
            ("read", "EAGAIN", 10),
        ]
    );
}

#[test]
fn a_request_without_any_answer_is_an_error() {
    let mut k = Kernel::default();
    k.answer("GET", "/a", 0, 2);
    k.answer("GET", "/a", 499, 1);
    let snapshot = k.model().snapshot();
    let endpoint = &snapshot.endpoints[0];
    assert_eq!((endpoint.requests, endpoint.errors), (3, 2));
    assert_eq!(endpoint.statuses.len(), 1);
}

#[test]
fn every_call_is_in_one_part_of_the_coverage() {
    let mut model = full();
    model.set_losses(Losses {
        calls_lost: 3,
        ring_full: 4,
        ..Losses::default()
    });
    let c = model.snapshot().coverage.clone();
    assert_eq!(c.attributed_to_endpoint, 31);
    assert_eq!(
        (c.connection, c.background, c.unknown, c.other),
        (2, 3, 2, 3)
    );
    assert_eq!(c.runtime, 12);
    assert_eq!(c.attributed_to_goroutine, 31 + 2 + 3);
    assert_eq!(
        c.syscalls_seen,
        c.attributed_to_endpoint + c.connection + c.background + c.unknown + c.other + c.runtime
    );
    assert_eq!(c.events_lost, 7);
    assert_eq!(c.requests_seen, 10);
}

#[test]
fn roles_in_their_order_and_the_other_endpoint() {
    let snapshot = full().snapshot();
    let roles: Vec<Role> = snapshot.runtime.iter().map(|r| r.role).collect();
    assert_eq!(roles, Role::ALL);
    let background = &snapshot.runtime[7];
    assert_eq!(background.syscalls[1].name, "unknown");
    let other = &snapshot.endpoints[1];
    assert_eq!((&*other.method, &*other.route), ("*", "(other)"));
    assert_eq!((other.requests, other.syscalls[0].count), (0, 3));
}

#[test]
fn nothing_seen_is_a_report_too() {
    let report = serde_json::to_value(&*Model::new(Arch::X86_64).snapshot()).unwrap();
    assert_eq!(report["target"], Value::Null);
    assert_eq!(report["endpoints"], json!([]));
    assert_eq!(report["coverage"]["syscalls_seen"], 0);
}

#[test]
fn several_targets_and_protocols() {
    let mut k = Kernel::default();
    k.get("/x/1", 1);
    let leaf = k.leaf("GET", "/x/1");
    let mut model = k.model();
    model.add_protocol(leaf, Protocol::Http1);
    model.add_protocol(leaf, Protocol::Http2);
    model.set_target(target(1));
    model.set_target(target(2));
    model.set_target(TargetInfo {
        go_version: None,
        ..target(1)
    });
    let report = serde_json::to_value(&*model.snapshot()).unwrap();
    assert_eq!(report["target"]["pid"], 1);
    assert_eq!(report["target"]["go_version"], Value::Null);
    assert_eq!(report["targets"].as_array().unwrap().len(), 2);
    assert_eq!(report["endpoints"][0]["protocol"], "mixed");
}

#[test]
fn it_can_be_read_back() {
    let mut model = full();
    model.set_overhead(Overhead {
        bpf_ns_per_syscall: Some(260.5),
        ..Overhead::default()
    });
    model.set_sampling(Sampling {
        syscalls: Some(vec!["write".to_owned()]),
        ..Sampling::default()
    });
    let text = serde_json::to_string(&*model.snapshot()).unwrap();
    let back: Snapshot = serde_json::from_str(&text).unwrap();
    assert_eq!(serde_json::to_string(&back).unwrap(), text);
}

#[test]
fn the_same_calls_on_several_cpus_add_up() {
    let mut k = Kernel::default();
    let leaf = k.leaf("GET", "/a");
    let mut model = k.model();
    for cpu in 1..=4u64 {
        model.add_chunk(&chunk(leaf, 1, 0, 1000 * cpu, 5));
    }
    let snapshot = model.snapshot();
    let row = &snapshot.endpoints[0].syscalls[0];
    assert_eq!((row.count, row.total_ns, row.max_ns), (20, 50_000, 4000));
    model.clear_counts();
    assert!(model.snapshot().endpoints.is_empty());
}
