//! A cheap guess whether an executable is a Go program, for choosing among the holders of a port
//! and for hints in messages.
//!
//! It looks at the names of the ELF sections and at nothing else. What the program really is,
//! crate `gobin` says; a Go program whose section table was removed is not recognised here.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// Section names that only Go's linker writes; `strip` keeps the first two.
const GO_SECTIONS: [&[u8]; 3] = [b".go.buildinfo\0", b".gopclntab\0", b".note.go.buildid\0"];

/// More than any section name table of a real program (a large C++ one has some 100 KB).
const MAX_NAMES: u64 = 1 << 20;

/// Whether the 64-bit little-endian ELF file has a section as Go's linker makes them; `false` also
/// when it cannot be read.
#[must_use]
pub fn is_go_like(exe: &Path) -> bool {
    section_names(exe).is_some_and(|names| {
        GO_SECTIONS
            .iter()
            .any(|go| names.windows(go.len()).any(|w| w == *go))
    })
}

/// Whether the executable of a process [is a Go program's](is_go_like).
#[must_use]
pub fn is_go_process(pid: u32) -> bool {
    is_go_like(&crate::proc::path(pid, "exe"))
}

/// The contents of the section `.shstrtab`.
fn section_names(exe: &Path) -> Option<Vec<u8>> {
    let file = File::open(exe).ok()?;
    // Offsets of Elf64_Ehdr and Elf64_Shdr as in elf(5).
    let mut header = [0u8; 64];
    file.read_exact_at(&mut header, 0).ok()?;
    if !header.starts_with(b"\x7fELF\x02\x01") {
        return None;
    }
    let table = u64_at(&header, 40)?;
    let entry_size = u64::from(u16_at(&header, 58)?);
    let names_index = u64::from(u16_at(&header, 62)?);
    let mut entry = [0u8; 64];
    let at = table.checked_add(entry_size.checked_mul(names_index)?)?;
    file.read_exact_at(&mut entry, at).ok()?;
    let offset = u64_at(&entry, 24)?;
    let size = u64_at(&entry, 32)?.min(MAX_NAMES);
    let mut names = vec![0; usize::try_from(size).ok()?];
    file.read_exact_at(&mut names, offset).ok()?;
    Some(names)
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn a_rust_program_is_not_go() {
        let exe = Path::new("/proc/self/exe");
        assert!(section_names(exe).is_some_and(|n| !n.is_empty()));
        assert!(!is_go_like(exe));
    }

    #[test]
    fn damaged_files_are_not_go() {
        for bytes in [&b""[..], b"#!/bin/sh\n", b"\x7fELF\x02\x01", &{
            let mut h = [0xff; 64];
            h[..6].copy_from_slice(b"\x7fELF\x02\x01");
            h
        }] {
            let mut file = tempfile::NamedTempFile::new().unwrap();
            file.write_all(bytes).unwrap();
            assert!(!is_go_like(file.path()));
        }
        assert!(!is_go_like(Path::new("/nonexistent")));
    }
}
