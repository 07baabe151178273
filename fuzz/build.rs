//! Compiles the kernel side's HTTP/1 parsers for user space (wire/wire.c). Under the fuzzer's flags they get its coverage
//! counters and AddressSanitizer, whose runtime comes with the Rust compiler; that takes clang, which the eBPF programs
//! need anyway.

use std::env;
use std::path::{Path, PathBuf};

fn clang() -> PathBuf {
    if let Some(c) = env::var_os("GOSTALL_CLANG").or_else(|| env::var_os("CLANG")) {
        return c.into();
    }
    ["clang-19", "clang-18", "clang-16"]
        .iter()
        .map(|n| Path::new("/usr/bin").join(n))
        .find(|p| p.exists())
        .unwrap_or_else(|| "clang".into())
}

fn main() {
    let include = "../bpf/include";
    let mut build = cc::Build::new();
    build
        .compiler(clang())
        .file("wire/wire.c")
        .include(include)
        .opt_level(2)
        .debug(true)
        .flag("-std=gnu11")
        .warnings(true);
    // Cargo builds again when these change.
    let flags = env::var("CARGO_ENCODED_RUSTFLAGS").unwrap_or_default();
    if flags.contains("sancov-module") {
        // Not its comparisons: a call for each byte looked at makes a third of the inputs a second.
        build.flag("-fsanitize-coverage=edge,inline-8bit-counters,pc-table");
    }
    if flags.contains("sanitizer=address") {
        build.flag("-fsanitize=address");
    }
    build.compile("gostall_wire");
    println!("cargo:rerun-if-changed=wire/wire.c");
    for file in ["http1.h", "response1.h", "abi.h"] {
        println!("cargo:rerun-if-changed={include}/{file}");
    }
    for variable in ["GOSTALL_CLANG", "CLANG"] {
        println!("cargo:rerun-if-env-changed={variable}");
    }
}
