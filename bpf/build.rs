//! Compiles the eBPF C into a skeleton and turns abi.h's constants into Rust's. Needs
//! clang (14 or newer; GOSTALL_CLANG or CLANG names another one).

use std::env;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use libbpf_cargo::SkeletonBuilder;

fn clang() -> Option<PathBuf> {
    if let Some(c) = env::var_os("GOSTALL_CLANG").or_else(|| env::var_os("CLANG")) {
        return Some(c.into());
    }
    // Newer compilers make shorter programs; any of these is right.
    ["clang-19", "clang-18", "clang-16"]
        .iter()
        .map(|n| Path::new("/usr/bin").join(n))
        .find(|p| p.exists())
}

fn number(text: &str) -> Option<i64> {
    let text = text.trim();
    match text.strip_prefix("0x") {
        Some(hex) => i64::from_str_radix(hex, 16).ok(),
        None => text.parse().ok(),
    }
}

/// `#define GS_X 1` and the members of enums, as `pub const GS_X: u32 = 1;`. BTF has
/// the types but not the names that only the preprocessor sees.
fn constants(header: &str) -> String {
    let mut out = String::new();
    let mut next = None;
    let mut add = |name: &str, value: i64| {
        writeln!(out, "/// See abi.h.\npub const {name}: u32 = {value};")
            .expect("a string takes it");
    };
    for line in header.lines() {
        let line = line.split("/*").next().unwrap_or("").trim();
        if let Some(rest) = line.strip_prefix("#define GS_") {
            if let Some((name, value)) = rest.split_once(char::is_whitespace)
                && let Some(value) = number(value)
            {
                add(&format!("GS_{name}"), value);
            }
        } else if line.starts_with("enum ") && line.ends_with('{') {
            next = Some(0);
        } else if line.starts_with('}') {
            next = None;
        } else if let Some(value) = next
            && line.starts_with("GS_")
        {
            let line = line.trim_end_matches(',');
            let (name, value) = match line.split_once('=') {
                Some((name, v)) => (name.trim(), number(v).expect("a plain number in abi.h")),
                None => (line, value),
            };
            add(name, value);
            next = Some(value + 1);
        }
    }
    out
}

fn main() {
    let dir = PathBuf::from(env::var("CARGO_MANIFEST_DIR").expect("cargo sets it"));
    let out = PathBuf::from(env::var("OUT_DIR").expect("cargo sets it"));
    let arch = env::var("CARGO_CFG_TARGET_ARCH").expect("cargo sets it");
    let include = dir.join("include");
    let vmlinux = dir.join("../vmlinux").join(&arch);
    let mut builder = SkeletonBuilder::new();
    builder.source(dir.join("gostall.bpf.c")).clang_args([
        "-I".into(),
        include.clone().into_os_string(),
        "-I".into(),
        vmlinux.clone().into_os_string(),
        "-Wall".into(),
        "-Wno-missing-declarations".into(),
        "-mcpu=v3".into(),
    ]);
    if let Some(clang) = clang() {
        builder.clang(clang);
    }
    builder
        .build_and_generate(out.join("gostall.skel.rs"))
        .expect("the eBPF programs did not compile (is clang installed?)");
    let header = fs::read_to_string(include.join("abi.h")).expect("abi.h is there");
    fs::write(out.join("abi.rs"), constants(&header)).expect("OUT_DIR is writable");
    println!("cargo:rerun-if-env-changed=GOSTALL_CLANG");
    println!("cargo:rerun-if-changed=gostall.bpf.c");
    println!("cargo:rerun-if-changed={}", include.display());
    println!("cargo:rerun-if-changed={}", vmlinux.display());
}
