//! Does the report count what a server does to get and give back memory? Handlers that collect, map, touch and unmap a
//! known number of times.

use gostall_rig::{Gostall, Server, Testbed, get, need_root};

const GOSTALL: &str = env!("CARGO_BIN_EXE_gostall");
const COLLECTIONS: u64 = 9;
const TOUCHES: u64 = 12;
/// testbed/cmd/background touches so many pages a request.
const PAGES: u64 = 500;

fn counts(testbed: &Testbed) {
    need_root();
    let server = Server::start(
        &testbed.program("background"),
        ["-quiet", "-addr", "127.0.0.1:0"],
    );
    let pid = server.pid().to_string();
    let args = ["report", "--pid", &pid, "-d", "30s", "--format", "json"];
    let mut agent = Gostall::start(GOSTALL, args);
    agent.wait_attached();
    for _ in 0..COLLECTIONS {
        get(&server.addr, "/collect");
    }
    for _ in 0..TOUCHES {
        get(&server.addr, "/touch");
    }
    agent.signal(libc::SIGINT);
    let report = agent.finish().report();
    let memory = report.at("/memory");
    let int = |key: &str| {
        memory[key]
            .as_u64()
            .unwrap_or_else(|| panic!("{key}: {memory}"))
    };
    assert_eq!(int("gc_cycles"), COLLECTIONS, "{memory}");
    assert!(int("minor_faults") >= TOUCHES * PAGES, "{memory}");
    assert!(
        int("mmap_calls") >= TOUCHES && int("munmap_calls") >= TOUCHES,
        "{memory}"
    );
    assert!(int("madvise_calls") >= TOUCHES, "{memory}");
    let per = memory["per_gc_cycle"]["minor_faults"]
        .as_f64()
        .expect("a number");
    let expected = int("minor_faults") as f64 / COLLECTIONS as f64;
    assert!((per - expected).abs() < 0.01, "{memory}");

    let faults = |route: &str| {
        let endpoint = report
            .endpoint("GET", route)
            .unwrap_or_else(|| panic!("no {route}"));
        assert_eq!(endpoint["errors"], 0);
        endpoint["page_faults"].as_u64().expect("an integer")
    };
    let touched = faults("/touch");
    let least = TOUCHES * PAGES;
    assert!((least..least + least / 50).contains(&touched), "{touched}");
    assert!(faults("/collect") < least / 10, "{}", faults("/collect"));
}

#[test]
fn by_the_machines_go() {
    counts(&Testbed::local());
}

#[test]
fn in_a_stripped_executable() {
    counts(&Testbed::of("1.27.3", "strip"));
}
