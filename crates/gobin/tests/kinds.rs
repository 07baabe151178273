//! Executables that were built unusually: without optimization, by a profile, as a library of a C program, without build
//! information, by a Go release that does not exist yet. What there is to find in them is not what it is elsewhere.

mod support;
mod truth;

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use gostall_gobin::{
    Binary, Kind, NoOffsets, OffsetSource, Presence, SiteKind, TlsG, nearest_offsets,
};
use support::{Mode, built, go_build, run, twins};

/// The corpus program with further flags, and the same without symbols.
fn pair(release: &str, name: &str, flags: &[&str]) -> (PathBuf, PathBuf) {
    let full = built(&format!("{release}-{name}"), |out| {
        go_build(release, out, false, "amd64", flags);
    });
    let stripped = built(&format!("{release}-{name}-stripped"), |out| {
        run(Command::new("strip").arg("-o").args([out, &full]));
    });
    (full, stripped)
}

fn open(path: &Path) -> Binary {
    Binary::open(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// Offsets by table are those of the debug information, and the thread-local slot is found.
fn same_layout(full: &Path, stripped: &Path) {
    let what = stripped.display();
    let (full, stripped) = (open(full), open(stripped));
    let by_dwarf = full.offsets().unwrap_or_else(|e| panic!("{what}: {e}"));
    let by_table = stripped.offsets().unwrap_or_else(|e| panic!("{what}: {e}"));
    assert_eq!(by_dwarf.source, OffsetSource::Dwarf, "{what}");
    assert_ne!(by_table.source, OffsetSource::Dwarf, "{what}");
    assert_eq!(by_dwarf.named(), by_table.named(), "{what}");
    assert_eq!(stripped.tls(), Ok(TlsG::Fixed(-8)), "{what}");
    assert!(
        full.functions().eq(stripped.functions()) && full.functions().count() > 4000,
        "{what}"
    );
}

fn presence<const N: usize>(binary: &Binary, names: [&str; N]) -> [Presence; N] {
    let found = binary.inlined_into(&names);
    found.try_into().expect("an answer for each")
}

/// `-gcflags=all=-N -l`, as for debuggers: nothing is inlined, and every probe's function is there.
#[test]
fn without_optimization() {
    for release in ["go1.20.14", "go1.26.6"] {
        let (full, stripped) = pair(release, "noopt", &["-gcflags=all=-N -l"]);
        same_layout(&full, &stripped);
        let binary = open(&stripped);
        let names = [
            "main.inner",
            "main.middle",
            "main.onlyInlined",
            "net/http.(*response).finishRequest",
            "net/http.serverHandler.ServeHTTP",
        ];
        for (name, p) in names.iter().zip(presence(&binary, names)) {
            assert!(p.inlined_into.is_empty(), "{release}: {name}: {p:x?}");
            let f = p.function.unwrap_or_else(|| panic!("{release}: no {name}"));
            let frames = binary.symbolizer().symbolize(f.entry);
            assert_eq!(frames.len(), 1, "{release}: {name}");
            assert_eq!(&*frames[0].function, *name, "{release}");
        }
        for f in binary.find(&names[3..]).into_iter().flatten() {
            assert!(binary.entry_site(&f).is_some(), "{release}: {f:x?}");
        }
        let found = binary.find(&["runtime.newproc.func1", "runtime.runqput"]);
        let [Some(caller), Some(callee)] = &found[..] else {
            panic!("{release}: {found:?}")
        };
        assert_eq!(binary.call_site(caller, callee).len(), 1, "{release}");
    }
}

/// A profile inlines functions that are otherwise called: gobin tells both the function that is still there for other
/// callers, and the place where the probed calls went.
#[test]
fn by_a_profile() {
    let profile = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testbed/hello.pgo");
    let flag = format!("-pgo={}", profile.display());
    // The profile was taken with this release, and names lines: to others it says little.
    let release = "go1.27.3";
    let (full, stripped) = pair(release, "pgo", &[&flag]);
    same_layout(&full, &stripped);
    let binary = open(&stripped);
    let [finish] = presence(&binary, ["net/http.(*response).finishRequest"]);
    let serve = finish
        .inlined_into
        .iter()
        .find(|i| i.function.name == "net/http.(*conn).serve")
        .unwrap_or_else(|| panic!("{release}: not inlined: {finish:x?}"));
    // Without the profile it is not: the test would show nothing.
    let plain = open(&twins(release, Mode::Static).stripped);
    let [unoptimized] = presence(&plain, ["net/http.(*response).finishRequest"]);
    assert!(unoptimized.inlined_into.is_empty(), "{release}");
    // The inlined body's addresses are what the debug information says they are.
    let frames = truth::Frames::open(&full);
    let mut symbolizer = binary.symbolizer();
    for range in &serve.pcs {
        let ours: Vec<String> = symbolizer
            .symbolize(range.start)
            .iter()
            .map(|f| f.function.to_string())
            .collect();
        assert!(
            ours.iter()
                .any(|n| n == "net/http.(*response).finishRequest"),
            "{release}: {ours:?}"
        );
        let theirs = frames.at(range.start).expect("debug information");
        assert!(
            theirs
                .iter()
                .any(|(n, _)| n == "net/http.(*response).finishRequest"),
            "{release}: {ours:?}, {theirs:?}"
        );
    }
    let [handler] = presence(&binary, ["net/http.serverHandler.ServeHTTP"]);
    let handler = handler.function.expect("a method that is called by value");
    let site = binary.entry_site(&handler).expect("a site");
    assert_eq!(site.kind, SiteKind::Push, "{release}");
}

fn word(memory: &fs::File, at: u64) -> u64 {
    let mut bytes = [0; 8];
    memory
        .read_exact_at(&mut bytes, at)
        .unwrap_or_else(|e| panic!("{at:#x}: {e}"));
    u64::from_le_bytes(bytes)
}

/// A Go library in a C program: g's slot stands in the GOT, filled by the dynamic loader. Looked up in the running
/// process, on a thread that Go called C on: there lies the m's g0, and the m knows the thread and the goroutine.
#[test]
fn a_library_of_a_c_program() {
    for release in ["go1.21.13", "go1.27.3"] {
        let (library, host) = support::shared(release);
        let binary = open(&library);
        assert_eq!(binary.kind(), Kind::Shared, "{release}");
        assert!(binary.has_cgo() && binary.has_function_table(), "{release}");
        let raw = binary.version().map(|v| v.raw);
        assert_eq!(raw.as_deref(), Some(release));
        let Ok(TlsG::GotSlot(slot)) = binary.tls() else {
            panic!("{release}: {:?}", binary.tls())
        };
        let o = binary
            .offsets()
            .unwrap_or_else(|e| panic!("{release}: {e}"));

        let mut child = Command::new(&host)
            .arg(&library)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the C program starts");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("a pipe"))
            .read_line(&mut line)
            .expect("its output");
        let (tp, tid) = line
            .trim()
            .split_once(' ')
            .unwrap_or_else(|| panic!("{release}: {line:?}"));
        let tp = u64::from_str_radix(tp, 16).expect("an address");
        let tid: u64 = tid.parse().expect("a number");

        let maps = fs::read_to_string(format!("/proc/{}/maps", child.id())).expect("maps");
        let path = fs::canonicalize(&library).expect("a path");
        let line = maps
            .lines()
            .find(|l| l.ends_with(&*path.to_string_lossy()))
            .expect("the library is mapped");
        let parts: Vec<&str> = line.split_whitespace().collect();
        let start = parts[0].split('-').next().expect("a start");
        let bias = binary
            .load_bias(
                u64::from_str_radix(start, 16).expect("an address"),
                u64::from_str_radix(parts[2], 16).expect("an offset"),
            )
            .expect("the mapping is the library's");
        let memory = fs::File::open(format!("/proc/{}/mem", child.id())).expect("its memory");
        let distance = word(&memory, bias + slot).cast_signed();
        assert!(
            distance < 0 && distance % 8 == 0,
            "{release}: {distance:#x}"
        );
        let g0 = word(&memory, tp.wrapping_add_signed(distance));
        let m = word(&memory, g0 + u64::from(o.g_m));
        assert_eq!(
            word(&memory, m + u64::from(o.m_g0)),
            g0,
            "{release}: m.g0, from {g0:#x}"
        );
        assert_eq!(
            word(&memory, m + u64::from(o.m_procid)),
            tid,
            "{release}: m.procid"
        );
        let curg = word(&memory, m + u64::from(o.m_curg));
        assert_eq!(word(&memory, curg + u64::from(o.g_m)), m, "{release}");
        let goid = word(&memory, curg + u64::from(o.g_goid));
        assert!((1..1000).contains(&goid), "{release}: goroutine {goid}");
        assert_eq!(
            word(&memory, g0 + u64::from(o.g_goid)),
            0,
            "{release}: g0's own"
        );
        drop(child.stdin.take());
        assert!(child.wait().expect("a child").success(), "{release}");
    }
}

/// As some package managers ship programs: no build information at all. The runtime's own string tells the version.
#[test]
fn without_build_information() {
    let cases = [
        ("go1.19.13", Mode::Cgo),
        ("go1.23.9", Mode::Static),
        ("go1.25.5", Mode::CgoPie),
        ("go1.27.3", Mode::Pie),
    ];
    for (release, mode) in cases {
        let what = format!("{release} {mode:?}");
        for from in [twins(release, mode).stripped, twins(release, mode).full] {
            let dir = tempfile::tempdir().expect("a directory");
            let bare = dir.path().join("bare");
            run(Command::new("objcopy")
                .args(["--remove-section", ".go.buildinfo"])
                .args([&from, &bare]));
            // The section's header is gone; its bytes, which lie in a segment, may be left.
            let mut data = fs::read(&bare).expect("an executable");
            let magic = b"\xff Go buildinf:";
            let found: Vec<usize> = memchr::memmem::find_iter(&data, magic).collect();
            for at in found {
                data[at..at + 32].fill(0);
            }
            let bare = Binary::from_bytes(data).unwrap_or_else(|e| panic!("{what}: {e}"));
            assert_eq!(bare.build_info(), None, "{what}");
            assert_eq!(
                bare.version().map(|v| v.raw).as_deref(),
                Some(release),
                "{what}"
            );
            let (whole, bare) = (open(&from).facts(), bare.facts());
            assert!(
                whole.offsets.is_ok() && bare.offsets == whole.offsets,
                "{what}"
            );
            assert!(whole.tls.is_ok() && bare.tls == whole.tls, "{what}");
            assert_eq!(bare.roles, whole.roles, "{what}");
        }
    }
}

/// A release after the last one measured: the debug information is believed, the table is not, and the nearest row is
/// given only to who asks for it by name, and says what it is.
#[test]
fn by_a_release_to_come() {
    let twins = twins("go1.27.3", Mode::Static);
    let renamed = |path: &Path| {
        let mut data = fs::read(path).expect("an executable");
        let found: Vec<usize> = memchr::memmem::find_iter(&data, b"go1.27.3").collect();
        assert!(found.len() >= 2, "build information and the runtime's own");
        for at in found {
            data[at..at + 8].copy_from_slice(b"go1.29.1");
        }
        let binary = Binary::from_bytes(data).expect("an executable");
        assert_eq!(binary.version().map(|v| v.raw).as_deref(), Some("go1.29.1"));
        binary
    };
    let (known, full) = (open(&twins.full), renamed(&twins.full));
    let by_dwarf = full.offsets().expect("debug information");
    assert_eq!(by_dwarf.source, OffsetSource::Dwarf);
    assert_eq!(by_dwarf.named(), known.offsets().expect("offsets").named());

    let stripped = renamed(&twins.stripped);
    let refused = stripped.offsets().expect_err("a guess");
    assert!(
        matches!(&refused, NoOffsets::TooNew { version, newest }
            if version == "go1.29.1" && newest.starts_with("go1.27.")),
        "{refused:?}"
    );
    let nearest = nearest_offsets(&stripped.version().expect("a version")).expect("a row");
    assert!(
        matches!(&nearest.source, OffsetSource::Nearest { release } if release.starts_with("go1.27.")),
        "{:?}",
        nearest.source
    );
    assert!(nearest.source.to_string().starts_with("unverified: "));
    // All that does not come from the table is there as ever.
    assert_eq!(stripped.tls(), Ok(TlsG::Fixed(-8)));
    assert!(stripped.has_inline_trees());
    assert_eq!(stripped.roles(), open(&twins.stripped).roles());
}
