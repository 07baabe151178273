//! Is it right: attribution by the ground-truth server, quantiles by a full event log.

use std::path::Path;
use std::process::Command;

use gostall_rig::{Gostall, Testbed, Truth};

use crate::bars::Table;
use crate::machine::workspace;

/// Every scenario of the driver, ten thousands of requests.
pub fn attribution(table: &mut Table, gostall: &Path) {
    let mut truth = Truth::start(&Testbed::local(), &[]);
    truth.drive(&["-n", "4"]);
    truth.reset();
    let pid = truth.pid().to_string();
    let args = [
        "report",
        "-p",
        &pid,
        "-d",
        "10m",
        "--format",
        "json",
        "--route",
        "/static/{path...}",
    ];
    let mut agent = Gostall::start(gostall, args);
    agent.wait_attached();
    truth.drive(&["-n", "200", "-conns", "8"]);
    truth.dump();
    agent.signal(libc::SIGINT);
    let report = agent.finish().report();
    let verdict = truth.judge(&report.0, &[]);
    let number = |key: &str| verdict[key].as_f64().expect("a number");
    let exact = verdict["requests_exact"] == true && verdict["statuses_exact"] == true;
    table.add(
        &format!(
            "attribution of {} marker calls of {} requests, all scenarios: right / wrong, %",
            verdict["calls"],
            report.requests()
        ),
        ">= 99 / <= 0.5",
        format!(
            "{:.3} / {:.3}",
            number("right_percent"),
            number("wrong_percent")
        ),
        Some(number("right_percent") >= 99.0 && number("wrong_percent") <= 0.5),
    );
    table.add(
        "- requests and statuses",
        "exact",
        if exact { "exact" } else { "not exact" }.into(),
        Some(exact),
    );
}

/// The end-to-end test does it; its summary is what counts.
pub fn quantiles(table: &mut Table) {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let out = Command::new(cargo)
        .args([
            "test",
            "--quiet",
            "-p",
            "gostall",
            "--test",
            "quantiles",
            "--",
            "--nocapture",
            "--test-threads=1",
        ])
        .current_dir(workspace())
        .output()
        .expect("cargo starts");
    let text = String::from_utf8_lossy(&out.stdout);
    // `120 series, 10000 calls, the worst quantile 1.39 % off`
    let worst = text
        .lines()
        .filter_map(|l| {
            l.split_once("the worst quantile ")?
                .1
                .strip_suffix(" % off")?
                .parse::<f64>()
                .ok()
        })
        .fold(f64::NAN, f64::max);
    table.add(
        "quantiles P50 to P999 of every series against a full event log of the same run: worst, % off",
        "<= 3.2",
        format!("{worst:.2}"),
        Some(out.status.success() && worst <= 3.2),
    );
}
