//! Broken, mutated and random files: never a panic, never without end.

mod support;

use std::fs;
use std::ops::Range;
use std::time::{Duration, Instant};

use gostall_gobin::{Binary, Error};
use object::{Object, ObjectSection};
use proptest::prelude::*;
use support::{Mode, twins};

/// What a hostile file may cost. In a release build, real executables of this size take some 20 ms.
const LIMIT: Duration = Duration::from_secs(20);

/// Asks for everything.
fn exercise(data: Vec<u8>) {
    let started = Instant::now();
    if let Ok(binary) = Binary::from_bytes(data) {
        let facts = binary.facts();
        let names = [
            "runtime.main",
            "main.outer",
            "runtime.newproc.func1",
            "runtime.runqput",
        ];
        let presence = binary.inlined_into(&names);
        let mut symbolizer = binary.symbolizer();
        for p in &presence {
            if let Some(f) = &p.function {
                let _ = binary.entry_site(f);
                let _ = binary.call_site(f, f);
                let _ = symbolizer.symbolize(f.entry);
                let _ = symbolizer.symbolize_return(f.end);
            }
        }
        for f in binary.functions().step_by(997) {
            let _ = symbolizer.symbolize(f.entry.wrapping_add(5));
            let _ = binary.file_offset(f.entry).and_then(|o| binary.vaddr(o));
        }
        let _ = binary.load_bias(0x7f00_0000_0000, 0x1000);
        drop(facts);
    }
    assert!(started.elapsed() < LIMIT, "took {:?}", started.elapsed());
}

/// Parts of a file that everything hangs on: mutations elsewhere mostly hit code.
fn sensitive(data: &[u8]) -> Vec<Range<usize>> {
    let mut parts = vec![
        0..4096.min(data.len()),
        data.len().saturating_sub(4096)..data.len(),
    ];
    for magic in [
        &b"\xf1\xff\xff\xff\0\0\x01\x08"[..],
        b"\xf0\xff\xff\xff\0\0\x01\x08",
        b"\xff Go buildinf:",
    ] {
        parts.extend(memchr::memmem::find(data, magic).map(|at| at..(at + 512).min(data.len())));
    }
    let file = object::File::parse(data).expect("an ELF file");
    for name in [
        ".debug_info",
        ".debug_abbrev",
        ".symtab",
        ".rela",
        ".dynamic",
        ".go.module",
    ] {
        let range = file.section_by_name(name).and_then(|s| s.file_range());
        parts.extend(
            range
                .map(|(at, len)| at as usize..at as usize + len.min(512) as usize)
                .filter(|r| !r.is_empty()),
        );
    }
    parts
}

fn seeds() -> Vec<(Vec<u8>, Vec<Range<usize>>)> {
    let old = twins("go1.19.13", Mode::Static);
    let new = twins("go1.27.3", Mode::Pie);
    [old.stripped, new.stripped, new.full]
        .into_iter()
        .map(|path| {
            let data = fs::read(path).expect("the executable");
            let parts = sensitive(&data);
            (data, parts)
        })
        .collect()
}

#[test]
fn mutated_executables() {
    let seeds = seeds();
    let edit = (
        any::<prop::sample::Index>(),
        any::<prop::sample::Index>(),
        any::<prop::sample::Index>(),
        any::<u64>(),
    );
    let strategy = (
        0..seeds.len(),
        prop::collection::vec(edit, 1..6),
        prop::option::weighted(0.2, any::<prop::sample::Index>()),
    );
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig {
        cases: 150,
        failure_persistence: None,
        ..ProptestConfig::default()
    });
    runner
        .run(&strategy, |(seed, edits, cut)| {
            let (data, parts) = &seeds[seed];
            let mut data = data.clone();
            for (part, at, len, value) in edits {
                let part = part.get(parts).clone();
                let at = part.start + at.index(part.len());
                let len = 1 + len.index(8);
                for (byte, new) in data[at..].iter_mut().zip(value.to_le_bytes()).take(len) {
                    *byte = new;
                }
            }
            if let Some(cut) = cut {
                data.truncate(cut.index(data.len()));
            }
            exercise(data);
            Ok(())
        })
        .unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_bytes(mut data in prop::collection::vec(any::<u8>(), 0..4096), elf in any::<bool>()) {
        if elf && data.len() > 20 {
            data[..8].copy_from_slice(b"\x7fELF\x02\x01\x01\0");
            data[16..20].copy_from_slice(&[2, 0, 62, 0]);
        }
        exercise(data);
    }
}

fn error(data: &[u8]) -> Error {
    match Binary::from_bytes(data.to_vec()) {
        Ok(_) => panic!("read"),
        Err(error) => error,
    }
}

#[test]
fn what_is_wrong_is_said() {
    assert!(matches!(error(b""), Error::NotElf));
    assert!(matches!(error(b"#!/bin/sh\n"), Error::NotElf));
    assert!(matches!(error(b"\x7fELF\x01\x01\x01"), Error::Not64Bit));
    assert!(matches!(
        error(b"\x7fELF\x02\x02\x01"),
        Error::WrongMachine(_)
    ));
    assert!(matches!(
        error(b"\x7fELF\x02\x01\x01"),
        Error::Truncated { .. }
    ));
    let (data, _) = seeds().swap_remove(0);
    let cut = error(&data[..data.len() / 2]);
    assert!(
        matches!(cut, Error::Truncated { .. }) && cut.to_string().contains("complete"),
        "{cut}"
    );
    let mut riscv = data.clone();
    riscv[18] = 243;
    assert!(matches!(error(&riscv), Error::WrongMachine(_)));
    let mut old = data.clone();
    let at =
        memchr::memmem::find(&data, b"\xf0\xff\xff\xff\0\0\x01\x08").expect("the function table");
    old[at] = 0xfb;
    assert!(
        matches!(error(&old), Error::TooOld("1.2 to 1.15")),
        "{}",
        error(&old)
    );
    old[at..at + 4].copy_from_slice(b"gone");
    assert!(
        matches!(error(&old), Error::Corrupt { .. }),
        "{}",
        error(&old)
    );
}

#[test]
fn other_peoples_executables() {
    // The C library's own programs are not Go's.
    let not_go = Binary::open("/bin/true").err().expect("not a Go program");
    assert!(matches!(not_go, Error::NotGo), "{not_go}");
    let mut packed = fs::read("/bin/true").expect("/bin/true");
    packed[0x300..0x304].copy_from_slice(b"UPX!");
    let packed = Binary::from_bytes(packed).err().expect("packed");
    assert!(packed.to_string().contains("upx -d"), "{packed}");
    let missing = Binary::open("/no/such/file").err().expect("missing");
    assert!(missing.to_string().contains("/no/such/file"), "{missing}");
}
