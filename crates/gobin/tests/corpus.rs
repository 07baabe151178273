//! Real executables of many releases, linked in many ways: what gobin says of the stripped one against what symbols,
//! debug information and Go's own tools say of its twin.
//!
//! By default each release in two ways, chosen so that every way meets old and new releases; all of them with
//! GOSTALL_FULL=1. Executables are kept in GOSTALL_CORPUS (default: the target directory's `corpus`).

mod support;
mod truth;

use std::fs;

use gostall_gobin::{Arch, Binary, Kind, OffsetSource, Presence, Role, SiteKind, TlsG};
use support::{Mode, Twins, twins};

/// Functions that probes go to, in every release.
const HOOKS: &[&str] = &[
    "net/http.serverHandler.ServeHTTP",
    "net/http.(*response).finishRequest",
    "net/http.(*response).WriteHeader",
    "runtime.newproc1",
    "runtime.ready",
    "runtime.gopark",
    "runtime.gcStart",
    "runtime.gcMarkDone",
    "crypto/tls.(*Conn).serverHandshake",
    "crypto/tls.(*Conn).clientHandshake",
    "net.(*Resolver).lookupIPAddr",
];

fn check_release(release: &str, minor: u32, diagonal: &[Mode]) {
    let all = std::env::var("GOSTALL_FULL").is_ok_and(|v| v == "1");
    for &mode in if all { &Mode::ALL } else { diagonal } {
        check(release, minor, mode);
    }
}

fn check(release: &str, minor: u32, mode: Mode) {
    let what = format!("{release} {mode:?}");
    let twins = twins(release, mode);
    let full = Binary::open(&twins.full).unwrap_or_else(|e| panic!("{what}: {e}"));
    let stripped =
        Binary::open(&twins.stripped).unwrap_or_else(|e| panic!("{what}, stripped: {e}"));
    identity(&what, release, mode, &full, &stripped);
    offsets(&what, release, &twins, &full, &stripped);
    tls(&what, mode, &twins, &full, &stripped);
    functions(&what, &twins, &full, &stripped);
    positions(&what, &twins, &stripped);
    inlining(&what, &stripped);
    sites(&what, minor, mode, &stripped);
    roles(&what, &stripped);
    globals(&what, mode, &twins, &full, &stripped);
    without_help(&what, &twins, &stripped);
}

fn identity(what: &str, release: &str, mode: Mode, full: &Binary, stripped: &Binary) {
    for binary in [full, stripped] {
        assert_eq!(
            binary.version().map(|v| v.raw).as_deref(),
            Some(release),
            "{what}"
        );
        let arch = if mode == Mode::Arm64 {
            Arch::Arm64
        } else {
            Arch::Amd64
        };
        assert_eq!(binary.arch(), arch, "{what}");
        let kind = match mode {
            Mode::Pie => Kind::Pie,
            Mode::Cgo | Mode::Race => Kind::Dynamic,
            Mode::CgoPie => Kind::DynamicPie,
            _ => Kind::Static,
        };
        assert_eq!(binary.kind(), kind, "{what}");
        assert_eq!(binary.has_cgo(), mode.cgo(), "{what}");
        assert!(
            binary.has_function_table() && binary.has_inline_trees(),
            "{what}"
        );
        let build = binary
            .build_info()
            .unwrap_or_else(|| panic!("{what}: build information"));
        assert_eq!(build.path, "example.com/corpus", "{what}");
        assert_eq!(
            build.setting("CGO_ENABLED"),
            Some(if mode.cgo() { "1" } else { "0" }),
            "{what}"
        );
    }
    assert!(full.has_symtab() && full.has_dwarf(), "{what}");
    assert!(!stripped.has_symtab() && !stripped.has_dwarf(), "{what}");
}

fn offsets(what: &str, release: &str, twins: &Twins, full: &Binary, stripped: &Binary) {
    let by_dwarf = full.offsets().unwrap_or_else(|e| panic!("{what}: {e}"));
    let by_table = stripped.offsets().unwrap_or_else(|e| panic!("{what}: {e}"));
    assert_eq!(by_dwarf.source, OffsetSource::Dwarf, "{what}");
    let by_row = match &by_table.source {
        OffsetSource::Table { release: row } => row == release,
        OffsetSource::Between { .. } => true,
        _ => false,
    };
    assert!(by_row, "{what}: {:?}", by_table.source);
    let truth = truth::members(&twins.full);
    for ((name, dwarf), (_, table)) in by_dwarf.named().into_iter().zip(by_table.named()) {
        assert_eq!(
            dwarf, table,
            "{what}: {name}, debug information against table"
        );
        if let Some((_, &offset)) = truth.iter().find(|(n, _)| *n == name) {
            assert_eq!(
                dwarf,
                Some(offset),
                "{what}: {name}, gobin against a full reading of the debug information"
            );
        }
    }
    assert!(
        truth.len() > 10,
        "{what}: the truth has {} fields",
        truth.len()
    );
}

fn tls(what: &str, mode: Mode, twins: &Twins, full: &Binary, stripped: &Binary) {
    assert_eq!(full.tls(), stripped.tls(), "{what}");
    if mode == Mode::Arm64 {
        assert_eq!(
            full.tls(),
            Err(gostall_gobin::NoTls::RegisterOnly),
            "{what}"
        );
        return;
    }
    let truth = truth::tls(&twins.full);
    assert_eq!(stripped.tls(), Ok(TlsG::Fixed(truth)), "{what}");
    assert_eq!(
        truth == -8,
        !mode.cgo(),
        "{what}: the C part's thread-local words move the slot"
    );
}

/// A symbol's name as the function table has it: without ABI suffix, type arguments as `...`.
fn as_in_table(name: &str) -> String {
    let name = name
        .strip_suffix(".abi0")
        .or(name.strip_suffix(".abiinternal"))
        .unwrap_or(name);
    let (Some(open), Some(close)) = (name.find('['), name.rfind(']')) else {
        return name.to_owned();
    };
    format!("{}[...]{}", &name[..open], &name[close + 1..])
}

fn functions(what: &str, twins: &Twins, full: &Binary, stripped: &Binary) {
    let functions: Vec<_> = stripped.functions().collect();
    assert!(
        functions.len() > 4000,
        "{what}: {} functions",
        functions.len()
    );
    assert_eq!(functions, full.functions().collect::<Vec<_>>(), "{what}");
    let symbols = support::nm(&twins.full);
    let mut same = 0;
    for f in &functions {
        let names = symbols
            .get(&f.entry)
            .unwrap_or_else(|| panic!("{what}: no symbol at {f:x?}"));
        same += usize::from(names.iter().any(|n| as_in_table(n) == as_in_table(&f.name)));
        let offset = stripped
            .file_offset(f.entry)
            .unwrap_or_else(|| panic!("{what}: {f:x?} is not in the file"));
        assert_eq!(stripped.vaddr(offset), Some(f.entry), "{what}");
    }
    assert!(
        same * 1000 >= functions.len() * 999,
        "{what}: {same} of {} names",
        functions.len()
    );
    for f in functions.iter().step_by(37) {
        assert_eq!(stripped.function_at(f.entry).as_ref(), Some(f), "{what}");
        assert_eq!(stripped.function_at(f.end - 1).as_ref(), Some(f), "{what}");
    }
    let found = stripped.find(&["main.main", "no.such", "main.outer", "main.main"]);
    let main = functions.iter().find(|f| f.name == "main.main");
    assert!(
        found[0].as_ref() == main && main.is_some() && found[3].as_ref() == main,
        "{what}"
    );
    assert!(found[1].is_none() && found[2].is_some(), "{what}");
}

fn positions(what: &str, twins: &Twins, stripped: &Binary) {
    // Odd strides visit all parts of functions of all packages.
    let pcs: Vec<u64> = stripped
        .functions()
        // Markers of the linker have no position tables, and Go's tool reads something else in their place.
        .filter(|f| !f.name.starts_with("go:"))
        .step_by(3)
        .flat_map(|f| {
            let len = f.end - f.entry;
            [0, len / 4, len / 2, len * 3 / 4, len - 1].map(|into| f.entry + into)
        })
        .collect();
    let mut symbolizer = stripped.symbolizer();
    let by_go = support::go_addr2line(&twins.full, &pcs);
    assert_eq!(by_go.len(), pcs.len(), "{what}");
    let by_dwarf = truth::Frames::open(&twins.full);
    let (mut same, mut compared, mut inlined, mut differs) = (0, 0, 0, None);
    for (&pc, position) in pcs.iter().zip(&by_go) {
        let frames = symbolizer.symbolize(pc);
        let first = frames
            .first()
            .unwrap_or_else(|| panic!("{what}: {pc:#x} is in no function"));
        if first.file.is_empty() {
            // Padding behind a function has no position; Go's tool prints `?:0`, or no file and a negative line.
            assert!(
                position.starts_with(":-") || position == "?:0",
                "{what}: {pc:#x}: {position}"
            );
        } else {
            assert_eq!(
                &format!("{}:{}", first.file, first.line),
                position,
                "{what}: {pc:#x}"
            );
        }
        assert!(!frames.last().is_some_and(|f| f.inlined), "{what}: {pc:#x}");
        let Some(truth) = by_dwarf.at(pc) else {
            continue;
        };
        let ours: Vec<(String, u32)> = frames
            .iter()
            .map(|f| (as_in_table(&f.function), f.line))
            .collect();
        let truth: Vec<(String, u32)> = truth
            .into_iter()
            .map(|(name, line)| (as_in_table(&name), line))
            .collect();
        compared += 1;
        inlined += usize::from(ours.len() > 1);
        // Generated code has no line in the debug information; the function table says `<autogenerated>:1`.
        let agree =
            |(a, b): (&(String, u32), &(String, u32))| a.0 == b.0 && (a.1 == b.1 || b.1 == 0);
        let agrees = ours.len() == truth.len() && ours.iter().zip(&truth).all(agree);
        same += usize::from(agrees);
        differs = if agrees {
            differs
        } else {
            Some((pc, ours, truth))
        };
    }
    assert!(
        inlined > 500,
        "{what}: only {inlined} of {compared} addresses have inlined frames"
    );
    // Old compilers leave a few instructions of inlined bodies out of the debug information's ranges.
    assert!(
        same * 1000 >= compared * 995,
        "{what}: {same} of {compared} call chains agree with the debug information; not {differs:x?}"
    );
    let [outer] = stripped
        .find(&["main.outer"])
        .try_into()
        .expect("one answer");
    let outer = outer.unwrap_or_else(|| panic!("{what}: main.outer"));
    let names: Vec<String> = (outer.entry..outer.end)
        .map(|pc| {
            symbolizer
                .symbolize(pc)
                .iter()
                .map(|f| f.function.to_string())
                .collect::<Vec<_>>()
                .join(" < ")
        })
        .collect();
    assert!(
        names
            .iter()
            .any(|n| n == "main.inner < main.middle < main.outer"),
        "{what}: {names:?}"
    );
    assert!(symbolizer.symbolize(1).is_empty(), "{what}");
    let after = symbolizer.symbolize_return(outer.end);
    assert_eq!(
        after.last().map(|f| &*f.function),
        Some("main.outer"),
        "{what}"
    );
}

fn inlining(what: &str, stripped: &Binary) {
    let names = [
        "main.middle",
        "main.onlyInlined",
        "main.outer",
        "main.absent",
    ];
    let [middle, only, outer, absent]: [Presence; 4] = stripped
        .inlined_into(&names)
        .try_into()
        .expect("four answers");
    let into = |p: &Presence| {
        p.inlined_into
            .iter()
            .map(|i| i.function.name.clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(into(&middle), ["main.outer"], "{what}");
    assert!(!only.own() && !only.absent(), "{what}");
    let mut found = into(&only);
    found.sort();
    assert_eq!(found, ["main.handle", "main.main"], "{what}");
    assert!(
        only.inlined_into.iter().all(|i| !i.pcs.is_empty()),
        "{what}"
    );
    assert!(outer.own() && into(&outer).is_empty(), "{what}");
    assert!(absent.absent(), "{what}");
}

fn sites(what: &str, minor: u32, mode: Mode, stripped: &Binary) {
    let data = |vaddr| {
        let segment = stripped
            .segments()
            .iter()
            .find(|s| vaddr >= s.vaddr && vaddr - s.vaddr < s.file_size);
        segment.map(|s| s.offset + vaddr - s.vaddr)
    };
    for (name, f) in HOOKS.iter().zip(stripped.find(HOOKS)) {
        let f = f.unwrap_or_else(|| panic!("{what}: no {name}"));
        let site = stripped
            .entry_site(&f)
            .unwrap_or_else(|| panic!("{what}: no site in {name}"));
        assert!(
            (f.entry..f.end).contains(&site.vaddr) && site.into < 48,
            "{what}: {name}: {site:x?}"
        );
        assert_eq!(Some(site.file_offset), data(site.vaddr), "{what}: {name}");
        let kind = if mode != Mode::Arm64 && minor >= 21 {
            SiteKind::Push
        } else {
            SiteKind::Jbe
        };
        assert_eq!(site.kind, kind, "{what}: {name}: {site:x?}");
    }
    let found = stripped.find(&["runtime.newproc.func1", "runtime.runqput"]);
    let [Some(caller), Some(callee)] = &found[..] else {
        panic!("{what}: {found:?}")
    };
    let calls = stripped.call_site(caller, callee);
    assert_eq!(calls.len(), 1, "{what}");
    assert_eq!(calls[0].kind, SiteKind::Call, "{what}");
    assert!(stripped.call_site(callee, caller).is_empty(), "{what}");
    let found = stripped.find(&["crypto/tls.(*Conn).Read", "runtime.memmove"]);
    let [Some(read), Some(memmove)] = &found[..] else {
        panic!("{what}: {found:?}")
    };
    let text = stripped.plaintext_site(read, memmove);
    // With the race detector nothing of it is inlined.
    let inlined = !matches!(mode, Mode::Arm64 | Mode::Race);
    assert_eq!(text.is_some(), inlined, "{what}");
}

fn roles(what: &str, stripped: &Binary) {
    let facts = stripped.facts();
    for role in [
        Role::Main,
        Role::GcWorker,
        Role::Sweeper,
        Role::Scavenger,
        Role::ForceGc,
        Role::Finalizer,
        Role::Sysmon,
        Role::HttpConnection,
        Role::HttpBackgroundRead,
        Role::HttpClientRead,
        Role::HttpClientWrite,
        Role::Http2ReadFrames,
        Role::Http2WriteFrame,
        Role::Http2Handler,
    ] {
        assert!(
            facts.roles.iter().any(|r| r.role == role),
            "{what}: no {role:?}"
        );
    }
    // `go c.serve(ctx)` and `go bgsweep(c)` pass arguments, so they start wrappers.
    for role in [Role::HttpConnection, Role::Sweeper, Role::Scavenger] {
        let entries: Vec<_> = facts.roles.iter().filter(|r| r.role == role).collect();
        assert_eq!(entries.len(), 2, "{what}: {entries:?}");
        assert!(
            entries[1].function.name.contains(".gowrap")
                || entries[1].function.name.contains(".func"),
            "{what}"
        );
        assert_eq!(facts.role(entries[1].function.entry), Some(role), "{what}");
    }
}

fn globals(what: &str, mode: Mode, twins: &Twins, full: &Binary, stripped: &Binary) {
    let found = full.globals();
    // The linker lays out anew what it strips: its twin has them elsewhere.
    if mode == Mode::LinkerStripped {
        let theirs = stripped.globals();
        assert!(
            theirs.all_goroutines.is_some() && theirs.collections.is_some(),
            "{what}"
        );
    } else {
        assert_eq!(stripped.globals(), found, "{what}");
    }
    if mode == Mode::Arm64 {
        assert_eq!(found, gostall_gobin::Globals::default(), "{what}");
        return;
    }
    let symbol =
        |name| truth::symbol(&twins.full, name).unwrap_or_else(|| panic!("{what}: {name}"));
    let goroutines = (symbol("runtime.allglen").0, symbol("runtime.allgptr").0);
    assert_eq!(found.all_goroutines, Some(goroutines), "{what}");
    let (memstats, size) = symbol("runtime.memstats");
    let collections = found.collections.unwrap_or_else(|| panic!("{what}: numgc"));
    assert!((memstats..memstats + size).contains(&collections), "{what}");
}

/// The same facts without section headers, and the version without build information.
fn without_help(what: &str, twins: &Twins, stripped: &Binary) {
    let mut data = fs::read(&twins.stripped).expect("the executable");
    data[40..48].fill(0); // e_shoff
    data[60..64].fill(0); // e_shnum, e_shstrndx
    let bare =
        Binary::from_bytes(data.clone()).unwrap_or_else(|e| panic!("{what}, no sections: {e}"));
    assert_eq!(bare.text(), stripped.text(), "{what}, no sections");
    assert_eq!(
        bare.has_inline_trees(),
        stripped.has_inline_trees(),
        "{what}, no sections"
    );
    assert_eq!(bare.version(), stripped.version(), "{what}, no sections");
    assert_eq!(
        bare.build_info(),
        stripped.build_info(),
        "{what}, no sections"
    );
    assert_eq!(bare.tls(), stripped.tls(), "{what}, no sections");
    assert!(
        bare.functions().eq(stripped.functions()),
        "{what}, no sections"
    );
    let magic = b"\xff Go buildinf:";
    let found: Vec<usize> = memchr::memmem::find_iter(&data, magic).collect();
    for at in found {
        data[at + 2] = b'X';
    }
    let unnamed =
        Binary::from_bytes(data).unwrap_or_else(|e| panic!("{what}, no build information: {e}"));
    assert_eq!(unnamed.build_info(), None, "{what}");
    assert_eq!(
        unnamed.version(),
        stripped.version(),
        "{what}, no build information"
    );
}

macro_rules! releases {
    ($($test:ident: $release:literal $minor:literal $($mode:ident)+;)+) => {
        $(#[test]
        fn $test() {
            check_release($release, $minor, &[$(Mode::$mode),+]);
        })+
    };
}

releases! {
    go1_19: "go1.19.13" 19 Static Cgo;
    go1_20: "go1.20.14" 20 LinkerStripped CgoPie;
    go1_21: "go1.21.13" 21 Pie Static;
    go1_22: "go1.22.12" 22 CgoStatic LinkerStripped;
    go1_23: "go1.23.9" 23 TrimPath Static;
    go1_24: "go1.24.11" 24 Arm64;
    go1_25: "go1.25.5" 25 CgoPie Race;
    go1_26: "go1.26.6" 26 Cgo Static;
    go1_27: "go1.27.3" 27 Pie LinkerStripped;
}

#[test]
fn the_machines_own() {
    let release = support::local_release();
    let minor = gostall_gobin::GoVersion::parse(&release)
        .expect("a release")
        .minor;
    check_release(&release, minor, &[Mode::Static, Mode::Arm64]);
}
