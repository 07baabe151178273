//! The testbed's programs, built once per Go release and build kind by testbed/build.sh.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The workspace's directory.
pub(crate) fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .canonicalize()
        .expect("the workspace is there")
}

/// Where cargo puts things.
pub fn target_dir() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| workspace().join("target"), PathBuf::from)
}

fn dir_of(name: &str) -> PathBuf {
    let dir = target_dir().join("testbed").join(name);
    fs::create_dir_all(&dir).expect("the target directory is writable");
    dir
}

fn run(script: &str, dir: &Path, args: &[&str]) {
    // Tests of several processes may want it at once.
    let lock = File::create(dir.join(".lock")).expect("the target directory is writable");
    lock.lock().expect("a lock");
    let script = workspace().join("testbed").join(script);
    let out = Command::new(&script)
        .arg(dir)
        .args(args)
        .output()
        .expect("the script starts");
    assert!(
        out.status.success(),
        "{} {args:?}: {}",
        script.display(),
        String::from_utf8_lossy(&out.stderr)
    );
}

/// A directory of built programs.
#[derive(Debug, Clone)]
pub struct Testbed {
    dir: PathBuf,
}

impl Testbed {
    /// By the machine's own Go, static, with symbols.
    pub fn local() -> Self {
        Self::of("local", "static")
    }

    /// By a Go release (`1.27.3` or `local`) and a build kind of testbed/build.sh.
    pub fn of(release: &str, kind: &str) -> Self {
        let dir = dir_of(&format!("{release}-{kind}"));
        run("build.sh", &dir, &[release, kind]);
        Self { dir }
    }

    /// The truths that need other modules: gRPC, the routers of frameworks. Stripped, they are linked with `-s -w`.
    pub fn modules(release: &str, stripped: bool) -> Self {
        let kind = if stripped { "sw" } else { "static" };
        let dir = dir_of(&format!("modules-{release}-{kind}"));
        run("build.sh", &dir, &["local"]);
        run(
            "modules.sh",
            &dir,
            &[release, if stripped { "-s -w" } else { "" }],
        );
        Self { dir }
    }

    /// One of its programs.
    pub fn program(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }
}
