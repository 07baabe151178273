//! The templates of routes, as the router has them: read from the process, not made up from paths.

use gostall_rig::{Gostall, Testbed, Truth, need_root};

const GOSTALL: &str = env!("CARGO_BIN_EXE_gostall");

fn routed(framework: &str) {
    routed_with(framework, &[]);
}

fn routed_with(framework: &str, also: &[&str]) {
    need_root();
    let testbed = Testbed::modules("local", false);
    let flags = [&["-framework", framework], also].concat();
    let mut truth = Truth::start_other(&testbed, "routers-truth", "routers-drive", &flags);
    truth.drive(&[&flags[..], &["-n", "1"]].concat());
    truth.reset();
    let pid = truth.pid().to_string();
    let mut agent = Gostall::start(
        GOSTALL,
        ["report", "--pid", &pid, "-d", "60s", "--format", "json"],
    );
    agent.wait_attached();
    truth.drive(&[&flags[..], &["-n", "30"]].concat());
    truth.dump();
    agent.signal(libc::SIGINT);
    let report = agent.finish().report();
    let verdict = truth.judge(&report.0, &[]);
    assert_eq!(verdict["passed"], true, "{framework}: {verdict:#}");
}

#[test]
fn servemux() {
    routed("mux");
}

#[test]
fn servemux_within_servemux() {
    routed("mux-nested");
}

#[test]
fn chi() {
    routed("chi");
}

#[test]
fn gin() {
    routed("gin");
}

#[test]
fn gorilla() {
    routed("gorilla");
}

#[test]
fn httprouter() {
    routed("httprouter");
}

#[test]
fn fiber() {
    routed("fiber");
}

/// fasthttp has nothing of net/http: its requests over TLS are read in crypto/tls, of connections older than the attach,
/// too.
#[test]
fn fiber_over_tls() {
    routed_with("fiber", &["-tls"]);
}
