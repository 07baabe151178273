//! Does a change save what was promised? A handler that flushes row by row, and the same without: what `--what-if` says of the
//! first is held against the difference that is measured.

use gostall_rig::{Gostall, Server, Testbed, get, need_root};
use serde_json::Value;

const GOSTALL: &str = env!("CARGO_BIN_EXE_gostall");
const REQUESTS: u64 = 300;
const ROWS: f64 = 50.0;
/// The machine is shared: what is wrong is wrong each time.
const RUNS: u32 = 3;

fn mean_ns(endpoint: &Value) -> f64 {
    endpoint["latency"]["total_ns"].as_f64().expect("a number")
        / endpoint["requests"].as_f64().expect("a number")
}

fn run(flags: &[&str]) -> gostall_rig::Report {
    need_root();
    let testbed = Testbed::local();
    let server = Server::start(
        &testbed.program("background"),
        ["-quiet", "-addr", "127.0.0.1:0"],
    );
    let pid = server.pid().to_string();
    let args = ["report", "--pid", &pid, "-d", "30s", "--format", "json"];
    let mut agent = Gostall::start(GOSTALL, args.iter().chain(flags));
    agent.wait_attached();
    // In turns, so that both meet the same machine.
    for _ in 0..REQUESTS {
        get(&server.addr, "/rows");
        get(&server.addr, "/buffered");
    }
    agent.signal(libc::SIGINT);
    agent.finish().report()
}

fn line<'a>(report: &'a gostall_rig::Report, route: &str, change: &str) -> &'a Value {
    let all = report.at("/what_if").as_array().expect("an array");
    all.iter()
        .find(|w| w["route"] == route && w["change"] == change)
        .unwrap_or_else(|| panic!("no {change} of {route}: {all:#?}"))
}

#[test]
fn coalesced_writes() {
    for left in (0..RUNS).rev() {
        let report = run(&["--what-if"]);
        let endpoint = |route| report.endpoint("GET", route).expect("an endpoint");
        let saved = mean_ns(endpoint("/rows")) - mean_ns(endpoint("/buffered"));
        let rows = line(&report, "/rows", "coalesced_writes");
        let promised = rows["saves_ns_per_request"].as_f64().expect("a number");
        let writes = rows["data"]["writes_per_request"]
            .as_f64()
            .expect("a number");
        assert!((ROWS..ROWS + 2.0).contains(&writes), "{rows}");
        let mean = rows["data"]["write_mean_ns"].as_f64().expect("a number");
        assert!(
            (promised - (writes - 1.0) * mean).abs() < promised * 0.01,
            "{rows}"
        );
        // There is nothing to coalesce in the other.
        let one = line(&report, "/buffered", "coalesced_writes");
        assert!(
            one["cannot"].is_string() && one["saves_ns_per_request"].is_null(),
            "{one}"
        );
        let accept = line_of_all(&report);
        assert!(
            accept["saves_ns_per_request"].as_f64() > Some(0.0),
            "{accept}"
        );
        println!("promised {promised:.0} ns, measured {saved:.0} ns");
        assert_eq!(rows["bound"], "at_least", "{rows}");
        // The call itself is what is promised; the program's own part of it goes as well, and ours.
        if (0.35..1.1).contains(&(promised / saved)) {
            return;
        }
        assert!(
            left > 0,
            "promised {promised:.0} ns, measured {saved:.0} ns"
        );
    }
}

fn line_of_all(report: &gostall_rig::Report) -> &Value {
    let all = report.at("/what_if").as_array().expect("an array");
    all.iter()
        .find(|w| w["change"] == "faster_accept")
        .expect("a line")
}

#[test]
fn nobody_asked() {
    let report = run(&[]);
    assert!(report.0.get("what_if").is_none());
}

#[test]
fn a_part_of_the_calls_is_no_answer() {
    let report = run(&["--what-if", "--sample", "4"]);
    for line in report.at("/what_if").as_array().expect("an array") {
        assert!(
            line["cannot"].is_string() && line["saves_ns_per_request"].is_null(),
            "{line}"
        );
    }
}
