//! The facts of the hand-made executables: what each structure is for, in isolation.

#[path = "support/tiny.rs"]
mod tiny;

use gostall_gobin::{Binary, Kind, NoOffsets, NoTls, SiteKind, TlsG};
use tiny::{TEXT, Tiny};

#[test]
fn every_kind() {
    for tiny in Tiny::all() {
        let binary = Binary::from_bytes(tiny.build()).unwrap_or_else(|e| panic!("{tiny:?}: {e}"));
        assert_eq!(
            binary.kind(),
            if tiny.pie { Kind::Pie } else { Kind::Static },
            "{tiny:?}"
        );
        let version = if tiny.old { "go1.19.8" } else { "go1.26.5" };
        assert_eq!(
            binary.version().map(|v| v.raw).as_deref(),
            Some(version),
            "{tiny:?}"
        );
        assert_eq!(
            binary.build_info().and_then(|b| b.setting("CGO_ENABLED")),
            Some("0"),
            "{tiny:?}"
        );
        assert_eq!(binary.text(), Some(TEXT..TEXT + 192), "{tiny:?}");
        assert!(binary.has_inline_trees(), "{tiny:?}");
        let names: Vec<String> = binary.functions().map(|f| f.name).collect();
        assert_eq!(names.len(), 6, "{tiny:?}");
        let holds = |pc| binary.function_at(pc).map(|f| f.name);
        assert_eq!(
            holds(TEXT + 33).as_deref(),
            Some("runtime.main"),
            "{tiny:?}"
        );
        assert_eq!(
            (holds(TEXT - 1), holds(TEXT + 192)),
            (None, None),
            "{tiny:?}: outside the text"
        );
        let frames = binary.symbolizer().symbolize(TEXT + 4 * 32 + 8);
        let frames: Vec<_> = frames
            .iter()
            .map(|f| (&*f.function, &*f.file, f.line, f.inlined))
            .collect();
        let [inner, outer] = &frames[..] else {
            panic!("{tiny:?}: {frames:?}")
        };
        assert_eq!(
            *inner,
            ("main.inlined", "/src/main.go", 9, true),
            "{tiny:?}"
        );
        assert_eq!((outer.0, outer.3), ("main.main", false), "{tiny:?}");
        let found = binary.find(&["runtime.main", "runtime.runqput"]);
        let [Some(main), Some(runqput)] = &found[..] else {
            panic!("{tiny:?}: {found:?}")
        };
        assert_eq!(main.start_line, if tiny.old { 0 } else { 7 }, "{tiny:?}");
        let site = binary
            .entry_site(main)
            .unwrap_or_else(|| panic!("{tiny:?}"));
        let kind = if tiny.arm64 {
            SiteKind::Jbe
        } else {
            SiteKind::Push
        };
        assert_eq!(
            (site.kind, site.file_offset),
            (kind, 0x1000 + 32 + site.into),
            "{tiny:?}"
        );
        let callee = if tiny.arm64 {
            Some(main.entry + 12 + 16)
        } else {
            Some(runqput.entry)
        };
        let callee = gostall_gobin::Function {
            entry: callee.unwrap_or_default(),
            ..runqput.clone()
        };
        assert_eq!(binary.call_site(main, &callee).len(), 1, "{tiny:?}");
        let tls = if tiny.arm64 {
            Err(NoTls::RegisterOnly)
        } else {
            Ok(TlsG::Fixed(-8))
        };
        assert_eq!(binary.tls(), tls, "{tiny:?}");
        let only = binary.inlined_into(&["main.inlined"]);
        assert!(
            !only[0].own() && only[0].inlined_into[0].function.name == "main.main",
            "{tiny:?}"
        );
        assert_eq!(binary.has_dwarf(), tiny.sections, "{tiny:?}");
        let fields = binary.debug_fields();
        assert_eq!(fields.is_some(), tiny.sections, "{tiny:?}");
        let goid = fields.and_then(|f| f.into_iter().find(|(name, _)| *name == "g.goid")?.1);
        assert_eq!(goid, tiny.sections.then_some(152), "{tiny:?}");
        // The debug information names too few fields: the table knows.
        assert_eq!(binary.offsets().map(|o| o.g_goid), Ok(152), "{tiny:?}");
    }
}

/// Replaces the version in the build information by another of the same length.
fn with_version(version: &str) -> Binary {
    let mut data = Tiny::default().build();
    let old = b"go1.26.5";
    assert_eq!(version.len(), old.len());
    for at in 0..data.len() - 8 {
        if data[at..at + 8] == *old {
            data[at..at + 8].copy_from_slice(version.as_bytes());
        }
    }
    Binary::from_bytes(data).expect("an executable")
}

#[test]
fn unknown_releases_have_no_offsets() {
    assert!(with_version("go1.26.5").offsets().is_ok());
    assert!(matches!(
        with_version("go1.77.1").offsets(),
        Err(NoOffsets::TooNew { .. })
    ));
    assert!(matches!(
        with_version("go1.26.9").offsets().map(|o| o.g_goid),
        Ok(152)
    ));
    assert!(matches!(
        with_version("go1.26.z").offsets(),
        Err(NoOffsets::Modified(_))
    ));
    assert!(matches!(
        with_version("go1.27rc").offsets(),
        Err(NoOffsets::PreRelease(_))
    ));
    assert!(matches!(
        with_version("go1.9.99").offsets(),
        Err(NoOffsets::TooOld { .. })
    ));
    let newer_patch = with_version("go1.26.a");
    assert!(newer_patch.offsets().is_err());
    let version = gostall_gobin::GoVersion::parse("go1.25.99").expect("a version");
    let nearest = gostall_gobin::nearest_offsets(&version).expect("a row");
    assert!(
        nearest.source.to_string().contains("unverified"),
        "{}",
        nearest.source
    );
    assert_eq!(nearest.g_goid, 152);
}

#[test]
fn load_bias() {
    let binary = Binary::from_bytes(
        Tiny {
            pie: true,
            ..Tiny::default()
        }
        .build(),
    )
    .expect("an executable");
    // Text: offset 0x1000 at 0x401000.
    assert_eq!(
        binary.load_bias(0x5555_0000_1000, 0x1000),
        Some(0x5555_0000_1000 - 0x40_1000)
    );
    assert_eq!(binary.load_bias(0x5555_0000_1000, 0x10_0000), None);
}

#[test]
fn version_without_build_information() {
    for tiny in Tiny::all() {
        let mut data = tiny.build();
        let at = memchr::memmem::find(&data, b"buildinf").expect("build information");
        data[at] = b'B';
        let version = |data: &[u8]| {
            Binary::from_bytes(data.to_vec())
                .expect("an executable")
                .version()
                .map(|v| v.raw)
        };
        let expected = if tiny.old { "go1.19.8" } else { "go1.26.5" };
        assert_eq!(version(&data).as_deref(), Some(expected), "{tiny:?}");
        // Two different versions in the data are no answer: schedinit refers to neither here.
        if !tiny.pie {
            let header = (0x40_4000u64 + 33).to_le_bytes();
            let at = memchr::memmem::rfind(&data, &header).expect("the string's header");
            data[at - 32..at - 24].copy_from_slice(&(0x40_4000u64 + 34).to_le_bytes());
            data[at - 24..at - 16].copy_from_slice(&7u64.to_le_bytes());
            assert_eq!(
                version(&data).as_deref(),
                Some(expected),
                "{tiny:?}: `o1.26.5` is no version"
            );
            data[at - 32..at - 24].copy_from_slice(&(0x40_4000u64 + 33).to_le_bytes());
            assert_eq!(
                version(&data),
                None,
                "{tiny:?}: `{expected}` and the same less its last digit"
            );
        }
    }
}
