//! From the command's start to the open window, and from the window's end to the command's, on an executable of about
//! 100 MB without symbols.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use gostall_rig::{Gostall, Server, target_dir};

use crate::bars::{Table, median, spread};

const FUNCTIONS: usize = 1000;

/// A package of functions of ordinary size: loops, maps, closures, calls that are inlined.
fn package(n: usize) -> String {
    let mut out = format!("package p{n}\n\nimport (\n\t\"errors\"\n\t\"strconv\"\n)\n\n");
    out += "type T struct{ a, b int; s string }\n\nfunc (t *T) add(n int) { t.a += n; t.b ^= t.a }\n\n";
    out += "func clamp(n, low, high int) int {\n\tif n < low {\n\t\treturn low\n\t}\n\tif n > high {\n\t\treturn high\n\t}\n\treturn n\n}\n\n";
    out += "var All = []func(*T, []int, map[string]int) error{\n";
    for f in 0..FUNCTIONS {
        let _ = writeln!(out, "\tF{f},");
    }
    out += "}\n\n";
    for f in 0..FUNCTIONS {
        let k = n * FUNCTIONS + f;
        let _ = write!(
            out,
            "func F{f}(t *T, a []int, m map[string]int) error {{\n\tfor i, v := range a {{\n\t\tt.add(clamp(v, {k}, i))\n\t\tm[t.s] += clamp(t.a, i, {k})\n\t\t\
             if v == {k} {{\n\t\t\treturn errors.New(\"p{n}: \" + strconv.Itoa(v))\n\t\t}}\n\t}}\n\tfunc() {{\n\t\tdefer delete(m, t.s)\n\t\t\
             t.add(clamp(len(a), t.b, {k}))\n\t}}()\n\ta[{f}%len(a)] = clamp(t.a, t.b, {k})\n\treturn nil\n}}\n\n"
        );
    }
    out
}

/// A web server with so many packages of ballast; built once, which takes Go some minutes.
fn large(packages: usize) -> PathBuf {
    let dir = target_dir().join("bench");
    let out = dir.join(format!("large-{packages}"));
    if out.exists() {
        return out;
    }
    println!(
        "    building a server of about {} MB (once)",
        packages * 14 / 10 + 8
    );
    let src = dir.join("large-src");
    let mut main = String::from("package main\n\nimport (\n\t\"fmt\"\n\t\"net\"\n\t\"net/http\"\n");
    for n in 0..packages {
        let _ = writeln!(main, "\t\"example.com/large/p{n}\"");
        let package_dir = src.join(format!("p{n}"));
        fs::create_dir_all(&package_dir).expect("a directory");
        fs::write(package_dir.join("p.go"), package(n)).expect("a package");
    }
    main += ")\n\nfunc main() {\n\tn := 0\n";
    for n in 0..packages {
        let _ = writeln!(main, "\tn += len(p{n}.All)");
    }
    main += "\thttp.HandleFunc(\"/hello\", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, n) })\n\
             \tl, err := net.Listen(\"tcp\", \"127.0.0.1:0\")\n\tif err != nil {\n\t\tpanic(err)\n\t}\n\
             \tfmt.Println(\"ready\", l.Addr())\n\tpanic(http.Serve(l, nil))\n}\n";
    fs::write(src.join("main.go"), main).expect("the program");
    fs::write(src.join("go.mod"), "module example.com/large\n\ngo 1.21\n").expect("go.mod");
    let status = Command::new("go")
        .args(["build", "-ldflags=-s -w", "-o"])
        .arg(&out)
        .arg(".")
        .env("CGO_ENABLED", "0")
        .env("GOTOOLCHAIN", "local")
        .env("GOFLAGS", "-buildvcs=false")
        .current_dir(&src)
        .status()
        .expect("go");
    assert!(status.success(), "go build: {status}");
    fs::remove_dir_all(&src).expect("the sources are ours");
    out
}

fn unix_ns() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |d| d.as_nanos() as u64)
}

/// Attach and detach.
pub fn run(table: &mut Table, gostall: &Path, quick: bool) {
    let exe = large(if quick { 6 } else { 66 });
    let size = fs::metadata(&exe).expect("it was built").len() as f64 / 1e6;
    let server = Server::start(&exe, [""; 0]);
    let pid = server.pid().to_string();
    let (mut attach, mut detach) = (Vec::new(), Vec::new());
    for round in 0..9 {
        let begun = unix_ns();
        let agent = Gostall::start(
            gostall,
            ["report", "-p", &pid, "-d", "300ms", "--format", "json"],
        );
        let done = agent.finish();
        let ended = unix_ns();
        let report = done.report();
        let opened = report.int("/window/start_unix_ns");
        let closed = opened + report.int("/window/duration_ns");
        attach.push((opened - begun) as f64 / 1e6);
        detach.push((ended - closed) as f64 / 1e6);
        println!(
            "    round {round}: window open after {:.0} ms, ended {:.0} ms after it",
            attach[round], detach[round]
        );
        std::thread::sleep(Duration::from_millis(200));
    }
    table.add(
        &format!("attach to a stripped executable of {size:.0} MB: from start to open window, ms"),
        "<= 500",
        spread(&attach, 0),
        Some(median(&attach) <= 500.0),
    );
    table.add(
        "- detach: from the window's end to the command's, the report included, ms",
        "<= 100",
        spread(&detach, 0),
        Some(median(&detach) <= 100.0),
    );
}
