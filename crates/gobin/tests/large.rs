//! Budgets on a large stripped executable: 500 ms and 256 MB for 100 MB with a quarter of a million functions, and in
//! proportion for a smaller one.
//!
//! The default is small, because the Go compiler takes minutes for the large one (GOSTALL_FULL=1). Built once, kept
//! with the corpus. A program of its own, so that the memory high-water mark is its own.

mod support;

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use gostall_gobin::Binary;

const FUNCTIONS: usize = 1000;
/// Packages of a thousand functions (two thousand with the closures): some 1.4 MB each.
const PACKAGES: [usize; 2] = [6, 48];
const FULL_BYTES: u64 = 100_000_000;
const MEMORY_KIB: u64 = 256 << 10;

/// Wall time for all facts of a file of `size` bytes. Unoptimized code is some ten times slower.
fn budget(size: u64) -> Duration {
    let full = Duration::from_millis(if cfg!(debug_assertions) { 5000 } else { 500 });
    full.mul_f64((size as f64 / FULL_BYTES as f64).clamp(0.5, 1.0))
}

fn package(n: usize) -> String {
    let mut out = format!("package p{n}\n\nimport (\n\t\"errors\"\n\t\"strconv\"\n)\n\n");
    out += "type T struct{ a, b int; s string }\n\nfunc (t *T) add(n int) { t.a += n; t.b ^= t.a }\n\n";
    out += "func clamp(n, low, high int) int {\n\tif n < low {\n\t\treturn low\n\t}\n\tif n > high {\n\t\treturn high\n\t}\n\treturn n\n}\n\n";
    out +=
        "var All []func(*T, []int, map[string]int) error\n\nfunc init() {\n\tAll = append(All,\n";
    for f in 0..FUNCTIONS {
        let _ = writeln!(out, "\t\tF{f},");
    }
    out += "\t)\n}\n\n";
    for f in 0..FUNCTIONS {
        let k = n * FUNCTIONS + f;
        let _ = write!(
            out,
            "func F{f}(t *T, a []int, m map[string]int) error {{\n\tfor i, v := range a {{\n\t\tt.add(clamp(v, {k}, i))\n\t\t\
             m[t.s] += clamp(t.a, i, {k})\n\t\tif v == {k} {{\n\t\t\treturn errors.New(\"p{n}: \" + strconv.Itoa(v))\n\t\t}}\n\t}}\n\t\
             func() {{\n\t\tdefer delete(m, t.s)\n\t\tt.add(clamp(len(a), t.b, {k}))\n\t}}()\n\ta[{f}%len(a)] = clamp(t.a, t.b, {k})\n\treturn nil\n}}\n\n"
        );
    }
    out
}

fn build(out: &Path, packages: usize) {
    let dir = out.with_extension("src");
    let mut main = String::from("package main\n\nimport (\n\t\"net/http\"\n");
    for n in 0..packages {
        let _ = writeln!(main, "\t\"example.com/large/p{n}\"");
        let package_dir = dir.join(format!("p{n}"));
        fs::create_dir_all(&package_dir).expect("a directory");
        fs::write(package_dir.join("p.go"), package(n)).expect("a package");
    }
    main += ")\n\nfunc main() {\n\tn := 0\n";
    for n in 0..packages {
        let _ = writeln!(main, "\tn += len(p{n}.All)");
    }
    main += "\tprintln(n, http.ListenAndServe(\"127.0.0.1:0\", nil))\n}\n";
    fs::write(dir.join("main.go"), main).expect("the program");
    fs::write(dir.join("go.mod"), "module example.com/large\n\ngo 1.21\n").expect("go.mod");
    let status = Command::new("go")
        .args(["build", "-ldflags=-s -w", "-o"])
        .arg(out)
        .arg(".")
        .env("CGO_ENABLED", "0")
        .env("GOTOOLCHAIN", "local")
        .env("GOFLAGS", "-buildvcs=false")
        .current_dir(&dir)
        .status()
        .expect("go");
    assert!(status.success(), "go build: {status}");
    fs::remove_dir_all(&dir).expect("removing the sources");
}

fn high_water_kib() -> u64 {
    let status = fs::read_to_string("/proc/self/status").expect("/proc");
    let line = status
        .lines()
        .find(|l| l.starts_with("VmHWM:"))
        .expect("VmHWM");
    line.split_whitespace()
        .nth(1)
        .and_then(|n| n.parse().ok())
        .expect("a number")
}

fn resident_kib() -> u64 {
    let statm = fs::read_to_string("/proc/self/statm").expect("/proc");
    statm
        .split_whitespace()
        .nth(1)
        .and_then(|n| n.parse::<u64>().ok())
        .expect("a number")
        * 4
}

#[test]
fn large_executable() {
    let full = std::env::var("GOSTALL_FULL").is_ok_and(|v| v == "1");
    let packages = PACKAGES[usize::from(full)];
    let path: PathBuf = support::built(&format!("large-{packages}"), |out| build(out, packages));
    let size = fs::metadata(&path).expect("the executable").len();
    assert!(!full || size >= 70_000_000, "{size} bytes");
    // The page cache is not what is measured.
    std::io::copy(
        &mut fs::File::open(&path).expect("the executable"),
        &mut std::io::sink(),
    )
    .expect("reading it");
    let before = high_water_kib();
    let started = Instant::now();
    let binary = Binary::open(&path).expect("a Go executable");
    let facts = binary.facts();
    let opened = started.elapsed();
    let presence = binary.inlined_into(&[
        "net/http.serverHandler.ServeHTTP",
        "example.com/large/p5.clamp",
    ]);
    let asked = started.elapsed();
    let high = high_water_kib();
    println!(
        "{size} bytes, {} functions: facts {opened:?}, with inlined_into {asked:?}, high water {high} KiB (before {before})",
        binary.functions().count()
    );
    assert!(facts.offsets.is_ok() && facts.tls.is_ok() && facts.has_inline_trees);
    assert!(presence[0].own() && presence[1].inlined_into.len() >= FUNCTIONS);
    assert!(asked < budget(size), "{asked:?} of {:?}", budget(size));
    assert!(high - before < MEMORY_KIB, "{} KiB", high - before);
    let mut symbolizer = binary.symbolizer();
    drop(binary);
    symbolizer.release_pages();
    let idle = resident_kib();
    let functions = facts.text.expect("a text");
    let started = Instant::now();
    let step = (functions.end - functions.start) / 2000;
    let named = (0..2000)
        .filter(|i| !symbolizer.symbolize(functions.start + i * step).is_empty())
        .count();
    println!(
        "2000 addresses in {:?}, {named} named; resident {idle} KiB before, {} after",
        started.elapsed(),
        resident_kib()
    );
    assert!(named > 1900, "{named}");
}
