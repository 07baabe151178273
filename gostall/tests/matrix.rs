//! The truth of attribution.rs for other Go releases and ways of building than stand there: each release from 1.19 to 1.27
//! meets the bars, and so does each kind. By default one kind a release, chosen so that none comes twice with those of
//! attribution.rs; all kinds that are not in attribution.rs's matrix, for every release, with GOSTALL_FULL=1.

use gostall_rig::{Gostall, Testbed, Truth, need_root};

const GOSTALL: &str = env!("CARGO_BIN_EXE_gostall");

const RELEASES: [&str; 9] = [
    "1.19.13", "1.20.14", "1.21.13", "1.22.12", "1.23.9", "1.24.11", "1.25.5", "1.26.6", "1.27.3",
];
/// Kinds of testbed/build.sh beyond those that attribution.rs crosses with all releases.
const KINDS: [&str; 5] = ["trimpath", "noopt", "race", "pgo", "cgostatic"];

/// Units per scenario: about 4,000 requests and 28,000 marker calls.
const UNITS: &str = "25";

/// The bars of the project (docs/bars.md).
const MIN_RIGHT: f64 = 99.0;
const MAX_WRONG: f64 = 0.5;

/// What a combination falls short of; empty if it meets the bars.
fn shortcomings(release: &str, kind: &str) -> String {
    let mut truth = Truth::start(&Testbed::of(release, kind), &[]);
    truth.drive(&["-n", "4"]);
    truth.reset();
    let pid = truth.pid().to_string();
    // A catch-all cannot be told from paths alone.
    let args = ["report", "--pid", &pid, "-d", "120s", "--format", "json"];
    let args = args.iter().chain(&["--route", "/static/{path...}"]);
    let mut agent = Gostall::start(GOSTALL, args);
    agent.wait_attached();
    truth.drive(&["-n", UNITS]);
    truth.dump();
    agent.signal(libc::SIGINT);
    let report = agent.finish().report();
    let v = truth.judge(&report.0, &[]);
    let percent = |key: &str| v[key].as_f64().expect("a number");
    let (right, wrong) = (percent("right_percent"), percent("wrong_percent"));
    let calls = v["calls"].as_u64().expect("a number");
    println!("{release} {kind}: {calls} calls, right {right} %, wrong {wrong} %");
    let mut short = Vec::new();
    if right < MIN_RIGHT || wrong > MAX_WRONG {
        short.push(format!("right {right} %, wrong {wrong} %"));
    }
    if calls < 10_000 {
        short.push(format!("only {calls} calls"));
    }
    for exact in ["requests_exact", "statuses_exact", "errors_exact"] {
        if v[exact] != true {
            short.push(format!("not {exact}"));
        }
    }
    if v["passed"] != true {
        short.push(format!("{} {}", v["reasons"], v["faults"]));
        short.push(report.of_itself());
    }
    let lost = report.int("/coverage/events_lost");
    if lost != 0 {
        short.push(format!("{lost} events lost"));
    }
    short.join("; ")
}

fn meets_the_bars(release: &str, kind: &str) {
    need_root();
    assert_eq!(shortcomings(release, kind), "", "{release} {kind}");
}

/// There is no parentGoid yet: parents come from births at runtime.newproc.
#[test]
fn go_1_20_linked_without_symbols() {
    meets_the_bars("1.20.14", "sw");
}

#[test]
fn go_1_22_cgo_pie() {
    meets_the_bars("1.22.12", "cgopie");
}

#[test]
fn go_1_23_trimpath() {
    meets_the_bars("1.23.9", "trimpath");
}

/// The race detector's own runtime is C++, with its own calls, and the server is many times slower.
#[test]
fn go_1_25_race() {
    meets_the_bars("1.25.5", "race");
}

#[test]
fn go_1_26_without_optimization() {
    meets_the_bars("1.26.6", "noopt");
}

/// The functions of net/http that a probe might want are inlined.
#[test]
fn go_1_27_by_a_profile() {
    meets_the_bars("1.27.3", "pgo");
}

/// `./dev test --full`: everything is tried before anything is said.
#[test]
fn every_release_and_further_kind() {
    if std::env::var("GOSTALL_FULL").as_deref() != Ok("1") {
        return;
    }
    need_root();
    let mut failed = Vec::new();
    for release in RELEASES {
        for kind in KINDS {
            // Profiles came with 1.20.
            if kind == "pgo" && release.starts_with("1.19") {
                continue;
            }
            let short = shortcomings(release, kind);
            if !short.is_empty() {
                failed.push(format!("{release} {kind}: {short}"));
            }
        }
    }
    assert!(failed.is_empty(), "{failed:#?}");
}
