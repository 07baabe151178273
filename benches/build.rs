//! Compiles the empty pair; see src/empty.bpf.c.

use std::env;
use std::path::PathBuf;

fn main() {
    let dir = PathBuf::from(env::var("CARGO_MANIFEST_DIR").expect("cargo sets it"));
    let out = PathBuf::from(env::var("OUT_DIR").expect("cargo sets it"));
    let arch = env::var("CARGO_CFG_TARGET_ARCH").expect("cargo sets it");
    let vmlinux = dir.join("../vmlinux").join(arch);
    let source = dir.join("src/empty.bpf.c");
    let mut builder = libbpf_cargo::SkeletonBuilder::new();
    builder
        .source(&source)
        .clang_args(["-I".into(), vmlinux.into_os_string()]);
    let named = env::var_os("GOSTALL_CLANG")
        .or_else(|| env::var_os("CLANG"))
        .map(PathBuf::from);
    let found = ["clang-19", "clang-18", "clang-16"]
        .iter()
        .map(|n| PathBuf::from("/usr/bin").join(n))
        .find(|p| p.exists());
    if let Some(clang) = named.or(found) {
        builder.clang(clang);
    }
    builder
        .build_and_generate(out.join("empty.skel.rs"))
        .expect("the empty pair did not compile (is clang installed?)");
    println!("cargo:rerun-if-changed={}", source.display());
}
