//! Builds and caches the executables that the tests read, and asks other tools for the truth about them.

#![allow(dead_code, reason = "each test program uses its part")]

use std::collections::{HashMap, HashSet};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// How the corpus program is built.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Mode {
    Static,
    /// Linked with `-s -w`; its twin has symbols.
    LinkerStripped,
    TrimPath,
    Pie,
    Cgo,
    CgoPie,
    /// The function table's section lies elsewhere with an external linker.
    CgoStatic,
    Arm64,
    /// With the race detector's calls in all functions, and its C++ runtime.
    Race,
}

impl Mode {
    pub const ALL: [Mode; 9] = [
        Mode::Static,
        Mode::LinkerStripped,
        Mode::TrimPath,
        Mode::Pie,
        Mode::Cgo,
        Mode::CgoPie,
        Mode::CgoStatic,
        Mode::Arm64,
        Mode::Race,
    ];

    fn flags(self) -> &'static [&'static str] {
        match self {
            Mode::Static | Mode::LinkerStripped | Mode::Cgo | Mode::Arm64 => &[],
            Mode::TrimPath => &["-trimpath"],
            Mode::Pie | Mode::CgoPie => &["-buildmode=pie"],
            Mode::CgoStatic => &[
                "-tags=osusergo,netgo",
                "-ldflags=-linkmode=external -extldflags=-static",
            ],
            Mode::Race => &["-race"],
        }
    }

    pub fn cgo(self) -> bool {
        matches!(
            self,
            Mode::Cgo | Mode::CgoPie | Mode::CgoStatic | Mode::Race
        )
    }
}

/// An executable with symbols and debug information, and the same one without.
pub struct Twins {
    pub full: PathBuf,
    pub stripped: PathBuf,
}

fn here() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus")
}

/// Where built executables are kept: `GOSTALL_CORPUS`, else below the target directory. What the corpus program's
/// sources hash to is part of the path, so that a change of them builds anew.
pub fn corpus() -> PathBuf {
    let root = std::env::var_os("GOSTALL_CORPUS").map_or_else(
        || {
            Path::new(env!("CARGO_TARGET_TMPDIR"))
                .parent()
                .expect("a target directory")
                .join("corpus")
        },
        PathBuf::from,
    );
    let mut hash = 0xcbf2_9ce4_8422_2325u64;
    let sources = [
        "build",
        "go.mod",
        "main.go",
        "cgo.go",
        "nocgo.go",
        "../../../../testbed/hello.pgo",
        "../shared/main.go",
        "../shared/observe.c",
        "../shared/host.c",
    ];
    for file in sources {
        for byte in fs::read(here().join(file)).expect("the corpus program's sources") {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
    let dir = root.join(format!("{hash:016x}"));
    fs::create_dir_all(&dir).expect("a directory for the corpus");
    dir
}

/// Builds into the cache unless it is there. A toolchain that cannot be had fails the test.
pub fn built(name: &str, make: impl FnOnce(&Path)) -> PathBuf {
    let path = corpus().join(name);
    if !path.exists() {
        let fresh = corpus().join(format!(".{name}.{}", std::process::id()));
        make(&fresh);
        fs::rename(&fresh, &path).expect("moving into the corpus");
    }
    path
}

pub fn run(command: &mut Command) -> Vec<u8> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|e| panic!("{command:?}: {e}"));
    assert!(
        output.status.success(),
        "{command:?} failed:\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    output.stdout
}

pub fn go_build(release: &str, out: &Path, cgo: bool, arch: &str, flags: &[&str]) {
    run(Command::new(here().join("build"))
        .args([Path::new(release), out])
        .args(flags)
        .env("CGO_ENABLED", if cgo { "1" } else { "0" })
        .env("GOARCH", arch));
}

/// The library and the C program of tests/shared.
pub fn shared(release: &str) -> (PathBuf, PathBuf) {
    let sources = here().join("../shared");
    let host = built("shared-host", |out| {
        run(Command::new("cc")
            .args(["-O1", "-o"])
            .arg(out)
            .arg(sources.join("host.c"))
            .arg("-ldl"));
    });
    let library = built(&format!("{release}-shared.so"), |out| {
        run(Command::new(here().join("build"))
            .args([Path::new(release), out])
            .args(["-buildmode=c-shared", "-ldflags=-s -w"])
            .env("CGO_ENABLED", "1")
            .env("GOSTALL_PROGRAM", "shared"));
        // The library's C header, which Go writes beside it.
        let _ = fs::remove_file(out.with_extension("h"));
    });
    (library, host)
}

pub fn twins(release: &str, mode: Mode) -> Twins {
    let arch = if mode == Mode::Arm64 {
        "arm64"
    } else {
        "amd64"
    };
    let full_mode = if mode == Mode::LinkerStripped {
        Mode::Static
    } else {
        mode
    };
    let full = built(&format!("{release}-{full_mode:?}"), |out| {
        go_build(release, out, mode.cgo(), arch, mode.flags());
    });
    let stripped = built(&format!("{release}-{mode:?}-stripped"), |out| {
        if matches!(mode, Mode::LinkerStripped | Mode::Arm64) {
            // The host's strip may not know arm64.
            go_build(release, out, mode.cgo(), arch, &["-ldflags=-s -w"]);
        } else {
            run(Command::new("strip").arg("-o").args([out, &full]));
        }
    });
    Twins { full, stripped }
}

/// The version of the machine's own toolchain.
pub fn local_release() -> String {
    let output = run(Command::new("go")
        .args(["env", "GOVERSION"])
        .env("GOTOOLCHAIN", "local")
        .current_dir("/"));
    String::from_utf8(output)
        .expect("a version")
        .trim()
        .to_owned()
}

/// Text symbols of `go tool nm`: address -> names.
pub fn nm(path: &Path) -> HashMap<u64, HashSet<String>> {
    let output = run(Command::new("go")
        .args(["tool", "nm"])
        .arg(path)
        .env("GOTOOLCHAIN", "local")
        .current_dir("/"));
    let mut found: HashMap<u64, HashSet<String>> = HashMap::new();
    for line in String::from_utf8_lossy(&output).lines() {
        let mut parts = line.trim_start().splitn(3, ' ');
        let (Some(address), Some(kind), Some(name)) = (parts.next(), parts.next(), parts.next())
        else {
            continue;
        };
        if let ("T" | "t", Ok(address)) = (kind, u64::from_str_radix(address, 16)) {
            found.entry(address).or_default().insert(name.to_owned());
        }
    }
    found
}

/// `file:line` of every address by `go tool addr2line`.
pub fn go_addr2line(path: &Path, pcs: &[u64]) -> Vec<String> {
    let mut child = Command::new("go")
        .args(["tool", "addr2line"])
        .arg(path)
        .env("GOTOOLCHAIN", "local")
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("go tool addr2line");
    let mut stdin = child.stdin.take().expect("a pipe");
    let input: String = pcs.iter().map(|pc| format!("{pc:#x}\n")).collect();
    let writer = std::thread::spawn(move || stdin.write_all(input.as_bytes()));
    let output = child.wait_with_output().expect("go tool addr2line");
    writer
        .join()
        .expect("no panic")
        .expect("addresses are read");
    let text = String::from_utf8(output.stdout).expect("text");
    text.lines().skip(1).step_by(2).map(str::to_owned).collect()
}
